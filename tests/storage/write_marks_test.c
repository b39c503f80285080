/*
 * The marks by which a writer knows whether a group was committed whose answer was lost, and by which what comes late never begins; without
 * a writer's thread.
 */
#include "storage/write.h"
#include "storage/stream.h"
#include "tests/storage/world.h"

static int64_t newest_position(void)
{
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct ctx ctx;
	ctx_init(&ctx, arena);
	struct db *db = world_connect(1);
	int64_t position;
	assert_int_equal(store_stream_position(&ctx, db, &position), ERR_OK);
	db_destroy(db);
	return position;
}

static void marks__transaction_asked_for_and_not_committed__never_begins(void **state)
{
	(void)state;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct ctx ctx;
	ctx_init(&ctx, arena);
	struct pg pg;
	pg_init(&pg, world_url, 5000);
	struct write *write = write_new(&ctx);
	world_add_transaction(write, &ctx, "late");
	struct write_marks marks = {.writer_id = 4711, .serial = 2};
	struct write_result result;
	bool is_committed = true;
	for (int i = 0; i < 2; i++) { /* also when the answer was lost */
		marks.serial = 2;
		assert_int_equal(write_outcome(&ctx, &pg, &marks, &is_committed), ERR_OK);
		assert_false(is_committed);
	}
	int64_t next = marks.serial + 1;
	int64_t ways[] = {-1, newest_position()};
	for (size_t i = 0; i < COUNT_OF(ways); i++) {
		marks.serial = 1; /* it is the second one that comes late */
		assert_int_equal(write_group(&ctx, &pg, &marks, &write, 1, ways[i], &result), ERR_CONFLICT);
		assert_false(world_has_transaction("late"));
	}
	marks.serial = next - 1;
	assert_int_equal(write_group(&ctx, &pg, &marks, &write, 1, ways[1], &result), ERR_OK);
	assert_int_equal(write_outcome(&ctx, &pg, &marks, &is_committed), ERR_OK);
	assert_true(is_committed);
	assert_int_equal(marks.serial, next);
	pg_close(&pg);
}

static void run_sql(struct ctx *ctx, const char *sql)
{
	struct pg pg;
	pg_init(&pg, world_url, 20000);
	assert_int_equal(pg_ensure(ctx, &pg), ERR_OK);
	assert_int_equal(pg_exec(ctx, &pg, sql, 20000), ERR_OK);
	pg_close(&pg);
}

/* Where PostgreSQL itself cannot say whether it committed, the group is asked for by its mark, and never begins later. */
static void marks__nobody_can_say_whether_it_was_committed__asked_for(void **state)
{
	(void)state;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct ctx ctx;
	ctx_init(&ctx, arena);
	struct pg pg;
	pg_init(&pg, world_url, 5000);
	struct write *write = write_new(&ctx);
	world_add_transaction(write, &ctx, "unknown");
	run_sql(&ctx,
		"CREATE FUNCTION lose() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
		"RAISE 'lost' USING ERRCODE = 'statement_completion_unknown'; END $$; "
		"CREATE TRIGGER lose BEFORE INSERT ON transactions FOR EACH ROW WHEN (new.key = 'unknown') "
		"EXECUTE FUNCTION lose()");
	struct write_marks marks = {.writer_id = 4712};
	struct write_result result;
	assert_int_equal(write_group(&ctx, &pg, &marks, &write, 1, -1, &result), ERR_STORE);
	assert_false(result.is_unknown);
	assert_int_equal(marks.serial, 2); /* its own, and one more since it was asked for */
	run_sql(&ctx, "DROP TRIGGER lose ON transactions; DROP FUNCTION lose()");
	pg_close(&pg);
}

/* A writer without its thread. */
struct hand {
	struct ctx ctx;
	struct pg pg;
	struct write_marks marks;
};

/* Each write is another one. */
static enum err commit_at(struct hand *hand, int64_t before, const char **out_key)
{
	static int number;
	struct write_result result;
	struct write *write = write_new(&hand->ctx);
	*out_key = arena_printf(hand->ctx.arena, "by hand %d", ++number);
	world_add_transaction(write, &hand->ctx, *out_key);
	return write_group(&hand->ctx, &hand->pg, &hand->marks, &write, 1, before, &result);
}

/* One that knows of no other. */
static enum err commit_by(struct hand *hand, const char **out_key)
{
	return commit_at(hand, newest_position(), out_key);
}

static void commit_well(struct hand *hand)
{
	const char *key;
	assert_int_equal(commit_by(hand, &key), ERR_OK);
	assert_true(world_has_transaction(key));
	assert_true(hand->marks.has_head);
}

static void check_outcome(struct hand *hand, bool was_committed)
{
	for (int i = 0; i < 2; i++) { /* also when the answer was lost */
		struct write_marks marks = hand->marks;
		bool is_committed = !was_committed;
		assert_int_equal(write_outcome(&hand->ctx, &hand->pg, &marks, &is_committed), ERR_OK);
		assert_int_equal(is_committed, was_committed);
	}
}

/* The next one is asked for before it begins: it, and what is tried in its place, never does, whatever was committed meanwhile. */
static void check_late(struct hand *hand, struct hand *meanwhile)
{
	const char *key;
	struct write_marks late = hand->marks;
	hand->marks.serial++;
	check_outcome(hand, false);
	hand->marks.serial++;
	for (int i = 0; i < 2; i++) {
		struct write_marks now = hand->marks;
		hand->marks = late;
		assert_int_equal(commit_by(hand, &key), ERR_CONFLICT);
		assert_false(world_has_transaction(key));
		hand->marks = now;
		commit_well(meanwhile);
	}
}

static void marks__head_taken_by_others__marks_are_found_and_what_is_late_fails(void **state)
{
	(void)state;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct hand hands[2] = {{.marks = {.writer_id = 4801}}, {.marks = {.writer_id = 4802}}};
	for (size_t i = 0; i < COUNT_OF(hands); i++) {
		ctx_init(&hands[i].ctx, arena);
		pg_init(&hands[i].pg, world_url, 5000);
	}
	for (size_t i = 0; i < 6; i++) {
		struct hand *hand = &hands[i % 2];
		struct hand *other = &hands[(i + 1) % 2];
		commit_well(hand); /* takes the head */
		check_outcome(hand, true);
		commit_well(hand); /* has it */
		check_outcome(hand, true);
		check_late(hand, hand);
		commit_well(hand);
		commit_well(other);
		check_outcome(hand, true);
		check_outcome(other, true);
		check_late(hand, other);
		check_outcome(other, true);
		check_late(hand, hand);
	}
	pg_close(&hands[0].pg);
	pg_close(&hands[1].pg);
}

/* By a writer that knows of others: its mark is in writer_marks, also while it holds the head. */
static void commit_beside_others(struct hand *hand)
{
	const char *key;
	assert_int_equal(commit_at(hand, -1, &key), ERR_OK);
	assert_true(world_has_transaction(key));
}

/* The number behind one that was found committed is that of the next: it is as new as any. */
static void marks__asked_for_what_was_committed__says_nothing_of_the_next(void **state)
{
	(void)state;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct hand hands[2] = {{.marks = {.writer_id = 4811}}, {.marks = {.writer_id = 4812}}};
	for (size_t i = 0; i < COUNT_OF(hands); i++) {
		ctx_init(&hands[i].ctx, arena);
		pg_init(&hands[i].pg, world_url, 5000);
	}
	for (size_t i = 0; i < 4; i++) {
		struct hand *hand = &hands[i % 2];
		struct hand *other = &hands[(i + 1) % 2];
		commit_well(hand); /* holds the head */
		commit_beside_others(hand);
		check_outcome(hand, true);
		check_late(hand, hand);
		commit_beside_others(hand);
		check_outcome(hand, true);
		commit_well(hand);
		commit_beside_others(hand);
		check_outcome(hand, true);
		commit_well(other); /* takes the head in between */
		check_outcome(hand, true);
		commit_beside_others(hand);
		check_outcome(hand, true);
	}
	pg_close(&hands[0].pg);
	pg_close(&hands[1].pg);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(marks__transaction_asked_for_and_not_committed__never_begins),
		cmocka_unit_test(marks__nobody_can_say_whether_it_was_committed__asked_for),
		cmocka_unit_test(marks__head_taken_by_others__marks_are_found_and_what_is_late_fails),
		cmocka_unit_test(marks__asked_for_what_was_committed__says_nothing_of_the_next),
	};
	return cmocka_run_group_tests(tests, world_set_up_all, NULL);
}
