/**
 * What the directories are made of: summaries of rooms, and names of people.
 */
#ifndef BELFRY_STORAGE_DIRECTORY_H
#define BELFRY_STORAGE_DIRECTORY_H

#include "base/terms.h"
#include "matrix/room_summary.h"
#include "storage/db.h"

/* --- filling ------------------------------------------------------------------------------------ */

/** A state event that may change something. */
struct directory_change_row {
	int64_t position;
	int64_t room_nid;
	struct str type;
	struct str state_key;
	struct str json; /**< of m.room.member; else p == NULL */
};
/**
 * Up to `limit` state events with after < position <= up_to of the types of summaries, and members; and rooms whose members became known, with
 * an empty type. One round trip.
 */
MUST_CHECK enum err store_directory_changes(struct ctx *ctx, struct db *db, int64_t after,
	int64_t up_to, int64_t limit, struct directory_change_row **out, size_t *out_count);

/** Members of rooms who came before this server did, and are not in the directory yet. One round trip. */
MUST_CHECK enum err store_directory_members_unknown(struct ctx *ctx, struct db *db,
	const int64_t *room_nids, size_t count, int64_t limit, struct directory_change_row **out,
	size_t *out_count);

struct directory_state_row {
	int64_t room_nid;
	struct str type;
	struct str json;
};
/** The state that summaries of some rooms are made from, by room. One round trip. */
MUST_CHECK enum err store_directory_states(struct ctx *ctx, struct db *db, const int64_t *room_nids,
	size_t count, struct directory_state_row **out, size_t *out_count);

struct directory_room {
	int64_t room_nid;
	struct room_summary summary;
	const struct term *terms;
	size_t term_count;
};
/** Stores summaries and counts members. */
MUST_CHECK enum err store_directory_room_set(struct ctx *ctx, struct tx *tx,
	const struct directory_room *rooms, size_t count);
/** Counts the members of some rooms anew. */
MUST_CHECK enum err store_directory_room_count(struct ctx *ctx, struct tx *tx,
	const int64_t *room_nids, size_t count);

struct directory_user {
	struct str user_id;
	struct str display_name; /**< p == NULL: none */
	struct str avatar_url;   /**< p == NULL: none */
	struct str folded_name;
	bool is_local;
	const struct term *terms;
	size_t term_count;
};
/** Each user once. */
MUST_CHECK enum err store_directory_user_set(struct ctx *ctx, struct tx *tx,
	const struct directory_user *users, size_t count);
MUST_CHECK enum err store_directory_user_remove(struct ctx *ctx, struct tx *tx,
	const struct str *user_ids, size_t count);

/** A local account that may have changed. */
struct directory_stale_row {
	struct str user_id;
	struct str display_name; /**< JSON; p == NULL: none */
	struct str avatar_url;   /**< JSON; p == NULL: none */
	bool is_shown;           /**< exists, is neither deactivated nor a guest */
};
/** Up to 200 of them; they are not stale any more once the transaction is committed. */
MUST_CHECK enum err store_directory_stale_take(struct ctx *ctx, struct tx *tx,
	struct directory_stale_row **out, size_t *out_count);

/* --- asking -------------------------------------------------------------------------------------- */

struct directory_user_ask {
	const struct term_match *matches; /**< at least one */
	size_t match_count;
	struct str user_id; /**< who asks */
	bool all_local;     /**< also local users whom the asking one shares nothing with */
	struct str exact_id;
	struct str folded_name;
	int64_t limit;
};
struct directory_user_row {
	struct str user_id;
	struct str display_name;
	struct str avatar_url;
};
/** Users, the best first. One round trip. */
MUST_CHECK enum err store_directory_user_search(struct ctx *ctx, struct db *db,
	const struct directory_user_ask *ask, struct directory_user_row **out, size_t *out_count);

/** A place in the list of published rooms, which is ordered by size (largest first), then by room. */
struct directory_place {
	int64_t joined_members;
	int64_t room_nid;
};
/** A list of an application service's; appservice_id.p == NULL: this server's own. */
struct directory_network {
	struct str appservice_id;
	struct str network_id;
};
struct directory_room_ask {
	const struct term_match *matches; /**< none: all rooms */
	size_t match_count;
	const struct str *types; /**< NULL: any; an empty text stands for rooms without type */
	size_t type_count;
	struct directory_network network;
	bool has_all_networks; /**< those of networks too */
	struct directory_place place;
	bool is_backwards; /**< what is before the place, the nearest first */
	int64_t limit;
};
struct directory_room_row {
	struct directory_place place;
	struct str room_id;
	struct room_summary summary; /**< without encryption and allowed rooms */
};
/** @param out_total  how many match. One round trip. */
MUST_CHECK enum err store_directory_rooms(struct ctx *ctx, struct db *db,
	const struct directory_room_ask *ask, struct directory_room_row **out, size_t *out_count,
	int64_t *out_total);

/** Puts a room on the list of a network, or takes it off. One round trip. */
MUST_CHECK enum err store_network_room_set(struct ctx *ctx, struct db *db,
	struct directory_network network, int64_t room_nid, bool is_listed);

struct mutual_rooms_ask {
	struct str user_id;
	struct str other;
	struct str behind; /**< only rooms whose id is greater */
	int64_t limit;
};
/** Ids of the rooms that two users are joined to, in order. @param out_total  of all. One round trip. */
MUST_CHECK enum err store_mutual_rooms(struct ctx *ctx, struct db *db,
	const struct mutual_rooms_ask *ask, struct str **out, size_t *out_count, int64_t *out_total);

#endif
