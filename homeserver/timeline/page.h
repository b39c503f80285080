/**
 * Reading a room's history and members, for local users.
 * Spec: client-server API, "Getting events for a room", "Event Context"
 */
#ifndef BELFRY_HOMESERVER_TIMELINE_PAGE_H
#define BELFRY_HOMESERVER_TIMELINE_PAGE_H

#include "homeserver/timeline/timeline.h"

enum { PAGE_DEFAULT_LIMIT = 10, PAGE_MAX_LIMIT = 500 };

/** What /messages was asked. */
struct page_ask {
	const struct principal *who;
	struct str room_id;
	bool is_backwards;
	bool has_from, has_to;
	struct token from, to;
	size_t limit;
	const struct event_filter *filter;
};
/**
 * Whether the user may read the room at all: said before anything that is wrong with the rest of the request.
 * Errors: DENIED M_FORBIDDEN; STORE
 */
MUST_CHECK enum err page_may_read(struct ctx *ctx, struct homeserver *hs,
	const struct page_ask *ask);
/**
 * Writes the answer: {"chunk":…,"start":…,"end":…,"state":…}.
 * Errors: DENIED M_FORBIDDEN; STORE. Nothing is written then.
 */
MUST_CHECK enum err page_messages(struct ctx *ctx, struct homeserver *hs,
	const struct page_ask *ask, struct json_out *out);

/** What /context was asked; `from` and `to` of the ask are not used. Errors: MISSING M_NOT_FOUND; STORE */
MUST_CHECK enum err page_context(struct ctx *ctx, struct homeserver *hs, const struct page_ask *ask,
	struct str event_id, struct json_out *out);

/** One event. Errors: MISSING M_NOT_FOUND, also when the user may not see it; STORE */
MUST_CHECK enum err page_event(struct ctx *ctx, struct homeserver *hs, const struct principal *who,
	struct str room_id, struct str event_id, struct json_out *out);
/** The same for an event of any room. Errors: MISSING M_NOT_FOUND, also when the user may not see it; STORE */
MUST_CHECK enum err page_event_by_id(struct ctx *ctx, struct homeserver *hs,
	const struct principal *who, struct str event_id, struct json_out *out);

/**
 * All state of a room, an array: what is for members, what was for who has left.
 * Errors: DENIED M_FORBIDDEN; STORE
 */
MUST_CHECK enum err page_state(struct ctx *ctx, struct homeserver *hs, const struct principal *who,
	struct str room_id, struct json_out *out);

/** What /members was asked. */
struct members_ask {
	const struct principal *who;
	struct str room_id;
	bool has_at;
	struct token at;
	struct str membership;     /**< p == NULL: not given */
	struct str not_membership; /**< p == NULL: not given */
};
/** Errors: DENIED M_FORBIDDEN; STORE */
MUST_CHECK enum err page_members(struct ctx *ctx, struct homeserver *hs,
	const struct members_ask *ask, struct json_out *out);
/** Errors: DENIED M_FORBIDDEN; STORE */
MUST_CHECK enum err page_joined_members(struct ctx *ctx, struct homeserver *hs,
	const struct principal *who, struct str room_id, struct json_out *out);
/** Errors: STORE */
MUST_CHECK enum err page_joined_rooms(struct ctx *ctx, struct homeserver *hs,
	const struct principal *who, struct json_out *out);

#endif
