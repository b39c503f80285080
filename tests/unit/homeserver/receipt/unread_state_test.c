/*
 * Unread counts as arithmetic: events come, receipts come, in either order.
 */
#include "homeserver/receipt/unread_state.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static struct arena *arena;
static struct unread_state state;

static int set_up(void **unused)
{
	(void)unused;
	arena = arena_create();
	const struct unread_row row = {
		.room_position = 10,
		.read_position = 10,
		.main = {.last_position = 10,
			.mark_position = 10,
			.now_notify = 5,
			.mark_notify = 5,
			.now_highlight = 1,
			.mark_highlight = 1},
	};
	unread_state_init(&state, &row);
	return 0;
}

static int tear_down(void **unused)
{
	(void)unused;
	unread_state_fini(&state);
	arena_destroy(arena);
	return 0;
}

static struct stored_event make(int64_t position, struct str root, int64_t notify_seq)
{
	return (struct stored_event){
		.position = position,
		.thread_root = root,
		.notify_seq = notify_seq,
		.highlight_seq = root.p == NULL ? 1 : 0,
	};
}

static struct stored_event in_main(int64_t position, int64_t notify_seq)
{
	return make(position, str_from(NULL, 0), notify_seq);
}

static void add(struct stored_event event)
{
	if (unread_state_needs_counts(&state, &event)) {
		unread_state_add_thread(&state, event.thread_root, event.notify_seq - 1, 0);
	}
	unread_state_add(&state, &event, false, false);
}

static void expect(int64_t notifications, int64_t highlights, int64_t in_threads)
{
	struct unread_result result;
	unread_state_result(&state, arena, &result);
	assert_int_equal(result.notification_count, notifications);
	assert_int_equal(result.highlight_count, highlights);
	int64_t sum = 0;
	for (size_t i = 0; i < result.thread_count; i++) {
		sum += result.threads[i].notification_count;
	}
	assert_int_equal(sum, in_threads);
}

static void events__of_others__counted(void **unused)
{
	(void)unused;
	add(in_main(11, 6));
	add(in_main(12, 6)); /* does not notify */
	add(in_main(13, 7));
	expect(2, 0, 0);
	add(in_main(13, 7)); /* twice */
	expect(2, 0, 0);
}

static void event__own__reads_what_was_before(void **unused)
{
	(void)unused;
	add(in_main(11, 6));
	struct stored_event own = in_main(12, 7);
	unread_state_add(&state, &own, true, false);
	expect(0, 0, 0);
}

static void mention__counted_or_not__highlight(void **unused)
{
	(void)unused;
	struct stored_event message = in_main(11, 6);
	struct stored_event silent = in_main(12, 6);
	unread_state_add(&state, &message, false, true);
	unread_state_add(&state, &silent, false, true);
	expect(2, 2, 0);
	assert_true(unread_state_read(&state, &message, str_from(NULL, 0)));
	expect(1, 1, 0);
}

static void mention__in_what_highlights_for_all__once(void **unused)
{
	(void)unused;
	struct stored_event message = in_main(11, 6);
	message.highlight_seq = 2;
	unread_state_add(&state, &message, false, true);
	expect(1, 1, 0);
}

static void receipt__in_the_middle__rest_stays(void **unused)
{
	(void)unused;
	add(in_main(11, 6));
	add(in_main(12, 7));
	add(in_main(13, 8));
	struct stored_event read = in_main(12, 7);
	assert_true(unread_state_read(&state, &read, str_from(NULL, 0)));
	expect(1, 0, 0);
	struct stored_event back = in_main(11, 6);
	assert_true(unread_state_read(&state, &back, str_from(NULL, 0)));
	expect(1, 0, 0);
}

static void receipt__ahead_of_the_events__covers_them(void **unused)
{
	(void)unused;
	struct stored_event read = in_main(12, 7);
	assert_true(unread_state_read(&state, &read, STR("main")));
	add(in_main(11, 6));
	add(in_main(12, 7));
	expect(0, 0, 0);
	add(in_main(13, 8));
	expect(1, 0, 0);
}

static void threads__kept_apart(void **unused)
{
	(void)unused;
	add(make(11, STR("$root"), 1));
	add(in_main(12, 6));
	add(make(13, STR("$root"), 2));
	expect(1, 0, 2);
	struct stored_event first = make(11, STR("$root"), 1);
	assert_true(unread_state_read(&state, &first, STR("$root")));
	expect(1, 0, 1);
	struct stored_event main = in_main(12, 6);
	assert_true(unread_state_read(&state, &main, STR("main")));
	expect(0, 0, 1);
	struct stored_event last = make(13, STR("$root"), 2);
	assert_true(unread_state_read(&state, &last, str_from(NULL, 0)));
	expect(0, 0, 0);
}

static void receipt__unthreaded_amid_a_thread__state_is_of_no_use(void **unused)
{
	(void)unused;
	add(make(11, STR("$root"), 1));
	add(in_main(12, 6));
	add(make(13, STR("$root"), 2));
	struct stored_event main = in_main(12, 6);
	assert_false(unread_state_read(&state, &main, str_from(NULL, 0)));
}

static void receipt__for_an_unknown_thread_on_its_way__state_is_of_no_use(void **unused)
{
	(void)unused;
	struct stored_event coming = make(11, STR("$root"), 1);
	assert_false(unread_state_read(&state, &coming, STR("$root")));
	struct stored_event old = make(9, STR("$root"), 1);
	assert_true(unread_state_read(&state, &old, STR("$root")));
}

static void threads__many_and_read__forgotten(void **unused)
{
	(void)unused;
	for (int i = 0; i < 300; i++) {
		add(make(11 + i, str_printf(arena, "$%d", i), 1));
	}
	expect(0, 0, 300);
	unread_state_prune(&state);
	expect(0, 0, 300);
	struct stored_event last = make(310, STR("$299"), 1);
	assert_true(unread_state_read(&state, &last, str_from(NULL, 0)));
	unread_state_prune(&state);
	assert_int_equal(state.threads.n, 0);
	expect(0, 0, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(events__of_others__counted),
		TEST(event__own__reads_what_was_before),
		TEST(mention__counted_or_not__highlight),
		TEST(mention__in_what_highlights_for_all__once),
		TEST(receipt__in_the_middle__rest_stays),
		TEST(receipt__ahead_of_the_events__covers_them),
		TEST(threads__kept_apart),
		TEST(receipt__unthreaded_amid_a_thread__state_is_of_no_use),
		TEST(receipt__for_an_unknown_thread_on_its_way__state_is_of_no_use),
		TEST(threads__many_and_read__forgotten),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
