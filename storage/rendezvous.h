/**
 * Sessions by which two devices of a person meet while one signs the other in. There is place for 4,096; a new one takes the oldest one's.
 * Of an id the database has the SHA-256 only.
 */
#ifndef BELFRY_STORAGE_RENDEZVOUS_H
#define BELFRY_STORAGE_RENDEZVOUS_H

#include "storage/db.h"

struct rendezvous_row {
	struct str id_hash;
	struct str etag; /**< without its quotes; never the same for another payload */
	struct str payload;
	int64_t modified_ms;
	int64_t expires_ms;
};
/** Adds one. */
MUST_CHECK enum err store_rendezvous_insert(struct ctx *ctx, struct db *db,
	const struct rendezvous_row *row);
/** One that has not ended. Errors: MISSING (no fault text); STORE. */
MUST_CHECK enum err store_rendezvous_find(struct ctx *ctx, struct db *db, struct str id_hash,
	int64_t now_ms, struct rendezvous_row *out);
/**
 * Puts another payload in the place of one whose etag is known. The end stays.
 * @param row  id_hash, the new etag and payload, modified_ms: now; becomes what stands there then, also with CONFLICT, but for the payload
 * Errors: CONFLICT (no fault text): its etag is another; MISSING (no fault text); STORE
 */
MUST_CHECK enum err store_rendezvous_replace(struct ctx *ctx, struct db *db, struct str etag,
	struct rendezvous_row *row);
/** Ends one. Errors: MISSING (no fault text); STORE. */
MUST_CHECK enum err store_rendezvous_delete(struct ctx *ctx, struct db *db, struct str id_hash,
	int64_t now_ms);
/** Forgets those that have ended. */
MUST_CHECK enum err store_rendezvous_delete_old(struct ctx *ctx, struct db *db, int64_t now_ms);

#endif
