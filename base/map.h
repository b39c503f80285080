/**
 * Hash map from byte strings to pointers, on the heap. Keys are copied; values are the caller's.
 *
 * The hash is seeded per process, so that outsiders cannot choose colliding keys. Not synchronised.
 */
#ifndef BELFRY_BASE_MAP_H
#define BELFRY_BASE_MAP_H

#include "base/defs.h"
#include "base/str.h"

struct map_entry;

struct map {
	struct map_entry *entries; /**< open addressing, power of two */
	size_t capacity;
	size_t n;    /**< entries in use */
	size_t used; /**< in use and deleted */
};

/** Empty map; a zeroed struct is the same. */
void map_init(struct map *map);
/** Frees keys and table, not the values. */
void map_fini(struct map *map);

/** Value of `key`, or NULL. */
void *map_get(const struct map *map, struct str key);

/**
 * Sets the value (not NULL).
 * @return the value that stood there before, or NULL
 */
void *map_set(struct map *map, struct str key, void *value);

/** Takes the key out. @return its value, or NULL when it was not there */
void *map_remove(struct map *map, struct str key);

/** Removes everything, keeps the table. */
void map_clear(struct map *map);

/**
 * Walks over all entries in no order: `size_t i = 0; while (map_next(&m, &i, &key, &value))`.
 * The current entry may be removed while walking; nothing may be added.
 */
bool map_next(const struct map *map, size_t *iterator, struct str *out_key, void **out_value);

/** Seeded 64-bit hash of bytes (SipHash-like strength; for tables, not for signatures). */
uint64_t hash_bytes(struct str s);
/** Seeded hash of an integer. */
uint64_t hash_int(uint64_t value);

#endif
