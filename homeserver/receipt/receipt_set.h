/**
 * The receipts of rooms in memory (inside of the domain): for each room that is asked about all of them, ordered by their
 * positions, in a bounded cache. Commits bring them up to date.
 */
#ifndef BELFRY_HOMESERVER_RECEIPT_RECEIPT_SET_H
#define BELFRY_HOMESERVER_RECEIPT_RECEIPT_SET_H

#include "base/cache.h"
#include "homeserver/receipt/receipts.h"

/** A receipt with where it stands. */
struct placed_receipt {
	struct receipt receipt;
	int64_t event_position;
	int64_t position; /**< of the receipt */
};

/** All receipts of one room; counted. */
struct receipt_set;

/** Of sets, by room number. */
struct cache *receipt_sets_create(void);

/**
 * The room's set, loaded; reference until the ctx's arena is reset. Errors: STORE.
 * Cost: none when it is in the cache, else one round trip.
 */
MUST_CHECK enum err receipt_set_get(struct ctx *ctx, struct homeserver *hs, struct cache *sets,
	struct room *room, struct receipt_set **out);

/** A receipt was committed: puts it into the room's set, if that is in the cache. Writer's thread. */
void receipt_set_committed(struct cache *sets, int64_t room_nid,
	const struct placed_receipt *receipt);

/** Another process has committed receipts: the set is read anew by whoever asks next. Writer's thread. */
void receipt_set_forget(struct cache *sets, int64_t room_nid);

/** The event's position of what a receipt would replace; INT64_MIN: there is none. */
int64_t receipt_set_find(struct receipt_set *set, struct arena *arena,
	const struct receipt *receipt);

/**
 * Receipts with after < position <= up_to that the viewer may see, newest first; texts in the arena.
 * @return count
 */
size_t receipt_set_between(struct receipt_set *set, struct arena *arena, struct str viewer,
	int64_t after, int64_t up_to, struct receipt **out);

#endif
