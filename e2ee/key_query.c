/*
 * Key queries. Whoever is logged in may ask for the keys of anybody here; a user of ours who is unknown has an empty entry, like one
 * without devices. Users of other servers are asked for over there: what is not answered is a failure of their server, whether
 * the user exists or not.
 */
#include "e2ee/device_keys.h"
#include "matrix/device_key.h"
#include "storage/device.h"
#include "storage/device_key.h"
#include "storage/device_list.h"

/* --- finding ----------------------------------------------------------------------------------------------- */

static enum err check_wanted(struct ctx *ctx, const struct json *wanted)
{
	for (size_t i = 0; i < wanted->count; i++) {
		struct user_id id;
		const struct json *devices = &wanted->members[i].value;
		bool is_good = user_id_parse(wanted->members[i].key, &id) && devices->type == JSON_ARRAY;
		for (size_t k = 0; is_good && k < devices->count; k++) {
			is_good = devices->items[k].type == JSON_STRING;
		}
		if (!is_good) {
			return fail(ctx, ERR_INPUT, M_BAD_JSON,
				"'device_keys' must have lists of device ids by user id");
		}
	}
	return ERR_OK;
}

enum err device_keys_query(struct ctx *ctx, struct homeserver *hs, const struct keys_ask *ask,
	struct keys_found *out)
{
	const struct json *wanted = ask->wanted;
	TRY(check_wanted(ctx, wanted));
	*out = (struct keys_found){.viewer = ask->viewer, .wanted = wanted};
	if (ask->viewer.p != NULL) {
		out->remote_n = e2ee_remote_asks(ctx->arena, hs, wanted, &out->remote);
		TRY(e2ee_ask_remote(ctx, hs->e2ee, out->remote, out->remote_n, ask->timeout_ms, false));
	}
	/* Of users elsewhere nothing is found but what the viewer has signed. */
	struct str *users = ARENA_NEW_ARRAY(ctx->arena, struct str, wanted->count + 1);
	size_t user_n = 0;
	for (size_t i = 0; i < wanted->count; i++) {
		struct str user_id = wanted->members[i].key;
		bool is_told = ask->viewer.p != NULL || hs_is_local(hs, user_id);
		if (is_told && str_find_byte(user_id, '\0') == SIZE_MAX) {
			users[user_n++] = user_id;
		}
	}
	if (user_n > 0) {
		TRY(store_device_key_query(ctx, hs->db, users, user_n, ask->viewer, &out->keys,
			&out->key_n));
	}
	return ERR_OK;
}

/* --- writing ------------------------------------------------------------------------------------------------ */

/* A user's rows. */
struct user_rows {
	const struct stored_key *p;
	size_t n;
};

static struct user_rows rows_of(const struct keys_found *found, struct str user_id)
{
	size_t low = 0;
	size_t high = found->key_n;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (str_compare(found->keys[middle].user_id, user_id) < 0) {
			low = middle + 1;
		} else {
			high = middle;
		}
	}
	struct user_rows rows = {.p = found->keys + low};
	while (low + rows.n < found->key_n && str_equals(rows.p[rows.n].user_id, user_id)) {
		rows.n++;
	}
	return rows;
}

static void write_signatures_by(const struct user_rows *rows, struct str key, struct str signer,
	struct json_out *out)
{
	bool is_open = false;
	for (size_t i = 0; i < rows->n; i++) {
		const struct stored_key *row = &rows->p[i];
		if (row->kind != STORED_SIGNATURE || !str_equals(row->id, key) ||
			!str_equals(row->signer_user, signer)) {
			continue;
		}
		if (!is_open) {
			json_out_key(out, signer);
			json_out_object(out);
			is_open = true;
		}
		json_out_key(out, row->signer_key);
		json_out_str(out, row->body);
	}
	if (is_open) {
		json_out_end(out);
	}
}

/* Those by the owner and those by the viewer: no others may be seen. */
static void write_signatures(const struct keys_found *found, const struct user_rows *rows,
	const struct stored_key *target, struct json_out *out)
{
	struct str key = target->kind == STORED_CROSS_KEY ? target->public_key : target->id;
	json_out_key_object(out, "signatures");
	write_signatures_by(rows, key, target->user_id, out);
	if (found->viewer.p != NULL && !str_equals(found->viewer, target->user_id)) {
		write_signatures_by(rows, key, found->viewer, out);
	}
	json_out_end(out);
}

/* What users call their devices may be a name or a place: other servers learn it only if the school wants that. */
static struct str told_name(const struct keys_found *found, const struct homeserver *hs,
	struct str display_name)
{
	bool is_told = found->viewer.p != NULL || hs->settings.device_names_for_servers;
	return is_told ? display_name : str_from(NULL, 0);
}

static void write_key(const struct keys_found *found, const struct user_rows *rows,
	const struct stored_key *key, struct str name, struct arena *arena, struct json_out *out)
{
	struct json body;
	json_out_object(out);
	if (json_parse(arena, key->body, NULL, &body, NULL) == JSON_OK) {
		for (size_t i = 0; i < body.count; i++) {
			json_out_key(out, body.members[i].key);
			json_out_value(out, &body.members[i].value);
		}
	}
	write_signatures(found, rows, key, out);
	if (name.p != NULL) {
		json_out_key_object(out, "unsigned");
		json_out_key_str(out, "device_display_name", name);
		json_out_end(out);
	}
	json_out_end(out);
}

static bool is_wanted(const struct json *devices, struct str device_id)
{
	for (size_t i = 0; i < devices->count; i++) {
		if (str_equals(json_text(&devices->items[i]), device_id)) {
			return true;
		}
	}
	return devices->count == 0;
}

static void write_devices(const struct keys_found *found, struct arena *arena,
	const struct homeserver *hs, struct json_out *out)
{
	json_out_key_object(out, "device_keys");
	for (size_t i = 0; i < found->wanted->count; i++) {
		const struct json_member *wanted = &found->wanted->members[i];
		if (!hs_is_local(hs, wanted->key)) {
			continue;
		}
		struct user_rows rows = rows_of(found, wanted->key);
		json_out_key(out, wanted->key);
		json_out_object(out);
		for (size_t k = 0; k < rows.n; k++) {
			if (rows.p[k].kind == STORED_DEVICE_KEY && is_wanted(&wanted->value, rows.p[k].id)) {
				json_out_key(out, rows.p[k].id);
				write_key(found, &rows, &rows.p[k], told_name(found, hs, rows.p[k].display_name),
					arena, out);
			}
		}
		json_out_end(out);
	}
	e2ee_write_answers(out, found->remote, found->remote_n, STR("device_keys"));
	json_out_end(out);
}

/* The key with what the viewer has signed of it. */
static struct json with_own_signatures(const struct keys_found *found, struct arena *arena,
	const struct json_member *master)
{
	struct user_rows rows = rows_of(found, master->key);
	const struct json *keys = json_at(&master->value, "keys");
	const struct json *others = json_at(&master->value, "signatures");
	struct json own = json_object(arena, rows.n);
	for (size_t i = 0; i < rows.n; i++) {
		const struct stored_key *row = &rows.p[i];
		if (row->kind == STORED_SIGNATURE && str_equals(row->signer_user, found->viewer) &&
			json_get(keys, key_id_of(arena, row->id)) != NULL) {
			own.members[own.count++] =
				(struct json_member){row->signer_key, json_string(row->body)};
		}
	}
	if (own.count == 0) {
		return master->value;
	}
	struct json none = json_object(arena, 0);
	struct json all = json_with(arena, others != NULL ? others : &none, found->viewer, own);
	return json_with(arena, &master->value, STR("signatures"), all);
}

static void write_remote_masters(const struct keys_found *found, struct arena *arena,
	struct json_out *out)
{
	for (size_t i = 0; i < found->remote_n; i++) {
		const struct json *masters = json_at(&found->remote[i].answer, "master_keys");
		for (size_t k = 0; json_is(masters, JSON_OBJECT) && k < masters->count; k++) {
			const struct json_member *master = &masters->members[k];
			struct json key = with_own_signatures(found, arena, master);
			json_out_key(out, master->key);
			json_out_value(out, &key);
		}
	}
}

static void write_cross_keys(const struct keys_found *found, struct str usage, struct str section,
	struct arena *arena, struct json_out *out)
{
	bool is_own_only = str_equals(usage, STR("user_signing"));
	json_out_key(out, section);
	json_out_object(out);
	for (size_t i = 0; i < found->key_n; i++) {
		const struct stored_key *key = &found->keys[i];
		if (key->kind != STORED_CROSS_KEY || !str_equals(key->id, usage) ||
			(is_own_only && !str_equals(key->user_id, found->viewer))) {
			continue;
		}
		struct user_rows rows = rows_of(found, key->user_id);
		json_out_key(out, key->user_id);
		write_key(found, &rows, key, str_from(NULL, 0), arena, out);
	}
	if (str_equals(usage, STR("master"))) {
		write_remote_masters(found, arena, out);
	} else if (!is_own_only) {
		e2ee_write_answers(out, found->remote, found->remote_n, section);
	}
	json_out_end(out);
}

void device_keys_write(const struct keys_found *found, struct arena *arena,
	const struct homeserver *hs, struct json_out *out)
{
	json_out_object(out);
	write_devices(found, arena, hs, out);
	write_cross_keys(found, STR("master"), STR("master_keys"), arena, out);
	write_cross_keys(found, STR("self_signing"), STR("self_signing_keys"), arena, out);
	if (found->viewer.p != NULL) {
		write_cross_keys(found, STR("user_signing"), STR("user_signing_keys"), arena, out);
		e2ee_write_failures(out, found->remote, found->remote_n);
	}
	json_out_end(out);
}

/* --- for another server --------------------------------------------------------------------------------------- */

static void open_list_device(struct str device_id, struct str name, struct json_out *out)
{
	json_out_object(out);
	json_out_key_str(out, "device_id", device_id);
	if (name.p != NULL) {
		json_out_key_str(out, "device_display_name", name);
	}
}

static void write_list_device(const struct keys_found *found, const struct homeserver *hs,
	const struct user_rows *rows, const struct stored_key *key, struct arena *arena,
	struct json_out *out)
{
	open_list_device(key->id, told_name(found, hs, key->display_name), out);
	json_out_key(out, STR("keys"));
	write_key(found, rows, key, str_from(NULL, 0), arena, out);
	json_out_end(out);
}

static void write_list_cross_key(const struct keys_found *found, const struct user_rows *rows,
	struct str usage, struct str field, struct arena *arena, struct json_out *out)
{
	for (size_t i = 0; i < rows->n; i++) {
		if (rows->p[i].kind == STORED_CROSS_KEY && str_equals(rows->p[i].id, usage)) {
			json_out_key(out, field);
			write_key(found, rows, &rows->p[i], str_from(NULL, 0), arena, out);
		}
	}
}

static bool has_keys(const struct user_rows *rows, struct str device_id)
{
	for (size_t i = 0; i < rows->n; i++) {
		if (rows->p[i].kind == STORED_DEVICE_KEY && str_equals(rows->p[i].id, device_id)) {
			return true;
		}
	}
	return false;
}

static enum err write_list_keyless(struct ctx *ctx, struct homeserver *hs,
	const struct keys_found *found, const struct user_rows *rows, struct str user_id,
	struct json_out *out)
{
	struct device_row *devices;
	size_t count;
	TRY(store_device_list(ctx, hs->db, user_id, &devices, &count));
	for (size_t i = 0; i < count; i++) {
		if (!has_keys(rows, devices[i].device_id)) {
			open_list_device(devices[i].device_id, told_name(found, hs, devices[i].display_name),
				out);
			json_out_end(out);
		}
	}
	return ERR_OK;
}

enum err device_keys_write_list(struct ctx *ctx, struct homeserver *hs, struct str user_id,
	bool with_keyless, struct json_out *out)
{
	struct keys_found found = {0};
	int64_t stream_id = 0;
	/* The position first: keys newer than it are told again, older ones never would be. */
	if (str_find_byte(user_id, '\0') == SIZE_MAX) {
		TRY(store_device_list_position(ctx, hs->db, user_id, &stream_id));
		TRY(store_device_key_query(ctx, hs->db, &user_id, 1, found.viewer, &found.keys,
			&found.key_n));
	}
	const struct user_rows rows = {.p = found.keys, .n = found.key_n};
	json_out_object(out);
	json_out_key_str(out, "user_id", user_id);
	json_out_key_int(out, "stream_id", stream_id);
	json_out_key_array(out, "devices");
	for (size_t i = 0; i < rows.n; i++) {
		if (rows.p[i].kind == STORED_DEVICE_KEY) {
			write_list_device(&found, hs, &rows, &rows.p[i], ctx->arena, out);
		}
	}
	if (with_keyless) {
		TRY(write_list_keyless(ctx, hs, &found, &rows, user_id, out));
	}
	json_out_end(out);
	write_list_cross_key(&found, &rows, STR("master"), STR("master_key"), ctx->arena, out);
	write_list_cross_key(&found, &rows, STR("self_signing"), STR("self_signing_key"), ctx->arena,
		out);
	json_out_end(out);
	return ERR_OK;
}
