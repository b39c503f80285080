/*
 * What is stored was checked when it came; what vouches for what is checked here once more, for keys change one by one.
 */
#include "e2ee/peer_devices.h"

#include "base/vec.h"
#include "e2ee/device_keys.h"
#include "matrix/cross_key.h"
#include "matrix/device_key.h"
#include "matrix/json_make.h"

enum { ANSWER_MAX_BYTES = 64 * 1024 * 1024 };

struct device_list {
	struct peer_device *p;
	size_t n;
	size_t capacity;
};

/* A user's master and self-signing key, the second signed by the first. */
struct voucher {
	struct str master;
	struct str self_signing; /* p == NULL: none */
};

static struct str only_key(const struct json *object)
{
	const struct json *keys = json_at(object, "keys");
	return json_is(keys, JSON_OBJECT) && keys->count == 1 &&
			keys->members[0].value.type == JSON_STRING
		? json_text(&keys->members[0].value)
		: str_from(NULL, 0);
}

static struct voucher find_voucher(struct arena *arena, const struct json *answer,
	struct str user_id)
{
	const struct json *master = json_get(json_at(answer, "master_keys"), user_id);
	const struct json *self_signing = json_get(json_at(answer, "self_signing_keys"), user_id);
	struct voucher voucher = {.master = only_key(master)};
	const struct key_signer signer = {user_id, voucher.master, voucher.master};
	if (voucher.master.p != NULL && json_is(self_signing, JSON_OBJECT) &&
		key_is_signed_by(arena, self_signing, &signer)) {
		voucher.self_signing = only_key(self_signing);
	}
	return voucher;
}

static bool speaks(const struct json *algorithms, struct str algorithm)
{
	for (size_t i = 0; json_is(algorithms, JSON_ARRAY) && i < algorithms->count; i++) {
		if (algorithms->items[i].type == JSON_STRING &&
			str_equals(json_text(&algorithms->items[i]), algorithm)) {
			return true;
		}
	}
	return false;
}

static bool read_device(struct arena *arena, struct str user_id, const struct json_member *member,
	const struct voucher *voucher, struct peer_device *out)
{
	struct str bytes;
	const struct json *object = &member->value;
	const struct json *keys = json_at(object, "keys");
	const struct json *algorithms = json_at(object, "algorithms");
	*out = (struct peer_device){.user_id = user_id, .device_id = member->key};
	out->ed25519 = json_get_str(keys, key_id_of(arena, member->key));
	out->curve25519 =
		json_get_str(keys, str_printf(arena, "curve25519:%.*s", STR_ARG(member->key)));
	const struct key_signer self = {user_id, member->key, out->ed25519};
	if (!speaks(algorithms, STR("m.olm.v1.curve25519-aes-sha2")) ||
		!speaks(algorithms, STR("m.megolm.v1.aes-sha2")) ||
		!str_equals(json_get_str(object, STR("user_id")), user_id) ||
		!str_equals(json_get_str(object, STR("device_id")), member->key) ||
		!public_key_decode(arena, out->curve25519, &bytes) ||
		!key_is_signed_by(arena, object, &self)) {
		return false;
	}
	const struct key_signer signer = {user_id, voucher->self_signing, voucher->self_signing};
	if (voucher->self_signing.p != NULL && key_is_signed_by(arena, object, &signer)) {
		out->master_key = voucher->master;
	}
	return true;
}

static bool is_known(const struct device_list *list, const struct peer_device *device)
{
	for (size_t i = list->n; i > 0 && str_equals(list->p[i - 1].user_id, device->user_id); i--) {
		if (str_equals(list->p[i - 1].curve25519, device->curve25519)) {
			return true;
		}
	}
	return false;
}

void peer_devices_read(struct arena *arena, const struct json *answer, struct peer_devices *out)
{
	struct device_list list = {0};
	const struct json *users = json_at(answer, "device_keys");
	for (size_t i = 0; json_is(users, JSON_OBJECT) && i < users->count; i++) {
		struct str user_id = users->members[i].key;
		const struct json *devices = &users->members[i].value;
		struct voucher voucher = find_voucher(arena, answer, user_id);
		for (size_t k = 0; devices->type == JSON_OBJECT && k < devices->count; k++) {
			struct peer_device device;
			if (read_device(arena, user_id, &devices->members[k], &voucher, &device) &&
				!is_known(&list, &device)) {
				VEC_PUSH(arena, &list, device);
			}
		}
	}
	const struct json *failures = json_at(answer, "failures");
	*out = (struct peer_devices){.p = list.p, .n = list.n};
	out->failures = json_is(failures, JSON_OBJECT) && failures->count > 0 ? failures : NULL;
}

enum err peer_devices_find(struct ctx *ctx, struct homeserver *hs, struct str viewer,
	const struct str *user_ids, size_t count, int64_t timeout_ms, struct peer_devices *out)
{
	const struct json all = {.type = JSON_ARRAY};
	struct json wanted = json_object(ctx->arena, count);
	for (size_t i = 0; i < count; i++) {
		json_put(&wanted, user_ids[i], all);
	}
	struct keys_found found;
	const struct keys_ask ask = {.viewer = viewer, .wanted = &wanted, .timeout_ms = timeout_ms};
	TRY(device_keys_query(ctx, hs, &ask, &found));
	struct buf text CLEANUP(buf_fini);
	struct json_out writer;
	buf_init(&text, ANSWER_MAX_BYTES);
	json_out_init(&writer, &text);
	device_keys_write(&found, ctx->arena, hs, &writer);
	struct json *answer = ARENA_NEW(ctx->arena, struct json);
	if (!buf_ok(&text) ||
		json_parse(ctx->arena, str_dup(ctx->arena, buf_str(&text)), NULL, answer, NULL) !=
			JSON_OK) {
		return fail_cause(ctx, ERR_INTERNAL, "the keys of %zu users cannot be read", count);
	}
	peer_devices_read(ctx->arena, answer, out);
	return ERR_OK;
}

bool peer_devices_failed(const struct peer_devices *peers, struct str user_id)
{
	struct user_id id;
	return peers->failures != NULL && user_id_parse(user_id, &id) &&
		json_get(peers->failures, user_id_server(id).s) != NULL;
}
