/*
 * New accounts. Who is first to insert the row has the name; the registration token is used in the same transaction, so
 * that it makes as many accounts as it may and no more. A guest who becomes a user has the row already.
 */
#include "homeserver/account/register.h"

#include "homeserver/account/email/email_proof.h"
#include "homeserver/account/terms.h"
#include "storage/account.h"
#include "storage/appservice.h"
#include "storage/registration_token.h"
#include "storage/threepid.h"
#include "storage/token.h"

enum { RANDOM_NAME_CHARS = 10, NAME_ATTEMPTS = 5, TOKEN_MAX_BYTES = 64 };

bool register_takes_email(const struct homeserver *hs)
{
	return hs->settings.registration_mode != REGISTRATION_CLOSED &&
		hs->settings.account.registration_email != EMAIL_OFF && email_is_on(hs);
}

static void add_stage(struct uia_flow *flow, enum uia_stage stage)
{
	invariant(flow->count < UIA_FLOW_STAGES);
	flow->stages[flow->count++] = stage;
}

static struct uia_flow flow_without_email(const struct settings *settings)
{
	struct uia_flow flow = {0};
	if (settings->registration_mode == REGISTRATION_TOKEN) {
		add_stage(&flow, UIA_REGISTRATION_TOKEN);
	}
	if (terms_are_on(settings)) {
		add_stage(&flow, UIA_TERMS);
	}
	return flow;
}

/*
 * Where an address may be given, the flow without one has the dummy stage, so that it is not done before the client that goes
 * the other way is.
 */
const struct uia_flows *register_flows(struct arena *arena, const struct homeserver *hs)
{
	const struct settings *settings = &hs->settings;
	enum { MOST_FLOWS = 2 };
	if (settings->registration_mode == REGISTRATION_CLOSED) {
		return NULL;
	}
	struct uia_flow *flows = ARENA_NEW_ARRAY(arena, struct uia_flow, MOST_FLOWS);
	struct uia_flows *out = ARENA_NEW(arena, struct uia_flows);
	*out = (struct uia_flows){.flows = flows, .email_purpose = EMAIL_REGISTER};
	bool takes_email = register_takes_email(hs);
	if (!takes_email || settings->account.registration_email != EMAIL_REQUIRED) {
		struct uia_flow *flow = &flows[out->count++];
		*flow = flow_without_email(settings);
		if (takes_email || flow->count == 0) {
			add_stage(flow, UIA_DUMMY);
		}
	}
	if (takes_email) {
		struct uia_flow *flow = &flows[out->count++];
		*flow = flow_without_email(settings);
		add_stage(flow, UIA_EMAIL);
	}
	return out;
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

/* Whether an application service, other than the one that makes it, has the name for itself. */
static bool is_claimed(const struct account_wish *wish, struct str name)
{
	const struct appservice_port *port = wish->appservices;
	struct user_id user_id;
	return port != NULL && user_id_parse(name, &user_id) &&
		port->is_user_claimed(port->self, wish->appservice_id, user_id);
}

static enum err refuse_claimed(struct ctx *ctx)
{
	return fail(ctx, ERR_INPUT, M_EXCLUSIVE,
		"This user name is reserved for an application service");
}

enum err account_check_free(struct ctx *ctx, struct db *db, const struct account_wish *wish)
{
	struct account_row row;
	if (wish->user_id.p == NULL) {
		return ERR_OK;
	}
	if (is_claimed(wish, wish->user_id)) {
		return refuse_claimed(ctx);
	}
	enum err err = store_account_find(ctx, db, wish->user_id, &row);
	if (err == ERR_MISSING) {
		return ERR_OK;
	}
	TRY(err);
	return refuse_taken(ctx);
}

enum err account_check_guest(struct ctx *ctx, struct homeserver *hs, struct str access_token,
	struct str user_id)
{
	const struct terms_versions none = {0};
	struct token_row row;
	enum err err = store_token_find(ctx, hs->db, token_hash(ctx->arena, access_token), &none, &row);
	if (err == ERR_MISSING ||
		(err == ERR_OK && !(row.is_guest && str_equals(row.user_id, user_id)))) {
		return fail(ctx, ERR_DENIED, M_FORBIDDEN,
			"'guest_access_token' is not of a guest of that name");
	}
	return err;
}

static enum err insert_email(struct ctx *ctx, struct tx *tx, struct str email,
	const struct account_row *row)
{
	enum err err = store_threepid_insert(ctx, tx,
		&(struct threepid_row){
			.medium = STR("email"),
			.address = email,
			.user_id = row->user_id,
			.validated_at_ms = row->created_at_ms,
			.added_at_ms = row->created_at_ms,
		});
	return err == ERR_CONFLICT
		? fail(ctx, ERR_INPUT, M_THREEPID_IN_USE, "This address belongs to an account already")
		: err;
}

static enum err insert_account(struct ctx *ctx, struct tx *tx, const struct account_wish *wish,
	const struct account_row *row)
{
	if (!wish->ends_guesthood) {
		return store_account_insert(ctx, tx, row);
	}
	enum err err = store_account_end_guesthood(ctx, tx, row->user_id, row->password_hash);
	return err == ERR_MISSING ? ERR_CONFLICT : err;
}

/* Errors: CONFLICT (no fault text) when the name is taken; else as account_make(). */
static enum err insert(struct ctx *ctx, struct db *db, const struct account_wish *wish,
	const struct account_row *row)
{
	struct tx *tx CLEANUP(tx_cleanup) = NULL;
	TRY(tx_begin(ctx, db, &tx));
	TRY(insert_account(ctx, tx, wish, row));
	if (wish->appservice_id.p != NULL) {
		TRY(store_appservice_account_set(ctx, tx, row->user_id, wish->appservice_id));
	}
	if (wish->registration_token.p != NULL) {
		enum err err =
			store_registration_token_use(ctx, tx, wish->registration_token, row->created_at_ms);
		if (err == ERR_MISSING) {
			return fail(ctx, ERR_DENIED, M_FORBIDDEN, "This registration token is used up");
		}
		TRY(err);
	}
	if (wish->email.p != NULL) {
		TRY(insert_email(ctx, tx, wish->email, row));
	}
	if (wish->terms.n > 0) {
		const struct terms_versions terms = terms_parse(ctx->arena, wish->terms);
		TRY(store_terms_accept(ctx, tx, row->user_id, &terms, row->created_at_ms));
	}
	if (wish->identity != NULL) {
		TRY(store_sso_identity_insert(ctx, tx, wish->identity, row->user_id, row->created_at_ms));
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
		err = is_claimed(wish, row.user_id) ? refuse_claimed(ctx) : insert(ctx, db, wish, &row);
	}
	if (err == ERR_CONFLICT) {
		return refuse_taken(ctx);
	}
	*out_user_id = row.user_id;
	return err;
}
