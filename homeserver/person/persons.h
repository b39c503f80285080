/**
 * What belongs to one person rather than to a room: the face of the domain. Profile, account data (tags among it), stored
 * filters; push rules are in push/.
 *
 * Account data is written through the writer and takes a stream position, so that every device of the user hears of it in
 * order with the rooms. A sync of a user to whom nothing happened asks the database nothing: user_own_position() says so.
 */
#ifndef BELFRY_HOMESERVER_PERSON_PERSONS_H
#define BELFRY_HOMESERVER_PERSON_PERSONS_H

#include "base/refc.h"
#include "homeserver/person/profile.h"
#include "homeserver/user/users.h"
#include "matrix/filter.h"

struct persons *persons_create(void);
void persons_destroy(struct persons *persons);

/* --- account data -------------------------------------------------------------------------------- */

struct account_data_item {
	int64_t room_nid; /**< 0: of the account as a whole */
	struct str type;
	struct str content; /**< JSON object */
	int64_t
		position; /**< of its newest change; 0: the predefined push rules, which never changed */
};

/**
 * Account data that changed after one position and up to another, in order of change; global or of one room.
 *
 * @param room_nid  0: global
 * @param after     0: all there is; of the global data this has m.push_rules always
 * @param out       in the ctx's arena
 * Errors: STORE     Cost: one round trip, none when nothing of the user's own changed after `after`.
 */
MUST_CHECK enum err account_data_changes(struct ctx *ctx, struct homeserver *hs, struct user *user,
	int64_t room_nid, int64_t after, int64_t up_to, struct account_data_item **out,
	size_t *out_count);

/** The same for all rooms at once, in order of change. */
MUST_CHECK enum err account_data_rooms_changed(struct ctx *ctx, struct homeserver *hs,
	struct user *user, int64_t after, int64_t up_to, struct account_data_item **out,
	size_t *out_count);

/** Writes them as clients get them: an array of events, as a value. */
void account_data_write(const struct account_data_item *items, size_t count, struct json_out *out);

/**
 * Sets one piece and returns after the commit. Does not look at who may set the type.
 *
 * @param room_nid  0: global
 * @param content   JSON object; lives until the call returns
 * Errors: STORE; SHUTDOWN
 */
MUST_CHECK enum err account_data_put(struct ctx *ctx, struct homeserver *hs, struct str user_id,
	int64_t room_nid, struct str type, struct str content);

/**
 * Gives a room the tags of another, unless it ever had tags of its own. Errors: STORE; SHUTDOWN
 * Cost: one round trip; two and the shared group when there is something to copy.
 */
MUST_CHECK enum err tags_copy(struct ctx *ctx, struct homeserver *hs, struct str user_id,
	int64_t from_nid, int64_t to_nid);

/**
 * User ids of m.ignored_user_list, in no order; in the ctx's arena.
 * Errors: STORE     Cost: none but for the first time.
 */
MUST_CHECK enum err ignored_users(struct ctx *ctx, struct homeserver *hs, struct user *user,
	struct str **out, size_t *out_count);
/** Whether a local user ignores another. Errors and cost: as ignored_users(); one round trip when the user is not active. */
MUST_CHECK enum err user_ignores(struct ctx *ctx, struct homeserver *hs, struct str user_id,
	struct str other_id, bool *out);

/* --- filters -------------------------------------------------------------------------------------- */

/** A parsed filter; immutable. */
struct shared_filter {
	struct refc refc;
	struct arena *arena;   /**< its own */
	struct str definition; /**< JSON object; canonical when it was stored */
	struct filter filter;
};
/** NULL does nothing. */
void shared_filter_unref(struct shared_filter *filter);

/**
 * A stored filter.
 *
 * @param filter_id  as the client names it
 * @param out        with a reference for the caller
 * Errors: MISSING M_NOT_FOUND when the user has no such filter; STORE     Cost: none but for the first time.
 */
MUST_CHECK enum err filter_load(struct ctx *ctx, struct homeserver *hs, struct str user_id,
	struct str filter_id, struct shared_filter **out);

/**
 * A filter as a query parameter names it: the id of a stored one, a definition written out, or nothing for the filter that
 * lets everything pass.
 * Errors: as filter_load(); INPUT M_TOO_LARGE, M_NOT_JSON, M_BAD_JSON for a definition
 */
MUST_CHECK enum err filter_load_named(struct ctx *ctx, struct homeserver *hs, struct str user_id,
	struct str name, struct shared_filter **out);

#endif
