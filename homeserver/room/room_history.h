/**
 * Events that come into the timeline from before what is known: what room_history.c (at a gap) and room_past.c (one of long ago) share.
 */
#ifndef BELFRY_HOMESERVER_ROOM_ROOM_HISTORY_H
#define BELFRY_HOMESERVER_ROOM_ROOM_HISTORY_H

#include "base/vec.h"
#include "homeserver/room/room_known.h"
#include "homeserver/room/room_write.h"
#include "storage/graph.h"

/** One event that is added. */
struct past_event {
	const struct event *event;
	int64_t position;
	int64_t moved_from; /**< below the timeline */
	bool is_redacted;
	bool is_held; /**< it waits for what it redacts, so clients are not told of it */
	bool is_late; /**< what it stands on is shown above it, or what stands on it below */
	struct event_id
		*missing; /**< what it stands on that is not here, also by way of what was set aside */
	size_t missing_n;
};

/** The intervals of one key of the state, oldest first. */
struct key_history {
	struct state_interval *rows;
	size_t n;
	bool is_changed;
};

/** An entry of the state before the events that are added, by others' word. */
struct held_state {
	struct str type;
	struct str state_key;
	const struct known_event *event; /**< NULL: there was none */
};

/** The caller has the room's turn. */
struct history {
	struct ctx *ctx;
	struct homeserver *hs;
	struct room *room;
	int64_t below;                 /**< the event at the gap */
	struct map given;              /**< event id → const struct known_event * */
	VEC(struct past_event) events; /**< newest first */
	struct held_state *held;       /**< each key once */
	size_t held_n;
	struct stored_event
		*before; /**< the newest event of the timeline before all of these; NULL: none */
	struct map
		keys; /**< of the state that they touch: type, NUL, state key → struct key_history * */
	VEC(struct stored_event *)
	redacted; /**< the redacted forms of events of the timeline that one of these redacts */
};

/** One of the events by its id; NULL: it is none of them. */
struct past_event *history_event(struct history *history, struct str event_id);

/**
 * What is known of other events: event id → struct known_event *, each once however often it is named. Errors: STORE.
 * Cost: one round trip for each 500 that are not in memory
 */
MUST_CHECK enum err history_look_up(struct history *history, const struct event_id *ids,
	size_t count, struct map *out);

/** Finds where the events, which have their positions, stand in the graph. Errors: STORE */
MUST_CHECK enum err history_find_graph(struct history *history);
/**
 * Has each of them that is late shown above all that it stands on, and below all that stands on it. Until then it counts as missing at the gap.
 * Errors: STORE; SHUTDOWN
 */
MUST_CHECK enum err history_order(struct history *history);

/** The gap at `below`, as it is now; prev_count 0: there is none. Errors: STORE */
MUST_CHECK enum err history_gap(struct history *history, struct gap_row *out);
/** The same, first of all for whoever has the turn: what came there, but is not in order yet, is put in order. Errors: STORE; SHUTDOWN */
MUST_CHECK enum err history_begin(struct history *history, struct gap_row *out);

/** Writes the events and what the state's intervals are with them, in one commit. Errors: STORE; SHUTDOWN */
MUST_CHECK enum err history_add(struct history *history);

/**
 * Redacts what these events redact, and those of them that earlier redactions wait for. Errors: STORE.
 * Cost: none without redactions; one round trip for all that they redact; one for each event in a room where redactions wait
 */
MUST_CHECK enum err history_redact(struct history *history, struct write *write);

#endif
