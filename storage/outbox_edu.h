/**
 * EDUs that other servers have to get sometime: messages to devices, changes of keys; and what they were told of devices.
 */
#ifndef BELFRY_STORAGE_OUTBOX_EDU_H
#define BELFRY_STORAGE_OUTBOX_EDU_H

#include "storage/db.h"

struct outbox_edu_row {
	int64_t edu_id; /**< not when adding */
	struct str server;
	struct str key; /**< of each destination only one waits with a key */
	struct str edu_type;
	struct str content; /**< JSON object */
};

/** Adds EDUs; those whose key waits already are left alone. One round trip. */
MUST_CHECK enum err store_outbox_edus_add(struct ctx *ctx, struct db *db,
	const struct outbox_edu_row *rows, size_t count);
/** Adds EDUs in the place of those that wait with their keys; no key twice. In a transaction (or, `tx` NULL, alone). */
MUST_CHECK enum err store_outbox_edus_replace(struct ctx *ctx, struct db *db, struct tx *tx,
	const struct outbox_edu_row *rows, size_t count);
/** The first EDUs of a destination, in order (edu_id, edu_type, content). One round trip. */
MUST_CHECK enum err store_outbox_edus_next(struct ctx *ctx, struct db *db, struct str server,
	int64_t limit, struct outbox_edu_row **out, size_t *out_count);
/** Those with numbers, as far as they still wait. One round trip. */
MUST_CHECK enum err store_outbox_edus_by_id(struct ctx *ctx, struct db *db, struct str server,
	const int64_t *edu_ids, size_t count, struct outbox_edu_row **out, size_t *out_count);
MUST_CHECK enum err store_outbox_edus_delete(struct ctx *ctx, struct db *db, struct str server,
	const int64_t *edu_ids, size_t count);
/** Of a destination the newest `kept` stay. */
MUST_CHECK enum err store_outbox_edus_trim(struct ctx *ctx, struct db *db, struct str server,
	int64_t kept, int64_t *out_dropped);
/** Destinations with EDUs. One pass over them. */
MUST_CHECK enum err store_outbox_edus_servers(struct ctx *ctx, struct db *db, struct str **out,
	size_t *out_count);

/** Keys of a user changed. */
struct keys_change {
	struct str user_id;
	int64_t position;
};
/** Up to `limit` changes of users of `own` that everybody may see, with after < position <= up_to, in order. One round trip. */
MUST_CHECK enum err store_device_list_changes_in_stream(struct ctx *ctx, struct db *db,
	struct str own, int64_t after, int64_t up_to, int64_t limit, struct keys_change **out,
	size_t *out_count);

/** What others were told of a device. */
struct told_device {
	struct str user_id;
	struct str device_id; /**< empty: the user's cross-signing keys */
	struct str digest;
	int64_t position; /**< the stream_id */
};
/** By user and device. One round trip. */
MUST_CHECK enum err store_device_list_told(struct ctx *ctx, struct db *db,
	const struct str *user_ids, size_t count, struct told_device **out, size_t *out_count);
/** Replaces all that was told of a user. One round trip. */
MUST_CHECK enum err store_device_list_tell(struct ctx *ctx, struct tx *tx, struct str user_id,
	const struct told_device *devices, size_t count);

#endif
