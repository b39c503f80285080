/*
 * Asking is one request for each server, side by side. What comes back is checked key by key, since a server may speak for its
 * own users only, and clients trust what their server tells them: one bad key is left out alone.
 */
#include "federation/remote_keys.h"

#include "base/log.h"
#include "federation/fed_gather.h"
#include "matrix/cross_key.h"
#include "matrix/device_key.h"

enum { ANSWER_BYTES = 16 << 20 };

/* --- checking ----------------------------------------------------------------------------------------------- */

static void add(struct json *object, struct str key, struct json value)
{
	object->members[object->count++] = (struct json_member){.key = key, .value = value};
}

/* The section of an answer, or an empty object. */
static const struct json *section_of(const struct json *answer, struct str name)
{
	static const struct json none = {.type = JSON_OBJECT};
	const struct json *section = json_get(answer, name);
	return json_is(section, JSON_OBJECT) ? section : &none;
}

/* The key with no signatures but those by its owner. */
static struct json owned(struct arena *arena, const struct json *key, struct str user_id)
{
	const struct json *own = json_get(section_of(key, STR("signatures")), user_id);
	struct json signatures = json_object(arena, 1);
	if (json_is(own, JSON_OBJECT)) {
		add(&signatures, user_id, *own);
	}
	return json_with(arena, key, STR("signatures"), signatures);
}

static bool is_device_wanted(const struct json *devices, struct str device_id)
{
	for (size_t i = 0; i < devices->count; i++) {
		if (str_equals(devices->items[i].text, device_id)) {
			return true;
		}
	}
	return devices->count == 0;
}

/* A name is shown; all else that may stand in `unsigned` is nobody's. */
static struct json with_name_only(struct arena *arena, const struct json *key)
{
	const struct json *told = json_at(key, "unsigned");
	struct json kept = json_object(arena, 1);
	struct str name = json_is(told, JSON_OBJECT) ? json_get_str(told, STR("device_display_name"))
												 : (struct str){0};
	if (name.p == NULL) {
		return json_without(arena, key, STR("unsigned"));
	}
	add(&kept, STR("device_display_name"), json_string(name));
	return json_with(arena, key, STR("unsigned"), kept);
}

static struct json check_devices(struct arena *arena, const struct json_member *asked,
	const struct json *devices)
{
	struct json kept = json_object(arena, devices->count);
	for (size_t i = 0; i < devices->count; i++) {
		const struct json_member *device = &devices->members[i];
		const struct key_owner owner = {.user_id = asked->key, .device_id = device->key};
		struct device_key key;
		struct field_error error;
		if (is_device_wanted(&asked->value, device->key) &&
			device_key_read(arena, &device->value, &owner, &key, &error)) {
			struct json value = owned(arena, &device->value, asked->key);
			add(&kept, device->key, with_name_only(arena, &value));
		}
	}
	return kept;
}

static bool read_cross_key(struct arena *arena, const struct json *key, struct str user_id,
	enum cross_usage usage, struct cross_key *out)
{
	struct field_error error;
	return json_is(key, JSON_OBJECT) &&
		cross_key_read(arena, key, user_id, usage, STR("key"), out, &error);
}

/* A self-signing key counts only if the master key beside it has signed it. */
static void check_cross_keys(struct arena *arena, struct str user_id, const struct json *answer,
	struct json *masters, struct json *self_signings)
{
	const struct json *master = json_get(section_of(answer, STR("master_keys")), user_id);
	const struct json *self = json_get(section_of(answer, STR("self_signing_keys")), user_id);
	struct cross_key master_key;
	struct cross_key self_key;
	if (!read_cross_key(arena, master, user_id, CROSS_MASTER, &master_key)) {
		return;
	}
	add(masters, user_id, owned(arena, master, user_id));
	const struct key_signer signer = {user_id, master_key.public_key, master_key.public_key};
	if (read_cross_key(arena, self, user_id, CROSS_SELF_SIGNING, &self_key) &&
		key_is_signed_by(arena, self, &signer)) {
		add(self_signings, user_id, owned(arena, self, user_id));
	}
}

struct json remote_keys_check_query(struct arena *arena, const struct json *asked,
	const struct json *answer)
{
	struct json devices = json_object(arena, asked->count);
	struct json masters = json_object(arena, asked->count);
	struct json self_signings = json_object(arena, asked->count);
	struct json checked = json_object(arena, 3);
	const struct json *told = section_of(answer, STR("device_keys"));
	for (size_t i = 0; i < asked->count; i++) {
		const struct json *theirs = json_get(told, asked->members[i].key);
		if (json_is(theirs, JSON_OBJECT)) {
			add(&devices, asked->members[i].key, check_devices(arena, &asked->members[i], theirs));
		}
		check_cross_keys(arena, asked->members[i].key, answer, &masters, &self_signings);
	}
	add(&checked, STR("device_keys"), devices);
	add(&checked, STR("master_keys"), masters);
	add(&checked, STR("self_signing_keys"), self_signings);
	return checked;
}

/* The keys of one device, if they are one of the algorithm. */
static bool check_claimed(struct arena *arena, struct str user_id, const struct json_member *device,
	const struct json *keys)
{
	const struct key_owner owner = {.user_id = user_id,
		.device_id = device->key,
		.is_checked_elsewhere = true};
	struct one_time_key *list;
	size_t count;
	struct field_error error;
	return json_is(keys, JSON_OBJECT) && keys->count == 1 &&
		one_time_keys_read(arena, keys, &owner, false, &list, &count, &error) && count == 1 &&
		str_equals(list[0].algorithm, device->value.text);
}

struct json remote_keys_check_claim(struct arena *arena, const struct json *asked,
	const struct json *answer)
{
	struct json users = json_object(arena, asked->count);
	struct json checked = json_object(arena, 1);
	const struct json *told = section_of(answer, STR("one_time_keys"));
	for (size_t i = 0; i < asked->count; i++) {
		const struct json_member *user = &asked->members[i];
		const struct json *theirs = section_of(told, user->key);
		struct json devices = json_object(arena, user->value.count);
		for (size_t k = 0; k < user->value.count; k++) {
			const struct json_member *device = &user->value.members[k];
			const struct json *keys = json_get(theirs, device->key);
			if (check_claimed(arena, user->key, device, keys)) {
				add(&devices, device->key, *keys);
			}
		}
		if (devices.count > 0) {
			add(&users, user->key, devices);
		}
	}
	add(&checked, STR("one_time_keys"), users);
	return checked;
}

/* --- asking -------------------------------------------------------------------------------------------------- */

static void ask_all(struct federation *federation, struct ctx *ctx, struct e2ee_remote_ask *asks,
	size_t count, int64_t timeout_ms, bool is_claim)
{
	struct fed_request *requests = ARENA_NEW_ARRAY(ctx->arena, struct fed_request, count);
	struct fed_gathered *answers = ARENA_NEW_ARRAY(ctx->arena, struct fed_gathered, count);
	for (size_t i = 0; i < count; i++) {
		struct json *body = ARENA_NEW(ctx->arena, struct json);
		*body = json_object(ctx->arena, 1);
		add(body, is_claim ? STR("one_time_keys") : STR("device_keys"), asks[i].request);
		requests[i] = (struct fed_request){
			.server = asks[i].server,
			.method = "POST",
			.target = is_claim ? STR("/_matrix/federation/v1/user/keys/claim")
							   : STR("/_matrix/federation/v1/user/keys/query"),
			.body = body,
			.answer_ceiling_bytes = ANSWER_BYTES,
			.timeout_ms = MAX_OF(timeout_ms, (int64_t)1),
		};
	}
	fed_gather(ctx, federation, requests, count, answers);
	for (size_t i = 0; i < count; i++) {
		asks[i].is_answered = answers[i].err == ERR_OK;
		if (asks[i].is_answered) {
			asks[i].answer = is_claim
				? remote_keys_check_claim(ctx->arena, &asks[i].request, &answers[i].json)
				: remote_keys_check_query(ctx->arena, &asks[i].request, &answers[i].json);
		}
	}
}

static void query(void *self, struct ctx *ctx, struct e2ee_remote_ask *asks, size_t count,
	int64_t timeout_ms)
{
	ask_all(self, ctx, asks, count, timeout_ms, false);
}

static void claim(void *self, struct ctx *ctx, struct e2ee_remote_ask *asks, size_t count,
	int64_t timeout_ms)
{
	ask_all(self, ctx, asks, count, timeout_ms, true);
}

void remote_keys_fill_port(struct federation *federation, struct e2ee *e2ee)
{
	e2ee->remote.self = federation;
	e2ee->remote.query = query;
	e2ee->remote.claim = claim;
}
