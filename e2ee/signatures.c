/*
 * Uploading signatures. Each is held against the key that is stored and against the key that is said to have made it, and against
 * the rules who may sign what; one that does not fit is refused, the others are taken.
 */
#include "base/vec.h"
#include "e2ee/cross_signing.h"
#include "e2ee/device_lists.h"
#include "matrix/cross_key.h"
#include "matrix/device_key.h"
#include "storage/device_key.h"

enum { REMOTE_MS = 10 * 1000 };

struct sign_run {
	struct ctx *ctx;
	struct str me;
	struct stored_key *rows; /* keys of all users concerned, and signatures over them */
	size_t row_n;
	size_t own_n; /* keys of the user who signs */
	VEC(struct key_signature_row) taken;
	VEC(struct list_change) changes;
	VEC(struct sign_failure) failures;
};

static bool role_of(const struct stored_key *row, enum key_role *out)
{
	static const enum key_role roles[CROSS_USAGE_COUNT] = {
		[CROSS_MASTER] = KEY_MASTER,
		[CROSS_SELF_SIGNING] = KEY_SELF_SIGNING,
		[CROSS_USER_SIGNING] = KEY_USER_SIGNING,
	};
	enum cross_usage usage;
	if (row->kind == STORED_DEVICE_KEY) {
		*out = KEY_DEVICE;
		return true;
	}
	if (row->kind != STORED_CROSS_KEY || !cross_usage_parse(row->id, &usage)) {
		return false;
	}
	*out = roles[usage];
	return true;
}

/* How signatures call the key. */
static struct str name_of(const struct stored_key *row)
{
	return row->kind == STORED_DEVICE_KEY ? row->id : row->public_key;
}

static const struct stored_key *find_target(const struct sign_run *run, struct str user_id,
	struct str name)
{
	for (size_t i = 0; i < run->row_n; i++) {
		const struct stored_key *row = &run->rows[i];
		if (row->kind != STORED_SIGNATURE && str_equals(row->user_id, user_id) &&
			str_equals(name_of(row), name)) {
			return row;
		}
	}
	return NULL;
}

static bool is_stored(const struct sign_run *run, const struct key_signature_row *signature)
{
	for (size_t i = 0; i < run->row_n; i++) {
		const struct stored_key *row = &run->rows[i];
		if (row->kind == STORED_SIGNATURE && str_equals(row->user_id, signature->target_user) &&
			str_equals(row->id, signature->target_key) &&
			str_equals(row->signer_user, signature->signer_user) &&
			str_equals(row->signer_key, signature->signer_key) &&
			str_equals(row->body, signature->signature)) {
			return true;
		}
	}
	return false;
}

static struct key_signer signer_of(struct arena *arena, const struct stored_key *row)
{
	struct key_signer signer = {row->user_id, name_of(row), row->public_key};
	struct json body;
	if (row->kind == STORED_DEVICE_KEY &&
		json_parse(arena, row->body, NULL, &body, NULL) == JSON_OK) {
		signer.public_key = json_get_str(json_at(&body, "keys"), key_id_of(arena, row->id));
	}
	return signer;
}

static void note_change(struct sign_run *run, const struct stored_key *target)
{
	bool is_own = str_equals(target->user_id, run->me);
	const struct list_change change = {target->user_id, is_own ? STR("") : run->me};
	for (size_t i = 0; i < run->changes.n; i++) {
		if (str_equals(run->changes.p[i].user_id, change.user_id)) {
			return;
		}
	}
	VEC_PUSH(run->ctx->arena, &run->changes, change);
}

static bool refuse(struct sign_run *run, struct str user_id, struct str name, const char *errcode,
	const char *text)
{
	const struct sign_failure failure = {user_id, name, errcode, text};
	VEC_PUSH(run->ctx->arena, &run->failures, failure);
	return false;
}

/* Looks at the signatures by all keys of the user that may sign the target. @return whether all are right, and there is one */
static bool check_signatures(struct sign_run *run, const struct stored_key *target,
	enum key_role role, const struct json *object, struct key_signature_row *out, size_t *out_n)
{
	struct arena *arena = run->ctx->arena;
	bool is_own = str_equals(target->user_id, run->me);
	*out_n = 0;
	for (size_t i = 0; i < run->row_n; i++) {
		const struct stored_key *row = &run->rows[i];
		enum key_role signer_role;
		if (!str_equals(row->user_id, run->me) || !role_of(row, &signer_role) ||
			!key_may_sign(signer_role, role, is_own, row == target)) {
			continue;
		}
		struct key_signer signer = signer_of(arena, row);
		struct str signature = key_signature_by(arena, object, &signer);
		if (signature.p == NULL) {
			continue;
		}
		if (!key_is_signed_by(arena, object, &signer)) {
			return false;
		}
		out[(*out_n)++] = (struct key_signature_row){target->user_id, name_of(target), run->me,
			key_id_of(arena, signer.name), signature};
	}
	return *out_n > 0;
}

static bool take_key(struct sign_run *run, struct str user_id, struct str name,
	const struct json *object)
{
	struct arena *arena = run->ctx->arena;
	struct field_error error;
	enum key_role role;
	const struct stored_key *target = find_target(run, user_id, name);
	if (target == NULL || !role_of(target, &role)) {
		return refuse(run, user_id, name, M_NOT_FOUND, "There is no such key");
	}
	if (!key_object_check(arena, object, STR("key"), &error) ||
		!str_equals(key_body(arena, object), target->body)) {
		return refuse(run, user_id, name, M_INVALID_SIGNATURE,
			"This is not the key that was uploaded");
	}
	struct key_signature_row *found = ARENA_NEW_ARRAY(arena, struct key_signature_row, run->own_n);
	size_t n;
	if (!check_signatures(run, target, role, object, found, &n)) {
		return refuse(run, user_id, name, M_INVALID_SIGNATURE,
			"There is no right signature by one of your keys that may sign this one");
	}
	for (size_t i = 0; i < n; i++) {
		if (!is_stored(run, &found[i])) {
			VEC_PUSH(arena, &run->taken, found[i]);
			note_change(run, target);
		}
	}
	return true;
}

/* A master key that another server told; `key` was checked by the port. */
static void add_master(struct sign_run *run, const struct json_member *key)
{
	struct arena *arena = run->ctx->arena;
	struct cross_key master;
	struct field_error error;
	if (cross_key_read(arena, &key->value, key->key, CROSS_MASTER, STR("key"), &master, &error)) {
		run->rows[run->row_n++] = (struct stored_key){
			.kind = STORED_CROSS_KEY,
			.user_id = key->key,
			.id = cross_usage_name(CROSS_MASTER),
			.body = master.body,
			.public_key = master.public_key,
		};
	}
}

/* Of users elsewhere one signs the master keys; their servers are asked for them. */
static enum err load_remote(struct homeserver *hs, struct sign_run *run, const struct json *keys)
{
	struct arena *arena = run->ctx->arena;
	const struct json all = {.type = JSON_ARRAY};
	struct json wanted = json_object(arena, keys->count);
	struct e2ee_remote_ask *asks;
	for (size_t i = 0; i < keys->count; i++) {
		if (!hs_is_local(hs, keys->members[i].key)) {
			wanted.members[wanted.count++] = (struct json_member){keys->members[i].key, all};
		}
	}
	if (wanted.count == 0) {
		return ERR_OK;
	}
	size_t count = e2ee_remote_asks(arena, hs, &wanted, &asks);
	TRY(e2ee_ask_remote(run->ctx, hs->e2ee, asks, count, REMOTE_MS, false));
	struct stored_key *rows = ARENA_NEW_ARRAY(arena, struct stored_key, run->row_n + wanted.count);
	for (size_t i = 0; i < run->row_n; i++) {
		rows[i] = run->rows[i];
	}
	run->rows = rows;
	for (size_t i = 0; i < count; i++) {
		const struct json *masters = json_at(&asks[i].answer, "master_keys");
		for (size_t k = 0; json_is(masters, JSON_OBJECT) && k < masters->count; k++) {
			add_master(run, &masters->members[k]);
		}
	}
	return ERR_OK;
}

static enum err load_keys(struct homeserver *hs, struct sign_run *run, const struct json *keys)
{
	struct str *users = ARENA_NEW_ARRAY(run->ctx->arena, struct str, keys->count + 1);
	size_t n = 0;
	users[n++] = run->me;
	for (size_t i = 0; i < keys->count; i++) {
		struct user_id id;
		const struct json *list = &keys->members[i].value;
		if (!user_id_parse(keys->members[i].key, &id) || list->type != JSON_OBJECT) {
			return fail(run->ctx, ERR_INPUT, M_INVALID_PARAM,
				"The body must have signed keys by user id and key id");
		}
		if (!str_equals(id.s, run->me) && str_find_byte(id.s, '\0') == SIZE_MAX) {
			users[n++] = id.s;
		}
	}
	TRY(store_device_key_query(run->ctx, hs->db, users, n, run->me, &run->rows, &run->row_n));
	TRY(load_remote(hs, run, keys));
	for (size_t i = 0; i < run->row_n; i++) {
		run->own_n +=
			run->rows[i].kind != STORED_SIGNATURE && str_equals(run->rows[i].user_id, run->me);
	}
	return ERR_OK;
}

static enum err store_taken(struct homeserver *hs, struct sign_run *run)
{
	struct write *write = write_new(run->ctx);
	for (size_t i = 0; i < run->taken.n; i++) {
		store_key_signature_set(write, &run->taken.p[i]);
	}
	return device_lists_commit(run->ctx, hs, write, run->changes.p, run->changes.n);
}

enum err cross_signing_sign(struct ctx *ctx, struct homeserver *hs, const struct principal *who,
	const struct json *keys, struct sign_failure **out, size_t *out_count)
{
	struct sign_run run = {.ctx = ctx, .me = who->user.s};
	TRY(load_keys(hs, &run, keys));
	for (size_t i = 0; i < keys->count; i++) {
		const struct json *list = &keys->members[i].value;
		for (size_t k = 0; k < list->count; k++) {
			(void)take_key(&run, keys->members[i].key, list->members[k].key,
				&list->members[k].value);
		}
	}
	if (run.taken.n > 0) {
		TRY(store_taken(hs, &run));
	}
	*out = run.failures.p;
	*out_count = run.failures.n;
	return ERR_OK;
}
