/**
 * Resolved state as intervals of positions, and the membership index.
 */
#ifndef BELFRY_STORAGE_STATE_H
#define BELFRY_STORAGE_STATE_H

#include "storage/db.h"
#include "storage/writer.h"

/** One entry of a room's state. Texts are borrowed from the result. */
struct state_row {
	struct str type;
	struct str state_key;
	int64_t from_position;  /**< since when it holds */
	int64_t event_position; /**< where its event stands */
	struct str event_id;
	struct str membership; /**< of m.room.member; p == NULL otherwise */
	/* Only from store_state_last_join() and store_state_viewer(): */
	int64_t to_position; /**< where it ceases to hold; the largest: it holds now */
};

/** Current state of a room. One round trip. */
MUST_CHECK enum err store_state_current(struct ctx *ctx, struct db *db, int64_t room_nid,
	struct state_row **out, size_t *out_count);
/** State after the event at (or before) a position. One round trip. */
MUST_CHECK enum err store_state_at(struct ctx *ctx, struct db *db, int64_t room_nid,
	int64_t position, struct state_row **out, size_t *out_count);
/** The same without memberships but those of `members`. Does not grow with the room's members. */
MUST_CHECK enum err store_state_without_members(struct ctx *ctx, struct db *db, int64_t room_nid,
	int64_t position, const struct str *members, size_t member_count, struct state_row **out,
	size_t *out_count);
/** One entry after a position. Errors: MISSING; STORE. */
MUST_CHECK enum err store_state_one_at(struct ctx *ctx, struct db *db, int64_t room_nid,
	struct str type, struct str state_key, int64_t position, struct state_row *out);
/** The entries of the state at `up_to` that began after `after`. */
MUST_CHECK enum err store_state_changes(struct ctx *ctx, struct db *db, int64_t room_nid,
	int64_t after, int64_t up_to, struct state_row **out, size_t *out_count);
/** The last entry of up to a position that had a user joined. Errors: MISSING; STORE. */
MUST_CHECK enum err store_state_last_join(struct ctx *ctx, struct db *db, int64_t room_nid,
	struct str user_id, int64_t up_to, struct state_row *out);
/**
 * The entries of a user's membership and of the history visibility that held after some positions, and the last one that had the user
 * joined; oldest first, told apart by their type. One may come twice. Costs as much as it gives, whatever else there was.
 */
MUST_CHECK enum err store_state_viewer(struct ctx *ctx, struct db *db, int64_t room_nid,
	struct str user_id, const int64_t *positions, size_t position_count, struct state_row **out,
	size_t *out_count);
/** Every membership that users of a server had, and every history visibility of the room, oldest first. Grows with those memberships. */
MUST_CHECK enum err store_state_viewer_server(struct ctx *ctx, struct db *db, int64_t room_nid,
	struct str server, struct state_row **out, size_t *out_count);

/** What kind of room one is. Texts borrowed from the result. */
struct kind_row {
	size_t index;      /**< among those that were asked for */
	struct str create; /**< the PDU of m.room.create */
	bool is_encrypted;
};
/** Of some rooms, those whose m.room.create is known, in no order. One round trip. */
MUST_CHECK enum err store_state_kinds(struct ctx *ctx, struct db *db, const int64_t *room_nids,
	size_t count, struct kind_row **out, size_t *out_count);

/** The write fails (CONFLICT) when another event holds than the one that it was judged by (empty: none). */
void store_state_stand(struct write *write, int64_t room_nid, struct str type, struct str state_key,
	struct str event_id);

/**
 * Adds a state change to a write: ends the old interval, begins the new one at position `position_index`.
 * @param event_position  of the event, if it stands elsewhere; 0: the same
 */
void store_state_change(struct write *write, int64_t room_nid, const struct state_row *row,
	size_t position_index, int64_t event_position);
/** There is no such state any more. */
void store_state_end(struct write *write, int64_t room_nid, struct str type, struct str state_key,
	size_t position_index);
/** State whose event has moved. */
void store_state_event_move(struct write *write, int64_t room_nid, struct str type,
	struct str state_key, struct str event_id, struct db_value position);

/** One user's newest membership. Texts borrowed from the result. */
struct member_row {
	struct str user_id;
	int64_t room_nid;
	struct str membership;
	int64_t position;
	bool is_local;
	bool is_forgotten;
	struct str stripped; /**< JSON array; p == NULL: none */
	/* Only from store_member_rooms(): */
	struct str room_id;
	struct str room_version;
	int64_t room_last_position;
	int64_t room_receipt_position;
};

/** All rooms of a user. One round trip. */
MUST_CHECK enum err store_member_rooms(struct ctx *ctx, struct db *db, struct str user_id,
	struct member_row **out, size_t *out_count);
/** Which rooms store_member_thrown_out() finds. */
struct thrown_out_query {
	struct str user_id;
	int64_t up_to;
	size_t max;
	size_t looked_at; /**< of the newest that the user has left */
	bool
		with_strangers; /**< also those in which the user never was: banned without a join, or never invited either */
};
/**
 * Rooms out of which others have put the user (banned, or left by another's event) by a position and which it has not forgotten:
 * their numbers, newest first. One round trip, which costs as much as those that are looked at.
 */
MUST_CHECK enum err store_member_thrown_out(struct ctx *ctx, struct db *db,
	const struct thrown_out_query *query, int64_t **out, size_t *out_count);
/** A room that a user is joined to. Texts borrowed from the result. */
struct joined_row {
	struct str user_id;
	int64_t room_nid;
};
/** All rooms that users are joined to, sorted by user and room. One round trip. */
MUST_CHECK enum err store_member_joined(struct ctx *ctx, struct db *db, const struct str *user_ids,
	size_t count, struct joined_row **out, size_t *out_count);
/** Newest membership in one room. Errors: MISSING; STORE. */
MUST_CHECK enum err store_member_of_room(struct ctx *ctx, struct db *db, int64_t room_nid,
	struct str user_id, struct member_row *out);
MUST_CHECK enum err store_member_forget(struct ctx *ctx, struct db *db, int64_t room_nid,
	struct str user_id);
/** Whether two users are joined to a common room. */
MUST_CHECK enum err store_member_share_room(struct ctx *ctx, struct db *db, struct str a,
	struct str b, bool *out);
void store_member_set(struct write *write, const struct member_row *row, size_t position_index);

#endif
