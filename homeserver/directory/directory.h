/**
 * The directories: people, published rooms; rooms that two people share.
 * Spec: client-server API, "User Directory", "Published room directory", "Mutual Rooms"
 */
#ifndef BELFRY_HOMESERVER_DIRECTORY_DIRECTORY_H
#define BELFRY_HOMESERVER_DIRECTORY_DIRECTORY_H

#include "homeserver/homeserver.h"
#include "storage/directory.h"

/** The stream consumer that fills the directories; another number makes them anew (see TERMS_VERSION). */
#define DIRECTORY_CONSUMER "directory_1"

/** A round of the consumer, see homeserver/consumer.h; moves its position itself. */
enum err directory_index_run(struct ctx *ctx, struct homeserver *hs, void *self, int64_t after,
	int64_t up_to, int64_t *out_reached);

/**
 * Brings the names of local accounts up to date whose profile or account has changed. One round trip when there are none, else
 * two more for each 200.
 */
MUST_CHECK enum err directory_refresh_users(struct ctx *ctx, struct homeserver *hs);

enum {
	DIRECTORY_TERM_MAX_BYTES = 500,
	DIRECTORY_USERS_DEFAULT = 10,
	DIRECTORY_USERS_MAX = 100,
	DIRECTORY_ROOMS_DEFAULT = 100,
	DIRECTORY_ROOMS_MAX = 500,
};

/**
 * Users whom the asking one may know of. Writes {"results":[…],"limited":…}.
 * Errors: STORE. Cost: 2 round trips.
 */
MUST_CHECK enum err directory_search_users(struct ctx *ctx, struct homeserver *hs,
	struct str user_id, struct str term, size_t limit, struct json_out *out);

struct public_rooms_ask {
	struct str since; /**< token; p == NULL: from the beginning */
	size_t limit;
	struct str term;         /**< p == NULL: all rooms */
	const struct str *types; /**< NULL: any; an empty text stands for rooms without type */
	size_t type_count;
	struct directory_network network; /**< whose list; appservice_id.p == NULL: this server's */
	bool has_all_networks;            /**< those of all networks besides */
};
/** What a GET asks by its query. Errors: INPUT M_INVALID_PARAM */
MUST_CHECK enum err public_rooms_read_query(struct call *call, struct public_rooms_ask *out);
/** What a POST asks by its body; texts view it. Errors: INPUT M_BAD_JSON, M_INVALID_PARAM */
MUST_CHECK enum err public_rooms_read_body(struct call *call, const struct json *body,
	struct public_rooms_ask *out);
/** A page of this server's published rooms. Errors: INPUT M_INVALID_PARAM (since); STORE. Cost: 1 round trip. */
MUST_CHECK enum err public_rooms_list(struct ctx *ctx, struct homeserver *hs,
	const struct public_rooms_ask *ask, struct json_out *out);

/**
 * Whether a room is published. One that is not looks as if there were none to who has nothing to do with it.
 * @param who  NULL: somebody without account
 * Errors: MISSING M_NOT_FOUND; STORE
 */
MUST_CHECK enum err public_rooms_get(struct ctx *ctx, struct homeserver *hs,
	const struct principal *who, struct str room_id, bool *out_is_published);
/**
 * Publishes a room or takes it out: who may change its canonical alias, and administrators.
 * Errors: MISSING M_NOT_FOUND, also for who may not know of the room; DENIED M_FORBIDDEN; STORE
 */
MUST_CHECK enum err public_rooms_set(struct ctx *ctx, struct homeserver *hs,
	const struct principal *who, struct str room_id, bool is_published);

/** Rooms that two users are joined to. Writes {"joined":[…],"count":…}. Errors: INPUT M_INVALID_PARAM; STORE */
MUST_CHECK enum err mutual_rooms_list(struct ctx *ctx, struct homeserver *hs, struct str user_id,
	struct str other, struct str from, struct json_out *out);

#endif
