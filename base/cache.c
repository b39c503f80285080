/*
 * Shards by hash, each with its own lock, table and list. Values are released only after the shard's lock was given back, since
 * the last reference may run a destructor.
 *
 * The list is in order of coming. Who is found is only marked, since moving it to the list's end would touch its neighbours, which lie anywhere in
 * memory; when room is needed, the oldest that are marked lose their mark and move to the end instead ("second chance").
 */
#include "base/cache.h"

#include <string.h>

#include <pthread.h>

#include "base/lock.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/metrics.h"

enum { MAX_SHARDS = 16, FIRST_BUCKETS = 64 };
/* A shard smaller than this would throw out what the others have room for. */
static const size_t LEAST_SHARD_BYTES = (size_t)1 << 20;

struct entry {
	struct entry *chain; /* next in its bucket; after removal: next to release */
	struct entry *newer;
	struct entry *older;
	uint64_t hash;
	void *value;
	size_t size_bytes; /* counted against the budget, entry and key included */
	bool is_used;      /* found since it came, or since its last look */
	size_t key_n;
	char key[];
};

struct shard {
	struct lock lock; /* guards all below */
	struct entry **buckets;
	size_t bucket_n; /* power of two */
	size_t entry_n;
	struct entry *newest;
	struct entry *oldest;
	size_t used_bytes;
};

/* The metrics of one name; never freed, since the registry keeps pointing to them. */
struct cache_metrics {
	struct cache_metrics *next;
	char *labels;
	struct metric hits;
	struct metric misses;
	struct metric bytes;
};

struct cache {
	struct cache_ops ops;
	struct cache_metrics *metrics;
	size_t shard_budget_bytes;
	size_t shard_n; /* power of two */
	struct shard shards[MAX_SHARDS];
};

static struct cache_metrics *all_metrics; /* guarded by metrics_mutex */
static pthread_mutex_t metrics_mutex = PTHREAD_MUTEX_INITIALIZER;

/* The metrics of that name, made at the first call. */
static struct cache_metrics *metrics_of(const char *name)
{
	struct buf labels;
	buf_init(&labels, 256);
	buf_printf(&labels, "cache=\"%s\"", name);
	buf_add_byte(&labels, '\0');
	invariant(buf_ok(&labels));
	(void)pthread_mutex_lock(&metrics_mutex);
	struct cache_metrics *found = all_metrics;
	while (found != NULL && strcmp(found->labels, labels.p) != 0) {
		found = found->next;
	}
	if (found == NULL) {
		size_t length;
		found = mem_alloc(sizeof(*found));
		found->labels = buf_take(&labels, &length);
		found->hits =
			(struct metric)METRIC_COUNTER("belfry_cache_hits_total", "Found in the cache");
		found->misses =
			(struct metric)METRIC_COUNTER("belfry_cache_misses_total", "Not found in the cache");
		found->bytes = (struct metric)METRIC_GAUGE("belfry_cache_used_bytes", "Held by the cache");
		found->hits.labels = found->labels;
		found->misses.labels = found->labels;
		found->bytes.labels = found->labels;
		found->next = all_metrics;
		all_metrics = found;
	}
	(void)pthread_mutex_unlock(&metrics_mutex);
	buf_fini(&labels);
	return found;
}

struct cache *cache_create(const char *name, size_t budget_bytes, struct cache_ops ops)
{
	struct cache *cache = mem_alloc(sizeof(*cache));
	cache->ops = ops;
	cache->metrics = metrics_of(name);
	cache->shard_n = 1;
	while (
		cache->shard_n < MAX_SHARDS && budget_bytes / (cache->shard_n * 2) >= LEAST_SHARD_BYTES) {
		cache->shard_n *= 2;
	}
	cache->shard_budget_bytes = budget_bytes / cache->shard_n;
	for (size_t i = 0; i < cache->shard_n; i++) {
		lock_init(&cache->shards[i].lock, RANK_CACHE);
		cache->shards[i].bucket_n = FIRST_BUCKETS;
		cache->shards[i].buckets = mem_alloc_array(FIRST_BUCKETS, sizeof(struct entry *));
	}
	return cache;
}

void cache_destroy(struct cache *cache)
{
	if (cache == NULL) {
		return;
	}
	cache_clear(cache);
	for (size_t i = 0; i < cache->shard_n; i++) {
		lock_fini(&cache->shards[i].lock);
		mem_free(cache->shards[i].buckets);
	}
	mem_free(cache);
}

/* The upper bits choose the shard, the lower ones the bucket. */
static struct shard *shard_of(struct cache *cache, uint64_t hash)
{
	return &cache->shards[(hash >> 48) & (cache->shard_n - 1)];
}

/* Where the pointer to the entry stands; it points to NULL when there is none. */
static struct entry **find_locked(struct shard *shard, struct str key, uint64_t hash)
{
	struct entry **at = &shard->buckets[hash & (shard->bucket_n - 1)];
	while (*at != NULL &&
		((*at)->hash != hash || !str_equals(str_from((*at)->key, (*at)->key_n), key))) {
		at = &(*at)->chain;
	}
	return at;
}

static void list_remove_locked(struct shard *shard, struct entry *entry)
{
	*(entry->newer != NULL ? &entry->newer->older : &shard->newest) = entry->older;
	*(entry->older != NULL ? &entry->older->newer : &shard->oldest) = entry->newer;
}

static void list_add_locked(struct shard *shard, struct entry *entry)
{
	entry->newer = NULL;
	entry->older = shard->newest;
	*(shard->newest != NULL ? &shard->newest->newer : &shard->oldest) = entry;
	shard->newest = entry;
}

/* Takes the entry at `at` out and puts it on the list of what is released later. */
static void remove_locked(struct shard *shard, struct entry **at, struct entry **released)
{
	struct entry *entry = *at;
	invariant(entry != NULL);
	*at = entry->chain;
	list_remove_locked(shard, entry);
	shard->entry_n--;
	shard->used_bytes -= entry->size_bytes;
	entry->chain = *released;
	*released = entry;
}

static void grow_locked(struct shard *shard)
{
	size_t bucket_n = shard->bucket_n * 2;
	struct entry **buckets = mem_alloc_array(bucket_n, sizeof(struct entry *));
	for (struct entry *entry = shard->newest; entry != NULL; entry = entry->older) {
		struct entry **bucket = &buckets[entry->hash & (bucket_n - 1)];
		entry->chain = *bucket;
		*bucket = entry;
	}
	mem_free(shard->buckets);
	shard->buckets = buckets;
	shard->bucket_n = bucket_n;
}

static void release(const struct cache *cache, struct entry *entry)
{
	while (entry != NULL) {
		struct entry *next = entry->chain;
		metric_add(&cache->metrics->bytes, -(int64_t)entry->size_bytes);
		cache->ops.unref(entry->value);
		mem_free(entry);
		entry = next;
	}
}

void *cache_get(struct cache *cache, struct str key)
{
	uint64_t hash = hash_bytes(key);
	struct shard *shard = shard_of(cache, hash);
	void *value = NULL;
	lock_take(&shard->lock);
	struct entry *entry = *find_locked(shard, key, hash);
	if (entry != NULL) {
		entry->is_used = true;
		value = entry->value;
		cache->ops.ref(value);
	}
	lock_give(&shard->lock);
	metric_add(value != NULL ? &cache->metrics->hits : &cache->metrics->misses, 1);
	return value;
}

/* The one that goes next, of a shard that is not empty. */
static struct entry *oldest_unused_locked(struct shard *shard)
{
	struct entry *oldest = shard->oldest;
	while (oldest->is_used) {
		oldest->is_used = false;
		list_remove_locked(shard, oldest);
		list_add_locked(shard, oldest);
		oldest = shard->oldest;
	}
	return oldest;
}

static struct entry *make_entry(struct str key, uint64_t hash, void *value, size_t size_bytes)
{
	struct entry *entry = mem_realloc(NULL, sizeof(*entry) + key.n);
	*entry = (struct entry){.hash = hash, .value = value, .size_bytes = size_bytes, .key_n = key.n};
	if (key.n > 0) {
		memcpy(entry->key, key.p, key.n);
	}
	return entry;
}

void cache_put(struct cache *cache, struct str key, void *value, size_t size_bytes)
{
	invariant(value != NULL);
	invariant(size_bytes <= SIZE_MAX / 4);
	size_t cost = size_bytes + sizeof(struct entry) + key.n;
	if (cost > cache->shard_budget_bytes) { /* would throw out everything and not fit */
		cache_remove(cache, key);
		return;
	}
	uint64_t hash = hash_bytes(key);
	struct shard *shard = shard_of(cache, hash);
	struct entry *released = NULL;
	cache->ops.ref(value);
	struct entry *entry = make_entry(key, hash, value, cost);
	metric_add(&cache->metrics->bytes, (int64_t)cost);
	lock_take(&shard->lock);
	struct entry **at = find_locked(shard, key, hash);
	if (*at != NULL) {
		remove_locked(shard, at, &released);
	}
	while (shard->used_bytes + cost > cache->shard_budget_bytes) {
		invariant(shard->oldest != NULL);
		const struct entry *oldest = oldest_unused_locked(shard);
		remove_locked(shard, find_locked(shard, str_from(oldest->key, oldest->key_n), oldest->hash),
			&released);
	}
	if (shard->entry_n >= shard->bucket_n) {
		grow_locked(shard);
	}
	struct entry **bucket = &shard->buckets[hash & (shard->bucket_n - 1)];
	entry->chain = *bucket;
	*bucket = entry;
	list_add_locked(shard, entry);
	shard->entry_n++;
	shard->used_bytes += cost;
	lock_give(&shard->lock);
	release(cache, released);
}

void cache_remove(struct cache *cache, struct str key)
{
	uint64_t hash = hash_bytes(key);
	struct shard *shard = shard_of(cache, hash);
	struct entry *released = NULL;
	lock_take(&shard->lock);
	struct entry **at = find_locked(shard, key, hash);
	if (*at != NULL) {
		remove_locked(shard, at, &released);
	}
	lock_give(&shard->lock);
	release(cache, released);
}

void cache_clear(struct cache *cache)
{
	for (size_t i = 0; i < cache->shard_n; i++) {
		struct shard *shard = &cache->shards[i];
		struct entry *released = NULL;
		lock_take(&shard->lock);
		while (shard->oldest != NULL) {
			const struct entry *oldest = shard->oldest;
			remove_locked(shard,
				find_locked(shard, str_from(oldest->key, oldest->key_n), oldest->hash), &released);
		}
		lock_give(&shard->lock);
		release(cache, released);
	}
}
