/**
 * New accounts.
 * Spec: client-server API, "Account registration", "Token-authenticated registration"
 */
#ifndef BELFRY_HOMESERVER_ACCOUNT_REGISTER_H
#define BELFRY_HOMESERVER_ACCOUNT_REGISTER_H

#include "homeserver/account/grant.h"
#include "homeserver/account/uia.h"
#include "storage/sso_identity.h"

/** What a new account shall be. */
struct account_wish {
	struct str user_id;       /**< p == NULL: we choose one */
	struct str password_hash; /**< p == NULL: no login by password */
	bool is_admin;
	bool is_guest;
	bool ends_guesthood; /**< the account is there: its guest becomes a user with the password */
	struct str registration_token; /**< used once more, in the same transaction; p == NULL: none */
	struct str email;              /**< confirmed, in lower case; p == NULL: none */
	struct str
		terms; /**< policies accepted, as terms_current() writes them; noted with the account */
	const struct sso_identity *identity; /**< whose at an identity provider; NULL: nobody's */
	const struct appservice_port
		*appservices;         /**< whose names are not to be had; NULL: not asked */
	struct str appservice_id; /**< of the application service that makes it; p == NULL: none */
};

/**
 * Makes the account, or a user of the guest who has it; of several at once for one name one succeeds. Of a guest's sessions the
 * caller then has to say that they have changed.
 * @param out_user_id  in the arena
 * Errors: INPUT M_USER_IN_USE, M_EXCLUSIVE, M_THREEPID_IN_USE (the address got another account meanwhile); DENIED M_FORBIDDEN (the
 * registration token was used up meanwhile); STORE
 */
MUST_CHECK enum err account_make(struct ctx *ctx, struct db *db, const struct rng *rng,
	int64_t now_ms, struct server_name server, const struct account_wish *wish,
	struct str *out_user_id);

/** Whether a wish's name, if it has one, can still be had. Errors: INPUT M_EXCLUSIVE (an application service's), M_USER_IN_USE; STORE. */
MUST_CHECK enum err account_check_free(struct ctx *ctx, struct db *db,
	const struct account_wish *wish);

/**
 * Whether a guest may become a user: it is one of that name whose access token it is.
 * Spec: client-server API, "Guest Access"
 * Errors: DENIED M_FORBIDDEN; STORE
 */
MUST_CHECK enum err account_check_guest(struct ctx *ctx, struct homeserver *hs,
	struct str access_token, struct str user_id);

/** Which proofs registration asks for, in the arena; NULL: it is closed. */
const struct uia_flows *register_flows(struct arena *arena, const struct homeserver *hs);
/** Whether an e-mail address may be given with a new account. */
bool register_takes_email(const struct homeserver *hs);

/** Whether a registration token is good now. Errors: STORE. */
MUST_CHECK enum err registration_token_is_valid(struct ctx *ctx, struct db *db, int64_t now_ms,
	struct str token, bool *out);

#endif
