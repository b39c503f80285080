/*
 * Claims. The database hands the keys out: each is marked and committed before anybody sees it, so it is given once, also when
 * the server ends between the commit and the answer. Claims of one moment share a statement (claim_queue.h).
 */
#include "e2ee/key_claims.h"

#include "e2ee/claim_queue.h"
#include "e2ee/device_state.h"
#include "matrix/device_key.h"
#include "storage/one_time_key.h"

#include <stdio.h>
#include <stdlib.h>

static enum err check_wanted(struct ctx *ctx, const struct json *wanted, size_t *out_devices)
{
	*out_devices = 0;
	for (size_t i = 0; i < wanted->count; i++) {
		struct user_id id;
		const struct json *devices = &wanted->members[i].value;
		bool is_good = user_id_parse(wanted->members[i].key, &id) && devices->type == JSON_OBJECT;
		for (size_t k = 0; is_good && k < devices->count; k++) {
			is_good = devices->members[k].value.type == JSON_STRING;
		}
		if (!is_good) {
			return fail(ctx, ERR_INPUT, M_INVALID_PARAM,
				"'one_time_keys' must have algorithms by user id and device id");
		}
		*out_devices += devices->count;
	}
	return ERR_OK;
}

/* No such text can be stored, so there is nothing to be found. */
static bool is_storable(struct str text)
{
	return str_find_byte(text, '\0') == SIZE_MAX;
}

static struct key_claim *local_claim(struct arena *arena, const struct homeserver *hs,
	const struct json *wanted, size_t devices)
{
	struct str *user_ids = ARENA_NEW_ARRAY(arena, struct str, devices + 1);
	struct str *device_ids = ARENA_NEW_ARRAY(arena, struct str, devices + 1);
	struct str *algorithms = ARENA_NEW_ARRAY(arena, struct str, devices + 1);
	size_t n = 0;
	for (size_t i = 0; i < wanted->count; i++) {
		const struct json_member *user = &wanted->members[i];
		if (!hs_is_local(hs, user->key) || !is_storable(user->key)) {
			continue;
		}
		for (size_t k = 0; k < user->value.count; k++) {
			const struct json_member *device = &user->value.members[k];
			if (is_storable(device->key) && is_storable(json_text(&device->value))) {
				user_ids[n] = user->key;
				device_ids[n] = device->key;
				algorithms[n++] = json_text(&device->value);
			}
		}
	}
	struct key_claim *claim = ARENA_NEW(arena, struct key_claim);
	*claim = (struct key_claim){user_ids, device_ids, algorithms, n};
	return claim;
}

static int compare_index(const void *a, const void *b)
{
	size_t x = ((const struct claimed_key *)a)->index;
	size_t y = ((const struct claimed_key *)b)->index;
	return (x > y) - (x < y);
}

static enum err ask_others(struct ctx *ctx, struct homeserver *hs, int64_t timeout_ms,
	struct keys_claimed *claimed)
{
	claimed->has_asked_others = true;
	claimed->remote_n = e2ee_remote_asks(ctx->arena, hs, claimed->wanted, &claimed->remote);
	return e2ee_ask_remote(ctx, hs->e2ee, claimed->remote, claimed->remote_n, timeout_ms, true);
}

enum err key_claims_take(struct ctx *ctx, struct homeserver *hs, const struct json *wanted,
	int64_t others_ms, struct keys_claimed *out)
{
	size_t devices;
	TRY(check_wanted(ctx, wanted, &devices));
	*out = (struct keys_claimed){.wanted = wanted};
	if (others_ms != KEY_CLAIMS_HERE_ONLY) {
		TRY(ask_others(ctx, hs, others_ms, out));
	}
	out->claim = local_claim(ctx->arena, hs, wanted, devices);
	if (out->claim->count > 0) {
		TRY(claim_queue_take(ctx, hs->e2ee->claims, out->claim, &out->keys, &out->key_n));
	}
	if (out->key_n > 1) {
		qsort(out->keys, out->key_n, sizeof(*out->keys), compare_index);
	}
	struct str *user_ids = ARENA_NEW_ARRAY(ctx->arena, struct str, out->key_n);
	for (size_t i = 0; i < out->key_n; i++) {
		size_t index = out->keys[i].index;
		struct str device_id = out->claim->device_ids[index];
		user_ids[i] = out->claim->user_ids[index];
		device_state_keys_changed(hs->e2ee->states, user_ids[i], device_id);
	}
	e2ee_tell_keys_changed(hs, user_ids, out->key_n);
	return ERR_OK;
}

static void write_key(const struct keys_claimed *claimed, const struct claimed_key *key,
	struct json_out *out)
{
	char name[2 * KEY_NAME_MAX_BYTES + 2];
	struct str algorithm = claimed->claim->algorithms[key->index];
	int n = snprintf(name, sizeof(name), "%.*s:%.*s", STR_ARG(algorithm), STR_ARG(key->key_id));
	json_out_key(out, claimed->claim->device_ids[key->index]);
	json_out_object(out);
	json_out_key(out, str_from(name, (size_t)n));
	json_out_raw(out, key->key);
	json_out_end(out);
}

void key_claims_write(const struct keys_claimed *claimed, struct json_out *out)
{
	json_out_object(out);
	json_out_key_object(out, "one_time_keys");
	struct str open = str_from(NULL, 0);
	for (size_t i = 0; i < claimed->key_n; i++) {
		struct str user_id = claimed->claim->user_ids[claimed->keys[i].index];
		if (open.p != user_id.p) {
			if (open.p != NULL) {
				json_out_end(out);
			}
			json_out_key(out, user_id);
			json_out_object(out);
			open = user_id;
		}
		write_key(claimed, &claimed->keys[i], out);
	}
	if (open.p != NULL) {
		json_out_end(out);
	}
	e2ee_write_answers(out, claimed->remote, claimed->remote_n, STR("one_time_keys"));
	json_out_end(out);
	if (claimed->has_asked_others) {
		e2ee_write_failures(out, claimed->remote, claimed->remote_n);
	}
	json_out_end(out);
}
