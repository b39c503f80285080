/*
 * Login tokens. Deleting the row is what uses one up, so that of two log-ins at once one succeeds.
 */
#include "homeserver/account/login_token.h"

#include "homeserver/account/grant.h"
#include "storage/secret.h"

enum { TOKEN_CHARS = 40 };

static const struct str again = STR_INIT("again");

enum err login_token_make(struct ctx *ctx, struct homeserver *hs, const struct login_token *token,
	struct str *out)
{
	struct str text = rng_text(&hs->rng, ctx->arena, TOKEN_CHARS);
	*out = str_printf(ctx->arena, "bfl_%.*s", STR_ARG(text));
	return store_secret_insert(ctx, hs->db,
		&(struct secret_row){
			.kind = SECRET_LOGIN,
			.hash = token_hash(ctx->arena, *out),
			.user_id = token->user_id,
			.data = token->is_again ? again : STR(""),
			.expires_at_ms =
				clock_wall_ms(&hs->clock) + hs->settings.account.login_token_lifetime_ms,
		});
}

enum err login_token_use(struct ctx *ctx, struct homeserver *hs, struct str token,
	struct login_token *out)
{
	struct secret_row row;
	enum err err = store_secret_take(ctx, hs->db, SECRET_LOGIN, token_hash(ctx->arena, token),
		clock_wall_ms(&hs->clock), &row);
	if (err == ERR_MISSING) {
		return fail(ctx, ERR_DENIED, M_FORBIDDEN, "This login token is not known or has ended");
	}
	TRY(err);
	*out = (struct login_token){
		.user_id = row.user_id,
		.is_again = str_equals(row.data, again),
	};
	return ERR_OK;
}
