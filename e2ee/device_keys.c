/*
 * Uploads. Identity keys go through the writer with their position; one-time and fallback keys, of which nobody is told, by
 * statements of their own. An upload that repeats what is known changes nothing.
 */
#include "e2ee/device_keys.h"

#include "e2ee/device_lists.h"
#include "e2ee/device_state.h"
#include "matrix/device_key.h"
#include "storage/device_key.h"
#include "storage/one_time_key.h"

enum { UNCLAIMED_MAX = 1000, CLAIMED_KEPT = 1000 };

static enum err refuse(struct ctx *ctx, const struct field_error *error)
{
	return fail(ctx, ERR_INPUT, error->errcode, "%.*s %s", STR_ARG(error->field), error->text);
}

/* Only the end of the device makes these writes fail. */
static enum err refuse_ended(struct ctx *ctx)
{
	return fail_status(ctx, ERR_DENIED, 401, M_UNKNOWN_TOKEN,
		"This session has ended; log in again");
}

/* --- identity keys ---------------------------------------------------------------------------------------- */

static enum err store_identity(struct ctx *ctx, struct homeserver *hs,
	const struct key_owner *owner, const struct device_key *key)
{
	struct write *write = write_new(ctx);
	const struct key_signature_row signature = {
		.target_user = owner->user_id,
		.target_key = owner->device_id,
		.signer_user = owner->user_id,
		.signer_key = key_id_of(ctx->arena, owner->device_id),
		.signature = key->signature,
	};
	const struct list_change change = {.user_id = owner->user_id, .seen_by = STR("")};
	store_device_key_set(write, owner->user_id, owner->device_id, key->ed25519, key->body);
	if (key->signature.n > 0) {
		store_key_signature_set(write, &signature);
	}
	enum err err = device_lists_commit(ctx, hs, write, &change, 1);
	return err == ERR_CONFLICT ? refuse_ended(ctx) : err;
}

/* @param out_is_new  whether it is another than the one that is known. What follows in the upload is signed by it. */
static enum err read_identity(struct ctx *ctx, struct key_owner *owner,
	const struct device_key_facts *facts, const struct json *object, struct device_key *out,
	bool *out_is_new)
{
	struct field_error error;
	if (!device_key_read(ctx->arena, object, owner, out, &error)) {
		return refuse(ctx, &error);
	}
	if (facts->is_cross_signing_name) {
		return fail(ctx, ERR_INPUT, M_INVALID_PARAM,
			"One of your cross-signing keys is called like this device; log in as another device");
	}
	owner->ed25519 = out->ed25519;
	*out_is_new =
		!str_equals(facts->body, out->body) || !str_equals(facts->signature, out->signature);
	return ERR_OK;
}

/* --- one-time and fallback keys --------------------------------------------------------------------------- */

static struct key_upload to_upload(struct arena *arena, const struct key_owner *owner,
	const struct one_time_key *keys, size_t count)
{
	struct str *algorithms = ARENA_NEW_ARRAY(arena, struct str, count + 1);
	struct str *key_ids = ARENA_NEW_ARRAY(arena, struct str, count + 1);
	struct str *texts = ARENA_NEW_ARRAY(arena, struct str, count + 1);
	for (size_t i = 0; i < count; i++) {
		algorithms[i] = keys[i].algorithm;
		key_ids[i] = keys[i].key_id;
		texts[i] = keys[i].text;
	}
	return (struct key_upload){owner->user_id, owner->device_id, algorithms, key_ids, texts, count};
}

static enum err upload_one_time(struct ctx *ctx, struct homeserver *hs,
	const struct key_owner *owner, const struct device_key_facts *facts, const struct json *map)
{
	struct one_time_key *keys;
	size_t count;
	struct field_error error;
	if (!one_time_keys_read(ctx->arena, map, owner, false, &keys, &count, &error)) {
		return refuse(ctx, &error);
	}
	bool is_same_identity = str_equals(facts->ed25519, owner->ed25519);
	int64_t held = is_same_identity ? facts->one_time_keys : 0;
	if (held + (int64_t)count > UNCLAIMED_MAX) {
		return fail(ctx, ERR_INPUT, M_INVALID_PARAM,
			"This device has %lld unclaimed one-time keys; more are not taken", (long long)held);
	}
	const struct key_upload upload = to_upload(ctx->arena, owner, keys, count);
	enum err err = store_one_time_key_add(ctx, hs->db, &upload, CLAIMED_KEPT + held);
	return err == ERR_CONFLICT ? refuse_ended(ctx) : err;
}

static enum err upload_fallback(struct ctx *ctx, struct homeserver *hs,
	const struct key_owner *owner, const struct json *map)
{
	struct one_time_key *keys;
	size_t count;
	struct field_error error;
	if (!one_time_keys_read(ctx->arena, map, owner, true, &keys, &count, &error)) {
		return refuse(ctx, &error);
	}
	const struct key_upload upload = to_upload(ctx->arena, owner, keys, count);
	enum err err = store_fallback_key_set(ctx, hs->db, &upload);
	return err == ERR_CONFLICT ? refuse_ended(ctx) : err;
}

/*
 * Others hear of a new device with its identity keys, and claim at once: by then its one-time keys are there. Another identity of a known
 * device ends the one-time keys of the former, so it comes before its own.
 */
static enum err upload_parts(struct ctx *ctx, struct homeserver *hs, struct key_owner *owner,
	const struct keys_upload *upload)
{
	struct device_key_facts facts;
	struct device_key key;
	bool is_new = false;
	TRY(store_device_key_facts(ctx, hs->db, owner->user_id, owner->device_id, &facts));
	owner->ed25519 = facts.ed25519;
	if (upload->device_keys != NULL) {
		TRY(read_identity(ctx, owner, &facts, upload->device_keys, &key, &is_new));
	}
	bool is_first = facts.ed25519.n == 0;
	if (is_new && !is_first) {
		TRY(store_identity(ctx, hs, owner, &key));
	}
	if (upload->one_time_keys != NULL && upload->one_time_keys->count > 0) {
		TRY(upload_one_time(ctx, hs, owner, &facts, upload->one_time_keys));
	}
	if (upload->fallback_keys != NULL && upload->fallback_keys->count > 0) {
		TRY(upload_fallback(ctx, hs, owner, upload->fallback_keys));
	}
	return is_new && is_first ? store_identity(ctx, hs, owner, &key) : ERR_OK;
}

enum err device_keys_upload(struct ctx *ctx, struct homeserver *hs, const struct principal *who,
	const struct keys_upload *upload, struct str *out_counts)
{
	if (who->device_id.p == NULL) {
		return fail(ctx, ERR_INPUT, M_INVALID_PARAM,
			"This session has no device to upload keys for");
	}
	struct key_owner owner = {.user_id = who->user.s, .device_id = who->device_id};
	enum err err = upload_parts(ctx, hs, &owner, upload);
	/* Part of it may have been stored before another part failed. */
	device_state_keys_changed(hs->e2ee->states, owner.user_id, owner.device_id);
	e2ee_tell_keys_changed(hs, &owner.user_id, 1);
	TRY(err);
	struct device_state state;
	TRY(device_state_get(ctx, hs, owner.user_id, owner.device_id, &state));
	*out_counts = state.one_time_counts;
	return ERR_OK;
}
