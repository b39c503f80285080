/**
 * States beside the room's own: what holds after an event that is no longer, or never was, on top of everything. Each is a
 * difference from the room's current state, so it is as small as what has happened since. Inner to room/.
 *
 * The caller has the room's turn and nothing of it is being written: the current state stays what it is.
 */
#ifndef BELFRY_HOMESERVER_ROOM_ROOM_FORK_H
#define BELFRY_HOMESERVER_ROOM_ROOM_FORK_H

#include "homeserver/room/room.h"
#include "homeserver/room/room_accept.h"

/** A state, as the entries that differ from the current one: sorted by key, each key once. In an arena. */
struct fork_state {
	struct state_step *steps;
	size_t n;
};

/**
 * The states after events, by their positions. Of soft-failed and rejected events too.
 * Cost: one round trip; a second when the state changed since the oldest of them, a third when one of them stood on a fork
 */
MUST_CHECK enum err room_fork_states(struct ctx *ctx, struct homeserver *hs, struct room *room,
	const int64_t *positions, size_t count, struct fork_state *out);

/** A whole state, given by its events. Of two events for one key the last counts. From memory. */
struct fork_state room_fork_of_events(struct arena *arena, struct room *room,
	const struct known_event *events, size_t count);

/** The state after one more event; its position is 0, "the event that is being taken in". */
struct fork_state room_fork_with(struct arena *arena, const struct fork_state *before,
	const struct event *event);

/** Whether both are the same state: the same event for each key. From memory. */
bool room_fork_equals(const struct fork_state *a, const struct fork_state *b);

/** One entry of a state that does not hold the event being taken in; *out NULL when there is none. Errors: STORE */
MUST_CHECK enum err room_fork_event(struct ctx *ctx, struct homeserver *hs, struct room *room,
	const struct fork_state *state, struct str type, struct str state_key,
	const struct event **out);

/**
 * Resolves states to one; those that are equal count once.
 * @param taken  the event at position 0, or NULL
 * Cost: none when all are equal, else the whole state from memory (or one round trip) and the auth chains of what differs (one)
 */
MUST_CHECK enum err room_fork_resolve(struct ctx *ctx, struct homeserver *hs, struct room *room,
	const struct fork_state *states, size_t count, const struct event *taken,
	struct fork_state *out);

/** What has to be stored with an event: how the state after it differs from the room's after it. p == NULL: not at all. Errors: STORE */
MUST_CHECK enum err room_fork_difference(struct ctx *ctx, struct homeserver *hs, struct room *room,
	const struct fork_state *after, const struct fork_state *now, struct str *out);

#endif
