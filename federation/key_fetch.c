/*
 * A fetch is a chain of requests; each step starts the next from its callback. A notary's answer counts only when one of the
 * notary's own keys signed it, which are asked for first, from the notary itself: what is in the answer is
 * signed by the keys in it, and so proves nothing alone.
 */
#include "federation/key_fetch.h"

#include <stdlib.h>

#include "base/log.h"
#include "base/mem.h"
#include "federation/fed_client.h"
#include "matrix/sign.h"

enum {
	ANSWER_CEILING_BYTES = 256 * 1024,
	TIMEOUT_MS = 10 * 1000,
	ENTRIES_MAX = 16, /* of a notary's answer that are looked at */
};

static const struct str own_keys_target = STR_INIT("/_matrix/key/v2/server");
static const struct str query_target = STR_INIT("/_matrix/key/v2/query");

struct key_fetch {
	struct federation *federation;
	struct arena *arena;
	struct server_name server;
	struct key_wish wish; /* in the arena */
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

static bool read_keys(const struct key_fetch *fetch, const struct json *json, bool is_direct,
	struct server_keys *out)
{
	struct verdict verdict =
		server_keys_parse(fetch->arena, json, fetch->server, now_ms(fetch), out);
	if (!verdict.allowed) {
		log_info(0, "fed.keys.refused", "rule=%s direct=%d", verdict.rule, (int)is_direct);
	}
	return verdict.allowed;
}

/* When an answer that was read ends. */
static int64_t end_of(const struct json *json)
{
	int64_t valid_until_ms = 0;
	bool has_end = json_get_int(json, STR("valid_until_ts"), INT64_MIN, INT64_MAX, &valid_until_ms);
	invariant(has_end); /* server_keys_parse() looked */
	return valid_until_ms;
}

/* Hands keys over, with the answer that they are from; the fetch has ended. */
static void hand_over(struct key_fetch *fetch, const struct server_keys *keys,
	const struct json *json, bool is_direct)
{
	finish(fetch,
		&(struct key_fetch_end){.keys = keys,
			.text = json_raw(json),
			.valid_until_ms = end_of(json),
			.is_direct = is_direct});
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

/* One answer of the server, as the notary has it. */
struct entry {
	const struct json *json;
	struct server_keys keys;
	int64_t end_ms;
};

static size_t read_entries(const struct key_fetch *fetch, const struct json *list,
	struct entry entries[ENTRIES_MAX])
{
	size_t count = list != NULL && list->type == JSON_ARRAY ? list->count : 0;
	size_t n = 0;
	for (size_t i = 0; i < count && n < ENTRIES_MAX; i++) {
		const struct json *json = &list->items[i];
		struct str name = json_get_str(json, STR("server_name"));
		if (name.p != NULL && str_equals(name, fetch->server.s) &&
			is_signed_by_notary(fetch, json) && read_keys(fetch, json, false, &entries[n].keys)) {
			entries[n].json = json;
			entries[n++].end_ms = end_of(json);
		}
	}
	return n;
}

/* All keys of several answers, the newest first: each as the newest has it that knows it. */
static struct server_keys merge(struct arena *arena, const struct entry *entries, size_t count)
{
	size_t most = 0;
	for (size_t i = 0; i < count; i++) {
		most += entries[i].keys.count;
	}
	struct server_key *keys = ARENA_NEW_ARRAY(arena, struct server_key, most);
	struct server_keys all = entries[0].keys;
	all.keys = keys;
	all.count = 0;
	for (size_t i = 0; i < count; i++) {
		for (size_t k = 0; k < entries[i].keys.count; k++) {
			const struct server_key *key = &entries[i].keys.keys[k];
			if (server_keys_find(&all, key->key_id) == NULL) {
				keys[all.count++] = *key;
			}
		}
	}
	return all;
}

static int compare_entries(const void *a, const void *b)
{
	int64_t x = ((const struct entry *)a)->end_ms;
	int64_t y = ((const struct entry *)b)->end_ms;
	return (x < y) - (x > y);
}

/* A notary that is asked for several keys may know them from several answers of their server. */
static void on_notary_answer(void *data, const struct fed_end *end)
{
	struct key_fetch *fetch = data;
	struct entry entries[ENTRIES_MAX];
	const struct json *list =
		end->err == ERR_OK ? json_at(&end->answer->json, "server_keys") : NULL;
	size_t count = read_entries(fetch, list, entries);
	if (count == 0) {
		ask_notary(fetch, end->err);
		return;
	}
	qsort(entries, count, sizeof(*entries), compare_entries);
	struct server_keys keys = merge(fetch->arena, entries, count);
	hand_over(fetch, &keys, entries[0].json, false);
}

/*
 * {"server_keys": {"school.example": {"ed25519:abc": {"minimum_valid_until_ts": 1}}}}. Without ids it is of all its keys; then servers in
 * use tell what they know, and ask nobody.
 */
static struct json query_body(struct key_fetch *fetch)
{
	struct arena *arena = fetch->arena;
	struct json until = json_object(arena, 1);
	struct json keys = json_object(arena, fetch->wish.key_id_count);
	until =
		json_with(arena, &until, STR("minimum_valid_until_ts"), json_integer(fetch->wish.until_ms));
	for (size_t i = 0; i < fetch->wish.key_id_count; i++) {
		keys = json_with(arena, &keys, fetch->wish.key_ids[i], until);
	}
	struct json servers = json_object(arena, 1);
	servers = json_with(arena, &servers, fetch->server.s, keys);
	struct json body = json_object(arena, 1);
	return json_with(arena, &body, STR("server_keys"), servers);
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
	struct server_keys keys;
	if (end->err == ERR_OK && read_keys(fetch, &end->answer->json, true, &keys)) {
		hand_over(fetch, &keys, &end->answer->json, true);
		return;
	}
	if (end->err != ERR_OK) {
		log_debug(0, "fed.keys.not_fetched", "server=%.*s cause=%.*s", STR_ARG(fetch->server.s),
			STR_ARG(end->cause));
	}
	ask_notary(fetch, end->err);
}

static struct key_wish keep_wish(const struct key_fetch *fetch, const struct key_wish *wish)
{
	struct str *ids = ARENA_NEW_ARRAY(fetch->arena, struct str, wish->key_id_count);
	for (size_t i = 0; i < wish->key_id_count; i++) {
		ids[i] = str_dup(fetch->arena, wish->key_ids[i]);
	}
	/* No key is believed for longer, whatever is wished. */
	int64_t latest_ms = now_ms(fetch) + SERVER_KEYS_MAX_LIFETIME_MS;
	return (struct key_wish){ids, wish->key_id_count,
		MAX_OF(MIN_OF(wish->until_ms, latest_ms), (int64_t)0)};
}

void key_fetch_start(struct federation *federation, struct server_name server,
	const struct key_wish *wish, key_fetch_finished *finished, void *data)
{
	struct key_fetch *fetch = mem_alloc(sizeof(*fetch));
	fetch->federation = federation;
	fetch->arena = arena_create();
	fetch->server.s = str_dup(fetch->arena, server.s);
	fetch->wish = keep_wish(fetch, wish);
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
