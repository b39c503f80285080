/**
 * Events that are to be sent later. Each is sent or cancelled once: whoever does either takes the row away, and nobody has what is taken.
 */
#ifndef BELFRY_STORAGE_DELAYED_EVENT_H
#define BELFRY_STORAGE_DELAYED_EVENT_H

#include "storage/db.h"
#include "storage/writer.h"

/** One as somebody has seen it: when it has been put off since, it is another. */
struct delayed_key {
	struct str delay_id;
	int64_t due_at_ms;
};

struct delayed_event_row {
	struct delayed_key key;
	struct str user_id;
	struct str room_id;
	struct str type;
	struct str state_key; /**< p == NULL: it is no state */
	struct str content;   /**< JSON object */
	bool is_dated;
	int64_t origin_server_ts; /**< when is_dated */
	int64_t delay_ms;
	int64_t running_since_ms;
};

/**
 * Adds one, unless its user has as many as a user may, or the transaction id has been used.
 *
 * @param txn_key  TRANSACTION_KEY_BYTES; p == NULL: none. It leads to the delay id (store_transaction_find())
 * @param limit    so many of one user; requests at the same moment may come above it
 * Errors: CONFLICT (no fault text) when it was not added; STORE     Cost: one round trip.
 */
MUST_CHECK enum err store_delayed_event_insert(struct ctx *ctx, struct db *db,
	const struct delayed_event_row *row, struct str txn_key, int64_t limit);

/** Errors: MISSING (no fault text); STORE. */
MUST_CHECK enum err store_delayed_event_find(struct ctx *ctx, struct db *db, struct str delay_id,
	struct delayed_event_row *out);

/** All of a user, those that are due first before the others. */
MUST_CHECK enum err store_delayed_event_list(struct ctx *ctx, struct db *db, struct str user_id,
	struct delayed_event_row **out, size_t *out_count);

/** Puts one off by its delay, from now on. Errors: MISSING (no fault text); STORE. Cost: one round trip, one row. */
MUST_CHECK enum err store_delayed_event_restart(struct ctx *ctx, struct db *db, struct str delay_id,
	int64_t now_ms);

/** Errors: MISSING (no fault text); STORE. */
MUST_CHECK enum err store_delayed_event_cancel(struct ctx *ctx, struct db *db, struct str delay_id);

/** The oldest that are due at a moment, in order. */
MUST_CHECK enum err store_delayed_event_due(struct ctx *ctx, struct db *db, int64_t now_ms,
	int64_t limit, struct delayed_event_row **out, size_t *out_count);

/** When the next one is due, of all or of a user; INT64_MAX: there is none. */
MUST_CHECK enum err store_delayed_event_next(struct ctx *ctx, struct db *db, int64_t *out_ms);
MUST_CHECK enum err store_delayed_event_next_of_user(struct ctx *ctx, struct db *db,
	struct str user_id, int64_t *out_ms);

/** As part of the write that brings the event, which fails with CONFLICT when it is another by now, or none. */
void store_delayed_event_take(struct write *write, const struct delayed_key *key);

/** Whether it is what it was. Errors: MISSING (no fault text) when not; STORE. */
MUST_CHECK enum err store_delayed_event_stands(struct ctx *ctx, struct db *db,
	const struct delayed_key *key);

/** Takes one away, or tries it again later; nothing happens when it is another by now. */
MUST_CHECK enum err store_delayed_event_drop(struct ctx *ctx, struct db *db,
	const struct delayed_key *key);
MUST_CHECK enum err store_delayed_event_postpone(struct ctx *ctx, struct db *db,
	const struct delayed_key *key, int64_t due_at_ms);

/** All of a user. */
MUST_CHECK enum err store_delayed_event_delete_user(struct ctx *ctx, struct db *db,
	struct str user_id);

#endif
