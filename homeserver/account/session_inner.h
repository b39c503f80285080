/**
 * What the files of sessions share; not for others.
 */
#ifndef BELFRY_HOMESERVER_ACCOUNT_SESSION_INNER_H
#define BELFRY_HOMESERVER_ACCOUNT_SESSION_INNER_H

#include "base/refc.h"
#include "homeserver/account/session.h"
#include "storage/token.h"

struct session {
	struct refc refc; /* one for the table, one for each request that it authenticated */
	/* Never changed: */
	char key[SHA256_BYTES];
	struct principal principal; /* its texts are the session's */
	enum account_state state;
	int64_t expires_at_ms;
	int64_t read_mono_ms;   /* when it came from the database */
	atomic_bool is_dropped; /* out of the table: ended, changed, or put away */
	/* Guarded by the lock of struct sessions: */
	struct session *newer, *older;             /* in order of coming, and of their last look */
	bool is_used;                              /* found since it came, or since its last look */
	struct session *user_next, *user_previous; /* of the same user */
	struct last_seen seen;
	int64_t synced_position; /* its client has all up to here */
	int64_t stored_seen_ms;  /* what the database has, as far as we know */
	int64_t stored_synced_position;
};

/** Whose principal it is. */
static inline struct session *session_of(struct principal *principal)
{
	return CONTAINER_OF(principal, struct session, principal);
}

/** Of a row; with a reference for the caller. @param key  of SHA256_BYTES, by which it is found; copied */
struct session *session_create(const struct homeserver *hs, struct str key,
	const struct token_row *row);
void session_unref(struct session *session);

/** The session of a key, seen now, with a reference; NULL when it is not in memory. */
struct session *session_find(struct homeserver *hs, struct call *call, struct str key);

/** The same for one whose key it is, and which the caller has. @return false when it has to be looked up all the same */
MUST_CHECK bool session_find_again(struct homeserver *hs, struct call *call,
	struct session *session);

/** Grows with everything that may end sessions. */
uint64_t sessions_generation(struct sessions *sessions);
/** Puts a session that was read at a generation into memory, unless it may have ended since. */
void session_keep(struct homeserver *hs, struct call *call, struct session *session,
	uint64_t generation);

#endif
