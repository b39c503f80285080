/**
 * Third-party identifiers of accounts, and what identity servers publish of them.
 * Spec: client-server API, "Adding Account Administrative Contact Information"
 */
#ifndef BELFRY_HOMESERVER_ACCOUNT_EMAIL_THREEPID_H
#define BELFRY_HOMESERVER_ACCOUNT_EMAIL_THREEPID_H

#include "homeserver/account/email/email_proof.h"
#include "homeserver/identity_server.h"

/** Errors: STORE. */
MUST_CHECK enum err threepids_list(struct ctx *ctx, struct homeserver *hs, struct str user_id,
	struct threepid_row **out, size_t *out_count);

/**
 * Adds the address of a confirmed proof (EMAIL_ADD), which is used up.
 * Errors: INPUT M_THREEPID_AUTH_FAILED; INPUT M_THREEPID_IN_USE (another account's); STORE
 */
MUST_CHECK enum err threepid_add(struct ctx *ctx, struct homeserver *hs, struct str user_id,
	const struct email_claim *claim);

/** The same by the link of a mail (email_proof_mail_link). Errors: MISSING (no fault text; the link is not good any more); INPUT M_THREEPID_IN_USE; STORE */
MUST_CHECK enum err threepid_add_by_link(struct ctx *ctx, struct homeserver *hs, struct str user_id,
	const struct email_link *link);

/** An address as it stands in the database: those of mails count without case, other media are left as they are. In the arena. */
struct str threepid_canonical(struct arena *arena, struct str medium, struct str address);

/** Which account an address belongs to. @param out_user_id  p == NULL: none. Errors: STORE.  Cost: one round trip. */
MUST_CHECK enum err threepid_owner(struct ctx *ctx, struct homeserver *hs, struct str medium,
	struct str address, struct str *out_user_id);

/** What became of taking something back from an identity server. */
enum unbind_result {
	UNBIND_SUCCESS,    /**< it is not published any more, or there was nothing */
	UNBIND_NO_SUPPORT, /**< the identity server would not */
};
/** "success" or "no-support"; static. */
struct str unbind_result_name(enum unbind_result result);

/**
 * Takes an identifier from the account, and back from identity servers.
 * @param which  medium, address; id_server: from there only, p == NULL: from wherever it was published
 * Errors: MISSING M_THREEPID_NOT_FOUND; DENIED M_USER_SUSPENDED; DEFER (parked); STORE     Cost: a request for each identity server.
 */
MUST_CHECK enum err threepid_delete(struct ctx *ctx, struct homeserver *hs,
	const struct principal *who, const struct threepid_bind_row *which, enum unbind_result *out);

/**
 * Has an identity server publish an identifier that it has validated itself.
 * Errors: INPUT M_SERVER_NOT_TRUSTED; the identity server's own refusals; REMOTE, TIMEOUT; DEFER (parked); STORE
 */
MUST_CHECK enum err threepid_bind(struct ctx *ctx, struct homeserver *hs, struct str user_id,
	const struct bind_ask *ask);

/**
 * Takes it back from identity servers. One that fails, refuses or is not trusted is UNBIND_NO_SUPPORT.
 * Errors: DENIED M_USER_SUSPENDED; DEFER (parked); STORE
 */
MUST_CHECK enum err threepid_unbind(struct ctx *ctx, struct homeserver *hs,
	const struct principal *who, const struct threepid_bind_row *which, enum unbind_result *out);

/**
 * All that a user has published, for the end of the account. With a memo the call is parked meanwhile.
 * @param id_server  "The identity server to unbind all of the user's 3PIDs from"; p == NULL: from wherever each was published
 * Errors: STORE; DEFER, SHUTDOWN
 * Spec: client-server API, POST /account/deactivate
 */
MUST_CHECK enum err threepid_unbind_all(struct ctx *ctx, struct homeserver *hs, struct str user_id,
	struct str id_server, enum unbind_result *out);

#endif
