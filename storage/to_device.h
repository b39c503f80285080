/**
 * Messages to devices, kept until the device has come back with the token of the answer that held them.
 */
#ifndef BELFRY_STORAGE_TO_DEVICE_H
#define BELFRY_STORAGE_TO_DEVICE_H

#include "storage/db.h"
#include "storage/writer.h"

/** A message for one device at the write's first position; nothing happens when there is no such device. */
void store_to_device_add(struct write *write, struct str user_id, struct str device_id,
	struct str message);
/** Of a device's messages only the newest stay. */
void store_to_device_trim(struct write *write, struct str user_id, struct str device_id,
	int64_t kept);

struct to_device_row {
	int64_t position;
	struct str message; /**< borrowed from the result */
};
/** Which messages of a device. */
struct to_device_span {
	struct str user_id;
	struct str device_id;
	int64_t arrived; /**< those up to here are there; 0: none */
	int64_t up_to;
	int64_t limit;
};
/** Deletes what has arrived, and reads what is next, the oldest first. One round trip. */
MUST_CHECK enum err store_to_device_next(struct ctx *ctx, struct db *db,
	const struct to_device_span *span, struct to_device_row **out, size_t *out_count);

/** Ids of all devices of users, as pairs sorted by user. One round trip. */
MUST_CHECK enum err store_to_device_all(struct ctx *ctx, struct db *db, const struct str *user_ids,
	size_t count, struct str **out_user_ids, struct str **out_device_ids, size_t *out_count);

#endif
