/*
 * A fetch is a chain of requests; each step starts the next from its callback. A notary's answer counts only when one of the
 * notary's own keys signed it, which are asked for first, from the notary itself: what is in the answer is
 * signed by the keys in it, and so proves nothing alone.
 */
#include "federation/key_fetch.h"

#include "base/log.h"
#include "base/mem.h"
#include "federation/fed_client.h"
#include "matrix/canonical.h"
#include "matrix/sign.h"

enum {
	ANSWER_CEILING_BYTES = 256 * 1024,
	TIMEOUT_MS = 10 * 1000,
};

static const struct str own_keys_target = STR_INIT("/_matrix/key/v2/server");
static const struct str query_target = STR_INIT("/_matrix/key/v2/query");

struct key_fetch {
	struct federation *federation;
	struct arena *arena;
	struct server_name server;
	size_t next_notary;
	struct server_name notary; /* being asked */
	struct server_keys notary_keys;
	key_fetch_finished *finished;
	void *data;
};

static void finish(struct key_fetch *fetch, const struct key_fetch_end *end)
{
	fetch->finished(fetch->data, end);
	arena_destroy(fetch->arena);
	mem_free(fetch);
}

static int64_t now_ms(const struct key_fetch *fetch)
{
	return clock_wall_ms(&fetch->federation->hs->clock);
}

/* @return whether the answer is one of the server that is looked for; then it is handed over and the fetch has ended */
static bool take(struct key_fetch *fetch, const struct json *json, bool is_direct)
{
	struct server_keys keys;
	struct key_fetch_end end = {.keys = &keys, .text = json->raw, .is_direct = is_direct};
	struct verdict verdict =
		server_keys_parse(fetch->arena, json, fetch->server, now_ms(fetch), &keys);
	if (!verdict.allowed) {
		log_info(0, "fed.keys.refused", "rule=%s direct=%d", verdict.rule, (int)is_direct);
		return false;
	}
	bool has_end =
		json_get_int(json, STR("valid_until_ts"), INT64_MIN, INT64_MAX, &end.valid_until_ms);
	invariant(has_end); /* server_keys_parse() looked */
	finish(fetch, &end);
	return true;
}

static void ask_notary(struct key_fetch *fetch, enum err before);

/* --- the notary's answer ---------------------------------------------------------------------------------- */

static bool is_signed_by_notary(const struct key_fetch *fetch, const struct json *json)
{
	const struct server_keys *keys = &fetch->notary_keys;
	for (size_t i = 0; i < keys->count; i++) {
		struct str public_key =
			str_from((const char *)keys->keys[i].public_key, ED25519_PUBLIC_BYTES);
		if (!keys->keys[i].is_old &&
			sign_verify_json(fetch->arena, json, fetch->notary.s, keys->keys[i].key_id,
				public_key)) {
			return true;
		}
	}
	return false;
}

static void on_notary_answer(void *data, const struct fed_end *end)
{
	struct key_fetch *fetch = data;
	const struct json *list =
		end->err == ERR_OK ? json_at(&end->answer->json, "server_keys") : NULL;
	size_t count = list != NULL && list->type == JSON_ARRAY ? list->count : 0;
	for (size_t i = 0; i < count; i++) {
		const struct json *entry = &list->items[i];
		struct str name = json_get_str(entry, STR("server_name"));
		if (name.p != NULL && str_equals(name, fetch->server.s) &&
			is_signed_by_notary(fetch, entry) && take(fetch, entry, false)) {
			return;
		}
	}
	ask_notary(fetch, end->err);
}

/* {"server_keys": {"school.example": {}}}: all its keys. */
static struct json query_body(struct key_fetch *fetch)
{
	struct json servers = json_object(fetch->arena, 1);
	servers = json_with(fetch->arena, &servers, fetch->server.s, json_object(fetch->arena, 0));
	struct json body = json_object(fetch->arena, 1);
	return json_with(fetch->arena, &body, STR("server_keys"), servers);
}

static void on_notary_keys(void *data, const struct fed_end *end)
{
	struct key_fetch *fetch = data;
	struct json json;
	if (end->err == ERR_OK) {
		json = json_dup(fetch->arena, &end->answer->json);
	}
	if (end->err != ERR_OK ||
		!server_keys_parse(fetch->arena, &json, fetch->notary, now_ms(fetch), &fetch->notary_keys)
			 .allowed) {
		ask_notary(fetch, end->err);
		return;
	}
	struct json body = query_body(fetch);
	fed_start(fetch->federation,
		&(struct fed_request){.server = fetch->notary,
			.method = "POST",
			.target = query_target,
			.body = &body,
			.answer_ceiling_bytes = ANSWER_CEILING_BYTES,
			.timeout_ms = TIMEOUT_MS,
			.is_unsigned = true},
		on_notary_answer, fetch);
}

/* The next notary, or the end. @param before  how the request before it ended */
static void ask_notary(struct key_fetch *fetch, enum err before)
{
	if (before == ERR_SHUTDOWN) {
		finish(fetch, &(struct key_fetch_end){.is_stopping = true});
		return;
	}
	struct conf_list notaries = fetch->federation->hs->settings.federation.notaries;
	while (fetch->next_notary < notaries.n) {
		struct str name = notaries.items[fetch->next_notary++];
		if (!server_name_parse(name, &fetch->notary) ||
			server_name_equals(fetch->notary, fetch->server)) {
			continue;
		}
		fed_start(fetch->federation,
			&(struct fed_request){.server = fetch->notary,
				.method = "GET",
				.target = own_keys_target,
				.answer_ceiling_bytes = ANSWER_CEILING_BYTES,
				.timeout_ms = TIMEOUT_MS,
				.is_unsigned = true},
			on_notary_keys, fetch);
		return;
	}
	finish(fetch, &(struct key_fetch_end){0});
}

/* --- the server itself --------------------------------------------------------------------------------------- */

static void on_own_answer(void *data, const struct fed_end *end)
{
	struct key_fetch *fetch = data;
	if (end->err == ERR_OK && take(fetch, &end->answer->json, true)) {
		return;
	}
	if (end->err != ERR_OK) {
		log_debug(0, "fed.keys.not_fetched", "server=%.*s cause=%.*s", STR_ARG(fetch->server.s),
			STR_ARG(end->cause));
	}
	ask_notary(fetch, end->err);
}

void key_fetch_start(struct federation *federation, struct server_name server,
	key_fetch_finished *finished, void *data)
{
	struct key_fetch *fetch = mem_alloc(sizeof(*fetch));
	fetch->federation = federation;
	fetch->arena = arena_create();
	fetch->server.s = str_dup(fetch->arena, server.s);
	fetch->finished = finished;
	fetch->data = data;
	fed_start(federation,
		&(struct fed_request){.server = fetch->server,
			.method = "GET",
			.target = own_keys_target,
			.answer_ceiling_bytes = ANSWER_CEILING_BYTES,
			.timeout_ms = TIMEOUT_MS,
			.is_unsigned = true,
			.ignores_backoff = true},
		on_own_answer, fetch);
}
