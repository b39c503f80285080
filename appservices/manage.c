/*
 * Changes come one after the other (store_appservice_lock()), so what is found to be free stays free until it is taken.
 */
#include "appservices/manage.h"

#include "base/file.h"
#include "base/log.h"
#include "storage/appservice.h"
#include "storage/notice.h"

/* What is added, beside those that are there. */
struct candidate {
	const char *name; /* of its file */
	const struct registration *reg;
	struct str token_hash;
	struct user_id sender;
};

static enum err refuse(struct ctx *ctx, const struct candidate *new, const char *what,
	struct str shown, struct str other_id)
{
	return fail(ctx, ERR_CONFLICT, NULL, "%s: its %s %.*s is that of '%.*s' already", new->name,
		what, STR_ARG(shown), STR_ARG(other_id));
}

/* Exclusive expressions that are written the same. Others may overlap: then the first, by id, has what both stand for. */
static enum err check_rules(struct ctx *ctx, const struct candidate *new, const char *what,
	const struct namespace_rules *ours, const struct namespace_rules *theirs, struct str other_id)
{
	for (size_t i = 0; i < ours->count; i++) {
		for (size_t j = 0; j < theirs->count; j++) {
			if (ours->items[i].is_exclusive && theirs->items[j].is_exclusive &&
				str_equals(ours->items[i].pattern, theirs->items[j].pattern)) {
				return refuse(ctx, new, what, ours->items[i].pattern, other_id);
			}
		}
	}
	return ERR_OK;
}

static enum err check_against(struct ctx *ctx, const struct candidate *new,
	const struct appservice *other)
{
	struct str id = other->reg.id;
	if (crypto_equals(new->token_hash, other->as_token_hash)) {
		return fail(ctx, ERR_CONFLICT, NULL,
			"%s: its as_token is that of '%.*s' already; each service needs its own", new->name,
			STR_ARG(id));
	}
	if (appservice_claims_user(other, new->sender) ||
		namespace_has_exclusively(&new->reg->users, other->sender.s)) {
		return fail(ctx, ERR_CONFLICT, NULL,
			"%s: '%.*s' is registered already, and the sender of one is in the other's exclusive namespace",
			new->name, STR_ARG(id));
	}
	TRY(check_rules(ctx, new, "exclusive namespace of users", &new->reg->users, &other->reg.users,
		id));
	return check_rules(ctx, new, "exclusive namespace of aliases", &new->reg->aliases,
		&other->reg.aliases, id);
}

/* The senders of notices are the server's own. */
static enum err check_senders(struct ctx *ctx, struct tx *tx, const struct candidate *new)
{
	struct str *senders;
	size_t count;
	TRY(store_notice_sender_list_locked(ctx, tx, &senders, &count));
	for (size_t i = 0; i < count; i++) {
		if (str_equals(senders[i], new->sender.s) ||
			namespace_has_exclusively(&new->reg->users, senders[i])) {
			return fail(ctx, ERR_CONFLICT, NULL,
				"%s: %.*s is a sender of notices (belfry notice senders), and no service's",
				new->name, STR_ARG(senders[i]));
		}
	}
	return ERR_OK;
}

/* The account of its sender: there is one from now on, and it is nobody's who logs in with a password. */
static enum err prepare_sender(struct ctx *ctx, struct tx *tx, const struct account_desk *desk,
	const struct candidate *new)
{
	struct account_row account;
	enum err err = store_account_lock(ctx, tx, new->sender.s, &account);
	if (err == ERR_MISSING) {
		account = (struct account_row){.user_id = new->sender.s,
			.created_at_ms = clock_wall_ms(&desk->clock)};
		TRY(store_account_insert(ctx, tx, &account));
		return store_appservice_account_set(ctx, tx, new->sender.s, new->reg->id);
	}
	TRY(err);
	if (account.password_hash.p != NULL || account.is_guest ||
		account.state == ACCOUNT_DEACTIVATED) {
		return fail(ctx, ERR_CONFLICT, NULL,
			"%s: there is a user %.*s already%s; choose another sender_localpart", new->name,
			STR_ARG(new->sender.s),
			account.state == ACCOUNT_DEACTIVATED ? ", who was deactivated" : "");
	}
	return store_appservice_account_set(ctx, tx, new->sender.s, new->reg->id);
}

static bool is_same(const struct appservice_row *a, const struct appservice_row *b)
{
	return str_equals(a->as_token_hash, b->as_token_hash) && str_equals(a->hs_token, b->hs_token) &&
		str_equals(a->registration, b->registration);
}

/* Errors: as as_add(). *out is NULL when there is none with its id. */
static enum err check_others(struct ctx *ctx, struct tx *tx, const struct account_desk *desk,
	const struct candidate *new, const struct appservice_row **out)
{
	struct appservice_row *rows;
	size_t count;
	struct appservice_set *set CLEANUP(appservice_set_cleanup) = NULL;
	*out = NULL;
	TRY(store_appservice_list_locked(ctx, tx, &rows, &count));
	TRY(appservice_set_create(ctx, desk->settings->server_name, rows, count, 0, &set));
	for (size_t i = 0; i < count; i++) {
		if (str_equals(rows[i].id, new->reg->id)) {
			*out = &rows[i];
		} else {
			TRY(check_against(ctx, new, &set->items[i]));
		}
	}
	if (*out == NULL && count >= APPSERVICES_MAX) {
		return fail(ctx, ERR_LIMIT, NULL, "%s: there are %d application services already",
			new->name, (int)APPSERVICES_MAX);
	}
	return ERR_OK;
}

static enum err make_candidate(struct ctx *ctx, const struct account_desk *desk,
	const struct registration *registration, const char *name, struct candidate *out)
{
	struct str sender = str_printf(ctx->arena, "@%.*s:%.*s",
		STR_ARG(registration->sender_localpart), STR_ARG(desk->settings->server_name.s));
	*out = (struct candidate){.name = name,
		.reg = registration,
		.token_hash = token_hash(ctx->arena, registration->as_token)};
	return user_id_parse(sender, &out->sender)
		? ERR_OK
		: fail(ctx, ERR_INPUT, NULL, "%s: its sender_localpart is too long", name);
}

enum err as_add(struct ctx *ctx, const struct account_desk *desk,
	const struct registration *registration, const char *name, bool replaces,
	enum appservice_change *out)
{
	struct candidate new;
	const struct appservice_row *before;
	TRY(make_candidate(ctx, desk, registration, name, &new));
	const struct appservice_row row = {.id = registration->id,
		.as_token_hash = new.token_hash,
		.hs_token = registration->hs_token,
		.registration = registration_to_json(ctx->arena, registration),
		.changed_ms = clock_wall_ms(&desk->clock)};
	struct tx *tx CLEANUP(tx_cleanup) = NULL;
	TRY(tx_begin(ctx, desk->db, &tx));
	TRY(store_appservice_lock(ctx, tx));
	TRY(check_others(ctx, tx, desk, &new, &before));
	TRY(check_senders(ctx, tx, &new));
	if (before != NULL && is_same(before, &row)) {
		*out = APPSERVICE_UNCHANGED;
		return ERR_OK; /* nothing is committed */
	}
	if (before != NULL && !replaces) {
		return fail(ctx, ERR_CONFLICT, NULL,
			"%s: '%.*s' is registered already, with other content; give --replace to change it",
			name, STR_ARG(registration->id));
	}
	TRY(prepare_sender(ctx, tx, desk, &new));
	TRY(store_appservice_put(ctx, tx, &row));
	TRY(tx_commit(ctx, &tx));
	*out = before != NULL ? APPSERVICE_REPLACED : APPSERVICE_ADDED;
	return ERR_OK;
}

enum err as_read_file(struct ctx *ctx, const char *path, struct registration *out)
{
	struct str text;
	enum err err = file_read(ctx, path, REGISTRATION_MAX_BYTES, &text);
	if (err == ERR_MISSING) {
		return fail(ctx, ERR_INPUT, NULL, "%s: there is no such file", path);
	}
	if (err == ERR_LIMIT) {
		return fail(ctx, ERR_INPUT, NULL, "%s: larger than %d bytes", path,
			(int)REGISTRATION_MAX_BYTES);
	}
	TRY(err);
	return registration_parse(ctx, text, path, out);
}

enum err as_remove(struct ctx *ctx, const struct account_desk *desk, struct str id)
{
	enum err err = store_appservice_delete(ctx, desk->db, id);
	return err == ERR_MISSING
		? fail(ctx, err, NULL, "There is no application service '%.*s'", STR_ARG(id))
		: err;
}

enum err as_list(struct ctx *ctx, const struct account_desk *desk, struct appservice_set **out)
{
	int64_t version;
	struct appservice_row *rows;
	size_t count;
	TRY(store_appservice_version(ctx, desk->db, &version));
	TRY(store_appservice_list(ctx, desk->db, &rows, &count));
	return appservice_set_create(ctx, desk->settings->server_name, rows, count, version, out);
}

/* --- the folder ------------------------------------------------------------------------------------------------ */

/* Two files with one id would replace each other at every start. */
static enum err check_id_once(struct ctx *ctx, const struct registration *found,
	const char *const *paths, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (str_equals(found[i].id, found[count].id)) {
			return fail(ctx, ERR_CONFLICT, NULL, "%s: its id '%.*s' is that of %s already",
				paths[count], STR_ARG(found[count].id), paths[i]);
		}
	}
	return ERR_OK;
}

static enum err read_folder(struct ctx *ctx, const char *folder, struct registration **out,
	const char ***out_paths, size_t *out_count)
{
	struct str *names;
	size_t count;
	enum err err = file_list_folder(ctx, folder, APPSERVICES_MAX, &names, &count);
	if (err == ERR_MISSING || err == ERR_LIMIT) {
		return fail(ctx, ERR_INPUT, NULL, "appservices.folder: %s %s", folder,
			err == ERR_MISSING ? "is not there" : "has too many files");
	}
	TRY(err);
	struct registration *found = ARENA_NEW_ARRAY(ctx->arena, struct registration, count);
	const char **paths = ARENA_NEW_ARRAY(ctx->arena, const char *, count);
	size_t n = 0;
	for (size_t i = 0; i < count; i++) {
		if (str_ends_with(names[i], STR(".yaml")) || str_ends_with(names[i], STR(".yml"))) {
			paths[n] = arena_printf(ctx->arena, "%s/%.*s", folder, STR_ARG(names[i]));
			TRY(as_read_file(ctx, paths[n], &found[n]));
			TRY(check_id_once(ctx, found, paths, n));
			n++;
		}
	}
	*out = found;
	*out_paths = paths;
	*out_count = n;
	return ERR_OK;
}

enum err as_add_folder(struct ctx *ctx, const struct account_desk *desk, const char *folder)
{
	static const char *const words[] = {[APPSERVICE_ADDED] = "added",
		[APPSERVICE_REPLACED] = "replaced",
		[APPSERVICE_UNCHANGED] = "unchanged"};
	struct registration *found;
	const char **paths;
	size_t count;
	TRY(read_folder(ctx, folder, &found, &paths, &count));
	for (size_t i = 0; i < count; i++) {
		enum appservice_change change;
		TRY(as_add(ctx, desk, &found[i], paths[i], true, &change));
		log_info(0, "appservice.file", "id=\"%.*s\" file=%s is=%s", STR_ARG(found[i].id), paths[i],
			words[change]);
	}
	return ERR_OK;
}
