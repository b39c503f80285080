/*
 * What a connection of sliding sync was told: bytes that come back as they were, bytes that are anything, and changes against a list.
 */
#include "tests/unit/matrix/sample.h"

#include "base/mem.h"
#include "matrix/sliding_state.h"

enum { CONFIGS = 5 };

/* A few different ones; two calls give equal ones that lie elsewhere. */
static const struct sliding_config *config_of(struct arena *arena, size_t which)
{
	struct sliding_entry *entries = ARENA_NEW_ARRAY(arena, struct sliding_entry, CONFIGS);
	for (size_t i = 0; i < which; i++) {
		entries[i] = (struct sliding_entry){str_printf(arena, "type%zu", i), STR("*")};
	}
	struct sliding_config *config = ARENA_NEW(arena, struct sliding_config);
	*config = (struct sliding_config){.timeline_limit = (int64_t)(20 - which),
		.entries = entries,
		.entry_n = which,
		.loads_lazily = which % 2 == 1};
	return config;
}

static int64_t random_position(uint64_t *seed)
{
	uint64_t number = (uint64_t)next_random(seed) << 32 | next_random(seed);
	return (int64_t)(number >> (1 + next_random(seed) % 63)) + (next_random(seed) % 2);
}

/* --- as a list ------------------------------------------------------------------------------------------------------ */

enum { ROOMS = 40 };

/* What is expected of each room, and nothing cleverer. */
struct expected {
	int64_t told[SLIDING_STREAM_COUNT];
	size_t config; /* CONFIGS: none was said */
};

static void forget(struct expected *room)
{
	*room = (struct expected){.config = CONFIGS};
	for (unsigned i = 0; i < SLIDING_STREAM_COUNT; i++) {
		room->told[i] = SLIDING_NEVER;
	}
}

static int64_t nid_of(size_t index)
{
	return (int64_t)(1 + index * index * 7);
}

static void assert_as_expected(struct arena *arena, const struct sliding_state *state,
	const struct expected *expected)
{
	size_t known = 0;
	for (size_t i = 0; i < ROOMS; i++) {
		bool is_known = false;
		for (unsigned stream = 0; stream < SLIDING_STREAM_COUNT; stream++) {
			assert_int_equal(sliding_state_told(state, nid_of(i), stream),
				expected[i].told[stream]);
			is_known = is_known || expected[i].told[stream] != SLIDING_NEVER;
		}
		const struct sliding_room *room = sliding_state_room(state, nid_of(i));
		const struct sliding_config *config = sliding_state_config(state, room);
		assert_int_equal(room != NULL, is_known);
		assert_int_equal(config != NULL, expected[i].told[SLIDING_EVENTS] != SLIDING_NEVER);
		if (config != NULL) {
			const struct sliding_config nothing = {0};
			assert_int_equal(sliding_config_compare(config,
								 expected[i].config == CONFIGS
									 ? &nothing
									 : config_of(arena, expected[i].config)),
				0);
		}
		known += is_known;
	}
	assert_int_equal(state->room_n, known);
	bool is_used[CONFIGS + 1] = {false};
	for (size_t i = 0; i < state->room_n; i++) {
		assert_true(i == 0 || state->rooms[i - 1].room_nid < state->rooms[i].room_nid);
		is_used[state->rooms[i].config] = true;
	}
	for (size_t i = 0; i < state->config_n; i++) {
		assert_true(is_used[i]);
		assert_true(
			i == 0 || sliding_config_compare(&state->configs[i - 1], &state->configs[i]) < 0);
	}
}

static void change_once(struct arena *arena, struct sliding_change *change,
	struct expected *expected, uint64_t *seed)
{
	size_t index = next_random(seed) % ROOMS;
	struct expected *room = &expected[index];
	enum sliding_stream stream = next_random(seed) % SLIDING_STREAM_COUNT;
	int64_t position = random_position(seed);
	size_t config = next_random(seed) % CONFIGS;
	switch (next_random(seed) % 4) {
	case 0:
	case 1:
		sliding_change_missed(change, nid_of(index), stream, position);
		if (room->told[stream] == SLIDING_LIVE) {
			room->told[stream] = position > 0 ? position : SLIDING_NEVER;
		}
		break;
	case 2:
		sliding_change_config(change, nid_of(index), config_of(arena, config));
		sliding_change_told(change, nid_of(index), SLIDING_EVENTS);
		room->config = config;
		room->told[SLIDING_EVENTS] = SLIDING_LIVE;
		break;
	default:
		sliding_change_told(change, nid_of(index), stream);
		room->told[stream] = SLIDING_LIVE;
		break;
	}
}

/* Whether they differ in what can be seen of them. */
static bool is_different(const struct expected *a, const struct expected *b)
{
	for (size_t i = 0; i < ROOMS; i++) {
		if (memcmp(a[i].told, b[i].told, sizeof(a[i].told)) != 0 ||
			(a[i].told[SLIDING_EVENTS] != SLIDING_NEVER && a[i].config != b[i].config)) {
			return true;
		}
	}
	return false;
}

/* A room whose events are told no more has no config either, from one state to the next. */
static void drop_configs_of_untold(struct expected *expected)
{
	for (size_t i = 0; i < ROOMS; i++) {
		if (expected[i].told[SLIDING_EVENTS] == SLIDING_NEVER) {
			expected[i].config = CONFIGS;
		}
	}
}

static void random_changes__many_rounds__as_a_list(void **state)
{
	(void)state;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct expected expected[ROOMS];
	for (size_t i = 0; i < ROOMS; i++) {
		forget(&expected[i]);
	}
	struct sliding_state before = {0};
	uint64_t seed = 3575;
	for (int round = 0; round < 3000; round++) {
		struct expected was[ROOMS];
		memcpy(was, expected, sizeof(was));
		struct sliding_change *change = sliding_change_begin(arena, &before);
		assert_false(sliding_change_is_any(change));
		for (size_t n = next_random(&seed) % (round % 50 == 0 ? 100 : 4); n > 0; n--) {
			change_once(arena, change, expected, &seed);
			assert_int_equal(sliding_change_is_any(change), is_different(expected, was));
		}
		struct sliding_state after = sliding_change_end(change);
		assert_as_expected(arena, &after, expected);
		drop_configs_of_untold(expected);
		struct str bytes = sliding_state_write(arena, &after);
		assert_true(sliding_state_read(arena, bytes, &before));
		assert_true(sliding_state_is_well_formed(&before));
		assert_as_expected(arena, &before, expected);
		assert_true(str_equals(sliding_state_write(arena, &before), bytes));
	}
}

/* --- single changes ------------------------------------------------------------------------------------------------- */

static void missed__only_what_was_live__keeps_the_first_position(void **state)
{
	(void)state;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	const struct sliding_state none = {0};
	struct sliding_change *change = sliding_change_begin(arena, &none);
	sliding_change_missed(change, 7, SLIDING_EVENTS, 50);
	assert_false(sliding_change_is_any(change));
	sliding_change_config(change, 7, config_of(arena, 1));
	assert_false(sliding_change_is_any(change)); /* nothing of it was told */
	sliding_change_told(change, 7, SLIDING_EVENTS);
	assert_true(sliding_change_is_any(change));
	struct sliding_state live = sliding_change_end(change);
	change = sliding_change_begin(arena, &live);
	sliding_change_missed(change, 7, SLIDING_EVENTS, 60);
	sliding_change_missed(change, 7, SLIDING_EVENTS, 70);
	sliding_change_missed(change, 7, SLIDING_RECEIPTS, 70);
	struct sliding_state after = sliding_change_end(change);
	assert_int_equal(sliding_state_told(&after, 7, SLIDING_EVENTS), 60);
	assert_int_equal(sliding_state_told(&after, 7, SLIDING_RECEIPTS), SLIDING_NEVER);
	assert_int_equal(
		sliding_config_compare(sliding_state_config(&after, sliding_state_room(&after, 7)),
			config_of(arena, 1)),
		0);
	assert_int_equal(sliding_state_told(&live, 7, SLIDING_EVENTS), SLIDING_LIVE); /* as it was */
}

/* A room of which nothing is told takes no place, and could not be read again. */
static void missed__all_that_was_told_from_the_beginning__not_kept(void **state)
{
	(void)state;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	const struct sliding_state none = {0};
	for (unsigned stream = 0; stream < SLIDING_STREAM_COUNT; stream++) {
		struct sliding_change *change = sliding_change_begin(arena, &none);
		sliding_change_told(change, 7, stream);
		struct sliding_state told = sliding_change_end(change);
		assert_int_equal(told.room_n, 1);
		sliding_change_missed(change, 7, stream, 0);
		struct sliding_state at_once = sliding_change_end(change);
		change = sliding_change_begin(arena, &told);
		sliding_change_missed(change, 7, stream, 0);
		struct sliding_state later = sliding_change_end(change);
		assert_int_equal(at_once.room_n + later.room_n, 0);
		assert_true(
			str_equals(sliding_state_write(arena, &later), sliding_state_write(arena, &none)));
	}
}

static void is_any__told_again_and_wanted_again__nothing_new(void **state)
{
	(void)state;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	const struct sliding_state none = {0};
	struct sliding_change *change = sliding_change_begin(arena, &none);
	sliding_change_config(change, 7, config_of(arena, 3));
	sliding_change_told(change, 7, SLIDING_EVENTS);
	struct sliding_state live = sliding_change_end(change);
	change = sliding_change_begin(arena, &live);
	sliding_change_told(change, 7, SLIDING_EVENTS);
	sliding_change_config(change, 7, config_of(arena, 3));
	assert_false(sliding_change_is_any(change));
	sliding_change_config(change, 7, config_of(arena, 2));
	assert_true(sliding_change_is_any(change));
	sliding_change_config(change, 7, config_of(arena, 3));
	assert_false(sliding_change_is_any(change));
}

static void configs__equal_ones_and_unused_ones__each_that_a_room_has_once(void **state)
{
	(void)state;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	const struct sliding_state none = {0};
	struct sliding_change *change = sliding_change_begin(arena, &none);
	for (int64_t nid = 1; nid <= 100; nid++) {
		sliding_change_told(change, nid, SLIDING_EVENTS);
		sliding_change_config(change, nid, config_of(arena, (size_t)nid % 2));
	}
	struct sliding_state after = sliding_change_end(change);
	assert_int_equal(after.config_n, 2);
	change = sliding_change_begin(arena, &after);
	for (int64_t nid = 1; nid <= 100; nid += 2) {
		sliding_change_config(change, nid, config_of(arena, 4));
	}
	struct sliding_state later = sliding_change_end(change);
	assert_int_equal(later.config_n, 2);
	assert_int_equal(
		sliding_config_compare(sliding_state_config(&later, sliding_state_room(&later, 2)),
			config_of(arena, 0)),
		0);
	assert_int_equal(
		sliding_config_compare(sliding_state_config(&later, sliding_state_room(&later, 3)),
			config_of(arena, 4)),
		0);
}

/* --- bytes ---------------------------------------------------------------------------------------------------------- */

static struct sliding_state many_rooms(struct arena *arena, size_t count, uint64_t *seed)
{
	const struct sliding_state none = {0};
	struct sliding_change *change = sliding_change_begin(arena, &none);
	for (size_t i = 0; i < count; i++) {
		int64_t nid = 1 + (int64_t)(next_random(seed) % (count * 10));
		sliding_change_config(change, nid, config_of(arena, next_random(seed) % CONFIGS));
		for (unsigned stream = 0; stream < SLIDING_STREAM_COUNT; stream++) {
			sliding_change_told(change, nid, stream);
			if (next_random(seed) % 4 == 0) {
				sliding_change_missed(change, nid, stream, random_position(seed));
			}
		}
	}
	return sliding_change_end(change);
}

static void bytes__zeroed_state__comes_back(void **state)
{
	(void)state;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	const struct sliding_state none = {0};
	struct str bytes = sliding_state_write(arena, &none);
	assert_text(bytes, "\2\0\0");
	struct sliding_state read;
	assert_true(sliding_state_read(arena, bytes, &read));
	assert_int_equal(read.room_n + read.config_n, 0);
	assert_null(sliding_state_room(&read, 1));
}

static void bytes__largest_numbers__come_back(void **state)
{
	(void)state;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	const struct sliding_config config = {.timeline_limit = SLIDING_TIMELINE_MAX};
	const struct sliding_room rooms[] = {{.room_nid = 1, .told = {INT64_MAX, SLIDING_NEVER, 1}},
		{.room_nid = INT64_MAX, .told = {SLIDING_NEVER, SLIDING_LIVE, INT64_MAX}}};
	const struct sliding_state all = {.rooms = rooms,
		.room_n = COUNT_OF(rooms),
		.configs = &config,
		.config_n = 1};
	struct sliding_state read;
	assert_true(sliding_state_read(arena, sliding_state_write(arena, &all), &read));
	assert_memory_equal(read.rooms, rooms, sizeof(rooms));
	assert_int_equal(read.configs[0].timeline_limit, SLIDING_TIMELINE_MAX);
}

static void bytes__two_thousand_rooms_that_are_live__four_each(void **state)
{
	(void)state;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	const struct sliding_state none = {0};
	struct sliding_change *change = sliding_change_begin(arena, &none);
	for (int64_t nid = 1; nid <= 2000; nid++) {
		sliding_change_config(change, nid * 200, config_of(arena, 2));
		for (unsigned stream = 0; stream < SLIDING_STREAM_COUNT; stream++) {
			sliding_change_told(change, nid * 200, stream);
		}
	}
	struct sliding_state all = sliding_change_end(change);
	assert_true(sliding_state_write(arena, &all).n < (size_t)2000 * 4 + 100);
}

/* Bytes of their own, so that a sanitizer sees who reads behind them. What is read holds what its header says. */
static bool reads(struct str bytes)
{
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	char *copy = mem_dup(bytes.p, bytes.n);
	struct sliding_state read;
	bool is_read = sliding_state_read(arena, str_from(copy, bytes.n), &read) &&
		sliding_state_is_well_formed(&read);
	for (size_t i = 0; is_read && i < read.room_n; i++) {
		assert_true(read.rooms[i].room_nid > (i > 0 ? read.rooms[i - 1].room_nid : 0));
		(void)sliding_state_config(&read, &read.rooms[i]);
		assert_true(read.rooms[i].config < MAX_OF(read.config_n, (size_t)1));
		for (size_t stream = 0; stream < SLIDING_STREAM_COUNT; stream++) {
			assert_true(read.rooms[i].told[stream] >= SLIDING_NEVER);
		}
	}
	for (size_t i = 0; is_read && i < read.config_n; i++) {
		assert_true(sliding_config_is_well_formed(&read.configs[i]));
	}
	if (is_read) { /* there is one way to write it */
		assert_true(str_equals(sliding_state_write(arena, &read), bytes));
	}
	mem_free(copy);
	return is_read;
}

static void bytes__cut_anywhere_or_longer__refused(void **state)
{
	(void)state;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	uint64_t seed = 11;
	struct sliding_state all = many_rooms(arena, 30, &seed);
	struct str bytes = sliding_state_write(arena, &all);
	assert_true(reads(bytes));
	for (size_t n = 0; n < bytes.n; n++) {
		assert_false(reads(str_slice(bytes, 0, n)));
	}
	const struct str longer[] = {bytes, STR("\0")};
	assert_false(reads(str_concat(arena, longer, 2)));
}

static void bytes__each_changed_to_anything__refused_or_another_state(void **state)
{
	(void)state;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	uint64_t seed = 12;
	struct sliding_state all = many_rooms(arena, 30, &seed);
	struct str bytes = sliding_state_write(arena, &all);
	char *changed = arena_dup(arena, bytes.p, bytes.n);
	for (size_t i = 0; i < bytes.n; i++) {
		for (int byte = 0; byte < 256; byte++) {
			changed[i] = (char)byte;
			(void)reads(str_from(changed, bytes.n));
		}
		changed[i] = bytes.p[i];
	}
	for (int round = 0; round < 20000; round++) {
		char noise[24];
		size_t n = next_random(&seed) % sizeof(noise);
		for (size_t i = 0; i < n; i++) {
			noise[i] = (char)(next_random(&seed) % (round % 2 == 0 ? 4 : 256));
		}
		noise[0] = 2;
		(void)reads(str_from(noise, n));
	}
}

static void bytes__not_as_written_here__refused(void **state)
{
	(void)state;
	assert_true(reads(STR("\2\1\0\0\0\1\5\x55\0"))); /* room 5, all live, its config the first */
	assert_true(reads(STR("\2\1\0\0\0\1\5\x15\0"))); /* all but who types, as it was written once */
	assert_false(reads(STR("\1\7\1\0\0\0\1\5\x15\0"))); /* as the first version wrote it */
	assert_false(reads(STR("\3\1\0\0\0\1\5\x15\0")));
	assert_false(reads(STR("\2\1\0\0\0\1\5\x15\1")));   /* no such config */
	assert_false(reads(STR("\2\1\0\0\0\1\0\x15\0")));   /* no such room */
	assert_false(reads(STR("\2\1\0\0\0\1\5\x17\0")));   /* told in no known way */
	assert_false(reads(STR("\2\1\0\0\0\1\5\0")));       /* nothing told */
	assert_false(reads(STR("\2\1\0\0\0\1\5\x02\0\0"))); /* up to 0 */
	assert_true(reads(STR("\2\1\0\0\0\1\5\x02\1\0")));
	assert_false(reads(STR("\2\1\0\0\0\1\x85\0\x15\0"))); /* 5 in two bytes */
	assert_false(reads(STR("\2\2\0\0\0\0\0\0\0")));       /* two equal configs */
	assert_false(reads(STR("\2\1\x65\0\0\0")));           /* a limit of 101 */
	assert_false(reads(STR("\2\1\0\2\0\0")));             /* no boolean */
	assert_false(reads(STR("\2\1\0\0\2\1b\0\1a\0\0")));   /* entries out of order */
	assert_true(reads(STR("\2\1\0\0\2\1a\0\1b\0\0")));
	assert_false(reads(STR("\2\0\1\5\x15\0"))); /* a config where there is none */
	assert_false(
		reads(STR("\2\0\1\xff\xff\xff\xff\xff\xff\xff\xff\xff\1\x14"))); /* 2^63 and more */
	assert_true(reads(STR("\2\0\1\xff\xff\xff\xff\xff\xff\xff\xff\x7f\x14")));
	assert_false(reads(
		STR("\2\0\2\xff\xff\xff\xff\xff\xff\xff\xff\x7f\x14\1\x14"))); /* behind the last number */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_changes__many_rounds__as_a_list),
		cmocka_unit_test(missed__only_what_was_live__keeps_the_first_position),
		cmocka_unit_test(missed__all_that_was_told_from_the_beginning__not_kept),
		cmocka_unit_test(is_any__told_again_and_wanted_again__nothing_new),
		cmocka_unit_test(configs__equal_ones_and_unused_ones__each_that_a_room_has_once),
		cmocka_unit_test(bytes__zeroed_state__comes_back),
		cmocka_unit_test(bytes__largest_numbers__come_back),
		cmocka_unit_test(bytes__two_thousand_rooms_that_are_live__four_each),
		cmocka_unit_test(bytes__cut_anywhere_or_longer__refused),
		cmocka_unit_test(bytes__each_changed_to_anything__refused_or_another_state),
		cmocka_unit_test(bytes__not_as_written_here__refused),
	};
	return RUN_ALL(tests);
}
