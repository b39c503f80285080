/**
 * Validations of e-mail addresses under way. Of secrets only the SHA-256 is here; addresses are in lower case.
 */
#ifndef BELFRY_STORAGE_EMAIL_VALIDATION_H
#define BELFRY_STORAGE_EMAIL_VALIDATION_H

#include "storage/db.h"

/** What a confirmed address is good for; one of a purpose is none of the others. */
enum email_purpose { EMAIL_REGISTER, EMAIL_ADD, EMAIL_PASSWORD };

struct email_validation_row {
	struct str sid;
	enum email_purpose purpose;
	struct str address;
	struct str client_secret_hash;
	struct str token_hash; /**< of the newest mail */
	bool is_refused;       /**< cannot be confirmed: the mail tells why */
	int64_t send_attempt;
	struct str next_link; /**< empty: none */
	int64_t validated_at_ms;
	int64_t now_ms;
	int64_t expires_at_ms;
};

/** Mails that went to an address since a time. */
MUST_CHECK enum err store_email_validation_mails(struct ctx *ctx, struct db *db, struct str address,
	int64_t since_ms, int64_t *out);

/**
 * Begins one, or takes a higher send_attempt of one with the same address, client secret and purpose that is not confirmed.
 * @param row       `sid` is used when it is new
 * @param out_sid   the session's id
 * @param out_send  whether a mail is to be sent
 * Cost: one or two round trips.
 */
MUST_CHECK enum err store_email_validation_begin(struct ctx *ctx, struct db *db,
	const struct email_validation_row *row, struct str *out_sid, bool *out_send);
/** The mail of that attempt could not be sent: the same attempt may be made again. */
MUST_CHECK enum err store_email_validation_unsent(struct ctx *ctx, struct db *db, struct str sid,
	int64_t send_attempt);

/** Whether the token of a mail is good; of `out`, address, purpose, next_link. Errors: MISSING (no fault text); STORE. */
MUST_CHECK enum err store_email_validation_peek(struct ctx *ctx, struct db *db, struct str sid,
	struct str token_hash, int64_t now_ms, struct email_validation_row *out);
/** The owner confirms. @param expires_at_ms  it lives at least until then. Errors: MISSING (no fault text); STORE. */
MUST_CHECK enum err store_email_validation_confirm(struct ctx *ctx, struct db *db, struct str sid,
	struct str token_hash, int64_t now_ms, int64_t expires_at_ms);
/**
 * A confirmed one; of `out`, address and validated_at_ms.
 * Errors: MISSING (no fault text) when it is not known, of another secret or purpose, not confirmed, or used; STORE
 */
MUST_CHECK enum err store_email_validation_find(struct ctx *ctx, struct db *db,
	enum email_purpose purpose, struct str sid, struct str client_secret_hash, int64_t now_ms,
	struct email_validation_row *out);
/** Uses it up; another who does waits until it is known whether it is used. Errors: as store_email_validation_find() */
MUST_CHECK enum err store_email_validation_take(struct ctx *ctx, struct tx *tx,
	enum email_purpose purpose, struct str sid, struct str client_secret_hash, int64_t now_ms,
	struct email_validation_row *out);
/** The same by the token of the newest mail, whose reader goes on at once. Errors: MISSING (no fault text); STORE */
MUST_CHECK enum err store_email_validation_take_link(struct ctx *ctx, struct tx *tx,
	enum email_purpose purpose, struct str sid, struct str token_hash, int64_t now_ms,
	struct email_validation_row *out);
/** Forgets those that ended before a time. */
MUST_CHECK enum err store_email_validation_delete_old(struct ctx *ctx, struct db *db,
	int64_t before_ms);

#endif
