/**
 * Rows of devices. What a deleted device had (tokens) goes with its row.
 */
#ifndef BELFRY_STORAGE_DEVICE_H
#define BELFRY_STORAGE_DEVICE_H

#include "storage/db.h"

struct device_row {
	struct str device_id;
	struct str display_name; /**< p == NULL: none */
	int64_t last_seen_ms;
	struct str last_seen_ip;         /**< p == NULL: not known */
	struct str last_seen_user_agent; /**< p == NULL: not known */
	int64_t created_at_ms;           /**< of one that is found: when it came */
};

/**
 * Adds the device or, when it is known, notes that it was seen and leaves its name. Until the transaction ends, no other
 * one can give tokens to the device.
 */
MUST_CHECK enum err store_device_upsert(struct ctx *ctx, struct tx *tx, struct str user_id,
	const struct device_row *row);
/** Locks the device's row until the transaction ends. Errors: MISSING (no fault text); STORE. */
MUST_CHECK enum err store_device_lock(struct ctx *ctx, struct tx *tx, struct str user_id,
	struct str device_id);

/** All devices of a user, the oldest first. */
MUST_CHECK enum err store_device_list(struct ctx *ctx, struct db *db, struct str user_id,
	struct device_row **out, size_t *out_count);
/** Errors: MISSING (no fault text); STORE. */
MUST_CHECK enum err store_device_find(struct ctx *ctx, struct db *db, struct str user_id,
	struct str device_id, struct device_row *out);
/** Errors: MISSING (no fault text); STORE. */
MUST_CHECK enum err store_device_rename(struct ctx *ctx, struct db *db, struct str user_id,
	struct str device_id, struct str display_name);

/** Deletes those of the list that there are. */
MUST_CHECK enum err store_device_delete(struct ctx *ctx, struct db *db, struct str user_id,
	const struct str *device_ids, size_t count);
/** Deletes all devices of a user but `kept` (p == NULL: all). Two round trips. */
MUST_CHECK enum err store_device_delete_but(struct ctx *ctx, struct tx *tx, struct str user_id,
	struct str kept);

/** When devices were last seen, from where and by which program, and how far they have synced; the latest entry of a device counts. */
struct device_seen {
	const struct str *user_ids;
	const struct str *device_ids;
	const int64_t *at_ms;
	const struct str *ips;
	const struct str *user_agents;
	const int64_t *synced_positions; /**< 0: not known */
	size_t count;
};
/** Notes it. One round trip. */
MUST_CHECK enum err store_device_seen(struct ctx *ctx, struct db *db,
	const struct device_seen *seen);

#endif
