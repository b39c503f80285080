/**
 * What is kept of rooms' event graphs beyond the timeline: outliers, soft-failed and rejected events, states of forks, gaps in history.
 */
#ifndef BELFRY_STORAGE_GRAPH_H
#define BELFRY_STORAGE_GRAPH_H

#include "storage/event.h"
#include "storage/state.h"

/** "Since ever": where the state begins that a room had when this server came into it. */
#define STATE_SINCE_EVER (-INT64_MAX)

enum { OUTLIER_BLOCK = 1000 };

/** Numbers of `count` blocks of OUTLIER_BLOCK positions. One round trip. */
MUST_CHECK enum err store_outlier_blocks(struct ctx *ctx, struct db *db, size_t count,
	int64_t **out);

/** An event to keep outside of the timeline. */
struct kept_event {
	int64_t position;
	struct str event_id;
	struct str json;
	struct event_columns columns;
	enum event_row_fate fate;
};
/** Keeps events that are not known; others stay as they are. One round trip. @param out_kept  how many were not known; NULL: nobody asks */
MUST_CHECK enum err store_events_keep(struct ctx *ctx, struct db *db, int64_t room_nid,
	const struct kept_event *events, size_t count, int64_t *out_kept);

/** State after an event, as what differs from the room's state at a position. */
struct event_state_row {
	int64_t position;
	int64_t base_position;
	struct str difference; /**< JSON array */
};
/** Keeps a soft-failed or rejected event with the state after it. One round trip. @param out_position  where it stands; 0: it was judged before */
MUST_CHECK enum err store_event_set_aside(struct ctx *ctx, struct db *db, int64_t room_nid,
	const struct kept_event *event, int64_t base_position, struct str difference,
	int64_t *out_position);
/** An event outside of the timeline that may be given up. */
struct aside_row {
	int64_t position;
	struct str event_id;
	struct str json;
	struct str difference; /**< of the state after it; p == NULL: none */
	bool is_held; /**< it is the room's state at some time, or others are noted to rest on it */
};
/** Notes that others rest on these, whichever of them are outside of the timeline. One round trip. */
MUST_CHECK enum err store_events_hold(struct ctx *ctx, struct db *db, int64_t room_nid,
	const struct str *event_ids, size_t count);
/** Notes that these are held with all on which they rest: they are not looked at again. One round trip. */
MUST_CHECK enum err store_events_hold_all(struct ctx *ctx, struct db *db, int64_t room_nid,
	const struct str *event_ids, size_t count);
/** All that may be given up in a room, oldest first. One round trip. */
MUST_CHECK enum err store_events_aside(struct ctx *ctx, struct db *db, int64_t room_nid,
	struct aside_row **out, size_t *out_count);
/** Gives some of them up. One round trip. */
MUST_CHECK enum err store_events_aside_forget(struct ctx *ctx, struct db *db, int64_t room_nid,
	const int64_t *positions, size_t count);
/** What is outside of a room's timeline by now is never given up; *out: its lowest position. One round trip. */
MUST_CHECK enum err store_room_ground(struct ctx *ctx, struct db *db, int64_t room_nid,
	int64_t *out);

/** Differences of the events that have one. One round trip. */
MUST_CHECK enum err store_event_states(struct ctx *ctx, struct db *db, int64_t room_nid,
	const int64_t *positions, size_t count, struct event_state_row **out, size_t *out_count);
void store_event_state_insert(struct write *write, int64_t room_nid, struct db_value position,
	struct db_value base_position, struct str difference);

/** An interval of state that is over. */
struct state_interval {
	struct state_row row;
	int64_t to_position;
};
/** Everything that ended after a position. One round trip. */
MUST_CHECK enum err store_state_ended(struct ctx *ctx, struct db *db, int64_t room_nid,
	int64_t after, struct state_interval **out, size_t *out_count);

/** All intervals of some keys, oldest first. One round trip. */
MUST_CHECK enum err store_state_intervals(struct ctx *ctx, struct db *db, int64_t room_nid,
	const struct str *types, const struct str *state_keys, size_t count,
	struct state_interval **out, size_t *out_count);
/** The intervals of a key are written anew. */
void store_state_forget(struct write *write, int64_t room_nid, struct str type,
	struct str state_key);
void store_state_interval(struct write *write, int64_t room_nid,
	const struct state_interval *interval);

/** Events by id with all from which they descend by auth_events, in no order. One round trip. */
MUST_CHECK enum err store_auth_chain(struct ctx *ctx, struct db *db, int64_t room_nid,
	const struct str *event_ids, size_t count, struct event_row **out, size_t *out_count);

/** A place where the timeline does not go on. Positions of gaps are the places of their events (storage/place.h). */
struct gap_row {
	int64_t position; /**< place of the event on this side; 0: there is no gap */
	struct str *prev_ids;
	size_t prev_count;
};
/** The newest gap in (after, up_to] that may be asked for at a time (INT64_MAX: any). One round trip. */
MUST_CHECK enum err store_gap_newest(struct ctx *ctx, struct db *db, int64_t room_nid,
	int64_t after, int64_t up_to, int64_t now_ms, struct gap_row *out);
/** Of the oldest gap in (after, up_to]. One round trip. @param out_position  0: there is none */
MUST_CHECK enum err store_gap_oldest(struct ctx *ctx, struct db *db, int64_t room_nid,
	int64_t after, int64_t up_to, int64_t *out_position);
/** Of the oldest gap under an event that is deeper than `depth`. One round trip. @param out_position  0: there is none */
MUST_CHECK enum err store_gap_over(struct ctx *ctx, struct db *db, int64_t room_nid, int64_t depth,
	int64_t *out_position);
/** Of the newest gap in which events of a time (milliseconds, both ends included) may be missing. One round trip. @param out_position  0: there is none */
MUST_CHECK enum err store_gap_in_time(struct ctx *ctx, struct db *db, int64_t room_nid,
	int64_t from_ms, int64_t to_ms, int64_t *out_position);
/** Not asked for again for a while, which doubles with each attempt from `first_ms` to `longest_ms`. One round trip. */
MUST_CHECK enum err store_gap_postpone(struct ctx *ctx, struct db *db, int64_t room_nid,
	int64_t position, int64_t now_ms, int64_t first_ms, int64_t longest_ms);
/** An event that is missing. */
struct named_gap {
	struct str prev_id;
	int64_t lowest; /**< place of the lowest gap at which it is missing */
};
/** Which of these events are missing at gaps. One round trip. */
MUST_CHECK enum err store_gaps_named(struct ctx *ctx, struct db *db, int64_t room_nid,
	const struct str *event_ids, size_t count, struct named_gap **out, size_t *out_count);
void store_gap_insert(struct write *write, int64_t room_nid, struct db_value position,
	struct str prev_id);
/** Wherever an event is missing, what it stands on is missing too; to be closed in the same write, if it is no more. */
void store_gap_pass(struct write *write, int64_t room_nid, struct str prev_id, struct str behind);
/** An event that comes in this write counts as missing below a place, until store_gap_close(). */
void store_gap_leave(struct write *write, int64_t room_nid, int64_t place, struct str prev_id);
void store_gap_close(struct write *write, int64_t room_nid, struct str prev_id);

/** What a room's memory has to know. STATE_SINCE_EVER: there is none. */
struct graph_summary {
	int64_t newest_gap;    /**< its place */
	int64_t newest_placed; /**< newest position that history shows elsewhere */
	bool has_waiting;      /**< redactions wait for what they redact */
};
/** One round trip. */
MUST_CHECK enum err store_graph_summary(struct ctx *ctx, struct db *db, int64_t room_nid,
	struct graph_summary *out);

/** Positions of redactions that wait for an event. One round trip. */
MUST_CHECK enum err store_waiting_redactions(struct ctx *ctx, struct db *db, int64_t room_nid,
	struct str redacts, int64_t **out, size_t *out_count);
void store_waiting_redaction_insert(struct write *write, int64_t room_nid, struct str redacts,
	struct db_value position);
void store_waiting_redaction_delete(struct write *write, int64_t room_nid, struct str redacts);

/** State since ever of a room that this server comes into; state that is there stays. One round trip. */
MUST_CHECK enum err store_state_import(struct ctx *ctx, struct db *db, int64_t room_nid,
	const struct state_row *rows, size_t count);
/** The memberships of such state. One round trip. */
MUST_CHECK enum err store_member_import(struct ctx *ctx, struct db *db, int64_t room_nid,
	const struct member_row *rows, size_t count);

#endif
