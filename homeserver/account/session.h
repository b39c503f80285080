/**
 * The `sessions` service: who an access token belongs to.
 *
 * Sessions that are in use are kept in memory, so that a request is authenticated on the I/O thread without the
 * database. Whoever ends a session or changes an account calls sessions_forget_… after the change was committed; then all other
 * processes have forgotten them too. What commands change is noticed by sessions_tidy().
 * Spec: client-server API, "Using access tokens", "Soft logout", "Account locking"
 */
#ifndef BELFRY_HOMESERVER_ACCOUNT_SESSION_H
#define BELFRY_HOMESERVER_ACCOUNT_SESSION_H

#include "homeserver/homeserver.h"

enum {
	ADDRESS_TEXT_BYTES = 48,     /**< longest text of an IP address, with a NUL */
	USER_AGENT_TEXT_BYTES = 128, /**< what is kept of a User-Agent header, with a NUL */
	SESSIONS_MEMORY_BYTES =
		8 << 20, /**< of all sessions in memory; the least recently used go first */
	SESSIONS_TIDY_INTERVAL_MS = 2000, /**< how often the housekeeper should call sessions_tidy() */
};

struct sessions *sessions_create(struct homeserver *hs);
void sessions_destroy(struct sessions *sessions);

/**
 * The port http_ports.authenticate for all routes but those of AUTH_SERVER; `hs` is its `self`.
 *
 * The token comes from "Authorization: Bearer", or else from ?access_token=. Sets the principal (struct principal).
 * Where the route's authentication is optional, no token means no principal.
 *
 * Errors: DEFER when the database has to be asked and the call may not wait; DENIED 401 M_MISSING_TOKEN; 401 M_UNKNOWN_TOKEN (with soft_logout when the token expired); 401 M_USER_LOCKED
 * with soft_logout but on log-out; 403 M_GUEST_ACCESS_FORBIDDEN; 403 M_FORBIDDEN for no administrator; 403 M_CONSENT_NOT_GIVEN (consent.h); STORE;
 * of an application service's token as masquerade_read() and masquerade_load()
 * Cost: a hash and a short lock, twice for application services; one round trip when the session is not in memory (two for theirs),
 * or, once a second, when it would be refused for terms that were not accepted; another when its user is told of new ones.
 */
MUST_CHECK enum err sessions_authenticate(struct homeserver *hs, struct call *call);

/**
 * Refuses a token: 401.
 * @param soft  the session is there still: the client keeps what it has, and refreshes or logs in again ("soft_logout")
 */
enum err sessions_refuse(struct ctx *ctx, const char *errcode, const char *text, bool soft);

/** The port http_ports.rate_key: the address (of IPv6 its /64) for log-in and registration, else the user, else the address. */
struct str sessions_rate_key(struct homeserver *hs, struct call *call);

/**
 * Sessions of one device, or all of a user, have ended or changed: forgotten, their waiting requests woken, here and at other processes. Called whatever came
 * of the change: where the answer to a commit is lost, it may have been done.
 * Cost: nothing but memory where there is one process; else as writer_tell_all().
 */
void sessions_forget_device(struct homeserver *hs, struct str user_id, struct str device_id);
void sessions_forget_user(struct homeserver *hs, struct str user_id);

/** Another process may have ended any. Nobody is woken. */
void sessions_forget_all(struct homeserver *hs);
/** One of several processes ended some: a line of NEWS_SESSION. Writer's thread. */
void sessions_heard(struct homeserver *hs, struct str line);

/**
 * The application service whose token a request has, for routes that anybody may use.
 * @param out  in the call's arena
 * Errors: DENIED 401 M_MISSING_TOKEN, M_UNKNOWN_TOKEN (also a user's)
 */
MUST_CHECK enum err sessions_appservice(struct homeserver *hs, struct call *call,
	struct appservice_view *out);

/** When, from where and by what a device was last seen, if that is newer than what the database has. */
struct last_seen {
	int64_t at_ms;
	char address[ADDRESS_TEXT_BYTES];       /**< NUL-terminated */
	char user_agent[USER_AGENT_TEXT_BYTES]; /**< NUL-terminated; empty: the client does not say */
};
/** The request's User-Agent as far as it is kept: printable ASCII; p == NULL: none. */
struct str session_user_agent(struct call *call);

/** What a request shows of its sender. */
struct last_seen session_seen_of(const struct homeserver *hs, struct call *call);

/**
 * The device that asks came back with the token of a sync's answer: it has all that was before that position. Written with what
 * it was last seen. From memory: a short lock.
 */
void sessions_note_synced(struct homeserver *hs, struct call *call, int64_t position);

/** @return false when nothing about the device is in memory; all that is newer than the database is */
bool sessions_last_seen(struct homeserver *hs, struct str user_id, struct str device_id,
	struct last_seen *out);

/**
 * For the housekeeper, every SESSIONS_TIDY_INTERVAL_MS: forgets sessions when another process ended some, writes what
 * devices were last seen (once a minute), takes deactivated users out of their rooms, and deletes what is long over.
 * Failures are logged; a later call tries again. One thread only.
 * Cost: one small query while any session is in memory, else nothing.
 */
void sessions_tidy(struct ctx *ctx, struct homeserver *hs);
/** Writes what devices were last seen, and how far they have synced. Errors: STORE. Cost: nothing, or one round trip for each 500 of them. */
MUST_CHECK enum err sessions_flush(struct ctx *ctx, struct homeserver *hs);

struct nonces;
/** The nonces of the shared-secret registration; they live as long as the service. */
struct nonces *sessions_nonces(struct sessions *sessions);

#endif
