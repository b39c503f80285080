/*
 * Sets lie in a cache. What is new is put there by the HTTP client's thread, which may not wait, and queued for
 * the database; whoever asks next for a key and may wait writes it.
 */
#include "federation/key_store.h"

#include <stdatomic.h>
#include <string.h>

#include "base/cache.h"
#include "base/lock.h"
#include "base/log.h"
#include "base/mem.h"
#include "storage/server_key.h"

enum {
	MEMORY_BYTES = 16 << 20,
	SET_BYTES = 512, /* without keys */
	KEY_BYTES = 128,
	MAX_UNWRITTEN = 1024,
};

/* An answer that is not in the database yet. */
struct unwritten {
	struct unwritten *next;
	struct key_set *set;
	struct str text; /* on the heap */
	int64_t valid_until_ms;
	int64_t received_at_ms;
};

struct key_store {
	struct homeserver *hs;
	struct key_set *own; /* of this server, which nobody tells */
	struct cache *sets;
	struct lock lock;
	struct unwritten *first; /* guarded by lock */
	size_t unwritten_count;  /* guarded by lock */
	atomic_bool has_unwritten;
};

/* --- sets ------------------------------------------------------------------------------------------------- */

static struct key_set *set_create(struct str server, size_t room, struct server_key **out_keys)
{
	struct key_set *set = mem_alloc(sizeof(*set));
	refc_init(&set->refc);
	set->arena = arena_create();
	set->server.s = str_dup(set->arena, server);
	*out_keys = ARENA_NEW_ARRAY(set->arena, struct server_key, room + 1);
	set->keys = *out_keys;
	return set;
}

static void set_ref(void *value)
{
	struct key_set *set = value;
	refc_take(&set->refc);
}

void key_set_unref(struct key_set *set)
{
	if (set != NULL && refc_drop(&set->refc)) {
		arena_destroy(set->arena);
		mem_free(set);
	}
}

static void set_unref(void *value)
{
	key_set_unref(value);
}

const struct server_key *key_set_find(const struct key_set *set, struct str key_id)
{
	for (size_t i = 0; i < set->count; i++) {
		if (str_equals(set->keys[i].key_id, key_id)) {
			return &set->keys[i];
		}
	}
	return NULL;
}

static void remember(struct key_store *store, struct key_set *set)
{
	cache_put(store->sets, set->server.s, set, SET_BYTES + set->count * KEY_BYTES);
}

/* --- making --------------------------------------------------------------------------------------------------- */

static struct key_set *make_own(const struct homeserver *hs)
{
	const struct event_signer *signer = &hs->signer;
	struct server_key *keys;
	struct key_set *set = set_create(signer->server.s, 1 + hs->old_key_count, &keys);
	keys[0] = (struct server_key){
		.key_id = str_dup(set->arena, signer->key_id),
		.valid_until_ts = INT64_MAX,
	};
	ed25519_public(signer->key, keys[0].public_key);
	set->count = 1;
	for (size_t i = 0; i < hs->old_key_count; i++) {
		struct server_key *key = &keys[set->count++];
		*key = (struct server_key){
			.key_id = str_dup(set->arena, hs->old_keys[i].key_id),
			.is_old = true,
			.expired_ts = hs->old_keys[i].expired_ts,
		};
		memcpy(key->public_key, hs->old_keys[i].public_key, ED25519_PUBLIC_BYTES);
	}
	return set;
}

struct key_store *key_store_create(struct homeserver *hs)
{
	struct key_store *store = mem_alloc(sizeof(*store));
	store->hs = hs;
	store->sets = cache_create("server_keys", MEMORY_BYTES,
		(struct cache_ops){.ref = set_ref, .unref = set_unref});
	lock_init(&store->lock, RANK_LEAF);
	atomic_init(&store->has_unwritten, false);
	store->own = make_own(hs);
	return store;
}

static void free_unwritten(struct unwritten *entry)
{
	key_set_unref(entry->set);
	str_free(entry->text);
	mem_free(entry);
}

/* @return the oldest, or NULL */
static struct unwritten *next_unwritten(struct key_store *store)
{
	LOCK_SCOPE(&store->lock);
	struct unwritten *entry = store->first;
	if (entry != NULL) {
		store->first = entry->next;
		store->unwritten_count--;
	}
	atomic_store(&store->has_unwritten, store->first != NULL);
	return entry;
}

void key_store_destroy(struct key_store *store)
{
	struct unwritten *entry = next_unwritten(store);
	while (entry != NULL) {
		free_unwritten(entry);
		entry = next_unwritten(store);
	}
	cache_destroy(store->sets);
	key_set_unref(store->own);
	lock_fini(&store->lock);
	mem_free(store);
}

/* --- reading ------------------------------------------------------------------------------------------------ */

/* What memory has, with a reference; NULL: nothing. */
static struct key_set *peek(struct key_store *store, struct server_name server)
{
	if (server_name_equals(server, store->own->server)) {
		set_ref(store->own);
		return store->own;
	}
	return cache_get(store->sets, server.s);
}

/* Makes the set of a server of its rows, which stand together. */
static struct key_set *set_of_rows(struct str server, const struct server_key_row *rows,
	size_t count)
{
	size_t begin = 0;
	while (begin < count && !str_equals(rows[begin].server, server)) {
		begin++;
	}
	size_t end = begin;
	while (end < count && str_equals(rows[end].server, server)) {
		end++;
	}
	struct server_key *keys;
	struct key_set *set = set_create(server, end - begin, &keys);
	for (size_t i = begin; i < end; i++) {
		keys[set->count] = rows[i].key;
		keys[set->count].key_id = str_dup(set->arena, rows[i].key.key_id);
		set->count++;
	}
	return set;
}

/* A set that was put while the database was read is newer. */
static struct key_set *remember_read(struct key_store *store, struct key_set *set)
{
	struct key_set *newer = cache_get(store->sets, set->server.s);
	if (newer != NULL) {
		key_set_unref(set);
		return newer;
	}
	remember(store, set);
	return set;
}

enum err key_store_load(struct ctx *ctx, struct key_store *store, const struct server_name *servers,
	size_t count, struct key_set **out)
{
	struct str *names = ARENA_NEW_ARRAY(ctx->arena, struct str, count);
	size_t name_count = 0;
	for (size_t i = 0; i < count; i++) {
		out[i] = peek(store, servers[i]);
		if (out[i] == NULL) {
			names[name_count++] = servers[i].s;
		}
	}
	if (name_count == 0) {
		return ERR_OK;
	}
	struct server_key_row *rows;
	size_t row_count;
	enum err err = store_server_key_list(ctx, store->hs->db, names, name_count, &rows, &row_count);
	for (size_t i = 0; i < count; i++) {
		if (err != ERR_OK) {
			key_set_unref(out[i]);
			out[i] = NULL;
		} else if (out[i] == NULL) {
			out[i] = remember_read(store, set_of_rows(servers[i].s, rows, row_count));
		}
	}
	return err;
}

/* --- what is new -------------------------------------------------------------------------------------------- */

/* What holds of a key that was known and is told again by a notary. */
static struct server_key merge(const struct server_key *known, const struct server_key *told)
{
	struct server_key key = *told;
	if (known->is_old) {
		key.is_old = true;
		key.expired_ts =
			told->is_old ? MIN_OF(known->expired_ts, told->expired_ts) : known->expired_ts;
	}
	key.valid_until_ts = MAX_OF(known->valid_until_ts, told->valid_until_ts);
	return key;
}

static struct key_set *combine(const struct key_set *known, const struct key_fetch_end *end)
{
	struct server_key *keys;
	size_t told_count = MIN_OF(end->keys->count, (size_t)SERVER_KEYS_KEPT);
	struct key_set *set = set_create(end->keys->server.s, told_count + known->count, &keys);
	for (size_t i = 0; i < told_count; i++) {
		const struct server_key *told = &end->keys->keys[i];
		const struct server_key *before = key_set_find(known, told->key_id);
		bool is_same = before != NULL &&
			crypto_equals(str_from((const char *)before->public_key, ED25519_PUBLIC_BYTES),
				str_from((const char *)told->public_key, ED25519_PUBLIC_BYTES));
		if (before != NULL && !end->is_direct) {
			keys[set->count] = is_same ? merge(before, told) : *before;
		} else {
			keys[set->count] = *told;
		}
		keys[set->count].key_id = str_dup(set->arena, told->key_id);
		set->count++;
	}
	for (size_t i = 0; i < known->count && set->count < SERVER_KEYS_KEPT; i++) {
		if (server_keys_find(end->keys, known->keys[i].key_id) == NULL) {
			keys[set->count] = known->keys[i];
			keys[set->count].key_id = str_dup(set->arena, known->keys[i].key_id);
			set->count++;
		}
	}
	return set;
}

static void queue(struct key_store *store, struct key_set *set, const struct key_fetch_end *end)
{
	struct unwritten *entry = mem_alloc(sizeof(*entry));
	set_ref(set);
	entry->set = set;
	entry->text = str_heap(end->text);
	entry->valid_until_ms = end->valid_until_ms;
	entry->received_at_ms = clock_wall_ms(&store->hs->clock);
	LOCK_SCOPE(&store->lock);
	entry->next = store->first;
	store->first = entry;
	store->unwritten_count++;
	atomic_store(&store->has_unwritten, true);
	if (store->unwritten_count > MAX_UNWRITTEN) {
		/* Nobody wrote for long: the newest stays in memory only, and is asked for again one day. */
		store->first = entry->next;
		store->unwritten_count--;
		free_unwritten(entry);
	}
}

void key_store_put(struct key_store *store, const struct key_set *known,
	const struct key_fetch_end *end)
{
	struct key_set *set = combine(known, end);
	remember(store, set);
	queue(store, set, end);
	key_set_unref(set);
}

static enum err write_one(struct ctx *ctx, struct key_store *store, const struct unwritten *entry)
{
	return store_server_key_put(ctx, store->hs->db,
		&(struct server_key_answer){.server = entry->set->server.s,
			.text = entry->text,
			.valid_until_ms = entry->valid_until_ms,
			.received_at_ms = entry->received_at_ms},
		entry->set->keys, entry->set->count);
}

void key_store_flush(struct ctx *ctx, struct key_store *store)
{
	if (!atomic_load(&store->has_unwritten)) {
		return;
	}
	struct unwritten *entry = next_unwritten(store);
	while (entry != NULL) {
		if (write_one(ctx, store, entry) != ERR_OK) {
			log_warn(ctx->request_id, "fed.keys.not_stored", "cause=%.*s",
				STR_ARG(ctx->fault.cause));
			ctx->fault = (struct fault){0};
		}
		free_unwritten(entry);
		entry = next_unwritten(store);
	}
}
