/*
 * What the command line does with accounts and registration tokens, on the database alone. Each change moves the
 * epoch of sessions in its transaction, by which a running server hears of it.
 */
#include "homeserver/account/accounts.h"

#include "base/utf8.h"
#include "homeserver/account/email/email_proof.h"
#include "homeserver/account/identifier.h"
#include "homeserver/account/oauth/rendezvous.h"
#include "homeserver/account/password.h"
#include "homeserver/account/register.h"
#include "matrix/canonical.h"
#include "matrix/profile_field.h"
#include "storage/device.h"
#include "storage/notice.h"
#include "storage/profile.h"
#include "storage/secret.h"
#include "storage/threepid.h"

enum { RANDOM_PASSWORD_CHARS = 20, RANDOM_TOKEN_CHARS = 16, TOKEN_MAX_CHARS = 64 };

static enum err refuse_missing(struct ctx *ctx, struct str name)
{
	return fail(ctx, ERR_MISSING, M_NOT_FOUND, "There is no account '%.*s' that could be used",
		STR_ARG(name));
}

struct str account_random_password(struct ctx *ctx, const struct account_desk *desk)
{
	int64_t least = desk->settings->password_min_length;
	return rng_text(&desk->rng, ctx->arena, (size_t)MAX_OF(least, (int64_t)RANDOM_PASSWORD_CHARS));
}

/* --- accounts ------------------------------------------------------------------------------------------ */

/* The localpart of what was typed: a whole id has to be of this server. */
static enum err localpart_of(struct ctx *ctx, const struct account_desk *desk, struct str name,
	struct str *out)
{
	struct user_id id;
	*out = name;
	if (!str_starts_with(name, STR("@"))) {
		return ERR_OK;
	}
	if (!user_id_parse(name, &id) ||
		!server_name_equals(user_id_server(id), desk->settings->server_name)) {
		return fail(ctx, ERR_INPUT, M_INVALID_USERNAME, "'%.*s' is no user id of this server",
			STR_ARG(name));
	}
	*out = user_id_localpart(id);
	return ERR_OK;
}

/* Before there is an account: one whose name is refused is not half made. */
static enum err check_display_name(struct ctx *ctx, struct str name)
{
	struct json value = json_string(name);
	struct field_error error;
	return utf8_is_valid(name) && profile_value_check(STR("displayname"), &value, &error)
		? ERR_OK
		: fail(ctx, ERR_INPUT, M_INVALID_PARAM,
			  "A display name has at most %d characters, in UTF-8", PROFILE_MAX_DISPLAYNAME_CHARS);
}

static enum err set_display_name(struct ctx *ctx, const struct account_desk *desk,
	struct str user_id, struct str name)
{
	struct json value = json_string(name);
	return name.n == 0 ? ERR_OK
					   : store_profile_set(ctx, desk->db, user_id, STR("displayname"),
							 canonical_text(ctx->arena, &value));
}

enum err account_create(struct ctx *ctx, const struct account_desk *desk,
	const struct account_new *new_account, struct str *out_user_id)
{
	struct account_wish wish = {.is_admin = new_account->is_admin,
		.appservices = desk->appservices};
	struct str localpart;
	struct str user_id;
	struct server_name server = desk->settings->server_name;
	TRY(password_check_policy(ctx, desk->settings, new_account->password));
	TRY(check_display_name(ctx, new_account->display_name));
	TRY(localpart_of(ctx, desk, new_account->name, &localpart));
	TRY(new_user_id(ctx, localpart, server, &wish.user_id));
	TRY(account_check_free(ctx, desk->db, &wish));
	wish.password_hash = password_make_hash(ctx, desk->settings, new_account->password);
	TRY(account_make(ctx, desk->db, &desk->rng, clock_wall_ms(&desk->clock), server, &wish,
		&user_id));
	if (out_user_id != NULL) {
		*out_user_id = user_id;
	}
	return set_display_name(ctx, desk, user_id, new_account->display_name);
}

enum err account_list(struct ctx *ctx, const struct account_desk *desk, struct str after,
	int64_t limit, struct account_row **out, size_t *out_count)
{
	return store_account_list(ctx, desk->db, after, limit, out, out_count);
}

/* One change of an account, inside a transaction. */
struct change {
	struct str password_hash; /* p == NULL: stays */
	const enum account_state *state;
	const bool *is_suspended;
	const bool *is_admin;
};

static enum err apply(struct ctx *ctx, struct tx *tx, struct str user_id,
	const struct change *change)
{
	if (change->password_hash.p != NULL) {
		TRY(store_account_set_password(ctx, tx, user_id, change->password_hash));
		TRY(store_secret_delete_user(ctx, tx, user_id));
		return store_device_delete_but(ctx, tx, user_id, (struct str){0});
	}
	if (change->is_suspended != NULL) {
		return store_account_set_suspended(ctx, tx, user_id, *change->is_suspended);
	}
	if (change->is_admin != NULL) {
		return store_account_set_admin(ctx, tx, user_id, *change->is_admin);
	}
	invariant(change->state != NULL);
	if (*change->state != ACCOUNT_DEACTIVATED) {
		return store_account_set_state(ctx, tx, user_id, *change->state);
	}
	TRY(store_account_deactivate(ctx, tx, user_id, false));
	TRY(store_secret_delete_user(ctx, tx, user_id));
	TRY(store_threepid_delete_user(ctx, tx, user_id));
	return store_device_delete_but(ctx, tx, user_id, (struct str){0});
}

static enum err change_account(struct ctx *ctx, const struct account_desk *desk, struct str name,
	const struct change *change)
{
	struct str user_id = local_user_id(ctx->arena, name, desk->settings->server_name);
	if (user_id.p == NULL) {
		return refuse_missing(ctx, name);
	}
	struct tx *tx CLEANUP(tx_cleanup) = NULL;
	TRY(tx_begin(ctx, desk->db, &tx));
	enum err err = apply(ctx, tx, user_id, change);
	if (err == ERR_MISSING) {
		return refuse_missing(ctx, name);
	}
	TRY(err);
	TRY(store_session_epoch_next(ctx, tx));
	return tx_commit(ctx, &tx);
}

/* A sender of notices is nobody who could log in. */
static enum err refuse_sender(struct ctx *ctx, const struct account_desk *desk, struct str name)
{
	struct str user_id = local_user_id(ctx->arena, name, desk->settings->server_name);
	enum err err =
		user_id.p != NULL ? store_notice_sender_find(ctx, desk->db, user_id) : ERR_MISSING;
	if (err == ERR_OK) {
		return fail(ctx, ERR_DENIED, M_FORBIDDEN,
			"'%.*s' sends the school's notices; nobody logs in to it", STR_ARG(user_id));
	}
	return err == ERR_MISSING ? ERR_OK : err;
}

enum err account_set_password(struct ctx *ctx, const struct account_desk *desk, struct str name,
	struct str password)
{
	TRY(refuse_sender(ctx, desk, name));
	TRY(password_check_policy(ctx, desk->settings, password));
	struct change change = {.password_hash = password_make_hash(ctx, desk->settings, password)};
	return change_account(ctx, desk, name, &change);
}

enum err account_set_state(struct ctx *ctx, const struct account_desk *desk, struct str name,
	enum account_state state)
{
	return change_account(ctx, desk, name, &(struct change){.state = &state});
}

enum err account_set_suspended(struct ctx *ctx, const struct account_desk *desk, struct str name,
	bool is_suspended)
{
	return change_account(ctx, desk, name, &(struct change){.is_suspended = &is_suspended});
}

enum err account_set_admin(struct ctx *ctx, const struct account_desk *desk, struct str name,
	bool is_admin)
{
	return change_account(ctx, desk, name, &(struct change){.is_admin = &is_admin});
}

bool accounts_take_email(const struct homeserver *hs)
{
	return email_is_on(hs);
}

bool accounts_take_qr_login(const struct homeserver *hs)
{
	return rendezvous_is_on(hs);
}

/* --- registration tokens ----------------------------------------------------------------------------- */

/* Opaque identifiers; spec: appendices, "Opaque Identifiers". */
static bool is_opaque(struct str text)
{
	bool is_good = text.n > 0 && text.n <= TOKEN_MAX_CHARS;
	for (size_t i = 0; i < text.n; i++) {
		char c = text.p[i];
		bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
		bool is_digit = c >= '0' && c <= '9';
		is_good =
			is_good && (is_letter || is_digit || c == '.' || c == '_' || c == '~' || c == '-');
	}
	return is_good;
}

enum err registration_token_create(struct ctx *ctx, const struct account_desk *desk,
	struct str token, int64_t uses_allowed, int64_t expires_at_ms, struct str *out)
{
	*out = token.n > 0 ? token : rng_text(&desk->rng, ctx->arena, RANDOM_TOKEN_CHARS);
	if (!is_opaque(*out) || uses_allowed < -1) {
		return fail(ctx, ERR_INPUT, M_INVALID_PARAM,
			"A registration token has 1 to %d characters of A-Z a-z 0-9 . _ ~ -", TOKEN_MAX_CHARS);
	}
	struct registration_token_row row = {
		.token = *out,
		.uses_allowed = uses_allowed,
		.expires_at_ms = expires_at_ms,
		.created_at_ms = clock_wall_ms(&desk->clock),
	};
	enum err err = store_registration_token_insert(ctx, desk->db, &row);
	return err == ERR_CONFLICT
		? fail(ctx, ERR_INPUT, M_INVALID_PARAM, "There is such a registration token already")
		: err;
}

enum err registration_token_list(struct ctx *ctx, const struct account_desk *desk,
	struct registration_token_row **out, size_t *out_count)
{
	return store_registration_token_list(ctx, desk->db, out, out_count);
}

enum err registration_token_revoke(struct ctx *ctx, const struct account_desk *desk,
	struct str token)
{
	enum err err = store_registration_token_delete(ctx, desk->db, token);
	return err == ERR_MISSING ? fail(ctx, ERR_MISSING, M_NOT_FOUND,
									"There is no registration token '%.*s'", STR_ARG(token))
							  : err;
}
