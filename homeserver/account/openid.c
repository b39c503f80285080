/*
 * OpenID tokens. The database has their hash, so they are no use to whoever reads it; they end with the account's
 * password and with the account.
 */
#include "homeserver/account/openid.h"

#include "homeserver/account/grant.h"
#include "storage/account.h"
#include "storage/secret.h"

enum { TOKEN_CHARS = 40 };

enum err openid_request(struct ctx *ctx, struct homeserver *hs, const struct principal *who,
	struct str user_id, struct str *out_token)
{
	if (!str_equals(user_id, who->user.s)) {
		return fail(ctx, ERR_DENIED, M_FORBIDDEN, "You can only get a token of your own");
	}
	struct str text = rng_text(&hs->rng, ctx->arena, TOKEN_CHARS);
	*out_token = str_printf(ctx->arena, "bfo_%.*s", STR_ARG(text));
	return store_secret_insert(ctx, hs->db,
		&(struct secret_row){
			.kind = SECRET_OPENID,
			.hash = token_hash(ctx->arena, *out_token),
			.user_id = user_id,
			.expires_at_ms = clock_wall_ms(&hs->clock) + OPENID_LIFETIME_MS,
		});
}

enum err openid_userinfo(struct ctx *ctx, struct homeserver *hs, struct str token,
	struct str *out_user_id)
{
	struct secret_row row;
	struct account_row account;
	enum err err = store_secret_find(ctx, hs->db, SECRET_OPENID, token_hash(ctx->arena, token),
		clock_wall_ms(&hs->clock), &row);
	if (err == ERR_OK) {
		err = store_account_find(ctx, hs->db, row.user_id, &account);
	}
	if (err == ERR_MISSING || (err == ERR_OK && account.state != ACCOUNT_ACTIVE)) {
		return fail_status(ctx, ERR_DENIED, 401, M_UNKNOWN_TOKEN,
			"This token is not known or has ended");
	}
	TRY(err);
	*out_user_id = row.user_id;
	return ERR_OK;
}
