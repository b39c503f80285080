/*
 * Which of the events that a room has set aside are given up.
 */
#include "homeserver/room/room_aside_plan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>
#undef fail

enum { MOST = 3000 };

/* A room's, oldest first; ids are single texts. */
struct list {
	struct arena *arena;
	struct aside_event *events;
	bool *goes;
	size_t n;
};

static struct list begin(void)
{
	struct list list = {.arena = arena_create()};
	list.events = ARENA_NEW_ARRAY(list.arena, struct aside_event, MOST);
	list.goes = ARENA_NEW_ARRAY(list.arena, bool, MOST);
	return list;
}

/* @param rests_on, follows  one id each; NULL: none */
static struct aside_event *put(struct list *list, const char *id, const char *rests_on,
	const char *follows)
{
	struct aside_event *event = &list->events[list->n++];
	*event = (struct aside_event){.id = str_of(id), .bytes = 100};
	if (rests_on != NULL) {
		struct str *names = ARENA_NEW(list->arena, struct str);
		*names = str_of(rests_on);
		event->rests_on = names;
		event->rests_on_n = 1;
	}
	if (follows != NULL) {
		struct event_id *names = ARENA_NEW(list->arena, struct event_id);
		names->s = str_of(follows);
		event->follows = names;
		event->follow_n = 1;
	}
	return event;
}

/* Ids of those that go, in order; the arena's. */
static const char *gone(struct list *list, int64_t events, int64_t bytes)
{
	const struct aside_ceiling ceiling = {events, bytes};
	char *text = ARENA_NEW_ARRAY(list->arena, char, MOST + 1);
	size_t length = 0;
	size_t count = room_aside_plan(list->arena, list->events, list->n, &ceiling, list->goes);
	for (size_t i = 0; i < list->n; i++) {
		if (list->goes[i]) {
			text[length++] = list->events[i].id.p[0];
		}
	}
	assert_int_equal(count, length);
	return text;
}

static void end(struct list *list)
{
	arena_destroy(list->arena);
}

static void plan__within_the_ceiling__nothing_goes(void **state)
{
	(void)state;
	struct list list = begin();
	assert_string_equal(gone(&list, 0, 0), "");
	put(&list, "a", NULL, NULL);
	put(&list, "b", NULL, NULL);
	assert_string_equal(gone(&list, 2, 200), "");
	end(&list);
}

static void plan__too_many_or_too_large__the_oldest_go(void **state)
{
	(void)state;
	struct list list = begin();
	put(&list, "a", NULL, NULL);
	put(&list, "b", NULL, NULL);
	put(&list, "c", NULL, NULL);
	assert_string_equal(gone(&list, 1, 1000), "ab");
	assert_string_equal(gone(&list, 10, 299), "a");
	assert_string_equal(gone(&list, 0, 0), "abc");
	end(&list);
}

static void plan__goes__what_rests_on_it_or_follows_it_goes_too(void **state)
{
	(void)state;
	struct list list = begin();
	put(&list, "a", NULL, NULL);
	put(&list, "b", NULL, NULL);
	put(&list, "c", "a", NULL);
	put(&list, "d", NULL, "c");
	put(&list, "e", NULL, NULL);
	assert_string_equal(gone(&list, 4, 1000), "acd");
	end(&list);
}

static void plan__held__stays_with_all_that_it_rests_on(void **state)
{
	(void)state;
	struct list list = begin();
	put(&list, "a", NULL, NULL);
	put(&list, "b", "a", NULL);
	put(&list, "c", "b", NULL)->is_held = true;
	put(&list, "d", NULL, NULL);
	put(&list, "e", NULL, NULL);
	assert_string_equal(gone(&list, 1, 1000), "d");
	assert_string_equal(gone(&list, 0, 1000), "de");
	end(&list);
}

static void plan__held_follows_what_is_old__that_goes_alone(void **state)
{
	(void)state;
	struct list list = begin();
	put(&list, "a", NULL, NULL);
	put(&list, "b", NULL, "a")->is_held = true;
	put(&list, "c", NULL, "b");
	assert_string_equal(gone(&list, 1, 1000), "a");
	assert_string_equal(gone(&list, 0, 0), "ac");
	end(&list);
}

static void plan__held_ones_many__do_not_count(void **state)
{
	(void)state;
	struct list list = begin();
	put(&list, "a", NULL, NULL)->is_held = true;
	put(&list, "b", NULL, NULL)->is_held = true;
	put(&list, "c", NULL, NULL);
	assert_string_equal(gone(&list, 1, 100), "");
	end(&list);
}

static void plan__names_itself_or_in_circles__ends(void **state)
{
	(void)state;
	struct list list = begin();
	put(&list, "a", "a", "a");
	put(&list, "b", "c", NULL);
	put(&list, "c", "b", "b");
	put(&list, "d", "elsewhere", "elsewhere");
	assert_string_equal(gone(&list, 3, 1000), "a");
	assert_string_equal(gone(&list, 2, 1000), "abc");
	list.events[1].is_held = true;
	assert_string_equal(gone(&list, 0, 0), "ad");
	end(&list);
}

static void plan__long_chain__goes_at_once(void **state)
{
	(void)state;
	struct list list = begin();
	char ids[MOST][8];
	for (int i = 0; i < MOST; i++) {
		ids[i][0] = (char)('a' + i / 26 / 26);
		ids[i][1] = (char)('a' + i / 26 % 26);
		ids[i][2] = (char)('a' + i % 26);
		ids[i][3] = '\0';
		put(&list, ids[i], i > 0 ? ids[i - 1] : NULL, NULL);
	}
	assert_int_equal(strlen(gone(&list, MOST - 1, INT64_MAX)), MOST);
	list.events[MOST - 1].is_held = true;
	assert_string_equal(gone(&list, 0, 0), "");
	end(&list);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(plan__within_the_ceiling__nothing_goes),
		cmocka_unit_test(plan__too_many_or_too_large__the_oldest_go),
		cmocka_unit_test(plan__goes__what_rests_on_it_or_follows_it_goes_too),
		cmocka_unit_test(plan__held__stays_with_all_that_it_rests_on),
		cmocka_unit_test(plan__held_follows_what_is_old__that_goes_alone),
		cmocka_unit_test(plan__held_ones_many__do_not_count),
		cmocka_unit_test(plan__names_itself_or_in_circles__ends),
		cmocka_unit_test(plan__long_chain__goes_at_once),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
