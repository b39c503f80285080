/**
 * One-time and fallback keys. A key that was given to somebody is marked so before anybody sees it; no other request can get it,
 * and it is not taken in again.
 */
#ifndef BELFRY_STORAGE_ONE_TIME_KEY_H
#define BELFRY_STORAGE_ONE_TIME_KEY_H

#include "matrix/key_entry.h"
#include "storage/db.h"

/** Keys of one device as parallel arrays. */
struct key_upload {
	struct str user_id;
	struct str device_id;
	const struct str *algorithms;
	const struct key_entry *entries;
	size_t count;
};

struct algorithm_count {
	struct str algorithm;
	int64_t count;
};

/** Keys to be added, and on what condition. */
struct key_addition {
	struct key_upload upload;
	struct str ed25519; /**< the device's identity, as far as is known; p == NULL: it has none */
	/** Runs beside the first statement; when it does not say OK, nothing is added, and that is returned. NULL: none. */
	const struct db_check *check;
	int64_t held_max; /**< so many unclaimed keys the device may have with these */
	int64_t
		remembered; /**< of how many keys uploaded before these those that were given out are remembered at least */
};
enum key_added { KEYS_ADDED, KEYS_TOO_MANY, KEYS_OTHER_IDENTITY };
/** What became of it. Texts in the arena. */
struct keys_added {
	enum key_added outcome;
	bool has_begun;               /**< some were added, whatever the outcome */
	struct algorithm_count *left; /**< what the device has unclaimed, sorted, with what was added */
	size_t left_n;
};
/**
 * Adds one-time keys; those that the device uploaded before stay as they are. One round trip for each hundred keys of an algorithm, which are committed
 * together, if they are of like length. Two more for the first keys of an algorithm and where an id is not greater than all before, one of these again for each four
 * other uploads among whose ids theirs lie and for each other upload of the device at the same moment; one to learn that the identity is another; and one now and then to
 * forget.
 * Errors: INPUT M_INVALID_PARAM when one is known with another content (none of its hundred was added); MISSING when the device is gone; STORE; those of the check
 */
MUST_CHECK enum err store_one_time_key_add(struct ctx *ctx, struct db *db,
	const struct key_addition *addition, struct keys_added *out);
/** Sets fallback keys, one for each algorithm. Errors: MISSING when the device is gone; STORE. */
MUST_CHECK enum err store_fallback_key_set(struct ctx *ctx, struct db *db,
	const struct key_upload *upload);

/** What a device has left, and its newest message. In the arena. */
struct device_key_state {
	struct algorithm_count *one_time; /**< unclaimed keys, sorted */
	size_t one_time_n;
	struct str *unused_fallback; /**< algorithms, sorted */
	size_t unused_fallback_n;
	int64_t newest_message; /**< position; 0: none */
};
/** By a device; nothing where there is none. Errors: STORE     Cost: one round trip */
MUST_CHECK enum err store_one_time_key_state(struct ctx *ctx, struct db *db, struct str user_id,
	struct str device_id, struct device_key_state *out);

/** Keys that somebody asks for: triples as parallel arrays; one that is there several times gets as many keys. */
struct key_claim {
	const struct str *user_ids;
	const struct str *device_ids;
	const struct str *algorithms;
	size_t count;
};
struct claimed_key {
	size_t index; /**< of the triple */
	struct str key_id;
	struct str key; /**< canonical JSON */
};
/**
 * Takes keys, of each device the oldest, and its fallback key where it has no more; committed before it returns. A triple has one row,
 * unless nothing was left and there is no fallback key. One round trip, one more where a device has fewer than are wanted of it, or
 * what it has was uploaded in several parts; waits for those who take of the same devices, or upload to them.
 * On an error *out holds what was taken before it, and can be given.
 */
MUST_CHECK enum err store_one_time_key_claim(struct ctx *ctx, struct db *db,
	const struct key_claim *claim, struct claimed_key **out, size_t *out_count);

#endif
