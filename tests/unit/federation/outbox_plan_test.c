/*
 * The outbox's decisions: stays, catching up, what fits, ids.
 */
#include "federation/outbox_plan.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#undef fail

/* --- stays ---------------------------------------------------------------------------------------------- */

static struct stay_change change(int64_t position, int64_t room, const char *server, bool is_there,
	bool was_there)
{
	return (struct stay_change){position, room, str_of(server), is_there, was_there};
}

static void stays__comes_twice_and_goes__only_the_first_and_the_last_count(void **state)
{
	(void)state;
	struct stay_change list[] = {change(1, 1, "a", true, false), change(2, 1, "a", true, false),
		change(3, 2, "a", true, true), change(4, 1, "a", false, false)};
	const struct stay_change *whole;
	assert_int_equal(outbox_fold_stays(list, COUNT_OF(list), STR("own"), &whole), 2);
	assert_null(whole);
	assert_int_equal(list[0].position, 1);
	assert_int_equal(list[1].position, 4);
	assert_false(list[1].is_there);
}

static void stays__ours_leaves__the_room_is_looked_at_and_what_follows_waits(void **state)
{
	(void)state;
	struct stay_change list[] = {change(1, 1, "a", true, false), change(2, 1, "own", true, true),
		change(3, 1, "own", false, true), change(4, 1, "b", true, false)};
	const struct stay_change *whole;
	assert_int_equal(outbox_fold_stays(list, COUNT_OF(list), STR("own"), &whole), 1);
	assert_non_null(whole);
	assert_int_equal(whole->position, 3);
}

static void stays__room_not_known__looked_at_whole(void **state)
{
	(void)state;
	struct stay_change list[] = {change(7, 3, NULL, false, false)};
	const struct stay_change *whole;
	list[0].server = str_from(NULL, 0);
	assert_int_equal(outbox_fold_stays(list, 1, STR("own"), &whole), 0);
	assert_int_equal(whole->position, 7);
}

/* --- catching up ------------------------------------------------------------------------------------------ */

static void catch_up__two_rooms__the_one_with_the_newest_event_first_in_order(void **state)
{
	(void)state;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	const int64_t rooms[] = {1, 2, 3};
	const struct missed_event events[] = {{1, 10, false}, {1, 8, false}, {2, 20, false},
		{2, 19, false}, {2, 5, true}};
	struct catch_up choice;
	outbox_catch_up(arena, rooms, COUNT_OF(rooms), events, COUNT_OF(events), &choice);
	assert_int_equal(choice.event_n, 4);
	const int64_t wanted[] = {19, 20, 8, 10};
	for (size_t i = 0; i < COUNT_OF(wanted); i++) {
		assert_int_equal(choice.events[i].position, wanted[i]);
	}
	assert_int_equal(choice.room_n, 3);
	assert_int_equal(choice.rooms[0].room_nid, 3); /* nothing to send: done */
	assert_int_equal(choice.rooms[0].up_to, 0);
	assert_int_equal(choice.rooms[1].room_nid, 2);
	assert_int_equal(choice.rooms[1].up_to, 20);
}

static void newest_of_room__few_or_many_rooms__a_share_but_ten_at_least(void **state)
{
	(void)state;
	assert_int_equal(outbox_newest_of_room(0), OUTBOX_PDUS_MAX);
	assert_int_equal(outbox_newest_of_room(1), OUTBOX_PDUS_MAX);
	assert_int_equal(outbox_newest_of_room(3), 16);
	assert_int_equal(outbox_newest_of_room(1000), OUTBOX_NEWEST_OF_ROOM);
}

static void catch_up__more_rooms_than_fit__whole_rooms_up_to_the_limit(void **state)
{
	(void)state;
	enum { ROOMS = 12 };
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	int64_t rooms[ROOMS];
	struct missed_event events[ROOMS * OUTBOX_NEWEST_OF_ROOM];
	size_t n = 0;
	for (int i = 0; i < ROOMS; i++) {
		rooms[i] = i + 1;
		for (int k = OUTBOX_NEWEST_OF_ROOM; k > 0; k--) {
			events[n++] = (struct missed_event){i + 1, 1000 * (i + 1) + k, false};
		}
	}
	struct catch_up choice;
	outbox_catch_up(arena, rooms, ROOMS, events, n, &choice);
	assert_int_equal(choice.event_n, OUTBOX_PDUS_MAX);
	assert_int_equal(choice.room_n, OUTBOX_PDUS_MAX / OUTBOX_NEWEST_OF_ROOM);
	assert_int_equal(choice.rooms[0].room_nid, ROOMS);
	assert_int_equal(choice.events[0].position, 1000 * ROOMS + 1);
}

/* --- transactions ------------------------------------------------------------------------------------------- */

static void edus__many_or_large__a_hundred_or_what_fits_but_never_none(void **state)
{
	(void)state;
	size_t sizes[150];
	for (size_t i = 0; i < COUNT_OF(sizes); i++) {
		sizes[i] = 100;
	}
	assert_int_equal(outbox_edus_that_fit(sizes, COUNT_OF(sizes), 0), OUTBOX_EDUS_MAX);
	assert_int_equal(outbox_edus_that_fit(sizes, COUNT_OF(sizes), 98), 2);
	assert_int_equal(outbox_edus_that_fit(sizes, 3, 0), 3);
	sizes[0] = OUTBOX_EDU_BYTES;
	assert_int_equal(outbox_edus_that_fit(sizes, 3, 0), 1);
	sizes[0] = 10 * (size_t)OUTBOX_EDU_BYTES;
	assert_int_equal(outbox_edus_that_fit(sizes, 3, 0), 1);
	assert_int_equal(outbox_edus_that_fit(sizes, 0, 0), 0);
}

static void transaction_id__same_parts__same_id(void **state)
{
	(void)state;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct server_name a = {STR("a.example")};
	struct server_name b = {STR("b.example")};
	const struct event_id events[] = {{STR("$1")}, {STR("$2")}};
	const int64_t edus[] = {7, 8};
	struct str id = outbox_transaction_id(arena, a, events, 2, edus, 2);
	assert_int_equal(id.n, 32);
	assert_true(str_equals(id, outbox_transaction_id(arena, a, events, 2, edus, 2)));
	assert_false(str_equals(id, outbox_transaction_id(arena, b, events, 2, edus, 2)));
	assert_false(str_equals(id, outbox_transaction_id(arena, a, events, 1, edus, 2)));
	assert_false(str_equals(id, outbox_transaction_id(arena, a, events, 2, edus, 1)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(stays__comes_twice_and_goes__only_the_first_and_the_last_count),
		cmocka_unit_test(stays__ours_leaves__the_room_is_looked_at_and_what_follows_waits),
		cmocka_unit_test(stays__room_not_known__looked_at_whole),
		cmocka_unit_test(catch_up__two_rooms__the_one_with_the_newest_event_first_in_order),
		cmocka_unit_test(newest_of_room__few_or_many_rooms__a_share_but_ten_at_least),
		cmocka_unit_test(catch_up__more_rooms_than_fit__whole_rooms_up_to_the_limit),
		cmocka_unit_test(edus__many_or_large__a_hundred_or_what_fits_but_never_none),
		cmocka_unit_test(transaction_id__same_parts__same_id),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
