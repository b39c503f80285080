/**
 * The notices of a school: senders, tokens, notices and their deliveries (docs/notices.md). One round trip each.
 */
#ifndef BELFRY_STORAGE_NOTICE_H
#define BELFRY_STORAGE_NOTICE_H

#include "storage/db.h"

/* --- senders and tokens ------------------------------------------------------------------------------------ */

/** Makes an account a sender; nothing happens when it is one. */
MUST_CHECK enum err store_notice_sender_insert(struct ctx *ctx, struct tx *tx, struct str user_id,
	int64_t created_at_ms);
/** Errors: MISSING (no fault text); STORE. */
MUST_CHECK enum err store_notice_sender_find(struct ctx *ctx, struct db *db, struct str user_id);
/** All, by name, as the transaction sees them. */
MUST_CHECK enum err store_notice_sender_list_locked(struct ctx *ctx, struct tx *tx,
	struct str **out, size_t *out_count);
/** All, by name. */
MUST_CHECK enum err store_notice_sender_list(struct ctx *ctx, struct db *db, struct str **out,
	size_t *out_count);

struct notice_token_row {
	int64_t token_id; /**< when read */
	struct str sender;
	struct str targets; /**< with spaces between them */
	struct str name;
	int64_t created_at_ms;
	bool is_hook;   /**< in the address of a webhook, and good for nothing else */
	bool is_signed; /**< what comes to the hook has to be signed */
};
/** @param hash  SHA-256 of the token */
MUST_CHECK enum err store_notice_token_insert(struct ctx *ctx, struct db *db, struct str hash,
	const struct notice_token_row *row, int64_t *out_token_id);
/** Errors: MISSING (no fault text), also when the sender's account is closed or locked; STORE. */
MUST_CHECK enum err store_notice_token_find(struct ctx *ctx, struct db *db, struct str hash,
	bool is_hook, struct notice_token_row *out);
MUST_CHECK enum err store_notice_token_list(struct ctx *ctx, struct db *db,
	struct notice_token_row **out, size_t *out_count);
/** Errors: MISSING (no fault text); STORE. */
MUST_CHECK enum err store_notice_token_delete(struct ctx *ctx, struct db *db, int64_t token_id);

/* --- notices ------------------------------------------------------------------------------------------------- */

struct notice_row {
	int64_t notice_id; /**< when read */
	struct str sender;
	struct str texts;      /**< JSON array */
	struct str state;      /**< when written: scheduled or draft */
	struct str start_at;   /**< p == NULL: at once */
	struct str zone;       /**< of the clock */
	struct str rule;       /**< p == NULL: once */
	struct str except_at;  /**< with spaces between them */
	int64_t next_at_ms;    /**< 0: never again */
	int64_t expires_at_ms; /**< 0: not said */
	int64_t created_at_ms;
	bool is_pinned;
	int64_t edits;          /**< when read: how often its texts were changed */
	int64_t token_id;       /**< 0: none */
	int64_t given_up;       /**< when listed: deliveries that failed, and are not tried again */
	struct str request_key; /**< when written; p == NULL: none */
	const struct str *media_ids; /**< when written: its files */
	size_t media_count;
	struct str request_hash; /**< with request_key: SHA-256 of what is asked for */
};
struct notice_target_row {
	struct str target;
	struct str languages; /**< with spaces between them; empty: all */
};
/** What a token has asked for before. Errors: MISSING (no fault text); STORE. @param out_hash  of the request */
MUST_CHECK enum err store_notice_find_request(struct ctx *ctx, struct db *db, int64_t token_id,
	struct str request_key, int64_t *out_notice_id, struct str *out_hash);
/**
 * Errors: LIMIT (no fault text) when the sender has `limit` that are due, or the token has sent the request before; STORE
 */
MUST_CHECK enum err store_notice_insert(struct ctx *ctx, struct db *db,
	const struct notice_row *row, const struct notice_target_row *targets, size_t target_count,
	int64_t limit, int64_t *out_notice_id);
/** Errors: MISSING (no fault text); STORE. */
MUST_CHECK enum err store_notice_get(struct ctx *ctx, struct db *db, int64_t notice_id,
	struct notice_row *out);
/** Which notices are listed. */
struct notice_query {
	struct str sender;         /**< p == NULL: of all senders */
	const struct str *targets; /**< those that go to no other target; NULL: to any */
	size_t target_count;
	int64_t before; /**< number; INT64_MAX: from the newest on */
	int64_t limit;
};
/** The newest first. */
MUST_CHECK enum err store_notice_list(struct ctx *ctx, struct db *db,
	const struct notice_query *query, struct notice_row **out, size_t *out_count);
/** Media ids of its files, in order. */
MUST_CHECK enum err store_notice_attachments(struct ctx *ctx, struct db *db, int64_t notice_id,
	struct str **out, size_t *out_count);
MUST_CHECK enum err store_notice_targets(struct ctx *ctx, struct db *db, int64_t notice_id,
	struct notice_target_row **out, size_t *out_count);
/**
 * Nothing of it is sent any more. Errors: MISSING (no fault text) when there is nothing to cancel; STORE.
 * @param sender  whose it has to be; p == NULL: anybody's
 */
MUST_CHECK enum err store_notice_cancel(struct ctx *ctx, struct db *db, int64_t notice_id,
	struct str sender);

/**
 * Another start, and what is due then; a draft is none any more.
 * Errors: MISSING (no fault text) when it was not so; STORE. @param was_due_ms  as it was read; 0: it is a draft
 */
MUST_CHECK enum err store_notice_reschedule(struct ctx *ctx, struct db *db, int64_t notice_id,
	int64_t was_due_ms, struct str start_at, int64_t next_at_ms);

/* --- what is due ------------------------------------------------------------------------------------------------ */

/** Up to `limit` whose time has come, longest first; of one time, as they were made. */
MUST_CHECK enum err store_notice_due(struct ctx *ctx, struct db *db, int64_t now_ms, int64_t limit,
	struct notice_row **out, size_t *out_count);
/** When something is due, or to be tried again; INT64_MAX: nothing waits. */
MUST_CHECK enum err store_notice_next(struct ctx *ctx, struct db *db, int64_t *out_ms);

/** A notice's time has come. */
struct notice_step {
	int64_t notice_id;
	int64_t was_due_ms; /**< next_at_ms as it was read */
	int64_t due_ms;     /**< the occurrence that is sent */
	int64_t next_at_ms; /**< 0: never again */
	struct str state;   /**< from now on */
	const struct str *rooms;
	const struct str *languages; /**< of each room */
	const struct str *reasons;   /**< of each room; empty: it is to be sent, else why it cannot */
	size_t room_count;
};
/** Deliveries come and the notice moves on, or nothing happens because somebody else was first. */
MUST_CHECK enum err store_notice_move_on(struct ctx *ctx, struct db *db,
	const struct notice_step *step);

struct notice_delivery_row {
	int64_t notice_id;
	int64_t due_at_ms;
	struct str room_id;
	struct str languages;
	struct str txn_key;
	int64_t failures;
	struct str sender, texts, zone; /**< of the notice */
};
/** What was put off for longer than any pause, by a clock that has been set back since, is due now. */
MUST_CHECK enum err store_notice_delivery_recall(struct ctx *ctx, struct db *db, int64_t now_ms,
	int64_t longest_pause_ms);
/** Up to `limit` that are to be sent, longest first; of one time, as the notices were made. */
MUST_CHECK enum err store_notice_delivery_due(struct ctx *ctx, struct db *db, int64_t now_ms,
	int64_t limit, struct notice_delivery_row **out, size_t *out_count);
MUST_CHECK enum err store_notice_delivery_sent(struct ctx *ctx, struct db *db,
	const struct notice_delivery_row *row, struct str event_id, int64_t now_ms);
/** @param next_try_ms  0: it is given up */
MUST_CHECK enum err store_notice_delivery_failed(struct ctx *ctx, struct db *db,
	const struct notice_delivery_row *row, int64_t next_try_ms, struct str reason);

/** What became of one. */
struct notice_outcome_row {
	int64_t due_at_ms;
	struct str room_id;
	int64_t next_try_ms; /**< 0: none */
	int64_t failures;
	struct str reason;   /**< p == NULL: none */
	struct str event_id; /**< p == NULL: not sent */
	int64_t sent_at_ms;
};
/** The newest of a notice. */
MUST_CHECK enum err store_notice_delivery_list(struct ctx *ctx, struct db *db, int64_t notice_id,
	int64_t limit, struct notice_outcome_row **out, size_t *out_count);

#endif
