/*
 * Stages. Each proves one thing, and to the session only. What is proven by a mail counts for one session: the stage uses it up; for a new
 * password, whose flow has no other stage, the change itself does (password.h), so that it is not lost where the change fails.
 */
#include "homeserver/account/uia_stage.h"

#include "homeserver/account/email/email_proof.h"
#include "homeserver/account/guess.h"
#include "homeserver/account/identify.h"
#include "homeserver/account/password.h"
#include "homeserver/account/register.h"
#include "homeserver/account/terms.h"

enum err uia_check_password(struct call *call, struct str user_id, struct str password)
{
	struct account_row account;
	struct str bucket = guess_key_of_stage(call->ctx.arena, user_id);
	return password_check(call, bucket, user_id, password, &account);
}

static enum err stage_password(struct call *call, const struct json *auth)
{
	struct ctx *ctx = &call->ctx;
	struct str own = principal_of(call) != NULL ? principal_of(call)->user.s : STR("");
	struct identifier who;
	struct str password;
	TRY(identify(ctx, hs_of(call), auth, &who));
	TRY(body_str(call, auth, "password", &password));
	if (who.user_id.p == NULL || !str_equals(who.user_id, own)) {
		/* No failed stage, but a wrong request: no password of somebody else could ever help. */
		return fail_status(ctx, ERR_INPUT, 403, M_FORBIDDEN,
			"Only the user who asks can confirm it");
	}
	return uia_check_password(call, own, password);
}

enum err uia_check_registration_token(struct ctx *ctx, struct homeserver *hs, struct str token)
{
	bool is_valid = false;
	TRY(registration_token_is_valid(ctx, hs->db, clock_wall_ms(&hs->clock), token, &is_valid));
	return is_valid ? ERR_OK
					: fail(ctx, ERR_DENIED, M_UNAUTHORIZED, "This registration token is not valid");
}

static enum err stage_registration_token(struct call *call, const struct json *auth,
	struct uia_evidence *evidence)
{
	struct str token;
	TRY(body_str(call, auth, "token", &token));
	TRY(uia_check_registration_token(&call->ctx, hs_of(call), token));
	evidence->registration_token = token;
	return ERR_OK;
}

static enum err use_email(struct ctx *ctx, struct homeserver *hs, enum email_purpose purpose,
	const struct email_claim *claim, struct email_validation_row *out)
{
	struct tx *tx CLEANUP(tx_cleanup) = NULL;
	TRY(tx_begin(ctx, hs->db, &tx));
	TRY(email_proof_use(ctx, hs, tx, purpose, claim, out));
	return tx_commit(ctx, &tx);
}

/* The old name of the member was `threepidCreds`. */
static enum err stage_email(struct call *call, enum email_purpose purpose, const struct json *auth,
	struct uia_evidence *evidence)
{
	const struct json *credentials;
	struct email_claim claim;
	struct email_validation_row proof;
	TRY(body_opt_object(call, auth, "threepid_creds", &credentials));
	if (credentials == NULL) {
		TRY(body_opt_object(call, auth, "threepidCreds", &credentials));
	}
	if (credentials == NULL) {
		return fail(&call->ctx, ERR_INPUT, M_MISSING_PARAM, "'threepid_creds' is missing");
	}
	TRY(body_str(call, credentials, "sid", &claim.sid));
	TRY(body_str(call, credentials, "client_secret", &claim.client_secret));
	TRY(purpose == EMAIL_PASSWORD
			? email_proof_find(&call->ctx, hs_of(call), purpose, &claim, &proof)
			: use_email(&call->ctx, hs_of(call), purpose, &claim, &proof));
	evidence->email = proof.address;
	evidence->claim = claim;
	return ERR_OK;
}

enum err uia_stage_run(struct call *call, const struct uia_flows *flows, enum uia_stage stage,
	const struct json *auth, struct uia_evidence *evidence)
{
	switch (stage) {
	case UIA_PASSWORD:
		return stage_password(call, auth);
	case UIA_DUMMY:
		return ERR_OK;
	case UIA_TERMS: /* naming the stage is the acceptance */
		evidence->terms = terms_current(call->ctx.arena, &hs_of(call)->settings);
		return ERR_OK;
	case UIA_REGISTRATION_TOKEN:
		return stage_registration_token(call, auth, evidence);
	case UIA_EMAIL:
		return stage_email(call, flows->email_purpose, auth, evidence);
	case UIA_SSO:
	case UIA_OAUTH:
	case UIA_OAUTH_UNSTABLE:
		return fail(&call->ctx, ERR_DENIED, M_FORBIDDEN,
			"Open the page of this stage in a browser");
	case UIA_STAGE_COUNT:
		break;
	}
	return fail_cause(&call->ctx, ERR_INTERNAL, "no such stage");
}
