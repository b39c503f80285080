/**
 * Accounts: the face of the domain, for the other domains and for the command line.
 *
 * The functions below need the database and the settings only, no running service. A server that runs beside hears of
 * what they changed within SESSIONS_TIDY_INTERVAL_MS. `name` is a localpart or a whole user id of this server.
 */
#ifndef BELFRY_HOMESERVER_ACCOUNT_ACCOUNTS_H
#define BELFRY_HOMESERVER_ACCOUNT_ACCOUNTS_H

#include "homeserver/account/deactivate.h"
#include "homeserver/account/email/email_proof.h"
#include "homeserver/account/email/threepid.h"
#include "homeserver/account/grant.h"
#include "homeserver/account/identifier.h"
#include "homeserver/account/oauth/web_session.h"
#include "homeserver/account/password.h"
#include "homeserver/account/session.h"
#include "homeserver/account/uia.h"
#include "storage/account.h"
#include "storage/registration_token.h"

/** Where the command line works. */
struct account_desk {
	struct db *db;
	const struct settings *settings;
	struct clock clock;
	struct rng rng;
	const struct appservice_port
		*appservices; /**< whose names are not to be had; NULL: not asked */
};

/** An account to make. */
struct account_new {
	struct str name;
	struct str password;
	struct str display_name; /**< what others see the user called; empty: the local part */
	bool is_admin;
};

/**
 * A new account.
 * Errors: INPUT M_INVALID_USERNAME, M_USER_IN_USE, M_EXCLUSIVE, M_WEAK_PASSWORD, M_INVALID_PARAM (password or display name too long); STORE
 * @param out_user_id  in the arena; may be NULL
 */
MUST_CHECK enum err account_create(struct ctx *ctx, const struct account_desk *desk,
	const struct account_new *new_account, struct str *out_user_id);

/** A password that nobody has to think up: 20 characters, more where the policy asks for more; in the arena. */
struct str account_random_password(struct ctx *ctx, const struct account_desk *desk);

/* Errors of those that name an account: MISSING M_NOT_FOUND (a deactivated one counts as none to change); STORE. */

/** Ends all sessions too. Errors: also INPUT M_WEAK_PASSWORD, M_INVALID_PARAM; DENIED M_FORBIDDEN (a sender of notices). */
MUST_CHECK enum err account_set_password(struct ctx *ctx, const struct account_desk *desk,
	struct str name, struct str password);
/** To ACCOUNT_DEACTIVATED: for ever; all sessions end, the server takes the user out of the rooms. */
MUST_CHECK enum err account_set_state(struct ctx *ctx, const struct account_desk *desk,
	struct str name, enum account_state state);
MUST_CHECK enum err account_set_suspended(struct ctx *ctx, const struct account_desk *desk,
	struct str name, bool is_suspended);
MUST_CHECK enum err account_set_admin(struct ctx *ctx, const struct account_desk *desk,
	struct str name, bool is_admin);

/** Whether e-mail addresses can be added to accounts. */
bool accounts_take_email(const struct homeserver *hs);
/** Whether people can sign in on a new device by a QR code (oauth/rendezvous.h). */
bool accounts_take_qr_login(const struct homeserver *hs);
/** On the home page: to the account page, and to where people make an account, where there are such pages. */
void accounts_write_ways(struct web_page *page);

/** Up to `limit` accounts by user id, those after `after` (empty: from the first). */
MUST_CHECK enum err account_list(struct ctx *ctx, const struct account_desk *desk, struct str after,
	int64_t limit, struct account_row **out, size_t *out_count);

/**
 * A new registration token.
 *
 * @param token          1 to 64 characters of A–Z a–z 0–9 . _ ~ -; empty: we choose one
 * @param uses_allowed   accounts it may make; -1: any number
 * @param expires_at_ms  0: never
 * @param out            in the arena
 * Errors: INPUT M_INVALID_PARAM (characters, length, taken); STORE
 */
MUST_CHECK enum err registration_token_create(struct ctx *ctx, const struct account_desk *desk,
	struct str token, int64_t uses_allowed, int64_t expires_at_ms, struct str *out);
MUST_CHECK enum err registration_token_list(struct ctx *ctx, const struct account_desk *desk,
	struct registration_token_row **out, size_t *out_count);
/** Errors: MISSING M_NOT_FOUND; STORE. */
MUST_CHECK enum err registration_token_revoke(struct ctx *ctx, const struct account_desk *desk,
	struct str token);

#endif
