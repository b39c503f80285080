/**
 * Devices and cross-signing keys of users of other servers, as their servers tell them. Changes go through the writer, for clients are
 * told of them.
 */
#ifndef BELFRY_STORAGE_REMOTE_DEVICE_H
#define BELFRY_STORAGE_REMOTE_DEVICE_H

#include "storage/db.h"
#include "storage/writer.h"

/** Texts borrowed from the result, or of whoever writes it. */
struct remote_list_row {
	struct str user_id;
	int64_t stream_id;           /**< of the newest change that is in */
	struct str master_key;       /**< JSON object; p == NULL: none */
	struct str self_signing_key; /**< the same */
	bool is_stale;               /**< changes were missed */
};
/** The lists of users that are known, in no order. One round trip. */
MUST_CHECK enum err store_remote_list_find(struct ctx *ctx, struct db *db,
	const struct str *user_ids, size_t count, struct remote_list_row **out, size_t *out_count);

struct remote_device_row {
	struct str user_id;
	struct str device_id;
	struct str keys;         /**< JSON object, as signed; p == NULL: none */
	struct str display_name; /**< p == NULL: none */
};
/** Devices of users, sorted by user. One round trip. */
MUST_CHECK enum err store_remote_device_find(struct ctx *ctx, struct db *db,
	const struct str *user_ids, size_t count, struct remote_device_row **out, size_t *out_count);

/** Those of the users who share a room with somebody of this server. One round trip. */
MUST_CHECK enum err store_remote_user_shares(struct ctx *ctx, struct db *db,
	const struct str *user_ids, size_t count, struct str **out, size_t *out_count);

/** Makes a list known, or changes it; one that is newer and not stale stays as it is. */
void store_remote_list_set(struct write *write, const struct remote_list_row *row);
void store_remote_list_spoil(struct write *write, struct str user_id);
/**
 * Somebody, of here or elsewhere, has left a room, with this write: the lists of those with whom no room is shared any more are stale.
 * Grows with the room when nobody of this server is left in it.
 */
void store_remote_list_part(struct write *write, struct str user_id, int64_t room_nid);
/** All devices go, if the list is as of `stream_id`. */
void store_remote_device_clear(struct write *write, struct str user_id, int64_t stream_id);
/** Sets a device, if the list is as of `stream_id`. */
void store_remote_device_set(struct write *write, const struct remote_device_row *row,
	int64_t stream_id);
void store_remote_device_delete(struct write *write, struct str user_id, struct str device_id);

#endif
