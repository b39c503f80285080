/**
 * Which events go to which other servers: who is in rooms since when, and what destinations have missed.
 *
 * A server's stay in a room is an interval of positions, written when its first user comes and when its last one goes. So a message
 * costs no row, however many servers it goes to.
 */
#ifndef BELFRY_STORAGE_OUTBOX_H
#define BELFRY_STORAGE_OUTBOX_H

#include "storage/db.h"

/** By an event a server may have come to a room, or gone. Texts here and below are borrowed from the result. */
struct stay_change {
	int64_t position;
	int64_t room_nid;
	struct str server; /**< p == NULL: all servers of the room have to be looked at */
	bool is_there;     /**< after the event */
	bool was_there;    /**< as far as it is stored */
};

/** What a span of the stream holds for other servers. */
struct outbox_span {
	struct stay_change *changes; /**< in order of positions */
	size_t change_n;
	int64_t newest;    /**< position of its last event; 0: it has none */
	bool is_cut;       /**< there are more events than the limit */
	bool has_events;   /**< some may go to others */
	bool has_receipts; /**< public ones */
	bool has_joins;    /**< users of ours come or go where others are */
};
/** Looks at up to `limit` events with after < position <= up_to. One round trip. */
MUST_CHECK enum err store_outbox_look(struct ctx *ctx, struct db *db, struct str own, int64_t after,
	int64_t up_to, int64_t limit, struct outbox_span *out);

/** Stores that a server came to a room or left it. One round trip. */
MUST_CHECK enum err store_outbox_stay(struct ctx *ctx, struct tx *tx,
	const struct stay_change *change);
/** Brings all stays of a room up to its state after a position. One round trip; grows with the servers that ever were in it. */
MUST_CHECK enum err store_outbox_stays_sync(struct ctx *ctx, struct tx *tx, int64_t room_nid,
	int64_t position, struct str own);

struct outbox_target {
	int64_t position;
	int64_t room_nid;
	struct str server;
};
/**
 * Which events of a span go to which servers, in order of positions: those of users of `own` (unless marked otherwise), to the servers that
 * were in the room, and the one whose user the event is about. One round trip.
 */
MUST_CHECK enum err store_outbox_targets(struct ctx *ctx, struct db *db, struct str own,
	int64_t after, int64_t up_to, struct outbox_target **out, size_t *out_count);

/** A public receipt of a user of ours, and a server that gets it. */
struct outbox_receipt {
	struct str server;
	int64_t room_nid;
	struct str room_id;
	struct str user_id;
	struct str thread_id; /**< empty: unthreaded */
	struct str event_id;
	int64_t ts_ms;
};
/** Those of a span, in order. One round trip. */
MUST_CHECK enum err store_outbox_receipts(struct ctx *ctx, struct db *db, struct str own,
	int64_t after, int64_t up_to, struct outbox_receipt **out, size_t *out_count);

/** A server that is in a room. */
struct outbox_room_server {
	int64_t room_nid;
	struct str server;
};
/** Other servers in rooms now. One round trip. */
MUST_CHECK enum err store_outbox_rooms(struct ctx *ctx, struct db *db, struct str own,
	const int64_t *room_nids, size_t count, struct outbox_room_server **out, size_t *out_count);
/** All rooms in which there are others. One round trip, a pass over all stays. */
MUST_CHECK enum err store_outbox_shared_rooms(struct ctx *ctx, struct db *db, struct str own,
	int64_t **out, size_t *out_count);

/** A user and a server that have to do with each other. */
struct outbox_user_server {
	struct str user_id;
	struct str server;
};
/** Other servers that share rooms with users now. One round trip. */
MUST_CHECK enum err store_outbox_sharing(struct ctx *ctx, struct db *db, struct str own,
	const struct str *user_ids, size_t count, struct outbox_user_server **out, size_t *out_count);
/** Users of ours who came in a span into rooms with servers with which they shared none before. One round trip. */
MUST_CHECK enum err store_outbox_introduced(struct ctx *ctx, struct db *db, struct str own,
	int64_t after, int64_t up_to, struct outbox_user_server **out, size_t *out_count);

/** Marks an event as going to others though its sender is not ours, or as not going though it is. One round trip. */
MUST_CHECK enum err store_outbox_mark(struct ctx *ctx, struct db *db, struct str event_id,
	bool is_sent, int64_t now_ms);
MUST_CHECK enum err store_outbox_marks_delete_old(struct ctx *ctx, struct db *db,
	int64_t before_ms);

/** A room of which a destination has got nothing from a position on. */
struct missed_row {
	struct str server;
	int64_t room_nid;
	int64_t from_position;
};
/** Notes them; of what is noted already the lower position stays. Errors: STORE     Cost: one round trip */
MUST_CHECK enum err store_outbox_missed_add(struct ctx *ctx, struct db *db,
	const struct missed_row *rows, size_t count);
/** A destination has got what it missed of rooms up to positions; INT64_MAX: all there is. One round trip. */
MUST_CHECK enum err store_outbox_missed_done(struct ctx *ctx, struct db *db, struct str server,
	const int64_t *room_nids, const int64_t *up_to, size_t count);
MUST_CHECK enum err store_outbox_missed_all(struct ctx *ctx, struct db *db, struct missed_row **out,
	size_t *out_count);

/** An event that a destination missed. */
struct missed_event {
	int64_t room_nid;
	int64_t position;
	bool is_beyond; /**< the limit of its room leaves it out: it only says that there is more */
};
/** Of rooms from positions on. */
struct missed_ask {
	struct str server;
	const int64_t *room_nids;
	const int64_t *from_positions;
	size_t count;
	int64_t newest; /**< of each room so many */
};
/** The newest events that a destination missed, by room, each room's newest first. One round trip. */
MUST_CHECK enum err store_outbox_newest(struct ctx *ctx, struct db *db, struct str own,
	const struct missed_ask *ask, struct missed_event **out, size_t *out_count);

#endif
