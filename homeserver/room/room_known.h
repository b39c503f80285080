/**
 * Looking up events of a room, whatever became of them. Inner to room/.
 */
#ifndef BELFRY_HOMESERVER_ROOM_ROOM_KNOWN_H
#define BELFRY_HOMESERVER_ROOM_ROOM_KNOWN_H

#include "homeserver/room/room.h"
#include "homeserver/room/room_accept.h"

/** A stored row as an event, kept in the cache. @param redactions  room_redactions() before it was read */
struct stored_event *room_load_row(struct ctx *ctx, struct homeserver *hs, struct room *room,
	const struct event_row *row, int64_t redactions);
/** What was read of a timeline. */
struct timeline_rows {
	const struct event_row *p;
	size_t n;
	int64_t redactions; /**< room_redactions() before they were read */
	bool is_reversed;   /**< the last one comes first */
};
/** Up to `limit` of them as a timeline, of which one more was read. What is in memory already is left as it is. */
void room_take_rows(struct ctx *ctx, struct homeserver *hs, struct room *room,
	const struct timeline_rows *rows, size_t limit, struct timeline *out);
/** room_timeline() for a span, whose room is set here. Errors: STORE */
MUST_CHECK enum err room_read_timeline(struct ctx *ctx, struct homeserver *hs, struct room *room,
	const struct event_span *ask, struct timeline *out);

/**
 * room_known_events() without asking the database for some ids.
 * @param absent  ids that it did not have a moment ago (value: anything); NULL: none
 */
MUST_CHECK enum err room_known_events_but(struct ctx *ctx, struct homeserver *hs, struct room *room,
	const struct event_id *ids, size_t count, const struct map *absent, struct known_event *out);

/**
 * room_accept_outliers(), and what is known of these events then; known[i] belongs to events[i]. What was stored by this call is not read
 * back: it is the event that was given, without `stored`.
 */
MUST_CHECK enum err room_know_outliers(struct ctx *ctx, struct homeserver *hs, struct room *room,
	const struct event *const *events, size_t count, struct room_outcome *out,
	struct known_event *known);

/** Whether an event is not in the timeline, but may come into it. */
bool room_may_come(const struct known_event *known, struct event_id id);

/** Events, with what is known of each. */
struct known_list {
	const struct event_id *ids;
	const struct known_event *known;
	size_t n;
};
/**
 * What events stand on by way of those that were set aside, each once: as these are not in the timeline, what is before them is before
 * what stands on them. As far as is looked back. Errors: STORE.
 * Cost: one round trip for each step back that is not in memory, usually none
 */
MUST_CHECK enum err room_behind_aside(struct ctx *ctx, struct homeserver *hs, struct room *room,
	const struct known_event *known, size_t count, struct known_list *out);

#endif
