/*
 * The state map against a plain list, through growth and removals.
 */
#include "tests/unit/base/check.h"

#include "matrix/state_map.h"

static struct arena *arena;

static int set_up(void **state)
{
	(void)state;
	arena = arena_create();
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	arena_destroy(arena);
	return 0;
}

static struct event *state_event(struct str type, struct str state_key)
{
	struct event *event = ARENA_NEW(arena, struct event);
	event->type = type;
	event->is_state = true;
	event->state_key = state_key;
	return event;
}

static void empty__all_questions__nothing(void **state)
{
	(void)state;
	struct state_map map = {.arena = arena};
	size_t i = 0;
	assert_null(state_map_get(&map, STR("a"), STR("")));
	assert_null(state_map_remove(&map, STR("a"), STR("")));
	assert_null(state_map_next(&map, &i));
	const struct event *event = state_event(STR("a"), STR(""));
	assert_null(state_map_put(&map, event));
	assert_ptr_equal(state_map_get(&map, STR("a"), STR("")), event);
	assert_ptr_equal(state_map_remove(&map, STR("a"), STR("")), event);
	assert_null(state_map_get(&map, STR("a"), STR("")));
	assert_int_equal(map.n, 0);
}

static void keys__type_and_state_key__both_count(void **state)
{
	(void)state;
	struct state_map map;
	state_map_init(&map, arena);
	const struct event *a = state_event(STR("a"), STR("b"));
	const struct event *b = state_event(STR("b"), STR("a"));
	const struct event *ab = state_event(STR("ab"), STR(""));
	const struct event *none = state_event(STR(""), STR("ab"));
	assert_null(state_map_put(&map, a));
	assert_null(state_map_put(&map, b));
	assert_null(state_map_put(&map, ab));
	assert_null(state_map_put(&map, none));
	assert_int_equal(map.n, 4);
	assert_ptr_equal(state_map_get(&map, STR("a"), STR("b")), a);
	assert_ptr_equal(state_map_get(&map, STR("b"), STR("a")), b);
	assert_ptr_equal(state_map_get(&map, STR("ab"), str_from(NULL, 0)), ab);
	assert_ptr_equal(state_map_get(&map, STR(""), STR("ab")), none);
	const struct event *newer = state_event(STR("a"), STR("b"));
	assert_ptr_equal(state_map_put(&map, newer), a);
	assert_int_equal(map.n, 4);
	struct state_view view = state_map_view(&map);
	assert_ptr_equal(state_view_get(&view, STR("a"), STR("b")), newer);
	assert_null(state_view_get(&view, STR("a"), STR("")));
}

enum { KEYS = 700 };

/* Every key is as the list says, and walking meets each once. */
static void check_against(const struct state_map *map, const struct event *const *list)
{
	size_t expected = 0;
	for (size_t i = 0; i < KEYS; i++) {
		struct str key = str_printf(arena, "@u%zu:a.example", i);
		assert_ptr_equal(state_map_get(map, STR("m.room.member"), key), list[i]);
		expected += list[i] != NULL;
	}
	assert_int_equal(map->n, expected);
	size_t met = 0;
	size_t iterator = 0;
	while (state_map_next(map, &iterator) != NULL) {
		met++;
	}
	assert_int_equal(met, expected);
}

static void random_changes__many_rounds__as_a_list(void **state)
{
	(void)state;
	static const struct event *list[KEYS];
	struct state_map map;
	state_map_init(&map, arena);
	uint64_t seed = 77;
	for (int round = 0; round < 20000; round++) {
		size_t i = next_random(&seed) % KEYS;
		struct str key = str_printf(arena, "@u%zu:a.example", i);
		if (next_random(&seed) % 5 < 3) {
			const struct event *event = state_event(STR("m.room.member"), key);
			assert_ptr_equal(state_map_put(&map, event), list[i]);
			list[i] = event;
		} else {
			assert_ptr_equal(state_map_remove(&map, STR("m.room.member"), key), list[i]);
			list[i] = NULL;
		}
		if (round % 2000 == 0) {
			check_against(&map, list);
		}
	}
	check_against(&map, list);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(empty__all_questions__nothing),
		cmocka_unit_test(keys__type_and_state_key__both_count),
		cmocka_unit_test(random_changes__many_rounds__as_a_list),
	};
	return cmocka_run_group_tests_name(__FILE__, tests, set_up, tear_down);
}
