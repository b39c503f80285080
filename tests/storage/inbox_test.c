/*
 * What other servers sent, on a real PostgreSQL: in which order it is worked off, and when.
 */
#include "storage/inbox.h"

#include "tests/storage/world.h"

/* An EDU that came at a time. */
static void stage(struct world *world, struct str server, const char *body, int64_t now_ms)
{
	struct writer *writer = writer_create(
		&(struct writer_config){.url = world_url, .queue_limit = 100, .group_limit = 10});
	assert_non_null(writer);
	struct write *write = write_new(&world->ctx);
	const struct inbox_row row = {.queue = server,
		.origin = server,
		.event_id = STR(""),
		.body = str_of(body)};
	store_inbox_add(write, &row, now_ms);
	assert_int_equal(writer_commit(&world->ctx, writer, write, NULL), ERR_OK);
	writer_destroy(writer);
}

/* Bodies of what is due, in order, with a space behind each. */
static struct str due(struct world *world, struct str server, int64_t now_ms,
	struct inbox_item **out)
{
	size_t count;
	struct str bodies = STR("");
	assert_int_equal(store_inbox_next(&world->ctx, world->db, server, now_ms, 10, out, &count),
		ERR_OK);
	for (size_t i = 0; i < count; i++) {
		bodies =
			str_printf(world->ctx.arena, "%.*s%.*s ", STR_ARG(bodies), STR_ARG((*out)[i].body));
	}
	return bodies;
}

static void inbox_next__written_by_a_clock_that_is_ahead__in_order_at_once(void **state)
{
	struct world *world = *state;
	struct str server = STR("ahead.example");
	struct inbox_item *items;
	stage(world, server, "first", 1050);
	stage(world, server, "second", 1000); /* the clock was set back, or another process has it */
	assert_true(str_equals(due(world, server, 1001, &items), STR("first second ")));
}

static void inbox_next__put_off__not_before_its_time(void **state)
{
	struct world *world = *state;
	struct str server = STR("off.example");
	struct inbox_item *items;
	stage(world, server, "first", 1000);
	stage(world, server, "second", 1000);
	(void)due(world, server, 1000, &items);
	assert_int_equal(store_inbox_defer(&world->ctx, world->db, &items[0], 2000), ERR_OK);
	assert_true(str_equals(due(world, server, 1999, &items), STR("second ")));
	assert_true(str_equals(due(world, server, 2000, &items), STR("first second ")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(inbox_next__written_by_a_clock_that_is_ahead__in_order_at_once),
		TEST(inbox_next__put_off__not_before_its_time),
	};
	return cmocka_run_group_tests(tests, world_set_up_all, NULL);
}
