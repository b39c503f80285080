/**
 * Which application services are interested in what happens in a room: by its id, by its aliases, by the users of theirs who are in it.
 *
 * How many users of each service are joined to a room is kept in memory, as of a position of the stream, and follows the stream event by
 * event. So an event costs no look at the room's members, but for the first one of a room since the start.
 * Spec: application-service API, "Registration"
 */
#ifndef BELFRY_APPSERVICES_AS_INTEREST_H
#define BELFRY_APPSERVICES_AS_INTEREST_H

#include "appservices/registry.h"
#include "storage/appservice_queue.h"

struct as_interest;

struct as_interest *as_interest_create(struct homeserver *hs);
void as_interest_destroy(struct as_interest *interest);

/** Whether anything is sent to a service. */
static inline bool as_is_listening(const struct appservice *service)
{
	return service->reg.url.p != NULL;
}

/** A piece of the stream that is being walked; in the ctx's arena. */
struct as_walk;

/** By an event, with whom the users of a service share a room, and no more. */
struct as_crossing {
	bool came; /**< somebody joined a room with users of the service */
	bool
		all_came; /**< they are with everybody in the room now, or with some that the event does not name */
	bool went;     /**< somebody left such a room */
	bool all_went; /**< none of them is in the room any more */
};

/**
 * Begins to walk at a position, through events of some rooms. One walk at a time.
 * Errors: STORE. Cost: none when the rooms are known, but one round trip where a service has a namespace of aliases; else one more, which grows
 * with the rooms' members
 */
MUST_CHECK enum err as_walk_begin(struct ctx *ctx, struct as_interest *interest,
	const struct appservice_set *set, int64_t after, const int64_t *room_nids, size_t count,
	struct as_walk **out);
/**
 * The next event, in order. Errors: STORE. Cost: none, but after members changed by events that met on a fork
 * @param out_wants     out_wants[i] belongs to set->items[i]
 * @param out_crossing  the same
 */
MUST_CHECK enum err as_walk_event(struct as_walk *walk, const struct appservice_event *event,
	bool *out_wants, struct as_crossing *out_crossing);
/** Ends it: memory is as of this position now. A walk that is not ended so is forgotten. */
void as_walk_end(struct as_walk *walk, int64_t reached);
/** The position was not reached after all. */
void as_interest_forget(struct as_interest *interest);

/**
 * Who is interested in rooms as they are where the last walk ended, for what is no event. Any thread.
 * Errors: STORE. Cost: as as_walk_begin()
 * @param room_ids   room_ids[i] belongs to room_nids[i]; NULL: only by users who are in them
 * @param out_wants  out_wants[i * set->count + k]: room i, set->items[k]; in the ctx's arena
 */
MUST_CHECK enum err as_interest_now(struct ctx *ctx, struct as_interest *interest,
	const struct appservice_set *set, const int64_t *room_nids, const struct str *room_ids,
	size_t count, bool **out_wants);

/**
 * The same of users: the services whose users they are, and those who share rooms with them by users of theirs.
 * Errors: STORE. Cost: one round trip besides that of the rooms
 * @param out_wants  out_wants[i * set->count + k]: user i, set->items[k]; in the ctx's arena
 */
MUST_CHECK enum err as_interest_in_users(struct ctx *ctx, struct as_interest *interest,
	const struct appservice_set *set, const struct str *user_ids, size_t count, bool **out_wants);
/** Whether a user is one of a service that is sent something. */
bool as_has_user(const struct appservice *service, struct str user_id);

#endif
