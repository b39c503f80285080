/*
 * The cache: order of use, budget, references, many threads.
 */
#include "check.h"

#include <pthread.h>

#include "base/cache.h"
#include "base/mem.h"
#include "base/refc.h"

struct thing {
	struct refc refc;
	int id;
};

static _Atomic int alive;

static struct thing *thing_create(int id)
{
	struct thing *thing = mem_alloc(sizeof(*thing));
	refc_init(&thing->refc);
	thing->id = id;
	alive++;
	return thing;
}

static void thing_ref(void *value)
{
	refc_take(&((struct thing *)value)->refc);
}

static void thing_unref(void *value)
{
	struct thing *thing = value;
	if (refc_drop(&thing->refc)) {
		alive--;
		mem_free(thing);
	}
}

static const struct cache_ops ops = {.ref = thing_ref, .unref = thing_unref};

static void put(struct cache *cache, const char *key, int id, size_t size_bytes)
{
	struct thing *thing = thing_create(id);
	cache_put(cache, str_of(key), thing, size_bytes);
	thing_unref(thing);
}

/* Id of what stands there; 0 when nothing does. */
static int get(struct cache *cache, const char *key)
{
	struct thing *thing = cache_get(cache, str_of(key));
	if (thing == NULL) {
		return 0;
	}
	int id = thing->id;
	thing_unref(thing);
	return id;
}

static void get__put_replaced_removed__as_named(void **state)
{
	(void)state;
	struct cache *cache = cache_create("test", 100000, ops);
	assert_int_equal(get(cache, "a"), 0);
	put(cache, "a", 1, 10);
	put(cache, "b", 2, 10);
	assert_int_equal(get(cache, "a"), 1);
	put(cache, "a", 3, 10);
	assert_int_equal(get(cache, "a"), 3);
	assert_int_equal(alive, 2);
	cache_remove(cache, STR("a"));
	cache_remove(cache, STR("a"));
	assert_int_equal(get(cache, "a"), 0);
	assert_int_equal(get(cache, "b"), 2);
	cache_clear(cache);
	assert_int_equal(get(cache, "b"), 0);
	assert_int_equal(alive, 0);
	put(cache, "c", 4, 10);
	cache_destroy(cache);
	cache_destroy(NULL);
	assert_int_equal(alive, 0);
}

static void put__over_budget__least_recently_used_goes(void **state)
{
	(void)state;
	struct cache *cache = cache_create("test", 10000, ops);
	put(cache, "a", 1, 3000);
	put(cache, "b", 2, 3000);
	put(cache, "c", 3, 3000);
	assert_int_equal(get(cache, "a"), 1); /* now b is the oldest */
	put(cache, "d", 4, 3000);
	assert_int_equal(get(cache, "b"), 0);
	assert_int_equal(get(cache, "a"), 1);
	assert_int_equal(get(cache, "c"), 3);
	assert_int_equal(get(cache, "d"), 4);
	put(cache, "e", 5, 8000); /* room for itself only */
	assert_int_equal(get(cache, "a") + get(cache, "c") + get(cache, "d"), 0);
	assert_int_equal(get(cache, "e"), 5);
	assert_int_equal(alive, 1);
	cache_destroy(cache);
}

static void put__larger_than_budget__not_kept_and_old_gone(void **state)
{
	(void)state;
	struct cache *cache = cache_create("test", 1000, ops);
	put(cache, "a", 1, 10);
	put(cache, "b", 2, 10);
	put(cache, "a", 3, 5000);
	assert_int_equal(get(cache, "a"), 0);
	assert_int_equal(get(cache, "b"), 2);
	cache_destroy(cache);
}

static void get__evicted_meanwhile__value_lives_on(void **state)
{
	(void)state;
	struct cache *cache = cache_create("test", 1000, ops);
	put(cache, "a", 7, 10);
	struct thing *held = cache_get(cache, STR("a"));
	cache_destroy(cache);
	assert_int_equal(held->id, 7);
	assert_int_equal(alive, 1);
	thing_unref(held);
	assert_int_equal(alive, 0);
}

static void put__many_keys__table_grows_and_finds_all(void **state)
{
	(void)state;
	struct cache *cache = cache_create("test", (size_t)64 << 20, ops);
	for (int i = 1; i <= 20000; i++) {
		char key[16];
		(void)snprintf(key, sizeof(key), "k%d", i);
		put(cache, key, i, 1);
	}
	for (int i = 1; i <= 20000; i++) {
		char key[16];
		(void)snprintf(key, sizeof(key), "k%d", i);
		assert_int_equal(get(cache, key), i);
	}
	cache_destroy(cache);
	assert_int_equal(alive, 0);
}

static void *use_randomly(void *data)
{
	struct cache *cache = data;
	uint64_t seed = (uint64_t)(uintptr_t)&seed | 1;
	for (int i = 0; i < 5000; i++) {
		char key[16];
		int id = (int)(next_random(&seed) % 300);
		(void)snprintf(key, sizeof(key), "k%d", id);
		switch (next_random(&seed) % 8) {
		case 0:
			put(cache, key, id + 1, 500);
			break;
		case 1:
			cache_remove(cache, str_of(key));
			break;
		default: {
			int got = get(cache, key);
			if (got != 0 && got != id + 1) {
				abort();
			}
			break;
		}
		}
	}
	return NULL;
}

static void threads__random_use__nothing_lost_or_mixed(void **state)
{
	(void)state;
	struct cache *cache = cache_create("test", 50000, ops);
	pthread_t threads[4];
	for (size_t i = 0; i < COUNT_OF(threads); i++) {
		assert_int_equal(pthread_create(&threads[i], NULL, use_randomly, cache), 0);
	}
	for (size_t i = 0; i < COUNT_OF(threads); i++) {
		(void)pthread_join(threads[i], NULL);
	}
	cache_destroy(cache);
	assert_int_equal(alive, 0);
}

static void drop_twice(void *data)
{
	struct refc refc;
	(void)data;
	refc_init(&refc);
	(void)refc_drop(&refc);
	(void)refc_drop(&refc);
}

static void refc__dropped_too_often__ends_process(void **state)
{
	(void)state;
	assert_true(ends_process(drop_twice, NULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(get__put_replaced_removed__as_named),
		cmocka_unit_test(put__over_budget__least_recently_used_goes),
		cmocka_unit_test(put__larger_than_budget__not_kept_and_old_gone),
		cmocka_unit_test(get__evicted_meanwhile__value_lives_on),
		cmocka_unit_test(put__many_keys__table_grows_and_finds_all),
		cmocka_unit_test(threads__random_use__nothing_lost_or_mixed),
		cmocka_unit_test(refc__dropped_too_often__ends_process),
	};
	return RUN_ALL(tests);
}
