/*
 * Open addressing with linear probing. The key bytes are one heap copy per entry. The hash is
 * SipHash-1-3 keyed once per process from the operating system.
 */
#include "base/map.h"

#include "base/mem.h"

#include <pthread.h>
#include <string.h>
#include <sys/random.h>

/* Many maps hold one or two things (the rooms of most users, threads of a room), and are walked through more than they grow. */
enum { FIRST_PLACES = 4 };

struct map_entry {
	uint64_t hash;
	struct str key; /* key.p: heap copy; NULL: never used; TOMBSTONE: deleted */
	void *value;
};

static const char TOMBSTONE[] = "";
static uint64_t seed[2];
static pthread_once_t seed_once = PTHREAD_ONCE_INIT;

static void make_seed(void)
{
	if (getrandom(seed, sizeof(seed), 0) != (ssize_t)sizeof(seed)) {
		invariant_failed("getrandom gives a hash seed", __FILE__, __LINE__);
	}
}

static uint64_t rotl(uint64_t x, unsigned bits)
{
	return (x << bits) | (x >> (64 - bits));
}

/* Inline, so that the four words stay in registers. */
static inline __attribute__((always_inline)) void sip_round(uint64_t v[4])
{
	v[0] += v[1];
	v[1] = rotl(v[1], 13) ^ v[0];
	v[0] = rotl(v[0], 32);
	v[2] += v[3];
	v[3] = rotl(v[3], 16) ^ v[2];
	v[0] += v[3];
	v[3] = rotl(v[3], 21) ^ v[0];
	v[2] += v[1];
	v[1] = rotl(v[1], 17) ^ v[2];
	v[2] = rotl(v[2], 32);
}

uint64_t hash_bytes(struct str s)
{
	(void)pthread_once(&seed_once, make_seed);
	uint64_t v[4] = {seed[0] ^ 0x736f6d6570736575U, seed[1] ^ 0x646f72616e646f6dU,
		seed[0] ^ 0x6c7967656e657261U, seed[1] ^ 0x7465646279746573U};
	const char *p = s.p;
	size_t left = s.n;
	while (left >= 8) {
		uint64_t word;
		memcpy(&word, p, 8);
		v[3] ^= word;
		sip_round(v);
		v[0] ^= word;
		p += 8;
		left -= 8;
	}
	uint64_t last = (uint64_t)s.n << 56;
	if (left > 0) {
		uint64_t tail = 0;
		memcpy(&tail, p, left);
		last |= tail;
	}
	v[3] ^= last;
	sip_round(v);
	v[0] ^= last;
	v[2] ^= 0xff;
	sip_round(v);
	sip_round(v);
	sip_round(v);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

uint64_t hash_int(uint64_t value)
{
	return hash_bytes(str_from((const char *)&value, sizeof(value)));
}

void map_init(struct map *map)
{
	*map = (struct map){0};
}

static bool is_live(const struct map_entry *entry)
{
	return entry->key.p != NULL && entry->key.p != TOMBSTONE;
}

void map_clear(struct map *map)
{
	for (size_t i = 0; i < map->capacity; i++) {
		if (is_live(&map->entries[i])) {
			str_free(map->entries[i].key);
		}
		map->entries[i] = (struct map_entry){0};
	}
	map->n = 0;
	map->used = 0;
}

void map_fini(struct map *map)
{
	map_clear(map);
	mem_free(map->entries);
	map_init(map);
}

/* Where the key stands, or the free place where it may be put. */
static struct map_entry *find(const struct map *map, struct str key, uint64_t hash)
{
	struct map_entry *free_place = NULL;
	size_t mask = map->capacity - 1;
	for (size_t i = (size_t)hash & mask;; i = (i + 1) & mask) {
		struct map_entry *entry = &map->entries[i];
		if (entry->key.p == NULL) {
			return free_place != NULL ? free_place : entry;
		}
		if (entry->key.p == TOMBSTONE) {
			if (free_place == NULL) {
				free_place = entry;
			}
		} else if (entry->hash == hash && str_equals(entry->key, key)) {
			return entry;
		}
	}
}

static void resize(struct map *map)
{
	struct map old = *map;
	size_t capacity = FIRST_PLACES;
	while (capacity < old.n * 2) {
		capacity *= 2;
	}
	map->entries = mem_alloc_array(capacity, sizeof(*map->entries));
	map->capacity = capacity;
	map->used = old.n;
	for (size_t i = 0; i < old.capacity; i++) {
		if (is_live(&old.entries[i])) {
			*find(map, old.entries[i].key, old.entries[i].hash) = old.entries[i];
		}
	}
	mem_free(old.entries);
}

void *map_get(const struct map *map, struct str key)
{
	if (map->n == 0) {
		return NULL;
	}
	struct map_entry *entry = find(map, key, hash_bytes(key));
	return is_live(entry) ? entry->value : NULL;
}

void *map_set(struct map *map, struct str key, void *value)
{
	invariant(value != NULL);
	if (map->used * 4 >= map->capacity * 3) {
		resize(map);
	}
	uint64_t hash = hash_bytes(key);
	struct map_entry *entry = find(map, key, hash);
	if (is_live(entry)) {
		void *old = entry->value;
		entry->value = value;
		return old;
	}
	if (entry->key.p == NULL) {
		map->used++;
	}
	*entry = (struct map_entry){.hash = hash, .key = str_heap(key), .value = value};
	map->n++;
	return NULL;
}

void *map_remove(struct map *map, struct str key)
{
	if (map->n == 0) {
		return NULL;
	}
	struct map_entry *entry = find(map, key, hash_bytes(key));
	if (!is_live(entry)) {
		return NULL;
	}
	void *value = entry->value;
	str_free(entry->key);
	*entry = (struct map_entry){.key = {TOMBSTONE, 0}};
	map->n--;
	return value;
}

bool map_next(const struct map *map, size_t *iterator, struct str *out_key, void **out_value)
{
	while (*iterator < map->capacity) {
		const struct map_entry *entry = &map->entries[(*iterator)++];
		if (is_live(entry)) {
			*out_key = entry->key;
			*out_value = entry->value;
			return true;
		}
	}
	return false;
}
