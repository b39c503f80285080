/**
 * Which of the events outside of a room's timeline are given up when there are too many: a function of what is known.
 */
#ifndef BELFRY_HOMESERVER_ROOM_ROOM_ASIDE_PLAN_H
#define BELFRY_HOMESERVER_ROOM_ROOM_ASIDE_PLAN_H

#include "base/arena.h"
#include "matrix/id.h"

/** One of them. */
struct aside_event {
	struct str id;
	int64_t bytes;
	bool is_held; /**< something that is never given up rests on it */
	/** Without these it is worth nothing: its auth events, and what the state after it consists of. Others than these do no harm. */
	const struct str *rests_on;
	size_t rests_on_n;
	const struct event_id *follows; /**< its prev_events */
	size_t follow_n;
};

/** What may be kept of those that are not held. */
struct aside_ceiling {
	int64_t events;
	int64_t bytes;
};

/**
 * The oldest go until the rest is within the ceiling. What is held stays, and so does all on which it rests. With one that goes, all
 * that rests on it goes, and what follows it: so no way back from what is kept ends at what was forgotten, as if history were missing there.
 * Only what is held may follow what has gone.
 *
 * @param events    oldest first; is_held is set of all that stays for that reason
 * @param out_goes  one for each
 * @return how many go
 */
size_t room_aside_plan(struct arena *arena, struct aside_event *events, size_t count,
	const struct aside_ceiling *ceiling, bool *out_goes);

#endif
