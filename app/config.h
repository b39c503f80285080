/**
 * The options of the server: reading them, and turning them into what each layer wants.
 */
#ifndef BELFRY_APP_CONFIG_H
#define BELFRY_APP_CONFIG_H

#include "base/conf.h"
#include "homeserver/settings.h"
#include "http/client.h"
#include "http/server.h"
#include "storage/db.h"

/** Where options come from; later ones win: defaults, file, assignments. */
struct config_sources {
	const char *file;               /**< NULL: none */
	const char *const *assignments; /**< "key=value" */
	size_t assignment_count;
};

/** All options, and how many. Static. */
const struct conf_row *config_rows(size_t *out_count);

/**
 * Reads and checks everything that can be checked without the machine.
 * Errors: INPUT naming file and line, or key; MISSING, STORE from reading the file.
 * @param out  in the arena
 */
MUST_CHECK enum err config_read(struct ctx *ctx, const struct config_sources *sources,
	struct conf **out);

/**
 * Whether a name for this server is one that the specification advises against: allowed, but to others `School.example` is another server than
 * `school.example`, and people and DNS take them for the same.
 * Spec: appendices, "Server Name"
 */
MUST_CHECK bool config_name_has_capitals(struct arena *arena, struct str server_name);

/** What the domains read; `server_name` is left as it is written (may be empty). Borrowed from the conf's arena. */
void config_to_settings(const struct conf *conf, struct settings *out);

/** Listeners, limits, rates; without ports. Borrowed from the conf's arena. */
void config_to_http(const struct conf *conf, struct arena *arena, struct http_config *out);

/** Where it listens, how, and who can reach that, for people: "*:8008, plain HTTP, open to …". In the arena. */
struct str config_listener_text(struct arena *arena, const struct http_listen *listen);

/** Without user agent; lists are made in the arena. */
void config_to_http_client(const struct conf *conf, struct arena *arena,
	struct http_client_config *out);

/** Pool and time limits; `url` as configured (may be empty). */
void config_to_db(const struct conf *conf, struct db_config *out);

#endif
