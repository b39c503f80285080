/*
 * New accounts. Who is first to insert the row has the name; the registration token is used in the same transaction, so
 * that it makes as many accounts as it may and no more.
 */
#include "homeserver/account/register.h"

#include "storage/account.h"
#include "storage/registration_token.h"

enum { RANDOM_NAME_CHARS = 10, NAME_ATTEMPTS = 5, TOKEN_MAX_BYTES = 64 };

const struct uia_flows *register_flows(const struct settings *settings)
{
	switch (settings->registration_mode) {
	case REGISTRATION_OPEN:
		return &uia_flows_dummy;
	case REGISTRATION_TOKEN:
		return &uia_flows_registration_token;
	case REGISTRATION_CLOSED:
		break;
	}
	return NULL;
}

enum err registration_token_is_valid(struct ctx *ctx, struct db *db, int64_t now_ms,
	struct str token, bool *out)
{
	*out = false;
	if (token.n == 0 || token.n > TOKEN_MAX_BYTES || str_find_byte(token, '\0') != SIZE_MAX) {
		return ERR_OK;
	}
	struct registration_token_row row;
	enum err err = store_registration_token_find(ctx, db, token, &row);
	if (err == ERR_MISSING) {
		return ERR_OK;
	}
	TRY(err);
	*out = (row.uses_allowed < 0 || row.use_count < row.uses_allowed) &&
		(row.expires_at_ms == 0 || row.expires_at_ms > now_ms);
	return ERR_OK;
}

static enum err refuse_taken(struct ctx *ctx)
{
	return fail(ctx, ERR_INPUT, M_USER_IN_USE, "This user name is taken");
}

enum err account_check_free(struct ctx *ctx, struct db *db, struct str user_id)
{
	struct account_row row;
	enum err err = store_account_find(ctx, db, user_id, &row);
	if (err == ERR_MISSING) {
		return ERR_OK;
	}
	TRY(err);
	return refuse_taken(ctx);
}

/* Errors: CONFLICT (no fault text) when the name is taken; else as account_make(). */
static enum err insert(struct ctx *ctx, struct db *db, const struct account_wish *wish,
	const struct account_row *row)
{
	struct tx *tx CLEANUP(tx_cleanup) = NULL;
	TRY(tx_begin(ctx, db, &tx));
	TRY(store_account_insert(ctx, tx, row));
	if (wish->registration_token.p != NULL) {
		enum err err =
			store_registration_token_use(ctx, tx, wish->registration_token, row->created_at_ms);
		if (err == ERR_MISSING) {
			return fail(ctx, ERR_DENIED, M_FORBIDDEN, "This registration token is used up");
		}
		TRY(err);
	}
	return tx_commit(ctx, &tx);
}

/* Lower case only, and not a number: those look like guests. */
static struct str random_user_id(struct arena *arena, const struct rng *rng,
	struct server_name server)
{
	struct str name = str_lower(arena, rng_text(rng, arena, RANDOM_NAME_CHARS));
	return str_printf(arena, "@u%.*s:%.*s", STR_ARG(name), STR_ARG(server.s));
}

enum err account_make(struct ctx *ctx, struct db *db, const struct rng *rng, int64_t now_ms,
	struct server_name server, const struct account_wish *wish, struct str *out_user_id)
{
	struct account_row row = {
		.password_hash = wish->password_hash,
		.is_admin = wish->is_admin,
		.is_guest = wish->is_guest,
		.created_at_ms = now_ms,
	};
	enum err err = ERR_CONFLICT;
	for (int i = 0; i < NAME_ATTEMPTS && err == ERR_CONFLICT; i++) {
		if (wish->user_id.p != NULL && i > 0) {
			break;
		}
		row.user_id =
			wish->user_id.p != NULL ? wish->user_id : random_user_id(ctx->arena, rng, server);
		err = insert(ctx, db, wish, &row);
	}
	if (err == ERR_CONFLICT) {
		return refuse_taken(ctx);
	}
	*out_user_id = row.user_id;
	return err;
}
