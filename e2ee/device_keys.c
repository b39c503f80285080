/*
 * Uploads. Identity keys go through the writer with their position; one-time and fallback keys, of which nobody is told, by
 * statements of their own. An upload that repeats what is known changes nothing.
 */
#include "e2ee/device_keys.h"

#include "e2ee/device_lists.h"
#include "e2ee/device_state.h"
#include "matrix/cross_key.h"
#include "matrix/device_key.h"
#include "storage/device_key.h"
#include "storage/one_time_key.h"

enum { UNCLAIMED_MAX = 1000, CLAIMED_KEPT = 1000 };

static enum err refuse(struct ctx *ctx, const struct field_error *error)
{
	return fail(ctx, ERR_INPUT, error->errcode, "%.*s %s", STR_ARG(error->field), error->text);
}

/* What these writes belong to is missing: the device. The client signs out by this answer, and loses its keys. */
static enum err refuse_ended(struct ctx *ctx)
{
	return fail_status(ctx, ERR_DENIED, 401, M_UNKNOWN_TOKEN,
		"This session has ended; log in again");
}

/* --- identity keys ---------------------------------------------------------------------------------------- */

/* @param rows  all that is stored of the user. @return signature.n == 0: the self-signing key gave none that is right and not stored yet */
static struct key_signature_row new_signature(struct arena *arena, const struct key_owner *owner,
	const struct json *object, const struct stored_key *rows, size_t n)
{
	struct key_signature_row out = {0};
	for (size_t i = 0; i < n; i++) {
		const struct stored_key *row = &rows[i];
		const struct key_signer signer = {owner->user_id, row->public_key, row->public_key};
		if (row->kind == STORED_CROSS_KEY &&
			str_equals(row->id, cross_usage_name(CROSS_SELF_SIGNING)) &&
			key_is_signed_by(arena, object, &signer)) {
			out = (struct key_signature_row){owner->user_id, owner->device_id, owner->user_id,
				key_id_of(arena, signer.name), key_signature_by(arena, object, &signer)};
		}
	}
	for (size_t i = 0; i < n; i++) {
		const struct stored_key *row = &rows[i];
		if (row->kind == STORED_SIGNATURE && str_equals(row->id, owner->device_id) &&
			str_equals(row->signer_key, out.signer_key) && str_equals(row->body, out.signature)) {
			return (struct key_signature_row){0};
		}
	}
	return out;
}

/*
 * A device that got the account's secrets before its own keys were uploaded (sign-in by a QR code) brings them signed by the self-signing key, so
 * that others see a verified device from the first moment. What is not right is left out, as other signatures are.
 */
static enum err read_cross_signature(struct ctx *ctx, struct homeserver *hs,
	const struct key_owner *owner, const struct json *object, const struct device_key *key,
	struct key_signature_row *out)
{
	struct stored_key *rows;
	size_t n;
	const struct json *by_user = json_get(json_at(object, "signatures"), owner->user_id);
	size_t own_n = key->signature.n > 0 ? 1 : 0;
	if (!json_is(by_user, JSON_OBJECT) || by_user->count <= own_n) {
		return ERR_OK;
	}
	TRY(store_device_key_query(ctx, hs->db, &owner->user_id, 1, owner->user_id, &rows, &n));
	*out = new_signature(ctx->arena, owner, object, rows, n);
	return ERR_OK;
}

/* @param by_cross_key  signature.n == 0: none */
static enum err store_identity(struct ctx *ctx, struct homeserver *hs,
	const struct key_owner *owner, const struct device_key *key,
	const struct key_signature_row *by_cross_key)
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
	if (by_cross_key->signature.n > 0) {
		store_key_signature_set(write, by_cross_key);
	}
	enum err err = device_lists_commit(ctx, hs, write, &change, 1);
	if (err != ERR_OK) {
		return err == ERR_MISSING ? refuse_ended(ctx) : err;
	}
	device_state_identity_read(hs->e2ee->states, owner->user_id, owner->device_id, key->ed25519);
	return ERR_OK;
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
	struct key_entry *entries = ARENA_NEW_ARRAY(arena, struct key_entry, count + 1);
	for (size_t i = 0; i < count; i++) {
		algorithms[i] = keys[i].algorithm;
		entries[i] = keys[i].entry;
	}
	return (struct key_upload){owner->user_id, owner->device_id, algorithms, entries, count};
}

/* An upload under way. */
struct uploading {
	struct key_owner owner; /* with the identity that has to have signed the keys */
	struct device_key_facts facts;
	bool has_facts; /* false: the identity is what memory has */
	struct device_key key;
	struct key_signature_row by_cross_key; /* that came with it; signature.n == 0: none */
	bool is_new;       /* the key that came with the upload, or that signature */
	struct str counts; /* p == NULL: no one-time keys were added */
};

static enum err read_facts(struct ctx *ctx, struct homeserver *hs, struct uploading *up)
{
	TRY(store_device_key_facts(ctx, hs->db, up->owner.user_id, up->owner.device_id, &up->facts));
	up->has_facts = true;
	device_state_identity_read(hs->e2ee->states, up->owner.user_id, up->owner.device_id,
		up->facts.ed25519);
	return ERR_OK;
}

static enum err refuse_more(struct ctx *ctx, const struct keys_added *added)
{
	int64_t held = 0;
	for (size_t i = 0; i < added->left_n; i++) {
		held += added->left[i].count;
	}
	return fail(ctx, ERR_INPUT, M_INVALID_PARAM,
		"This device has %lld unclaimed one-time keys; more are not taken", (long long)held);
}

/* The signature of keys, which is verified while the database takes them in. */
struct key_check {
	const struct json *map;
	const struct key_owner *owner;
	bool is_refused;
};

static enum err check_signature(struct ctx *ctx, void *self)
{
	struct key_check *check = self;
	struct field_error error;
	check->is_refused = !one_time_keys_verify(ctx->arena, check->map, check->owner, &error);
	return check->is_refused ? refuse(ctx, &error) : ERR_OK;
}

/* What memory says of the identity goes as long as keys and database agree with it. */
static enum err add_one_time(struct ctx *ctx, struct homeserver *hs, struct uploading *up,
	const struct json *map, bool is_own_identity, struct keys_added *out)
{
	struct one_time_key *keys;
	size_t count;
	struct field_error error;
	if (!one_time_keys_read(ctx->arena, map, &up->owner, false, &keys, &count, &error)) {
		return refuse(ctx, &error);
	}
	struct key_check check = {.map = map, .owner = &up->owner};
	const struct db_check db_check = {check_signature, &check};
	struct key_addition addition = {
		.upload = to_upload(ctx->arena, &up->owner, keys, count),
		.check = &db_check,
		.held_max = UNCLAIMED_MAX,
		.remembered = CLAIMED_KEPT,
	};
	for (;;) {
		addition.ed25519 = up->facts.ed25519;
		enum err err = store_one_time_key_add(ctx, hs->db, &addition, out);
		bool is_other = err == ERR_OK && out->outcome == KEYS_OTHER_IDENTITY;
		if (!is_other && (up->has_facts || !check.is_refused)) {
			TRY(err);
			return out->outcome == KEYS_ADDED ? ERR_OK : refuse_more(ctx, out);
		}
		if (is_other && out->has_begun) {
			/* With the identity these ended, some perhaps given to somebody: of the next one they would be given again. */
			return fail(ctx, ERR_CONFLICT, M_UNKNOWN,
				"The device has got another identity meanwhile; upload the keys of that one");
		}
		TRY(read_facts(ctx, hs, up));
		up->owner.ed25519 = is_own_identity ? up->key.ed25519 : up->facts.ed25519;
		/* What was refused once, or is another's, is verified first, so that the database does not work in vain. */
		TRY(check_signature(ctx, &check));
		addition.check = NULL;
	}
}

static enum err upload_one_time(struct ctx *ctx, struct homeserver *hs, struct uploading *up,
	const struct keys_upload *upload)
{
	struct device_states *states = hs->e2ee->states;
	const struct key_owner *owner = &up->owner;
	uint64_t changes = device_state_changes(states, owner->user_id, owner->device_id);
	struct keys_added added;
	enum err err =
		add_one_time(ctx, hs, up, upload->one_time_keys, upload->device_keys != NULL, &added);
	if (err != ERR_OK) {
		return err == ERR_MISSING ? refuse_ended(ctx) : err;
	}
	up->counts = device_state_keys_added(states, ctx->arena, owner->user_id, owner->device_id,
		&added, changes);
	return ERR_OK;
}

static enum err upload_fallback(struct ctx *ctx, struct homeserver *hs, struct uploading *up,
	const struct json *map)
{
	struct one_time_key *keys;
	size_t count;
	struct field_error error;
	if (!one_time_keys_read(ctx->arena, map, &up->owner, true, &keys, &count, &error)) {
		return refuse(ctx, &error);
	}
	const struct key_upload upload = to_upload(ctx->arena, &up->owner, keys, count);
	enum err err = store_fallback_key_set(ctx, hs->db, &upload);
	device_state_keys_changed(hs->e2ee->states, up->owner.user_id, up->owner.device_id);
	return err == ERR_MISSING ? refuse_ended(ctx) : err;
}

static bool has_members(const struct json *map)
{
	return map != NULL && map->count > 0;
}

/*
 * Others hear of a new device with its identity keys, and claim at once: by then its one-time keys are there. Another identity of a known
 * device ends the one-time keys of the former, so it comes before its own.
 */
static enum err upload_parts(struct ctx *ctx, struct homeserver *hs, struct uploading *up,
	const struct keys_upload *upload)
{
	struct device_states *states = hs->e2ee->states;
	const struct key_owner *owner = &up->owner;
	up->facts.ed25519 = device_state_identity(states, ctx->arena, owner->user_id, owner->device_id);
	if (up->facts.ed25519.p == NULL || upload->device_keys != NULL ||
		has_members(upload->fallback_keys)) {
		TRY(read_facts(ctx, hs, up));
	}
	up->owner.ed25519 = up->facts.ed25519;
	if (upload->device_keys != NULL) {
		TRY(read_identity(ctx, &up->owner, &up->facts, upload->device_keys, &up->key, &up->is_new));
		TRY(read_cross_signature(ctx, hs, owner, upload->device_keys, &up->key, &up->by_cross_key));
		up->is_new = up->is_new || up->by_cross_key.signature.n > 0;
	}
	bool is_first = up->facts.ed25519.n == 0;
	if (up->is_new && !is_first) {
		TRY(store_identity(ctx, hs, owner, &up->key, &up->by_cross_key));
		device_state_keys_changed(states, owner->user_id, owner->device_id);
		up->facts.ed25519 = up->key.ed25519;
	}
	if (has_members(upload->fallback_keys)) {
		TRY(upload_fallback(ctx, hs, up, upload->fallback_keys));
	}
	if (has_members(upload->one_time_keys)) {
		TRY(upload_one_time(ctx, hs, up, upload));
	}
	return up->is_new && is_first ? store_identity(ctx, hs, owner, &up->key, &up->by_cross_key)
								  : ERR_OK;
}

enum err device_keys_upload(struct ctx *ctx, struct homeserver *hs, const struct principal *who,
	const struct keys_upload *upload, struct str *out_counts)
{
	if (who->device_id.p == NULL) {
		return fail(ctx, ERR_INPUT, M_INVALID_PARAM,
			"This session has no device to upload keys for");
	}
	struct device_states *states = hs->e2ee->states;
	struct uploading up = {.owner = {.user_id = who->user.s, .device_id = who->device_id}};
	const struct key_owner *owner = &up.owner;
	enum err err = upload_parts(ctx, hs, &up, upload);
	if (up.counts.p == NULL) {
		/* Part of it may have been stored before another part failed. */
		device_state_keys_changed(states, owner->user_id, owner->device_id);
	}
	e2ee_tell_keys_changed(hs, &owner->user_id, 1);
	TRY(err);
	struct device_state state;
	if (up.counts.p == NULL) {
		TRY(device_state_get(ctx, hs, owner->user_id, owner->device_id, &state));
		up.counts = state.one_time_counts;
	}
	*out_counts = up.counts;
	return ERR_OK;
}
