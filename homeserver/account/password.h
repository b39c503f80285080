/**
 * Passwords: policy, hashing, checking, changing. Hashing is slow on purpose: routes that do it are on LANE_SLOW.
 */
#ifndef BELFRY_HOMESERVER_ACCOUNT_PASSWORD_H
#define BELFRY_HOMESERVER_ACCOUNT_PASSWORD_H

#include "homeserver/account/email/email_proof.h"
#include "homeserver/homeserver.h"
#include "homeserver/web_page.h"
#include "storage/account.h"

enum { PASSWORD_MAX_BYTES = 1024 };

/** Whether passwords are used at all here. Errors: DENIED M_FORBIDDEN. */
MUST_CHECK enum err password_check_is_on(struct ctx *ctx, const struct settings *settings);

/** Whether a new password will do. Errors: INPUT M_WEAK_PASSWORD (too short), M_INVALID_PARAM (too long). */
MUST_CHECK enum err password_check_policy(struct ctx *ctx, const struct settings *settings,
	struct str password);

/** The lines of a form for a new password, "new" and "again", which say how long it has to be. */
void password_write_fields(struct web_page *page, const struct settings *settings);

/** The box of such a form to sign all devices out: "logout". */
void password_write_logout(struct web_page *page);

/** argon2id by the settings' cost, in the arena. */
struct str password_make_hash(struct ctx *ctx, const struct settings *settings,
	struct str password);

/**
 * Checks a password that somebody gives as a proof; all do so by this. An unknown user, a deactivated one and a wrong password look the same, take
 * the same time, and are counted alike: who has given too many has to wait, also with the right one.
 *
 * @param bucket   whose attempts it is counted with (guess.h); right ones do not count
 * @param user_id  p == NULL: nobody
 * Errors: DENIED M_FORBIDDEN; LIMIT M_LIMIT_EXCEEDED; STORE
 */
MUST_CHECK enum err password_check(struct call *call, struct str bucket, struct str user_id,
	struct str password, struct account_row *out);

/**
 * Whether the password belongs to the account. Takes as long when there is none.
 * @param account  NULL: nobody of that name
 */
MUST_CHECK bool password_is_right(struct ctx *ctx, const struct settings *settings,
	const struct account_row *account, struct str password);

/** A change of a user's password. */
struct password_wish {
	struct str user_id;
	struct str password;             /**< the new one */
	bool logout_others;              /**< all devices but one end */
	struct str kept_device;          /**< the one that asks; p == NULL: none */
	const struct email_link *link;   /**< of a mail to the user, which is used up; NULL: none */
	const struct email_claim *claim; /**< the same of a client; NULL: none */
};

/**
 * Changes it, and ends what else could let in by what was before: short-lived secrets, mails by which it could be reset.
 * Errors: MISSING (no fault text) when the link is not good (any more); DENIED M_THREEPID_AUTH_FAILED when the claim is not; DENIED
 * M_FORBIDDEN when the account is deactivated; STORE
 */
MUST_CHECK enum err password_change(struct ctx *ctx, struct homeserver *hs,
	const struct password_wish *wish);

#endif
