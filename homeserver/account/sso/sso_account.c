/*
 * Accounts of providers' users. The subject decides; a name decides only the first time, and only about a name that
 * nobody has.
 */
#include "homeserver/account/sso/sso_account.h"

#include "base/log.h"
#include "homeserver/account/identifier.h"
#include "homeserver/account/register.h"
#include "homeserver/account/sso/sso_reason.h"
#include "http/mail_text.h"
#include "matrix/canonical.h"
#include "matrix/profile_field.h"
#include "storage/account.h"
#include "storage/profile.h"
#include "storage/sso_identity.h"
#include "storage/threepid.h"

enum { ATTEMPTS = 2 };

static struct sso_identity identity_of(const struct provider *provider, const struct json *claims)
{
	return (struct sso_identity){provider->id, json_get_str(claims, STR("sub"))};
}

enum err sso_account_find(struct ctx *ctx, struct homeserver *hs, const struct provider *provider,
	const struct json *claims, struct str *out_user_id)
{
	struct sso_identity identity = identity_of(provider, claims);
	*out_user_id = (struct str){0};
	enum err err = store_sso_identity_find(ctx, hs->db, &identity, out_user_id);
	return err == ERR_MISSING ? ERR_OK : err;
}

/* --- a new account ------------------------------------------------------------------------------------------ */

/* Name and address are a courtesy: that one cannot be taken over is no reason to refuse. */
static enum err import(struct ctx *ctx, struct homeserver *hs, const struct provider *provider,
	const struct json *claims, struct str user_id)
{
	struct field_error error;
	struct str name = provider_template(ctx->arena, provider->display_name, claims);
	struct str email = provider_template(ctx->arena, provider->email, claims);
	struct json value = json_string(name);
	if (name.n > 0 && profile_value_check(STR("displayname"), &value, &error)) {
		TRY(store_profile_set(ctx, hs->db, user_id, STR("displayname"),
			canonical_text(ctx->arena, &value)));
	}
	if (!json_get_bool(claims, STR("email_verified"), false) || !mail_address_is_valid(email)) {
		return ERR_OK;
	}
	int64_t now_ms = clock_wall_ms(&hs->clock);
	struct tx *tx CLEANUP(tx_cleanup) = NULL;
	TRY(tx_begin(ctx, hs->db, &tx));
	enum err err = store_threepid_insert(ctx, tx,
		&(struct threepid_row){STR("email"), str_lower(ctx->arena, email), user_id, now_ms,
			now_ms});
	return err == ERR_OK ? tx_commit(ctx, &tx) : err == ERR_CONFLICT ? ERR_OK : err;
}

static enum err make(struct ctx *ctx, struct homeserver *hs, const struct provider *provider,
	const struct json *claims, struct str user_id)
{
	struct str made;
	if (!provider->makes_accounts) {
		return sso_refuse(ctx, SSO_NO_ACCOUNT);
	}
	struct sso_identity identity = identity_of(provider, claims);
	const struct account_wish wish = {.user_id = user_id,
		.identity = &identity,
		.appservices = &hs->ports.appservices};
	enum err err = account_make(ctx, hs->db, &hs->rng, clock_wall_ms(&hs->clock),
		hs->settings.server_name, &wish, &made);
	if (err == ERR_INPUT && str_equals(str_of(ctx->fault.errcode), STR(M_EXCLUSIVE))) {
		return sso_refuse(ctx, SSO_NAME_RESERVED);
	}
	TRY(err);
	log_info(ctx->request_id, "sso.account_made", "provider=%.*s", STR_ARG(provider->id));
	err = import(ctx, hs, provider, claims, user_id);
	if (err != ERR_OK) {
		log_warn(ctx->request_id, "sso.import_failed", "kind=%s", err_name(err));
		ctx->fault = (struct fault){0};
	}
	return ERR_OK;
}

/* An account that is there already, and not the subject's. */
static enum err link(struct ctx *ctx, struct homeserver *hs, const struct provider *provider,
	const struct json *claims, const struct account_row *account)
{
	if (!provider->links_existing || account->is_admin || account->is_guest ||
		account->state == ACCOUNT_DEACTIVATED) {
		return sso_refuse(ctx, SSO_NAME_TAKEN);
	}
	struct sso_identity identity = identity_of(provider, claims);
	struct tx *tx CLEANUP(tx_cleanup) = NULL;
	TRY(tx_begin(ctx, hs->db, &tx));
	TRY(store_sso_identity_insert(ctx, tx, &identity, account->user_id, clock_wall_ms(&hs->clock)));
	TRY(tx_commit(ctx, &tx));
	log_info(ctx->request_id, "sso.account_linked", "provider=%.*s", STR_ARG(provider->id));
	return ERR_OK;
}

/* Errors: CONFLICT or INPUT M_USER_IN_USE when somebody was first: look again. */
static enum err begin(struct ctx *ctx, struct homeserver *hs, const struct provider *provider,
	const struct json *claims, struct str *out_user_id)
{
	struct account_row account;
	struct str name = provider_template(ctx->arena, provider->localpart, claims);
	if (name.n == 0) {
		return sso_refuse(ctx, SSO_NO_NAME);
	}
	enum err err = new_user_id(ctx, provider_localpart(ctx->arena, name), hs->settings.server_name,
		out_user_id);
	if (err == ERR_INPUT) {
		return sso_refuse(ctx, SSO_UNUSABLE_NAME);
	}
	TRY(err);
	err = store_account_find(ctx, hs->db, *out_user_id, &account);
	if (err == ERR_MISSING) {
		return make(ctx, hs, provider, claims, *out_user_id);
	}
	TRY(err);
	return link(ctx, hs, provider, claims, &account);
}

/* --- all --------------------------------------------------------------------------------------------------- */

static enum err check_state(struct ctx *ctx, struct homeserver *hs, struct str user_id)
{
	struct account_row account;
	enum err err = store_account_find(ctx, hs->db, user_id, &account);
	if (err == ERR_MISSING || (err == ERR_OK && account.state == ACCOUNT_DEACTIVATED)) {
		return sso_refuse(ctx, SSO_DEACTIVATED);
	}
	TRY(err);
	return account.state == ACCOUNT_LOCKED ? sso_refuse(ctx, SSO_LOCKED) : ERR_OK;
}

enum err sso_account(struct ctx *ctx, struct homeserver *hs, const struct provider *provider,
	const struct json *claims, struct str *out_user_id)
{
	TRY(sso_account_find(ctx, hs, provider, claims, out_user_id));
	for (int i = 0; i < ATTEMPTS && out_user_id->p == NULL; i++) {
		enum err err = begin(ctx, hs, provider, claims, out_user_id);
		if (err != ERR_OK && err != ERR_CONFLICT && err != ERR_INPUT) {
			return err;
		}
		if (err != ERR_OK) { /* another window of the same person was first, or a stranger */
			ctx->fault = (struct fault){0};
			TRY(sso_account_find(ctx, hs, provider, claims, out_user_id));
		}
	}
	if (out_user_id->p == NULL) {
		return sso_refuse(ctx, SSO_NAME_TAKEN);
	}
	return check_state(ctx, hs, *out_user_id);
}
