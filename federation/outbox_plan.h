/**
 * The decisions of the outbox as functions of what is known: no I/O, no clock, no chance.
 */
#ifndef BELFRY_FEDERATION_OUTBOX_PLAN_H
#define BELFRY_FEDERATION_OUTBOX_PLAN_H

#include "matrix/id.h"
#include "storage/outbox.h"

enum {
	OUTBOX_PDUS_MAX = 50,  /**< of a transaction; specification */
	OUTBOX_EDUS_MAX = 100, /**< the same */
	/** EDUs have no ceiling of their own; together with 50 PDUs of 64 KiB a transaction stays below 6 MiB. */
	OUTBOX_EDU_BYTES = 2 << 20,
	/** Of a room that a destination missed so many events are sent at least, the newest; for others it asks (/get_missing_events). */
	OUTBOX_NEWEST_OF_ROOM = 10,
};

/* --- stays ------------------------------------------------------------------------------------------------ */

/**
 * Keeps of changes in order of positions those that change something: a server that is there and comes, or is gone and leaves, does not.
 * Changes from the first one on after which a whole room has to be looked at (no server; or ours leaves) are left out.
 *
 * @param changes   the ones kept stand at the beginning
 * @param out_whole  that one; NULL when there is none
 * @return how many are kept
 */
size_t outbox_fold_stays(struct stay_change *changes, size_t count, struct str own,
	const struct stay_change **out_whole);

/* --- catching up -------------------------------------------------------------------------------------------- */

/** How many events of each room are sent, when `rooms` were missed: as many of a transaction as each can have. */
int64_t outbox_newest_of_room(size_t rooms);

/** What became of a room that was missed. */
struct caught_room {
	int64_t room_nid;
	int64_t up_to; /**< newest position that is sent; 0: there was nothing to send */
};
struct catch_up {
	struct missed_event
		*events; /**< to send, in the order in which they are sent; at most OUTBOX_PDUS_MAX */
	size_t event_n;
	struct caught_room *rooms;
	size_t room_n;
};
/**
 * Chooses what a destination that was away gets first: the rooms with the newest events, of each room its newest events,
 * oldest of these first, whole rooms as far as they fit into a transaction. Rooms without events are done.
 *
 * @param events  by room, each room's newest first, at most outbox_newest_of_room() of a room and one that is_beyond
 */
void outbox_catch_up(struct arena *arena, const int64_t *room_nids, size_t room_n,
	const struct missed_event *events, size_t count, struct catch_up *out);

/* --- transactions --------------------------------------------------------------------------------------------- */

/** How many of EDUs fit into a transaction that has `taken` already: at least one. @param sizes  bytes of each */
size_t outbox_edus_that_fit(const size_t *sizes, size_t count, size_t taken);

/**
 * The id of a transaction: the same for the same events and stored EDUs, so a repetition is known as one, also by a process that was
 * started anew. Lower-case hexadecimal.
 */
struct str outbox_transaction_id(struct arena *arena, struct server_name destination,
	const struct event_id *events, size_t event_n, const int64_t *edu_ids, size_t edu_n);

#endif
