/**
 * Keys that identify: of devices, cross-signing keys, and the signatures over them. Written through the writer, for others are told.
 */
#ifndef BELFRY_STORAGE_DEVICE_KEY_H
#define BELFRY_STORAGE_DEVICE_KEY_H

#include "storage/db.h"
#include "storage/writer.h"

/** What an upload has to know of the device. Texts borrowed from the result. */
struct device_key_facts {
	struct str ed25519;         /**< p == NULL: the device has no keys yet */
	struct str body;            /**< of the stored keys */
	struct str signature;       /**< by itself */
	int64_t one_time_keys;      /**< not claimed */
	bool is_cross_signing_name; /**< a cross-signing key of the user is called like the device */
};
/** One round trip. */
MUST_CHECK enum err store_device_key_facts(struct ctx *ctx, struct db *db, struct str user_id,
	struct str device_id, struct device_key_facts *out);

enum stored_key_kind { STORED_DEVICE_KEY, STORED_CROSS_KEY, STORED_SIGNATURE };

/** A row of a key query. Texts borrowed from the result. */
struct stored_key {
	enum stored_key_kind kind;
	struct str user_id; /**< whose key */
	struct str id;      /**< device id; usage; of a signature: device id or public key */
	struct str body;    /**< canonical JSON without signatures; of a signature: the signature */
	struct str display_name; /**< of a device; p == NULL: none */
	struct str public_key;   /**< of a cross-signing key */
	struct str signer_user;  /**< of a signature */
	struct str signer_key;   /**< "ed25519:…" */
};

/**
 * All keys of users, sorted by user, then kind, with the signatures that `viewer` may see: those by the owner and those by
 * the viewer. One round trip.
 */
MUST_CHECK enum err store_device_key_query(struct ctx *ctx, struct db *db,
	const struct str *user_ids, size_t count, struct str viewer, struct stored_key **out,
	size_t *out_count);

/** A user's account has ended: cross-signing keys, signatures and key backups go. */
MUST_CHECK enum err store_device_key_end_account(struct ctx *ctx, struct db *db,
	struct str user_id);

/** Sets a device's keys. The write fails (MISSING) when the device is gone. */
void store_device_key_set(struct write *write, struct str user_id, struct str device_id,
	struct str ed25519, struct str body);
/** Sets a cross-signing key; what hung on the one before goes with it. */
void store_cross_key_set(struct write *write, struct str user_id, struct str usage,
	struct str public_key, struct str body);

struct key_signature_row {
	struct str target_user;
	struct str target_key; /**< device id or public key */
	struct str signer_user;
	struct str signer_key; /**< "ed25519:…" */
	struct str signature;
};
/** Adds to a write: one signature, in place of an older one by the same key. */
void store_key_signature_set(struct write *write, const struct key_signature_row *row);

#endif
