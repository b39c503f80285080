/*
 * The lists. What a server says is checked as the answer to a key query would be, and only then stored; what is stored is handed out
 * as it is. A change and the news of it to clients are one commit.
 */
#include "federation/remote_devices.h"

#include "e2ee/device_lists.h"
#include "federation/fed_client.h"
#include "federation/remote_keys.h"
#include "http/uri.h"
#include "matrix/canonical.h"
#include "matrix/str_set.h"
#include "storage/remote_device.h"

enum {
	ANSWER_MAX_BYTES = 8 * 1024 * 1024,
	ANSWER_MAX_VALUES = 200 * 1000,
	MISSED_TIMEOUT_MS = 20 * 1000,
};

/* --- as checked --------------------------------------------------------------------------------------------- */

static void add(struct json *object, struct str key, struct json value)
{
	object->members[object->count++] = (struct json_member){.key = key, .value = value};
}

static struct json one(struct arena *arena, struct str key, struct json value)
{
	struct json object = json_object(arena, 1);
	add(&object, key, value);
	return object;
}

/* What may be kept of a user's keys. @param devices  object: device id → keys */
static void check_keys(struct arena *arena, struct str user_id, struct json devices,
	const struct json *master_key, const struct json *self_signing_key, struct remote_keys *out)
{
	static const struct json nothing = {.type = JSON_NULL};
	struct json all = json_object(arena, 3);
	struct json asked = one(arena, user_id, (struct json){.type = JSON_ARRAY});
	add(&all, STR("device_keys"), one(arena, user_id, devices));
	add(&all, STR("master_keys"), one(arena, user_id, master_key != NULL ? *master_key : nothing));
	add(&all, STR("self_signing_keys"),
		one(arena, user_id, self_signing_key != NULL ? *self_signing_key : nothing));
	struct json checked = remote_keys_check_query(arena, &asked, &all);
	const struct json *kept = json_get(json_at(&checked, "device_keys"), user_id);
	const struct json *master = json_get(json_at(&checked, "master_keys"), user_id);
	const struct json *self = json_get(json_at(&checked, "self_signing_keys"), user_id);
	*out = (struct remote_keys){
		.user_id = user_id,
		.devices = kept != NULL ? *kept : json_object(arena, 0),
		.master_key = master != NULL ? *master : nothing,
		.self_signing_key = self != NULL ? *self : nothing,
	};
}

static struct str text_of(struct arena *arena, const struct json *key)
{
	return json_is(key, JSON_OBJECT) ? canonical_text(arena, key) : str_from(NULL, 0);
}

static struct json json_of(struct arena *arena, struct str text)
{
	struct json json = {.type = JSON_NULL};
	if (text.p != NULL && json_parse(arena, text, NULL, &json, NULL) != JSON_OK) {
		json = (struct json){.type = JSON_NULL};
	}
	return json;
}

/* A device's keys with its name, as clients see them. */
static struct json named(struct arena *arena, const struct json *keys, struct str name)
{
	if (name.p == NULL) {
		return json_without(arena, keys, STR("unsigned"));
	}
	struct json told = one(arena, STR("device_display_name"), json_string(name));
	return json_with(arena, keys, STR("unsigned"), told);
}

static struct str name_of(const struct json *keys)
{
	struct str name = json_get_str(json_at(keys, "unsigned"), STR("device_display_name"));
	bool can_be_kept = name.n <= ID_MAX_BYTES && str_find_byte(name, '\0') == SIZE_MAX;
	return can_be_kept ? name : str_from(NULL, 0);
}

/* --- what is known --------------------------------------------------------------------------------------------- */

/* What the database has of a user. */
struct stored {
	bool shares;
	const struct remote_list_row *list;      /* NULL: none */
	const struct remote_device_row *devices; /* the first of device_n */
	size_t device_n;
};

static struct json devices_of(struct arena *arena, const struct stored *stored)
{
	struct json devices = json_object(arena, stored->device_n);
	for (size_t i = 0; i < stored->device_n; i++) {
		const struct remote_device_row *row = &stored->devices[i];
		struct json keys = json_of(arena, row->keys);
		if (keys.type == JSON_OBJECT) {
			add(&devices, row->device_id, named(arena, &keys, row->display_name));
		}
	}
	return devices;
}

/* Of each of the users, in the set's order. Many are asked for at once, and each may have many devices. */
static enum err load(struct ctx *ctx, struct db *db, const struct str_set *users,
	struct stored *stored)
{
	struct str *sharing;
	struct remote_list_row *lists;
	struct remote_device_row *devices;
	size_t sharing_n;
	size_t list_n;
	size_t device_n;
	TRY(store_remote_user_shares(ctx, db, users->items, users->count, &sharing, &sharing_n));
	TRY(store_remote_list_find(ctx, db, sharing, sharing_n, &lists, &list_n));
	TRY(store_remote_device_find(ctx, db, sharing, sharing_n, &devices, &device_n));
	for (size_t i = 0; i < sharing_n; i++) {
		stored[str_set_index(users, sharing[i])].shares = true;
	}
	for (size_t i = 0; i < list_n; i++) {
		stored[str_set_index(users, lists[i].user_id)].list = &lists[i];
	}
	for (size_t i = 0; i < device_n; i++) {
		struct stored *of = &stored[str_set_index(users, devices[i].user_id)];
		of->devices = of->device_n == 0 ? &devices[i] : of->devices;
		of->device_n++; /* they are sorted */
	}
	return ERR_OK;
}

enum err remote_devices_find(struct ctx *ctx, struct federation *federation,
	const struct str *user_ids, size_t count, struct remote_keys *out)
{
	const struct str_set users = str_set_make(ctx->arena, user_ids, count);
	struct stored *all = ARENA_NEW_ARRAY(ctx->arena, struct stored, users.count);
	TRY(load(ctx, federation->hs->db, &users, all));
	for (size_t i = 0; i < count; i++) {
		const struct stored *stored = &all[str_set_index(&users, user_ids[i])];
		const struct remote_list_row *list = stored->list;
		out[i] = (struct remote_keys){.user_id = user_ids[i], .shares = stored->shares};
		out[i].is_known = list != NULL && !list->is_stale;
		if (out[i].is_known) {
			out[i].devices = devices_of(ctx->arena, stored);
			out[i].master_key = json_of(ctx->arena, list->master_key);
			out[i].self_signing_key = json_of(ctx->arena, list->self_signing_key);
		}
	}
	return ERR_OK;
}

/* --- asking the user's server -------------------------------------------------------------------------------------- */

static enum err ask(struct ctx *ctx, struct federation *federation, struct user_id user,
	int64_t timeout_ms, struct json *out)
{
	struct fed_answer answer;
	TRY(fed_ask(ctx, federation,
		&(struct fed_request){
			.server = user_id_server(user),
			.method = "GET",
			.target = str_printf(ctx->arena, "/_matrix/federation/v1/user/devices/%.*s",
				STR_ARG(uri_encode(ctx->arena, user.s))),
			.answer_ceiling_bytes = ANSWER_MAX_BYTES,
			.answer_max_values = ANSWER_MAX_VALUES,
			.timeout_ms = timeout_ms,
		},
		&answer, NULL));
	*out = answer.json;
	if (!str_equals(json_get_str(out, STR("user_id")), user.s) ||
		!json_is(json_at(out, "devices"), JSON_ARRAY)) {
		return fail(ctx, ERR_REMOTE, NULL, "The other server's answer is not of the user");
	}
	return ERR_OK;
}

/* The devices of an answer as an object by device id, each once. */
static struct json read_devices(struct arena *arena, const struct json *list)
{
	size_t count = MIN_OF(list->count, (size_t)REMOTE_DEVICES_MAX);
	struct json devices = json_object(arena, count);
	for (size_t i = 0; i < count; i++) {
		const struct json *device = &list->items[i];
		const struct json *keys = json_at(device, "keys");
		struct str id = json_get_str(device, STR("device_id"));
		if (id.p != NULL && id.n <= ID_MAX_BYTES && str_find_byte(id, '\0') == SIZE_MAX &&
			json_is(keys, JSON_OBJECT) && json_get(&devices, id) == NULL) {
			struct str name = json_get_str(device, STR("device_display_name"));
			add(&devices, id, named(arena, keys, name));
		}
	}
	return devices;
}

static void write_all(struct arena *arena, struct write *write, const struct remote_keys *keys,
	int64_t stream_id)
{
	store_remote_list_set(write,
		&(struct remote_list_row){
			.user_id = keys->user_id,
			.stream_id = stream_id,
			.master_key = text_of(arena, &keys->master_key),
			.self_signing_key = text_of(arena, &keys->self_signing_key),
		});
	store_remote_device_clear(write, keys->user_id, stream_id);
	for (size_t i = 0; i < keys->devices.count; i++) {
		const struct json_member *device = &keys->devices.members[i];
		struct json bare = json_without(arena, &device->value, STR("unsigned"));
		store_remote_device_set(write,
			&(struct remote_device_row){
				.user_id = keys->user_id,
				.device_id = device->key,
				.keys = text_of(arena, &bare),
				.display_name = name_of(&device->value),
			},
			stream_id);
	}
}

enum err remote_devices_refresh(struct ctx *ctx, struct federation *federation, struct user_id user,
	int64_t timeout_ms)
{
	struct homeserver *hs = federation->hs;
	struct json answer;
	struct remote_keys keys;
	int64_t stream_id;
	struct str *sharing;
	size_t sharing_n;
	TRY(ask(ctx, federation, user, timeout_ms, &answer));
	check_keys(ctx->arena, user.s, read_devices(ctx->arena, json_at(&answer, "devices")),
		json_at(&answer, "master_key"), json_at(&answer, "self_signing_key"), &keys);
	TRY(store_remote_user_shares(ctx, hs->db, &user.s, 1, &sharing, &sharing_n));
	if (sharing_n > 0 && json_get_int(&answer, STR("stream_id"), 0, INT64_MAX, &stream_id)) {
		struct write *write = write_new(ctx);
		write_all(ctx->arena, write, &keys, stream_id);
		TRY(writer_commit(ctx, hs->writer, write, NULL));
	}
	return ERR_OK;
}

/* --- changes --------------------------------------------------------------------------------------------------------- */

static enum err commit_and_tell(struct ctx *ctx, struct federation *federation, struct write *write,
	struct user_id user)
{
	return device_lists_commit(ctx, federation->hs, write,
		&(struct list_change){.user_id = user.s, .seen_by = STR("")}, 1);
}

/* The user's list, if there is one and it is worth anything. *out NULL: none. @param out_shares  whether clients care */
static enum err find_list(struct ctx *ctx, struct federation *federation, struct user_id user,
	struct remote_list_row **out, bool *out_shares)
{
	struct db *db = federation->hs->db;
	struct str *sharing;
	size_t sharing_n;
	size_t count = 0;
	TRY(store_remote_user_shares(ctx, db, &user.s, 1, &sharing, &sharing_n));
	*out_shares = sharing_n > 0;
	TRY(store_remote_list_find(ctx, db, &user.s, sharing_n, out, &count));
	*out = count > 0 && !(*out)->is_stale ? *out : NULL;
	return ERR_OK;
}

static bool follows(const struct json *prev_ids, int64_t stream_id)
{
	for (size_t i = 0; json_is(prev_ids, JSON_ARRAY) && i < prev_ids->count; i++) {
		const struct json *id = &prev_ids->items[i];
		if (id->type == JSON_INT && id->integer == stream_id) {
			return true;
		}
	}
	return false;
}

/* Clients are told first: should the server not answer, whoever asks for the keys asks it again. */
static enum err fetch_anew(struct ctx *ctx, struct federation *federation, struct user_id user)
{
	struct write *write = write_new(ctx);
	store_remote_list_spoil(write, user.s);
	TRY(commit_and_tell(ctx, federation, write, user));
	enum err err = remote_devices_refresh(ctx, federation, user, MISSED_TIMEOUT_MS);
	if (err == ERR_STORE || err == ERR_SHUTDOWN) {
		return err;
	}
	ctx->fault = (struct fault){0};
	return ERR_OK;
}

/* The device as the update has it; without keys when it ended, or they are none. */
static struct remote_device_row row_of(struct arena *arena,
	const struct remote_device_update *update)
{
	struct remote_keys checked;
	struct json devices = json_object(arena, 1);
	struct remote_device_row row = {.user_id = update->user.s, .device_id = update->device_id};
	if (update->keys == NULL || update->is_deleted) {
		return row;
	}
	add(&devices, update->device_id, *update->keys);
	check_keys(arena, update->user.s, devices, NULL, NULL, &checked);
	const struct json *kept = json_get(&checked.devices, update->device_id);
	if (kept != NULL) {
		struct json bare = json_without(arena, kept, STR("unsigned"));
		row.keys = text_of(arena, &bare);
		row.display_name = update->display_name;
	}
	return row;
}

static enum err apply(struct ctx *ctx, struct federation *federation,
	const struct remote_device_update *update, struct remote_list_row *list)
{
	struct write *write = write_new(ctx);
	const struct remote_device_row row = row_of(ctx->arena, update);
	list->stream_id = update->stream_id;
	store_remote_list_set(write, list);
	if (update->is_deleted) {
		store_remote_device_delete(write, update->user.s, update->device_id);
	} else {
		store_remote_device_set(write, &row, update->stream_id);
	}
	return commit_and_tell(ctx, federation, write, update->user);
}

/* Whether clients are told of the device what the update says. */
static enum err says_nothing_new(struct ctx *ctx, struct federation *federation,
	const struct remote_device_update *update, bool *out)
{
	const struct remote_device_row row = row_of(ctx->arena, update);
	struct remote_device_row *known;
	size_t count;
	TRY(store_remote_device_find(ctx, federation->hs->db, &update->user.s, 1, &known, &count));
	*out = row.keys.p == NULL;
	for (size_t i = 0; i < count; i++) {
		if (str_equals(known[i].device_id, row.device_id)) {
			*out = str_equals(known[i].keys, row.keys) &&
				(row.keys.p == NULL || str_equals(known[i].display_name, row.display_name));
		}
	}
	return ERR_OK;
}

/*
 * The number is not above the list's. As a rule the update was in when the list was fetched, or comes a second time. But one that says
 * something else may be of a server that counts anew, since it was put back to an earlier time: only that server can tell.
 */
static enum err look_back(struct ctx *ctx, struct federation *federation,
	const struct remote_device_update *update)
{
	bool is_known;
	TRY(says_nothing_new(ctx, federation, update, &is_known));
	if (is_known) {
		return ERR_OK;
	}
	return update->may_wait ? fetch_anew(ctx, federation, update->user) : ERR_DEFER;
}

enum err remote_devices_update(struct ctx *ctx, struct federation *federation,
	const struct remote_device_update *update)
{
	struct remote_list_row *list;
	bool shares;
	TRY(find_list(ctx, federation, update->user, &list, &shares));
	if (!shares) {
		return ERR_OK;
	}
	if (list == NULL) {
		/* A device without keys is nothing to clients: they have none of it, and there are none to ask for. */
		return update->keys == NULL && !update->is_deleted
			? ERR_OK
			: commit_and_tell(ctx, federation, write_new(ctx), update->user);
	}
	if (update->stream_id <= list->stream_id) {
		return look_back(ctx, federation, update);
	}
	if (follows(update->prev_ids, list->stream_id)) {
		return apply(ctx, federation, update, list);
	}
	return update->may_wait ? fetch_anew(ctx, federation, update->user) : ERR_DEFER;
}

enum err remote_devices_set_cross_keys(struct ctx *ctx, struct federation *federation,
	struct user_id user, const struct json *master_key, const struct json *self_signing_key)
{
	struct arena *arena = ctx->arena;
	struct remote_list_row *list;
	bool shares;
	TRY(find_list(ctx, federation, user, &list, &shares));
	if (!shares) {
		return ERR_OK;
	}
	struct write *write = write_new(ctx);
	if (list != NULL) {
		struct remote_keys checked;
		struct json old_master = json_of(arena, list->master_key);
		struct json old_self = json_of(arena, list->self_signing_key);
		check_keys(arena, user.s, json_object(arena, 0),
			master_key != NULL ? master_key : &old_master,
			self_signing_key != NULL ? self_signing_key : &old_self, &checked);
		list->master_key = text_of(arena, &checked.master_key);
		list->self_signing_key = text_of(arena, &checked.self_signing_key);
		store_remote_list_set(write, list);
	}
	return commit_and_tell(ctx, federation, write, user);
}
