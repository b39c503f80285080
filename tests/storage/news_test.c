/*
 * Several writers on one database: each hears what the others commit, in the order of positions, and forgets everything when it
 * may have missed something.
 */
#include "storage/writer.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/lock.h"
#include "base/metrics.h"
#include "storage/device_list.h"
#include "storage/news.h"
#include "storage/pg.h"
#include "storage/room.h"
#include "storage/stream.h"
#include "tests/storage/world.h"

#include <stdatomic.h>
#include <string.h>
#include <time.h>

enum { HEARD_MAX = 64, TOO_MANY = 500 };

/* What a writer was told. Its own thread writes; read after writer_await(). */
struct ear {
	struct writer *writer;
	struct lock lock;
	struct news_group groups[HEARD_MAX]; /* without their lists */
	char first[HEARD_MAX][64];           /* the first thing of each: kind and user */
	size_t n;
	int overtaken;
	uint32_t kinds;           /* of what was published last */
	int64_t newest_told;      /* when the own write was committed */
	char lines[HEARD_MAX][8]; /* what was said beside commits */
	int64_t serials[HEARD_MAX];
	size_t line_n;
	int deaf;
};

static void on_told(void *self, const struct news_group *group)
{
	struct ear *ear = self;
	LOCK_SCOPE(&ear->lock);
	assert_true(ear->n < HEARD_MAX);
	ear->groups[ear->n] = *group;
	if (group->count > 0) {
		(void)snprintf(ear->first[ear->n], sizeof(ear->first[0]), "%c %.*s",
			(char)group->list[0].kind, STR_ARG(group->list[0].user_id));
	}
	ear->n++;
}

static void on_published(void *self, int64_t position, uint32_t kinds)
{
	struct ear *ear = self;
	(void)position;
	LOCK_SCOPE(&ear->lock);
	ear->kinds = kinds;
}

static void on_overtaken(void *self, int64_t position)
{
	struct ear *ear = self;
	(void)position;
	LOCK_SCOPE(&ear->lock);
	ear->overtaken++;
}

static void on_heard(void *self, const struct news *news, int64_t serial)
{
	struct ear *ear = self;
	LOCK_SCOPE(&ear->lock);
	assert_true(ear->line_n < HEARD_MAX);
	assert_int_equal(news->kind, NEWS_TYPING);
	(void)snprintf(ear->lines[ear->line_n], sizeof(ear->lines[0]), "%.*s", STR_ARG(news->text));
	ear->serials[ear->line_n++] = serial;
	writer_raise_ephemeral(ear->writer, serial);
}

static void on_deaf(void *self)
{
	struct ear *ear = self;
	LOCK_SCOPE(&ear->lock);
	ear->deaf++;
}

static void open_patient_ear(struct ear *ear, int64_t patience_ms)
{
	memset(ear, 0, sizeof(*ear));
	lock_init(&ear->lock, RANK_LEAF);
	const struct writer_config config = {.url = world_url,
		.queue_limit = 1000,
		.group_limit = 64,
		.published = on_published,
		.told = on_told,
		.overtaken = on_overtaken,
		.heard = on_heard,
		.deaf = on_deaf,
		.patience_ms = patience_ms,
		.self = ear};
	ear->writer = writer_create(&config);
	assert_non_null(ear->writer);
}

/* The machine may be slow, and nobody here is gone. */
static void open_ear(struct ear *ear)
{
	open_patient_ear(ear, INT64_C(60) * 1000);
}

/* How often somebody was not waited for any more, in all tests so far. */
static int64_t peers_dropped(void)
{
	const struct str name = STR("belfry_writer_peers_dropped_total ");
	struct buf text;
	int64_t dropped = 0; /* a metric stands in no list before it first counts */
	buf_init(&text, SIZE_MAX / 2);
	metrics_write(&text);
	struct str rest = buf_str(&text);
	while (rest.n > 0) {
		struct str line;
		(void)str_split(rest, '\n', &line, &rest);
		if (str_starts_with(line, name)) {
			assert_true(str_to_int(str_slice(line, name.n, line.n), 0, INT64_MAX, &dropped));
		}
	}
	buf_fini(&text);
	return dropped;
}

static int64_t gone_for_good; /* processes that no test takes for living ones */

/* Nobody waited in vain for one that was there: what it had heard was heard of. */
static void close_ear(struct ear *ear)
{
	writer_destroy(ear->writer);
	lock_fini(&ear->lock);
	assert_int_equal(peers_dropped(), gone_for_good);
}

static size_t told_so_far(struct ear *ear)
{
	LOCK_SCOPE(&ear->lock);
	return ear->n;
}

static int overtaken_so_far(struct ear *ear)
{
	LOCK_SCOPE(&ear->lock);
	return ear->overtaken;
}

/* What the last publication brings: it comes behind the position, and behind who waits for that. */
static void await_kinds(struct ear *ear, uint32_t kinds)
{
	const struct timespec moment = {.tv_nsec = 1000000};
	for (int64_t until_us = clock_mono_us() + INT64_C(60000000);;) {
		lock_take(&ear->lock);
		uint32_t published = ear->kinds;
		lock_give(&ear->lock);
		if (published == kinds) {
			return;
		}
		assert_true(clock_mono_us() < until_us);
		(void)nanosleep(&moment, NULL);
	}
}

static void note_told(void *data, int64_t first_position)
{
	struct ear *ear = data;
	(void)first_position;
	LOCK_SCOPE(&ear->lock);
	ear->newest_told = ear->n > 0 ? ear->groups[ear->n - 1].position : 0;
}

/* A change of somebody's device list, `count` times under other names. @return its position */
static int64_t commit(struct world *world, struct ear *ear, const char *name, int count)
{
	int64_t position = 0;
	struct write *write = write_new(&world->ctx);
	write_set_positions(write, 1);
	for (int i = 0; i < count; i++) {
		struct str user_id = count == 1 ? str_printf(world->ctx.arena, "@%s:a.example", name)
										: str_printf(world->ctx.arena, "@%s%d:a.example", name, i);
		store_device_list_change(write, user_id, STR(""), 0);
	}
	write_on_commit(write, note_told, ear);
	assert_int_equal(writer_commit(&world->ctx, ear->writer, write, &position), ERR_OK);
	return position;
}

static void reach(struct world *world, struct ear *ear, int64_t position)
{
	assert_int_equal(writer_await(&world->ctx, ear->writer, position), ERR_OK);
}

static void run_sql(struct world *world, const char *sql)
{
	struct pg pg;
	pg_init(&pg, world_url, 5000);
	assert_int_equal(pg_ensure(&world->ctx, &pg), ERR_OK);
	assert_int_equal(pg_exec(&world->ctx, &pg, sql, 5000), ERR_OK);
	pg_close(&pg);
}

/* Takes positions without a word, as something older than this would. */
static void take_silently(struct world *world)
{
	run_sql(world, "UPDATE stream_head SET position = position + 5");
}

/* --- hearing ---------------------------------------------------------------------------------------------------- */

static void writer__another_commits__told_what_in_order(void **state)
{
	struct world *world = *state;
	struct ear ours;
	struct ear theirs;
	open_ear(&ours);
	open_ear(&theirs);
	for (int i = 0; i < 10; i++) {
		int64_t position = commit(world, &theirs, i % 2 == 0 ? "even" : "odd", 1);
		reach(world, &ours, position);
		assert_int_equal(told_so_far(&ours), i + 1);
		assert_int_equal(ours.groups[i].position, position);
		assert_string_equal(ours.first[i], i % 2 == 0 ? "k @even:a.example" : "k @odd:a.example");
	}
	await_kinds(&theirs, NEWS_BIT(NEWS_KEYS));
	await_kinds(&ours, NEWS_BIT(NEWS_KEYS));
	assert_int_equal(told_so_far(&theirs), 0);
	assert_int_equal(overtaken_so_far(&ours) + overtaken_so_far(&theirs), 0);
	close_ear(&ours);
	close_ear(&theirs);
}

static void writer__another_commits_before__told_before_own_callback(void **state)
{
	struct world *world = *state;
	struct ear ours;
	struct ear theirs;
	open_ear(&ours);
	open_ear(&theirs);
	for (int i = 0; i < 50; i++) {
		int64_t before = commit(world, &theirs, "theirs", 1);
		int64_t own = commit(world, &ours, "ours", 1);
		assert_int_equal(own, before + 1);
		assert_int_equal(ours.newest_told, before);
		assert_int_equal(writer_position(ours.writer), own);
		reach(world, &theirs, own);
		ours.n = 0;
		theirs.n = 0;
	}
	assert_int_equal(overtaken_so_far(&ours) + overtaken_so_far(&theirs), 0);
	close_ear(&ours);
	close_ear(&theirs);
}

/* --- waiting for others ------------------------------------------------------------------------------------------ */

/* Says something on the channel as a process would that is not there any more. */
static void say(struct world *world, const char *text)
{
	run_sql(world, arena_printf(world->ctx.arena, "SELECT pg_notify('belfry', '%s')", text));
}

static void writer__commit_returned__all_others_have_heard_of_it(void **state)
{
	struct world *world = *state;
	struct ear ours;
	struct ear theirs;
	open_ear(&ours);
	open_ear(&theirs);
	reach(world, &ours, commit(world, &theirs, "introduction", 1));
	reach(world, &theirs, commit(world, &ours, "introduction", 1));
	for (size_t i = 1; i < 30; i++) {
		int64_t position = commit(world, &theirs, "theirs", 1);
		assert_int_equal(writer_position(ours.writer), position);
		assert_int_equal(told_so_far(&ours), i + 1);
	}
	close_ear(&ours);
	(void)commit(world, &theirs, "alone",
		1); /* whoever has taken leave is not waited for: see the log */
	close_ear(&theirs);
}

static void writer__process_gone_without_leave__waited_for_once(void **state)
{
	struct world *world = *state;
	struct ear ours;
	open_patient_ear(&ours, 2000);
	(void)commit(world, &ours, "alone", 1);
	say(world, "0 heard 777 0");
	int64_t position = commit(world, &ours, "waits", 1);
	assert_int_equal(writer_position(ours.writer), position);
	for (int i = 0; i < 20; i++) {
		(void)commit(world, &ours, "does not wait", 1);
	}
	gone_for_good++;
	assert_int_equal(peers_dropped(), gone_for_good);
	say(world, "0 heard 778 0");
	say(world, "0 bye 778");
	(void)commit(world, &ours, "does not wait either", 1);
	close_ear(&ours);
}

/* --- what is said beside commits --------------------------------------------------------------------------------- */

/* Both know of each other. */
static void meet(struct world *world, struct ear *ours, struct ear *theirs)
{
	open_ear(ours);
	open_ear(theirs);
	reach(world, ours, commit(world, theirs, "introduction", 1));
	reach(world, theirs, commit(world, ours, "introduction", 1));
	assert_true(writer_has_peers(ours->writer) && writer_has_peers(theirs->writer));
	assert_int_equal(writer_process_count(ours->writer), 2);
}

static void writer__something_said__all_have_heard_it_in_the_same_order(void **state)
{
	struct world *world = *state;
	struct ear ours;
	struct ear theirs;
	meet(world, &ours, &theirs);
	for (size_t i = 0; i < 20; i++) {
		struct ear *speaker = i % 2 == 0 ? &ours : &theirs;
		writer_tell(speaker->writer, NEWS_TYPING, STR("quiet"));
		writer_tell_all(speaker->writer, NEWS_TYPING, str_printf(world->ctx.arena, "%zu", i));
		assert_int_equal(ours.line_n, 2 * i + 2);
		assert_int_equal(theirs.line_n, 2 * i + 2);
		assert_int_equal(writer_ephemeral(ours.writer), ours.serials[2 * i + 1]);
		assert_int_equal(writer_ephemeral(theirs.writer), ours.serials[2 * i + 1]);
	}
	for (size_t i = 0; i < ours.line_n; i++) {
		assert_string_equal(ours.lines[i], theirs.lines[i]);
		assert_int_equal(ours.serials[i], theirs.serials[i]);
		assert_true(i == 0 || ours.serials[i] > ours.serials[i - 1]);
	}
	writer_tell_all(ours.writer, NEWS_TYPING, STR("two\nlines"));
	assert_int_equal(ours.line_n, 40);
	close_ear(&ours);
	close_ear(&theirs);
}

static void writer__newcomer_with_a_clock_behind__serials_go_on_rising(void **state)
{
	struct world *world = *state;
	struct ear ours;
	struct ear theirs;
	open_ear(&ours);
	writer_raise_ephemeral(ours.writer, writer_ephemeral(ours.writer) + INT64_C(1000000));
	int64_t before = writer_ephemeral(ours.writer);
	open_ear(&theirs);
	reach(world, &ours, commit(world, &theirs, "introduction", 1));
	reach(world, &theirs, commit(world, &ours, "introduction", 1));
	writer_tell_all(ours.writer, NEWS_TYPING, STR("a"));
	writer_tell_all(theirs.writer, NEWS_TYPING, STR("b"));
	assert_true(theirs.serials[0] > before && theirs.serials[1] > theirs.serials[0]);
	close_ear(&theirs);
	close_ear(&ours);
}

static void writer__peer_does_not_hear__waited_for_once_and_told_on(void **state)
{
	struct world *world = *state;
	struct ear ours;
	open_patient_ear(&ours, 300);
	(void)commit(world, &ours, "alone", 1);
	say(world, "0 heard 779 0");
	(void)commit(world, &ours, "waits", 1);
	gone_for_good++;
	for (int i = 0; i < 20; i++) {
		assert_true(writer_has_peers(ours.writer)); /* it may only be slow */
		writer_tell_all(ours.writer, NEWS_TYPING, STR("a"));
	}
	assert_int_equal(ours.line_n, 20);
	say(world, "0 bye 779");
	(void)commit(world, &ours, "alone again", 1);
	assert_false(writer_has_peers(ours.writer));
	close_ear(&ours);
}

static void writer__command_says_something__heard_and_no_peer(void **state)
{
	struct world *world = *state;
	struct ear ours;
	open_ear(&ours);
	say(world, "0 tell 0 0\nta");
	(void)commit(world, &ours, "alone", 1);
	assert_int_equal(ours.line_n, 1);
	assert_false(writer_has_peers(ours.writer));
	close_ear(&ours);
}

/* --- missing something ------------------------------------------------------------------------------------------- */

static void writer__positions_taken_unheard__everything_forgotten(void **state)
{
	struct world *world = *state;
	struct ear ours;
	struct ear theirs;
	open_ear(&ours);
	open_ear(&theirs);
	take_silently(world);
	reach(world, &ours, commit(world, &theirs, "theirs", 1));
	assert_int_equal(overtaken_so_far(&theirs), 1);
	assert_int_equal(overtaken_so_far(&ours), 1);
	assert_int_equal(told_so_far(&ours), 0);
	reach(world, &ours, commit(world, &theirs, "theirs", 1));
	assert_int_equal(overtaken_so_far(&ours), 1);
	assert_int_equal(told_so_far(&ours), 1);
	close_ear(&ours);
	close_ear(&theirs);
}

static void writer__positions_taken_unheard_by_who_is_alone__written_behind_them(void **state)
{
	struct world *world = *state;
	struct ear ours;
	open_ear(&ours);
	int64_t before = commit(world, &ours, "ours", 1);
	take_silently(world);
	assert_int_equal(commit(world, &ours, "ours", 1), before + 6);
	assert_int_equal(overtaken_so_far(&ours), 1);
	assert_int_equal(commit(world, &ours, "ours", 1), before + 7);
	assert_int_equal(overtaken_so_far(&ours), 1);
	close_ear(&ours);
}

/* As of a writer that has written nothing for a week, when another one starts; and of one that another took the head from. */
static void writer__mark_tidied_away__set_anew(void **state)
{
	struct world *world = *state;
	struct ear ours;
	open_ear(&ours);
	for (int i = 0; i < 2; i++) {
		int64_t before = commit(world, &ours, "ours", 1);
		run_sql(world, "UPDATE stream_head SET writer_id = 0, serial = 0");
		run_sql(world, "DELETE FROM writer_marks");
		assert_int_equal(commit(world, &ours, "ours", 1), before + 1);
		run_sql(world, "SELECT 1 / (writer_id <> 0 AND serial > 0)::int FROM stream_head");
	}
	assert_int_equal(overtaken_so_far(&ours), 0);
	close_ear(&ours);
}

static void writer__connection_lost__forgets_only_when_others_committed(void **state)
{
	struct world *world = *state;
	struct ear ours;
	struct ear theirs;
	int64_t newest;
	open_ear(&ours);
	open_ear(&theirs);
	world_kill_backends();
	(void)commit(world, &ours, "ours", 1); /* nobody else was there in between */
	assert_int_equal(overtaken_so_far(&ours), 0);
	assert_int_equal(ours.deaf, 1); /* but may have said something */
	world_kill_backends();
	int64_t position = commit(world, &theirs, "theirs", 1);
	reach(world, &ours, position);
	assert_int_equal(told_so_far(&ours) + (size_t)overtaken_so_far(&ours), 1);
	assert_int_equal(store_stream_position(&world->ctx, world->db, &newest), ERR_OK);
	assert_int_equal(newest, position);
	close_ear(&ours);
	close_ear(&theirs);
}

static void writer__more_changed_than_can_be_told__everything_forgotten(void **state)
{
	struct world *world = *state;
	struct ear ours;
	struct ear theirs;
	open_ear(&ours);
	open_ear(&theirs);
	reach(world, &ours, commit(world, &theirs, "one-of-many-with-a-long-name-", TOO_MANY));
	await_kinds(&theirs, NEWS_BIT(NEWS_KEYS));
	await_kinds(&ours, NEWS_ALL);
	assert_int_equal(told_so_far(&ours), 0);
	assert_int_equal(overtaken_so_far(&ours), 1);
	close_ear(&ours);
	close_ear(&theirs);
}

static void writer__position_that_nobody_gave_out__not_waited_for(void **state)
{
	struct world *world = *state;
	struct ear ours;
	open_ear(&ours);
	world->ctx.may_not_wait = true;
	assert_int_equal(writer_await(&world->ctx, ours.writer, INT64_MAX), ERR_DEFER);
	world->ctx.may_not_wait = false;
	reach(world, &ours, writer_position(ours.writer));
	close_ear(&ours);
}

/* --- the text ------------------------------------------------------------------------------------------------------ */

static void news__text__read(void **state)
{
	struct world *world = *state;
	struct arena *arena = world->ctx.arena;
	struct news_group group;
	assert_true(news_read(arena, STR("17 3 99"), &group));
	assert_int_equal(group.position, 17);
	assert_int_equal(group.positions, 3);
	assert_int_equal(group.writer_id, 99);
	assert_int_equal(group.count, 0);
	assert_true(news_read(arena, STR("1 0 2\nr12\nu@a b:c\n*"), &group));
	assert_int_equal(group.count, 3);
	assert_int_equal(group.list[0].kind, NEWS_ROOM);
	assert_int_equal(group.list[0].room_nid, 12);
	assert_int_equal(group.list[1].kind, NEWS_USER);
	assert_true(str_equals(group.list[1].user_id, STR("@a b:c")));
	assert_int_equal(group.list[2].kind, NEWS_EVERYTHING);
	assert_true(news_read(arena, STR("5 heard 7 0"), &group) && group.what == NEWS_HEARD);
	assert_true(news_read(arena, STR("5 bye 7"), &group) && group.what == NEWS_BYE);
	assert_true(news_read(arena, STR("5 heard 7 44\na3 9\na4 1"), &group) && group.ack_n == 2);
	assert_true(group.serial == 44 && group.acks[0].writer_id == 3 && group.acks[0].number == 9);
	assert_true(news_read(arena, STR("44 tell 7 6\nt1 a b\nsx"), &group) && group.count == 2);
	assert_true(
		group.what == NEWS_TELL && group.serial == 44 && group.position == 0 && group.number == 6);
	assert_true(str_equals(group.list[0].text, STR("1 a b")));
	static const char *const wrong[] = {"", "1", "1 2", "x 1 2", "1 -1 2", "1 1 2 3", "1 1 2\nr",
		"1 1 2\nrx", "1 1 2\nu", "1 1 2\nz1", "1 1 2\n*x", "1 1 2\n\nr1", "5 heard 7",
		"5 heard 7 8 9", "5 heard 7 8\nr1", "5 heard 7 8\na1", "5 tell 7", "5 tell 7 8\nt"};
	for (size_t i = 0; i < COUNT_OF(wrong); i++) {
		assert_false(news_read(arena, str_of(wrong[i]), &group));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(writer__another_commits__told_what_in_order),
		TEST(writer__another_commits_before__told_before_own_callback),
		TEST(writer__commit_returned__all_others_have_heard_of_it),
		TEST(writer__process_gone_without_leave__waited_for_once),
		TEST(writer__something_said__all_have_heard_it_in_the_same_order),
		TEST(writer__newcomer_with_a_clock_behind__serials_go_on_rising),
		TEST(writer__peer_does_not_hear__waited_for_once_and_told_on),
		TEST(writer__command_says_something__heard_and_no_peer),
		TEST(writer__positions_taken_unheard__everything_forgotten),
		TEST(writer__positions_taken_unheard_by_who_is_alone__written_behind_them),
		TEST(writer__mark_tidied_away__set_anew),
		TEST(writer__connection_lost__forgets_only_when_others_committed),
		TEST(writer__more_changed_than_can_be_told__everything_forgotten),
		TEST(writer__position_that_nobody_gave_out__not_waited_for),
		TEST(news__text__read),
	};
	return cmocka_run_group_tests(tests, world_set_up_all, NULL);
}
