/**
 * Proof that somebody reads the mail of an address: a mail with a link, a page with a button, and a session that the client
 * names when it wants to use the proof.
 * Spec: client-server API, "Adding Account Administrative Contact Information", "POST /register/email/requestToken"
 */
#ifndef BELFRY_HOMESERVER_ACCOUNT_EMAIL_EMAIL_PROOF_H
#define BELFRY_HOMESERVER_ACCOUNT_EMAIL_EMAIL_PROOF_H

#include "homeserver/homeserver.h"
#include "storage/email_validation.h"

enum {
	EMAIL_MAILS_PER_HOUR = 8,                  /**< to one address, whoever asks */
	EMAIL_CONFIRMED_LIFETIME_MS = 3600 * 1000, /**< at least, after the confirmation */
};

/** Path of the page that the mail leads to. */
#define EMAIL_CONFIRM_PATH "/_matrix/client/belfry/email/confirm"

/** Whether this server confirms addresses: it can send mails and knows its own address. */
bool email_is_on(const struct homeserver *hs);

/** What a client asks for. */
struct email_ask {
	enum email_purpose purpose;
	struct str address; /**< as the client writes it */
	struct str client_secret;
	int64_t send_attempt;
	struct str next_link; /**< p == NULL: none */
	const char *
		page; /**< of ours, whose reader goes on there by email_proof_use_link(): path, with "?" or "?…&"; NULL: the one that confirms */
};

/**
 * Begins a proof, or goes on with one; sends a mail when send_attempt is higher than before. For an address that is in
 * use already (EMAIL_REGISTER, EMAIL_ADD) or unknown (EMAIL_PASSWORD) the answer is the same, and the mail says so: nobody
 * learns who has an account here but the address's owner.
 *
 * @param out_sid  in the arena
 * Errors: INPUT M_INVALID_PARAM (address, client secret, next_link), M_THREEPID_MEDIUM_NOT_SUPPORTED (no mails here); DENIED
 * M_THREEPID_DENIED (the address can get no mail); LIMIT M_LIMIT_EXCEEDED; REMOTE, TIMEOUT (the mail relay); STORE
 * Cost: three to four round trips and a mail; on LANE_REMOTE.
 */
MUST_CHECK enum err email_proof_request(struct ctx *ctx, struct homeserver *hs,
	const struct email_ask *ask, struct str *out_sid);

/** What a mail's link is about, for its page. Errors: MISSING (no fault text); STORE. */
MUST_CHECK enum err email_proof_peek(struct ctx *ctx, struct homeserver *hs, struct str sid,
	struct str token, struct email_validation_row *out);
/** The owner of the address confirms. Errors: MISSING (no fault text); STORE. */
MUST_CHECK enum err email_proof_confirm(struct ctx *ctx, struct homeserver *hs, struct str sid,
	struct str token);

/** What a client says of its proof. */
struct email_claim {
	struct str sid;
	struct str client_secret;
};
/**
 * Finds a confirmed proof.
 * @param out  address (in lower case) and validated_at_ms
 * Errors: DENIED M_THREEPID_AUTH_FAILED (not known, of another client or purpose, not confirmed yet, used, ended); STORE
 */
MUST_CHECK enum err email_proof_find(struct ctx *ctx, struct homeserver *hs,
	enum email_purpose purpose, const struct email_claim *claim, struct email_validation_row *out);
/** The same, and it is used up, with what it is for. */
MUST_CHECK enum err email_proof_use(struct ctx *ctx, struct homeserver *hs, struct tx *tx,
	enum email_purpose purpose, const struct email_claim *claim, struct email_validation_row *out);

/** What the link of a mail says. */
struct email_link {
	struct str sid;
	struct str token;
};
/**
 * Uses up the proof of a mail that leads to a page of ours: who has its link reads the mail. It happens with what the link is for: who clicks
 * twice is told by the second click that the link is used when the first has done all.
 * @param out  address (in lower case) and validated_at_ms
 * Errors: MISSING (no fault text): not known, of another purpose, used, ended; STORE
 */
MUST_CHECK enum err email_proof_use_link(struct ctx *ctx, struct homeserver *hs, struct tx *tx,
	enum email_purpose purpose, const struct email_link *link, struct email_validation_row *out);
/** Asks for a mail that leads to a page of ours. Errors: as email_proof_request() */
MUST_CHECK enum err email_proof_mail_link(struct ctx *ctx, struct homeserver *hs,
	enum email_purpose purpose, struct str address, const char *page);

/** Whether a validation may lead there: an http or https URL below one of the configured beginnings, of up to 2,000 bytes. */
bool email_next_link_is_allowed(struct conf_list allowed, struct str url);

#endif
