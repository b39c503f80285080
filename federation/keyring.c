/*
 * Needs of keys are collected, looked up together, and those that stay open make their servers be asked, side by side.
 * Who waits hangs on the server's fetch: a thread by a counter under a lock, a request by its park.
 */
#include "federation/keyring.h"

#include <stdatomic.h>

#include "base/lock.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/parallel.h"
#include "base/vec.h"
#include "federation/key_crowd.h"
#include "federation/key_fetch.h"
#include "federation/key_store.h"
#include "federation/pauses.h"
#include "http/call.h"
#include "matrix/sign.h"
#include "storage/server_key.h"

enum {
	AFTER_SUCCESS_MS = 10 * 1000, /* a server that answered has no other keys than those so soon */
	FIRST_PAUSE_MS = 1000,        /* after a failure */
	LONGEST_PAUSE_MS = 10 * 60 * 1000,
	WAIT_MS = 20 * 1000, /* of a thread; a fetch by notaries goes on behind it */
	PARK_MS = 12 * 1000, /* of a request */
	MAX_FETCHES = 256,   /* under way at once */
	MAX_STORED_KEYS = 2000000,
	MAX_STORED_ANSWERS = 200000,
	MAX_WISHED = 32,  /* keys of one server that a notary is asked for at once */
	MAX_KEY_IDS = 8,  /* of one signer of one event that are tried */
	CHECK_GRAIN = 64, /* events that one processor checks at a time: some milliseconds */
};

/* Who is told that a fetch has ended. */
struct hearer {
	struct hearer *next;
	void (*tell)(void *data);
	void *data;
};

/* A server that is being asked. */
struct fetch {
	struct keyring *keyring;
	struct key_set *known;  /* before it was asked */
	struct hearer *hearers; /* guarded by the keyring's lock */
};

struct keyring {
	struct federation *federation;
	struct key_store *store;
	struct pauses *pauses;     /* of servers that could not be asked */
	struct pauses *just_asked; /* of those that answered */
	atomic_bool is_stopping;   /* who cannot be asked any more has said nothing */
	struct lock lock;
	struct map fetches; /* server → struct fetch; guarded by lock */
};

/* A key that somebody needs: any of some ids of a server. */
struct need {
	struct server_name server;
	const struct str *key_ids;
	size_t key_id_count;
	int64_t at_ms;    /* 0: for a request now */
	int64_t until_ms; /* 0: none; else all that matters is that a current key holds so long */
	const struct room_version *version;
};

struct keyring *keyring_create(struct federation *federation)
{
	struct keyring *keyring = mem_alloc(sizeof(*keyring));
	struct homeserver *hs = federation->hs;
	keyring->federation = federation;
	keyring->store = key_store_create(hs);
	keyring->pauses = pauses_create(&hs->rng, FIRST_PAUSE_MS, LONGEST_PAUSE_MS);
	keyring->just_asked = pauses_create(&hs->rng, AFTER_SUCCESS_MS, AFTER_SUCCESS_MS);
	lock_init(&keyring->lock, RANK_LEAF);
	map_init(&keyring->fetches);
	return keyring;
}

void keyring_destroy(struct keyring *keyring)
{
	if (keyring == NULL) {
		return;
	}
	invariant(keyring->fetches.n == 0);
	map_fini(&keyring->fetches);
	pauses_destroy(keyring->pauses);
	pauses_destroy(keyring->just_asked);
	key_store_destroy(keyring->store);
	lock_fini(&keyring->lock);
	mem_free(keyring);
}

static int64_t mono_ms(const struct keyring *keyring)
{
	return clock_mono_ms(&keyring->federation->hs->clock);
}

static int64_t wall_ms(const struct keyring *keyring)
{
	return clock_wall_ms(&keyring->federation->hs->clock);
}

/* --- asking a server -------------------------------------------------------------------------------------- */

static void on_fetched(void *data, const struct key_fetch_end *end)
{
	struct fetch *fetch = data;
	struct keyring *keyring = fetch->keyring;
	struct str server = fetch->known->server.s;
	if (end->keys != NULL) {
		key_store_put(keyring->store, fetch->known, end);
		pauses_ended(keyring->pauses, server);
		pauses_failed(keyring->just_asked, server, mono_ms(keyring), 0);
	} else if (end->is_stopping) {
		atomic_store(&keyring->is_stopping, true);
	} else {
		pauses_failed(keyring->pauses, server, mono_ms(keyring), 0);
	}
	lock_take(&keyring->lock);
	(void)map_remove(&keyring->fetches, server);
	struct hearer *hearer = fetch->hearers;
	lock_give(&keyring->lock);
	while (hearer != NULL) {
		struct hearer *next = hearer->next;
		hearer->tell(hearer->data);
		mem_free(hearer);
		hearer = next;
	}
	key_set_unref(fetch->known);
	mem_free(fetch);
}

static void add_hearer_locked(struct fetch *fetch, void (*tell)(void *data), void *data)
{
	struct hearer *hearer = mem_alloc(sizeof(*hearer));
	*hearer = (struct hearer){.next = fetch->hearers, .tell = tell, .data = data};
	fetch->hearers = hearer;
}

/* This server's own keys come from nobody else. */
static bool is_own(const struct keyring *keyring, struct server_name server)
{
	return server_name_equals(server, keyring->federation->hs->signer.server);
}

/*
 * Has a server asked, or hangs on to the fetch that is under way. `tell` is called once it has ended, perhaps before
 * this returns.
 * @return false when the server is not asked now: `tell` is not called
 */
static bool ask(struct keyring *keyring, const struct key_set *known, const struct key_wish *wish,
	void (*tell)(void *data), void *data)
{
	struct str server = known->server.s;
	int64_t now_ms = mono_ms(keyring);
	bool is_paused = is_own(keyring, known->server) ||
		pauses_left_ms(keyring->pauses, server, now_ms) > 0 ||
		pauses_left_ms(keyring->just_asked, server, now_ms) > 0;
	lock_take(&keyring->lock);
	struct fetch *fetch = map_get(&keyring->fetches, server);
	bool is_under_way = fetch != NULL;
	if (!is_under_way && (is_paused || keyring->fetches.n >= MAX_FETCHES)) {
		lock_give(&keyring->lock);
		return false;
	}
	if (!is_under_way) {
		fetch = mem_alloc(sizeof(*fetch));
		fetch->keyring = keyring;
		fetch->known = (struct key_set *)(uintptr_t)known;
		refc_take(&fetch->known->refc);
		(void)map_set(&keyring->fetches, server, fetch);
	}
	add_hearer_locked(fetch, tell, data);
	lock_give(&keyring->lock);
	if (!is_under_way) {
		key_fetch_start(keyring->federation, known->server, wish, on_fetched, fetch);
	}
	return true;
}

/* --- needs --------------------------------------------------------------------------------------------------- */

static bool is_usable(const struct keyring *keyring, const struct need *need,
	const struct server_key *key)
{
	return need->at_ms == 0 ? server_key_signs_requests(key, wall_ms(keyring))
							: server_key_signs_event(key, need->version, need->at_ms);
}

/* The key that a set has for it; NULL: none that may be used. */
static const struct server_key *meet(const struct keyring *keyring, const struct need *need,
	const struct key_set *set)
{
	for (size_t i = 0; i < need->key_id_count; i++) {
		const struct server_key *key = key_set_find(set, need->key_ids[i]);
		if (key != NULL && is_usable(keyring, need, key)) {
			return key;
		}
	}
	for (size_t i = 0; need->until_ms != 0 && i < set->count; i++) {
		if (!set->keys[i].is_old && set->keys[i].valid_until_ts >= need->until_ms) {
			return &set->keys[i];
		}
	}
	return NULL;
}

/* When a key that meets it has to be valid. */
static int64_t until_of(const struct keyring *keyring, const struct need *need)
{
	return need->until_ms != 0 ? need->until_ms : need->at_ms != 0 ? need->at_ms : wall_ms(keyring);
}

/* @return false when the server is not asked now */
static bool join_crowd(struct keyring *keyring, struct key_crowd *crowd, const struct key_set *set,
	const struct key_wish *wish)
{
	key_crowd_add(crowd);
	bool is_asked = ask(keyring, set, wish, key_crowd_tell, crowd);
	if (!is_asked) {
		key_crowd_tell(crowd);
	}
	return is_asked;
}

/* The servers of needs, each once, and where each need's is. A place in a chain is one more than an index; 0 ends it. */
struct servers {
	struct server_name *names;
	size_t *of_need;
	size_t *first; /* need of each server */
	size_t *next;  /* need of the same server, of each need */
	size_t count;
};

static struct servers servers_of(struct arena *arena, const struct need *needs, size_t count)
{
	struct servers servers = {
		.names = ARENA_NEW_ARRAY(arena, struct server_name, count),
		.of_need = ARENA_NEW_ARRAY(arena, size_t, count),
		.first = ARENA_NEW_ARRAY(arena, size_t, count),
		.next = ARENA_NEW_ARRAY(arena, size_t, count),
	};
	struct map seen;
	map_init(&seen);
	for (size_t i = 0; i < count; i++) {
		void *at = map_get(&seen, needs[i].server.s);
		if (at == NULL) {
			servers.names[servers.count++] = needs[i].server;
			at = (void *)(uintptr_t)servers.count; /* one more than its index: never NULL */
			(void)map_set(&seen, needs[i].server.s, at);
		}
		servers.of_need[i] = (size_t)(uintptr_t)at - 1;
	}
	map_fini(&seen);
	for (size_t i = count; i > 0; i--) {
		size_t *first = &servers.first[servers.of_need[i - 1]];
		servers.next[i - 1] = *first;
		*first = i;
	}
	return servers;
}

struct sets {
	struct key_set **items;
	size_t count;
};

static void drop_sets(struct sets *sets)
{
	for (size_t i = 0; i < sets->count; i++) {
		key_set_unref(sets->items[i]);
	}
	sets->count = 0;
}

static bool are_met(const struct keyring *keyring, const struct need *needs, size_t count,
	const struct servers *servers, const struct sets *sets)
{
	for (size_t i = 0; i < count; i++) {
		if (meet(keyring, &needs[i], sets->items[servers->of_need[i]]) == NULL) {
			return false;
		}
	}
	return true;
}

/* Needs of which some are open, and what is known. */
struct gathering {
	const struct need *needs;
	size_t count;
	const struct servers *servers;
	const struct sets *sets;
	int64_t deadline_ms;
};

static bool has_id(const struct str *ids, size_t count, struct str id)
{
	for (size_t i = 0; i < count; i++) {
		if (str_equals(ids[i], id)) {
			return true;
		}
	}
	return false;
}

/* @return how many there are with those of the need; MAX_WISHED + 1: more than may be named */
static size_t add_ids(struct str ids[MAX_WISHED], size_t count, const struct need *need)
{
	for (size_t k = 0; k < need->key_id_count && count <= MAX_WISHED; k++) {
		if (has_id(ids, MIN_OF(count, (size_t)MAX_WISHED), need->key_ids[k])) {
			continue;
		}
		if (count < MAX_WISHED) {
			ids[count] = need->key_ids[k];
		}
		count++;
	}
	return count;
}

/*
 * What is wanted of one of the servers, by all needs of it that are open. Where that is more than may be named, it is whatever is known: ids that
 * somebody has made up take nobody's place.
 */
static struct key_wish wish_of(struct arena *arena, const struct keyring *keyring,
	const struct gathering *all, size_t server)
{
	struct str *ids = ARENA_NEW_ARRAY(arena, struct str, MAX_WISHED);
	struct key_wish wish = {.key_ids = ids};
	size_t count = 0;
	for (size_t at = all->servers->first[server]; at > 0; at = all->servers->next[at - 1]) {
		const struct need *need = &all->needs[at - 1];
		if (meet(keyring, need, all->sets->items[server]) == NULL) {
			wish.until_ms = MAX_OF(wish.until_ms, until_of(keyring, need));
			count = add_ids(ids, count, need);
		}
	}
	wish.key_id_count = count <= MAX_WISHED ? count : 0;
	return wish;
}

/* Whether a server is asked by this call for the first time. */
static bool is_first(struct ctx *ctx, struct server_name server)
{
	struct str key = str_printf(ctx->arena, "keys of %.*s", STR_ARG(server.s));
	bool is_first = memo_get(ctx->memo, key) == NULL;
	memo_put(ctx->memo, key, ctx);
	return is_first;
}

/*
 * Asks the servers of open needs, so many at once, and waits. A call with a memo is parked, and comes again for those that are left.
 * Errors: TIMEOUT (the time is over before they have answered); DEFER, SHUTDOWN
 */
static enum err ask_for_open(struct ctx *ctx, struct keyring *keyring, const struct gathering *all)
{
	bool *is_tried = ARENA_NEW_ARRAY(ctx->arena, bool, all->servers->count);
	bool parks = ctx->memo != NULL;
	struct key_crowd *crowd = key_crowd_create(ctx->memo);
	size_t asked = 0;
	bool is_in_time = true;
	for (size_t i = 0; i < all->count && is_in_time && (!parks || asked < MAX_FETCHES / 2); i++) {
		size_t at = all->servers->of_need[i];
		if (!is_tried[at] && meet(keyring, &all->needs[i], all->sets->items[at]) == NULL &&
			is_first(ctx, all->servers->names[at])) {
			is_tried[at] = true;
			is_in_time = parks || key_crowd_wait(crowd, MAX_FETCHES / 2, all->deadline_ms);
			struct key_wish wish = wish_of(ctx->arena, keyring, all, at);
			asked += join_crowd(keyring, crowd, all->sets->items[at], &wish);
		}
	}
	enum err err = ERR_OK;
	if (parks) {
		err = key_crowd_park(ctx, crowd, all->deadline_ms);
	} else if (!key_crowd_wait(crowd, 0, all->deadline_ms) || !is_in_time) {
		err = ERR_TIMEOUT;
	}
	key_crowd_unref(crowd);
	return err;
}

/*
 * Looks up what the needs' servers have, asking those of which a need stays open, and waits for them.
 * @param sets  in the order of servers->names; to be dropped
 */
static enum err gather(struct ctx *ctx, struct keyring *keyring, const struct need *needs,
	size_t count, const struct servers *servers, struct sets *sets)
{
	sets->items = ARENA_NEW_ARRAY(ctx->arena, struct key_set *, servers->count);
	if (ctx->memo != NULL) {
		key_store_flush(ctx, keyring->store); /* what the run before has waited for */
	}
	TRY(key_store_load(ctx, keyring->store, servers->names, servers->count, sets->items));
	sets->count = servers->count;
	if (are_met(keyring, needs, count, servers, sets)) {
		return ERR_OK;
	}
	TRY(ctx_may_ask(ctx));
	struct gathering all = {needs, count, servers, sets, mono_ms(keyring) + WAIT_MS};
	if (ctx->deadline_ms != 0) {
		all.deadline_ms = MIN_OF(all.deadline_ms, ctx->deadline_ms);
	}
	enum err waited = ask_for_open(ctx, keyring, &all);
	if (waited == ERR_DEFER || waited == ERR_SHUTDOWN) {
		return waited;
	}
	key_store_flush(ctx, keyring->store);
	drop_sets(sets);
	TRY(key_store_load(ctx, keyring->store, servers->names, servers->count, sets->items));
	sets->count = servers->count;
	bool is_stopping = atomic_load(&keyring->is_stopping);
	if ((waited == ERR_OK && !is_stopping) || are_met(keyring, needs, count, servers, sets)) {
		return ERR_OK;
	}
	return fail_cause(ctx, is_stopping ? ERR_SHUTDOWN : ERR_TIMEOUT,
		"keys of servers did not come");
}

/* --- one key --------------------------------------------------------------------------------------------------- */

static struct server_key copy_key(struct arena *arena, const struct server_key *key)
{
	struct server_key copy = *key;
	copy.key_id = str_dup(arena, key->key_id);
	return copy;
}

static void tell_park(void *data)
{
	park_wake(data);
	park_unref(data);
}

enum err keyring_find_for_call(struct call *call, struct federation *federation,
	struct server_name server, struct str key_id, struct server_key *out, bool *out_waits)
{
	struct keyring *keyring = federation->keyring;
	struct ctx *ctx = &call->ctx;
	struct need need = {.server = server, .key_ids = &key_id, .key_id_count = 1};
	*out_waits = false;
	key_store_flush(ctx, keyring->store);
	struct key_set *set = NULL;
	TRY(key_store_load(ctx, keyring->store, &server, 1, &set));
	const struct server_key *key = meet(keyring, &need, set);
	if (key != NULL) {
		*out = copy_key(ctx->arena, key);
	} else if (!call_waited_for_admission(call) && !call_is_stopping(call)) {
		struct park *park = call_park(call, mono_ms(keyring) + PARK_MS);
		const struct key_wish wish = {&key_id, 1, until_of(keyring, &need)};
		*out_waits = ask(keyring, set, &wish, tell_park, park);
		if (!*out_waits) {
			park_unref(park);
		}
	}
	key_set_unref(set);
	if (key != NULL || *out_waits) {
		return ERR_OK;
	}
	return atomic_load(&keyring->is_stopping)
		? fail(ctx, ERR_SHUTDOWN, NULL, "The server is stopping; try again soon")
		: ERR_MISSING;
}

/* --- events ------------------------------------------------------------------------------------------------------ */

/* The ids of keys by which a server signed, of ed25519 and not too many. */
static void add_need(struct arena *arena, const struct json *json, struct server_name server,
	struct need *need)
{
	const struct json *signatures = json_get(json_at(json, "signatures"), server.s);
	size_t count = signatures != NULL && signatures->type == JSON_OBJECT ? signatures->count : 0;
	struct str *ids = ARENA_NEW_ARRAY(arena, struct str, MIN_OF(count, (size_t)MAX_KEY_IDS));
	need->server = server;
	need->key_ids = ids;
	for (size_t i = 0; i < count && need->key_id_count < MAX_KEY_IDS; i++) {
		struct str algorithm;
		struct str version;
		struct str id = signatures->members[i].key;
		if (key_id_parse(id, &algorithm, &version) && str_equals(algorithm, STR("ed25519"))) {
			ids[need->key_id_count++] = str_dup(arena, id);
		}
	}
}

/* Whether a server that has not told of any of these keys may still have one: it was not asked a moment ago, or did not answer. */
static bool may_come(const struct keyring *keyring, const struct need *need,
	const struct key_set *set)
{
	return need->key_id_count > 0 && meet(keyring, need, set) == NULL &&
		!is_own(keyring, need->server) &&
		pauses_left_ms(keyring->just_asked, need->server.s, mono_ms(keyring)) == 0;
}

/* Whether one of the keys that are known for a need signed the event. */
static enum signed_state is_signed(struct arena *arena, const struct keyring *keyring,
	const struct need *need, const struct key_set *set, const struct event *event)
{
	for (size_t i = 0; i < need->key_id_count; i++) {
		const struct server_key *key = key_set_find(set, need->key_ids[i]);
		if (key != NULL && is_usable(keyring, need, key) &&
			event_verify(arena, event->version, event_json(arena, event), need->server.s,
				need->key_ids[i], str_from((const char *)key->public_key, ED25519_PUBLIC_BYTES))) {
			return SIGNED;
		}
	}
	return may_come(keyring, need, set) ? SIGNED_UNKNOWN : SIGNED_NOT;
}

/* What events need: needs of one event stand together. */
struct event_needs {
	VEC(struct need) needs;
	size_t *first; /* of each event; one more at the end */
};

static struct event_needs needs_of(struct arena *arena, const struct event *const *events,
	size_t count)
{
	struct event_needs out = {.first = ARENA_NEW_ARRAY(arena, size_t, count + 1)};
	struct arena *scratch CLEANUP(arena_cleanup) = arena_create();
	for (size_t i = 0; i < count; i++) {
		arena_reset(scratch);
		struct required_signer *signers;
		const struct json *json = event_json(scratch, events[i]);
		size_t signer_count = event_required_signers(scratch, events[i], &signers);
		out.first[i] = out.needs.n;
		for (size_t j = 0; j < signer_count; j++) {
			/* A time of 0 would mean now. */
			struct need need = {.version = events[i]->version,
				.at_ms = events[i]->origin_server_ts != 0 ? events[i]->origin_server_ts : 1};
			add_need(arena, json, signers[j].server, &need);
			VEC_PUSH(arena, &out.needs, need);
		}
	}
	out.first[count] = out.needs.n;
	return out;
}

/* Events whose keys are at hand, for several processors. */
struct checking {
	const struct keyring *keyring;
	const struct event *const *events;
	const struct event_needs *all;
	const struct servers *servers;
	const struct sets *sets;
	enum signed_state *out;
};

static void check_part(void *data, size_t from, size_t to)
{
	const struct checking *checking = data;
	const struct event_needs *all = checking->all;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	for (size_t i = from; i < to; i++) {
		enum signed_state state = SIGNED;
		for (size_t j = all->first[i]; j < all->first[i + 1] && state != SIGNED_NOT; j++) {
			const struct key_set *set = checking->sets->items[checking->servers->of_need[j]];
			enum signed_state one =
				is_signed(arena, checking->keyring, &all->needs.p[j], set, checking->events[i]);
			state = one != SIGNED ? one : state;
		}
		checking->out[i] = state;
		arena_reset(arena);
	}
}

enum err keyring_check_events(struct ctx *ctx, struct federation *federation,
	const struct event *const *events, size_t count, enum signed_state *out)
{
	struct keyring *keyring = federation->keyring;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct event_needs all = needs_of(arena, events, count);
	struct servers servers = servers_of(arena, all.needs.p, all.needs.n);
	struct sets sets CLEANUP(drop_sets) = {0};
	TRY(gather(ctx, keyring, all.needs.p, all.needs.n, &servers, &sets));
	struct checking checking = {
		.keyring = keyring,
		.events = events,
		.all = &all,
		.servers = &servers,
		.sets = &sets,
		.out = out,
	};
	parallel_for(count, CHECK_GRAIN, check_part, &checking);
	return ERR_OK;
}

enum err keyring_check_object(struct ctx *ctx, struct federation *federation,
	const struct json *object, struct server_name server, bool *out_valid)
{
	struct keyring *keyring = federation->keyring;
	struct need need = {0};
	add_need(ctx->arena, object, server, &need);
	struct servers servers = servers_of(ctx->arena, &need, 1);
	struct sets sets CLEANUP(drop_sets) = {0};
	TRY(gather(ctx, keyring, &need, 1, &servers, &sets));
	*out_valid = false;
	for (size_t i = 0; i < need.key_id_count && !*out_valid; i++) {
		const struct server_key *key = key_set_find(sets.items[0], need.key_ids[i]);
		*out_valid = key != NULL && is_usable(keyring, &need, key) &&
			sign_verify_json(ctx->arena, object, server.s, need.key_ids[i],
				str_from((const char *)key->public_key, ED25519_PUBLIC_BYTES));
	}
	return ERR_OK;
}

/* --- for notaries -------------------------------------------------------------------------------------------------- */

enum err keyring_refresh(struct ctx *ctx, struct federation *federation,
	const struct server_name *servers, const int64_t *until_ms, size_t count)
{
	struct need *needs = ARENA_NEW_ARRAY(ctx->arena, struct need, count);
	for (size_t i = 0; i < count; i++) {
		needs[i] = (struct need){.server = servers[i], .until_ms = until_ms[i]};
	}
	struct servers unique = servers_of(ctx->arena, needs, count);
	struct sets sets CLEANUP(drop_sets) = {0};
	return gather(ctx, federation->keyring, needs, count, &unique, &sets);
}

/* --- ceilings --------------------------------------------------------------------------------------------------------- */

enum err keyring_tidy(struct ctx *ctx, struct homeserver *hs)
{
	return store_server_key_forget(ctx, hs->db, MAX_STORED_KEYS, MAX_STORED_ANSWERS);
}
