/*
 * The hash map: setting, removing, growing, walking; checked against a plain table.
 */
#include "check.h"

#include "base/map.h"

static int values[1000];

static void set_get_remove__few_keys__as_named(void **state)
{
	(void)state;
	struct map map = {0};
	assert_null(map_get(&map, STR("a")));
	assert_null(map_remove(&map, STR("a")));
	assert_null(map_set(&map, STR("a"), &values[1]));
	assert_null(map_set(&map, STR(""), &values[2]));
	assert_null(map_set(&map, STR("a\0"), &values[3]));
	assert_ptr_equal(map_get(&map, STR("a")), &values[1]);
	assert_ptr_equal(map_get(&map, str_from(NULL, 0)), &values[2]);
	assert_ptr_equal(map_get(&map, STR("a\0")), &values[3]);
	assert_ptr_equal(map_set(&map, STR("a"), &values[4]), &values[1]);
	assert_int_equal(map.n, 3);
	assert_ptr_equal(map_remove(&map, STR("a")), &values[4]);
	assert_null(map_get(&map, STR("a")));
	assert_null(map_remove(&map, STR("a")));
	assert_int_equal(map.n, 2);
	map_fini(&map);
	assert_int_equal(map.n, 0);
	assert_null(map_get(&map, STR("a")));
}

static struct str key_of(char *room, unsigned i)
{
	return str_from(room, (size_t)snprintf(room, 32, "key-%u", i));
}

static void random_use__against_plain_table__equal(void **state)
{
	(void)state;
	struct map map;
	map_init(&map);
	void *expected[COUNT_OF(values)] = {0};
	uint64_t seed = 7;
	for (int step = 0; step < 200000; step++) {
		unsigned i = next_random(&seed) % (unsigned)COUNT_OF(values);
		char room[32];
		struct str key = key_of(room, i);
		switch (next_random(&seed) % 4) {
		case 0:
			assert_ptr_equal(map_remove(&map, key), expected[i]);
			expected[i] = NULL;
			break;
		case 1:
		case 2: {
			void *value = &values[next_random(&seed) % COUNT_OF(values)];
			assert_ptr_equal(map_set(&map, key, value), expected[i]);
			expected[i] = value;
			break;
		}
		default:
			assert_ptr_equal(map_get(&map, key), expected[i]);
			break;
		}
	}
	size_t count = 0;
	for (unsigned i = 0; i < COUNT_OF(values); i++) {
		char room[32];
		assert_ptr_equal(map_get(&map, key_of(room, i)), expected[i]);
		count += expected[i] != NULL;
	}
	assert_int_equal(map.n, count);
	map_fini(&map);
}

static void churn__set_and_remove_forever__table_stays_small(void **state)
{
	(void)state;
	struct map map = {0};
	for (unsigned i = 0; i < 100000; i++) {
		char room[32];
		(void)map_set(&map, key_of(room, i), &values[0]);
		assert_ptr_equal(map_remove(&map, key_of(room, i)), &values[0]);
	}
	assert_int_equal(map.n, 0);
	assert_true(map.capacity <= 64);
	map_fini(&map);
}

/* Many maps live long, some of them with an entry for each user. */
static void growth__any_number_of_keys__at_least_three_of_eight_places_used(void **state)
{
	(void)state;
	struct map map = {0};
	for (unsigned i = 0; i < 20000; i++) {
		char room[32];
		(void)map_set(&map, key_of(room, i), &values[0]);
		assert_true(map.capacity <= 4 || map.n * 8 >= map.capacity * 3);
	}
	map_fini(&map);
}

static void next__removing_while_walking__each_once(void **state)
{
	(void)state;
	struct map map = {0};
	char room[32];
	for (unsigned i = 0; i < 500; i++) {
		(void)map_set(&map, key_of(room, i), &values[i]);
	}
	int seen[500] = {0};
	size_t at = 0;
	struct str key;
	void *value;
	while (map_next(&map, &at, &key, &value)) {
		size_t i = (size_t)((int *)value - values);
		assert_true(str_equals(key, key_of(room, (unsigned)i)));
		seen[i]++;
		if (i % 2 == 0) {
			char copy[32];
			memcpy(copy, key.p, key.n);
			assert_ptr_equal(map_remove(&map, str_from(copy, key.n)), value);
		}
	}
	for (size_t i = 0; i < COUNT_OF(seen); i++) {
		assert_int_equal(seen[i], 1);
	}
	assert_int_equal(map.n, 250);
	map_clear(&map);
	assert_int_equal(map.n, 0);
	assert_null(map_set(&map, STR("a"), &values[0]));
	assert_ptr_equal(map_get(&map, STR("a")), &values[0]);
	map_fini(&map);
}

static void hash__bytes_and_lengths__differ(void **state)
{
	(void)state;
	static const char zeros[64];
	for (size_t a = 0; a < sizeof(zeros); a++) {
		for (size_t b = 0; b < a; b++) {
			assert_true(hash_bytes(str_from(zeros, a)) != hash_bytes(str_from(zeros, b)));
		}
	}
	assert_true(hash_bytes(STR("abc")) == hash_bytes(STR("abc")));
	assert_true(hash_int(1) != hash_int(2));
	assert_true(hash_int(1) == hash_int(1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(set_get_remove__few_keys__as_named),
		cmocka_unit_test(random_use__against_plain_table__equal),
		cmocka_unit_test(churn__set_and_remove_forever__table_stays_small),
		cmocka_unit_test(growth__any_number_of_keys__at_least_three_of_eight_places_used),
		cmocka_unit_test(next__removing_while_walking__each_once),
		cmocka_unit_test(hash__bytes_and_lengths__differ),
	};
	return RUN_ALL(tests);
}
