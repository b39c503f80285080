/**
 * Rows of the timeline and what hangs on them: relations, mentions, redactions.
 */
#ifndef BELFRY_STORAGE_EVENT_H
#define BELFRY_STORAGE_EVENT_H

#include "storage/db.h"
#include "storage/writer.h"

/** In a row's txn: device ids hold any character but controls. */
#define EVENT_TXN_SEPARATOR '\t'
/** In the place of the device of an event that was given to be sent later (storage/delayed_event.h); its delay id is in that of the transaction id. */
#define EVENT_TXN_DELAYED "org.matrix.msc4140.delay_id"

/**
 * In place of the position of an event's redaction: it is itself a redaction, of an event that has not come yet. Clients are not told of
 * it before somebody can say whether it may redact.
 */
#define EVENT_HELD_BACK INT64_MIN

/** What an event is to the timeline; stored as these numbers. */
enum event_row_fate {
	ROW_IN_TIMELINE,
	ROW_OUTLIER,
	ROW_SOFT_FAILED,
	ROW_REJECTED,
	ROW_IN_HISTORY, /**< in the timeline, fetched later: the state before it is not known for sure */
};

/** One event as stored. Texts are borrowed from the result (until the ctx's arena is reset). */
struct event_row {
	int64_t room_nid;
	int64_t position;
	struct str event_id;
	struct str json;           /**< canonical PDU */
	int64_t replaces_position; /**< of the state event it replaced; 0: none */
	struct str thread_root;    /**< p == NULL outside threads */
	struct str txn; /**< device id, EVENT_TXN_SEPARATOR, transaction id; p == NULL: none */
	int64_t notify_seq;
	int64_t highlight_seq;
	int64_t redacted_by;      /**< position of the redaction; 0: not redacted; or EVENT_HELD_BACK */
	enum event_row_fate fate; /**< ignored by store_event_insert() */
	bool
		is_childless; /**< nothing relates to it that is bundled; false also where that was not asked */
};

/** Columns of an event that only writing needs. */
struct event_columns {
	struct str type;
	struct str state_key; /**< p == NULL: no state event */
	struct str sender;
	int64_t origin_server_ts;
	int64_t depth;
	int replaces_index; /**< it replaces an event of the same write, by its position index; -1: see row */
};

/** Reads rows that have all of an event's columns. */
void store_events_read(struct ctx *ctx, const struct db_rows *rows, struct event_row **out,
	size_t *out_count);
/** The same for rows that say in a further column whether they are childless. */
void store_events_read_childless(struct ctx *ctx, const struct db_rows *rows, size_t column,
	struct event_row **out, size_t *out_count);
/** Events at positions of a room, in order of position; those that do not exist are left out. One round trip. */
MUST_CHECK enum err store_events_by_position(struct ctx *ctx, struct db *db, int64_t room_nid,
	const int64_t *positions, size_t count, struct event_row **out, size_t *out_count);
/** Events by id, of any room, in no order. One round trip. */
MUST_CHECK enum err store_events_by_id(struct ctx *ctx, struct db *db, const struct str *event_ids,
	size_t count, struct event_row **out, size_t *out_count);
/** Where a room's events stand: out[i] belongs to ids[i]; 0: it is unknown, another room's, or rejected. One round trip. */
MUST_CHECK enum err store_events_standing(struct ctx *ctx, struct db *db, int64_t room_nid,
	const struct str *event_ids, size_t count, int64_t *out);

/** A piece of a room's timeline: after < position <= up_to. */
struct event_span {
	int64_t room_nid;
	int64_t after;
	int64_t up_to;
	bool is_backwards; /**< the newest ones, newest first; else the oldest ones, oldest first */
	int64_t limit;
	bool asks_children; /**< rows say whether they are childless: one look into an index for each */
};
/** The events of a span. One round trip. */
MUST_CHECK enum err store_events_between(struct ctx *ctx, struct db *db,
	const struct event_span *span, struct event_row **out, size_t *out_count);

/**
 * Position of the newest event of some types among the newest of a span (`limit` of them, backwards whatever it says; children are not asked for); where they have none, that of the
 * oldest of them. One round trip, that reads no contents. Errors: MISSING (no fault text): the span is empty; STORE
 */
MUST_CHECK enum err store_event_newest_of(struct ctx *ctx, struct db *db,
	const struct event_span *span, const struct str *types, size_t type_n, bool *out_is_found,
	int64_t *out);

/** An event, and what is around it in a room's timeline. */
struct event_surroundings {
	int64_t room_nid;
	int64_t position;
	int64_t up_to; /**< of those behind it */
	int64_t before;
	int64_t after;
};
/** Up to so many events before it and behind it, and it between them, in order; all say whether they are childless. One round trip. */
MUST_CHECK enum err store_events_around(struct ctx *ctx, struct db *db,
	const struct event_surroundings *ask, struct event_row **out, size_t *out_count);

/** Up to `limit` events of all rooms with after < position <= up_to, in order: what a stream consumer reads. One round trip. */
MUST_CHECK enum err store_events_in_stream(struct ctx *ctx, struct db *db, int64_t after,
	int64_t up_to, int64_t limit, struct event_row **out, size_t *out_count);

/**
 * Running counts of a thread (or, root.p == NULL, of what is outside threads) at its newest event up to a position;
 * zeros when there is none.
 */
MUST_CHECK enum err store_counts_at(struct ctx *ctx, struct db *db, int64_t room_nid,
	struct str thread_root, int64_t position, int64_t *out_notify, int64_t *out_highlight);

/** Positions of a user's events that relate to an event in one way. */
MUST_CHECK enum err store_relations_by_sender(struct ctx *ctx, struct db *db, int64_t room_nid,
	struct str parent_id, struct str rel_type, struct str sender, int64_t **out, size_t *out_count);

/** Where a search by time stands. */
struct event_time {
	int64_t origin_server_ts;
	int64_t position;
};
/**
 * The events that come next after a time (before it, when backwards), by their senders' clocks; up to a position of the stream.
 * One round trip.
 */
struct events_near {
	int64_t room_nid;
	struct event_time from;
	int64_t up_to; /**< position */
	bool is_backwards;
	int64_t limit;
};
/** Nearest first. In the arena. Errors: STORE     Cost: one round trip, by index */
MUST_CHECK enum err store_events_near(struct ctx *ctx, struct db *db, const struct events_near *ask,
	struct event_time **out, size_t *out_count);

/** Adds an event at a position (of the write, or a given one); row->position is ignored. */
void store_event_insert(struct write *write, const struct event_row *row,
	const struct event_columns *columns, struct db_value position);
/** An event that was known but no part of the timeline comes into it, with the row's fate; its text stays as it is. */
void store_event_move(struct write *write, const struct event_row *row,
	const struct event_columns *columns, struct db_value position);
void store_relation_insert(struct write *write, int64_t room_nid, struct str parent_id,
	struct db_value position, struct str rel_type, struct str type, struct str sender);
void store_relation_delete(struct write *write, int64_t room_nid, struct str parent_id,
	int64_t position);
/** Replaces an event's text by its redacted form. */
void store_event_redact(struct write *write, int64_t room_nid, struct str event_id,
	struct str redacted_json, struct db_value redaction_position);
/** A redaction is held back from clients. */
void store_event_hold(struct write *write, int64_t room_nid, struct str event_id, struct str json);
/** No longer. */
void store_event_release(struct write *write, int64_t room_nid, struct str event_id,
	struct str json);
void store_mention_insert(struct write *write, struct str user_id, int64_t room_nid,
	size_t position_index, struct str thread_root, bool is_counted);

#endif
