/*
 * Uploading cross-signing keys. Checked first, for the proof that the user has to give comes in between; stored afterwards.
 */
#include "e2ee/cross_signing.h"

#include "e2ee/device_lists.h"
#include "matrix/device_key.h"
#include "storage/device_key.h"
#include "storage/to_device.h"

static const struct str fields[CROSS_USAGE_COUNT] = {
	[CROSS_MASTER] = STR_INIT("master_key"),
	[CROSS_SELF_SIGNING] = STR_INIT("self_signing_key"),
	[CROSS_USER_SIGNING] = STR_INIT("user_signing_key"),
};

/* --- checking ------------------------------------------------------------------------------------------ */

/* What is stored of the user. */
struct own_keys {
	struct stored_key *rows;
	size_t n;
};

static const struct stored_key *find_cross_key(const struct own_keys *own, enum cross_usage usage)
{
	for (size_t i = 0; i < own->n; i++) {
		if (own->rows[i].kind == STORED_CROSS_KEY &&
			str_equals(own->rows[i].id, cross_usage_name(usage))) {
			return &own->rows[i];
		}
	}
	return NULL;
}

static enum err read_keys(struct ctx *ctx, const struct own_keys *own, struct cross_upload *upload)
{
	for (int i = 0; i < CROSS_USAGE_COUNT; i++) {
		struct field_error error;
		if (upload->objects[i] == NULL) {
			continue;
		}
		if (!cross_key_read(ctx->arena, upload->objects[i], upload->user_id, (enum cross_usage)i,
				fields[i], &upload->keys[i], &error)) {
			return fail(ctx, ERR_INPUT, error.errcode, "%.*s %s", STR_ARG(error.field), error.text);
		}
		const struct stored_key *stored = find_cross_key(own, (enum cross_usage)i);
		upload->is_new[i] = stored == NULL || !str_equals(stored->body, upload->keys[i].body);
	}
	return ERR_OK;
}

/* After the upload no key serves two purposes. */
static enum err check_distinct(struct ctx *ctx, const struct own_keys *own,
	const struct cross_upload *upload)
{
	struct str after[CROSS_USAGE_COUNT];
	for (int i = 0; i < CROSS_USAGE_COUNT; i++) {
		const struct stored_key *stored = find_cross_key(own, (enum cross_usage)i);
		bool ends_with_master = upload->is_new[CROSS_MASTER] && i != CROSS_MASTER;
		after[i] = upload->objects[i] != NULL     ? upload->keys[i].public_key
			: stored != NULL && !ends_with_master ? stored->public_key
												  : str_from(NULL, 0);
		for (int k = 0; k < i; k++) {
			if (after[i].p != NULL && after[k].p != NULL && str_equals(after[i], after[k])) {
				return fail(ctx, ERR_INPUT, M_INVALID_PARAM,
					"Each cross-signing key must be another one");
			}
		}
	}
	return ERR_OK;
}

static enum err check_names(struct ctx *ctx, struct homeserver *hs,
	const struct cross_upload *upload)
{
	struct str *user_ids;
	struct str *device_ids;
	size_t n;
	TRY(store_to_device_all(ctx, hs->db, &upload->user_id, 1, &user_ids, &device_ids, &n));
	for (size_t i = 0; i < n; i++) {
		for (int k = 0; k < CROSS_USAGE_COUNT; k++) {
			if (upload->objects[k] != NULL &&
				str_equals(device_ids[i], upload->keys[k].public_key)) {
				return fail(ctx, ERR_DENIED, M_FORBIDDEN,
					"One of your devices is called like one of these keys");
			}
		}
	}
	return ERR_OK;
}

static void add_signature(struct cross_upload *upload, struct arena *arena, enum cross_usage usage,
	const struct key_signer *signer)
{
	upload->signatures[upload->signature_n++] = (struct key_signature_row){
		.target_user = upload->user_id,
		.target_key = upload->keys[usage].public_key,
		.signer_user = upload->user_id,
		.signer_key = key_id_of(arena, signer->name),
		.signature = key_signature_by(arena, upload->objects[usage], signer),
	};
}

static enum err refuse_signature(struct ctx *ctx, struct str field, const char *text)
{
	return fail(ctx, ERR_INPUT, M_INVALID_SIGNATURE, "%.*s %s", STR_ARG(field), text);
}

/* The two others have to be signed by the master key. */
static enum err check_by_master(struct ctx *ctx, struct cross_upload *upload)
{
	const struct key_signer master = {upload->user_id, upload->master, upload->master};
	for (int i = CROSS_SELF_SIGNING; i < CROSS_USAGE_COUNT; i++) {
		if (upload->objects[i] == NULL) {
			continue;
		}
		if (!key_is_signed_by(ctx->arena, upload->objects[i], &master)) {
			return refuse_signature(ctx, fields[i], "must be signed by the master key");
		}
		add_signature(upload, ctx->arena, (enum cross_usage)i, &master);
	}
	return ERR_OK;
}

/* A master key may come with signatures of the user's devices. Those of devices that are not known are left out. */
static enum err check_by_devices(struct ctx *ctx, const struct own_keys *own,
	struct cross_upload *upload)
{
	const struct json *object = upload->objects[CROSS_MASTER];
	for (size_t i = 0; object != NULL && i < own->n; i++) {
		struct json body;
		const struct stored_key *row = &own->rows[i];
		if (row->kind != STORED_DEVICE_KEY ||
			json_parse(ctx->arena, row->body, NULL, &body, NULL) != JSON_OK) {
			continue;
		}
		struct key_signer device = {.user_id = upload->user_id, .name = row->id};
		device.public_key = json_get_str(json_at(&body, "keys"), key_id_of(ctx->arena, row->id));
		if (key_signature_by(ctx->arena, object, &device).p == NULL) {
			continue;
		}
		if (!key_is_signed_by(ctx->arena, object, &device)) {
			return refuse_signature(ctx, fields[CROSS_MASTER], "has a wrong signature by a device");
		}
		add_signature(upload, ctx->arena, CROSS_MASTER, &device);
	}
	return ERR_OK;
}

enum err cross_signing_check(struct ctx *ctx, struct homeserver *hs, const struct principal *who,
	const struct json *const *objects, struct cross_upload *out)
{
	struct own_keys own;
	*out = (struct cross_upload){.user_id = who->user.s};
	for (int i = 0; i < CROSS_USAGE_COUNT; i++) {
		out->objects[i] = objects[i];
	}
	TRY(store_device_key_query(ctx, hs->db, &out->user_id, 1, out->user_id, &own.rows, &own.n));
	TRY(read_keys(ctx, &own, out));
	const struct stored_key *stored = find_cross_key(&own, CROSS_MASTER);
	if (out->objects[CROSS_MASTER] != NULL) {
		out->master = out->keys[CROSS_MASTER].public_key;
	} else if (stored != NULL) {
		out->master = stored->public_key;
	} else {
		return fail(ctx, ERR_INPUT, M_MISSING_PARAM, "There is no master key; upload one");
	}
	out->needs_proof = stored != NULL &&
		(out->is_new[CROSS_MASTER] || out->is_new[CROSS_SELF_SIGNING] ||
			out->is_new[CROSS_USER_SIGNING]);
	out->signatures =
		ARENA_NEW_ARRAY(ctx->arena, struct key_signature_row, own.n + CROSS_USAGE_COUNT);
	TRY(check_distinct(ctx, &own, out));
	TRY(check_names(ctx, hs, out));
	TRY(check_by_master(ctx, out));
	return check_by_devices(ctx, &own, out);
}

/* --- storing --------------------------------------------------------------------------------------------- */

enum err cross_signing_store(struct ctx *ctx, struct homeserver *hs,
	const struct cross_upload *upload)
{
	struct write *write = write_new(ctx);
	const struct list_change change = {.user_id = upload->user_id, .seen_by = STR("")};
	bool is_any_new = false;
	for (int i = 0; i < CROSS_USAGE_COUNT; i++) {
		if (upload->is_new[i]) {
			is_any_new = true;
			store_cross_key_set(write, upload->user_id, cross_usage_name((enum cross_usage)i),
				upload->keys[i].public_key, upload->keys[i].body);
		}
	}
	for (size_t i = 0; i < upload->signature_n; i++) {
		store_key_signature_set(write, &upload->signatures[i]);
	}
	return is_any_new ? device_lists_commit(ctx, hs, write, &change, 1) : ERR_OK;
}

enum err cross_signing_account_ended(struct ctx *ctx, struct homeserver *hs, struct str user_id)
{
	TRY(store_device_key_end_account(ctx, hs->db, user_id));
	e2ee_devices_changed(ctx, hs, user_id);
	return ERR_OK;
}
