/**
 * Positions and leases of stream consumers (homeserver/consumer.h).
 */
#ifndef BELFRY_STORAGE_CONSUMER_H
#define BELFRY_STORAGE_CONSUMER_H

#include "storage/db.h"
#include "storage/db.h"

/** Connections for leases: one, with which all of them end. It goes where `db` goes (fence.h), which outlives it. */
struct db *store_leases_create(struct db *db);
/**
 * The connection of `leases`, by which it is known whether one that was had is still: as long as this is the same. What ends at the server
 * without a sign is not seen here: two processes may have the lease for a while, of which one alone can move the consumer. No round trip
 * while the connection lives. Errors: STORE
 */
MUST_CHECK enum err store_leases_connection(struct ctx *ctx, struct db *leases, int64_t *out);
/**
 * Whether the connection of `leases` has the consumer's lease; takes it when it is free. One round trip.
 */
MUST_CHECK enum err store_consumer_lease(struct ctx *ctx, struct db *leases, struct str name,
	bool *out_is_ours);

/** Gives a lease back, as often as it was taken. One round trip. */
MUST_CHECK enum err store_consumer_give(struct ctx *ctx, struct db *leases, struct str name);

/** Where a consumer is; one that is met for the first time begins at `first`. One round trip. */
MUST_CHECK enum err store_consumer_position(struct ctx *ctx, struct db *db, struct str name,
	int64_t first, int64_t *out);

/** Moves a consumer. Errors: CONFLICT when it does not stand at `from`. One round trip. */
MUST_CHECK enum err store_consumer_move(struct ctx *ctx, struct db *db, struct str name,
	int64_t from, int64_t to);
/**
 * The same where nothing came of what was read: without a flush, so that after a crash it may be read again. One round trip.
 */
MUST_CHECK enum err store_consumer_skip(struct ctx *ctx, struct db *db, struct str name,
	int64_t from, int64_t to);
/** The same within a transaction that writes what the consumer makes. */
MUST_CHECK enum err store_consumer_move_in(struct ctx *ctx, struct tx *tx, struct str name,
	int64_t from, int64_t to);

#endif
