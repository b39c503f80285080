/**
 * The services, made in order and tied together, and destroyed in reverse. The only place that knows them all.
 */
#ifndef BELFRY_APP_WIRE_H
#define BELFRY_APP_WIRE_H

#include "app/config.h"
#include "homeserver/homeserver.h"

struct wire_config {
	const struct conf *conf;         /**< borrowed until the destruction */
	const struct settings *settings; /**< copied; its texts are borrowed */
	struct event_signer signer;      /**< borrowed */
	const struct old_key *old_keys;  /**< borrowed */
	size_t old_key_count;
	const unsigned char *secrets_key; /**< SEAL_KEY_BYTES, copied */
	struct str database_url;
	const char *data_folder; /**< absolute; borrowed for the call */
};

struct wire;

/** Makes the services, and starts those that have threads; nothing listens yet. NULL (logged) when the database went away: nothing is left but to end. */
struct wire *wire_create(const struct wire_config *config);

/** Opens the listeners. Errors: as http_server_start(). */
MUST_CHECK enum err wire_start(struct ctx *ctx, struct wire *wire);

/** Port of the first listener, once started. */
uint16_t wire_port(const struct wire *wire);

/** What the domains share; of the wire, borrowed until wire_destroy(). */
struct homeserver *wire_homeserver(struct wire *wire);

/** Looks whether the certificate has changed; now and then, and when asked to by SIGHUP. */
void wire_reload_tls(struct wire *wire);

/** From now on /health says 503, as it does when the database is away; everything else goes on. */
void wire_drain(struct wire *wire);

/** Accounts were changed by another process. */
void wire_poke(struct wire *wire);

/**
 * Answers what is under way, ends all threads, frees everything.
 * @return false when a handler does not end: then nothing more is freed, and the process should end
 */
MUST_CHECK bool wire_destroy(struct wire *wire);

#endif
