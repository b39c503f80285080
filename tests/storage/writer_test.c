/*
 * The group-commit writer on a real PostgreSQL.
 */
#include "storage/writer.h"

#include "base/clock.h"
#include "base/lock.h"
#include "base/mem.h"
#include "storage/room.h"
#include "storage/write.h"
#include "storage/event.h"
#include "storage/pg.h"
#include "tests/storage/world.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

enum { THREADS = 8, WRITES = 60 };

static _Atomic int64_t last_seen;
static _Atomic int64_t published;
static atomic_int groups_published;
static atomic_int out_of_order;

static void on_published(void *self, int64_t position, uint32_t kinds)
{
	(void)kinds;
	(void)self;
	atomic_store(&published, position);
	atomic_fetch_add(&groups_published, 1);
}

static void on_committed(void *data, int64_t first_position)
{
	(void)data;
	if (atomic_exchange(&last_seen, first_position) >= first_position) {
		atomic_fetch_add(&out_of_order, 1);
	}
}

static struct writer *start_writer_of_groups(size_t queue_limit, size_t group_limit)
{
	const struct writer_config config = {.url = world_url,
		.queue_limit = queue_limit,
		.group_limit = group_limit,
		.published = on_published};
	struct writer *writer = writer_create(&config);
	assert_non_null(writer);
	return writer;
}

static struct writer *start_writer(size_t queue_limit)
{
	return start_writer_of_groups(queue_limit, 64);
}

static void add_transaction(struct write *write, struct ctx *ctx, const char *key)
{
	world_add_transaction(write, ctx, key);
	write_on_commit(write, on_committed, NULL);
}

/* --- many threads ------------------------------------------------------------------------------------- */

struct sender {
	struct writer *writer;
	int number;
	int acknowledged;
	bool acked[WRITES];
	bool doubtful[WRITES]; /* told that it failed, but the commit may have been carried out */
	enum err err;
	int64_t waited_ms;
};

static void *send_many(void *data)
{
	struct sender *sender = data;
	for (int i = 0; i < WRITES; i++) {
		struct arena *arena CLEANUP(arena_cleanup) = arena_create();
		struct ctx ctx;
		ctx_init(&ctx, arena);
		struct write *write = write_new(&ctx);
		add_transaction(write, &ctx, arena_printf(arena, "t%d-%d", sender->number, i));
		if (writer_commit(&ctx, sender->writer, write, NULL) == ERR_OK) {
			sender->acked[i] = true;
			sender->acknowledged++;
		} else {
			sender->doubtful[i] = str_contains(ctx.fault.cause, STR("during a commit"));
		}
	}
	return NULL;
}

static void run_senders(struct writer *writer, struct sender *senders, int first_number)
{
	pthread_t threads[THREADS];
	for (int i = 0; i < THREADS; i++) {
		senders[i] = (struct sender){.writer = writer, .number = first_number + i};
		threads[i] = thread_start("sender", send_many, &senders[i]);
	}
	for (int i = 0; i < THREADS; i++) {
		(void)pthread_join(threads[i], NULL);
	}
}

static void check_stored(const struct sender *senders)
{
	struct db *db = world_connect(4);
	for (int s = 0; s < THREADS; s++) {
		for (int i = 0; i < WRITES; i++) {
			struct arena *arena CLEANUP(arena_cleanup) = arena_create();
			struct ctx ctx;
			ctx_init(&ctx, arena);
			struct str key = str_printf(arena, "t%d-%d", senders[s].number, i);
			struct str event_id;
			enum err err = store_transaction_find(&ctx, db, key, &event_id);
			if (!senders[s].doubtful[i] || err != ERR_OK) {
				assert_int_equal(err, senders[s].acked[i] ? ERR_OK : ERR_MISSING);
			}
		}
	}
	db_destroy(db);
}

static void writer__many_threads__all_stored_in_order(void **state)
{
	(void)state;
	struct writer *writer = start_writer(1000);
	struct sender *senders = mem_alloc_array(THREADS, sizeof(*senders));
	run_senders(writer, senders, 100);
	for (int i = 0; i < THREADS; i++) {
		assert_int_equal(senders[i].acknowledged, WRITES);
	}
	assert_int_equal(atomic_load(&out_of_order), 0);
	assert_int_equal(writer_position(writer), atomic_load(&last_seen));
	writer_destroy(writer); /* callers go on before their position is published: now it is */
	assert_int_equal(atomic_load(&published), atomic_load(&last_seen));
	check_stored(senders);
	mem_free(senders);
}

/* Lets the writer get somewhere between two blows: a machine slower than the killer would commit nothing at all. */
static void wait_for_progress(const atomic_bool *is_over)
{
	int64_t before = atomic_load(&last_seen);
	for (int i = 0; i < 200 && atomic_load(&last_seen) == before && !atomic_load(is_over); i++) {
		const struct timespec pause = {.tv_nsec = 1000000L};
		(void)nanosleep(&pause, NULL);
	}
}

static void *kill_backends(void *data)
{
	atomic_bool *is_over = data;
	struct pg pg;
	pg_init(&pg, world_url, 5000);
	while (!atomic_load(is_over)) {
		struct arena *arena CLEANUP(arena_cleanup) = arena_create();
		struct ctx ctx;
		ctx_init(&ctx, arena);
		wait_for_progress(is_over);
		if (pg_ensure(&ctx, &pg) == ERR_OK) {
			(void)!pg_exec(&ctx, &pg,
				"SELECT pg_terminate_backend(pid), pg_sleep(0.002) FROM pg_stat_activity "
				"WHERE application_name = 'belfry' AND pid <> pg_backend_pid()",
				5000);
		}
	}
	pg_close(&pg);
	return NULL;
}

static void writer__backends_killed_under_load__acknowledged_is_stored_once(void **state)
{
	(void)state;
	struct writer *writer = start_writer(1000);
	struct sender *senders = mem_alloc_array(THREADS, sizeof(*senders));
	atomic_bool is_over = false;
	pthread_t killer = thread_start("killer", kill_backends, &is_over);
	run_senders(writer, senders, 200);
	atomic_store(&is_over, true);
	(void)pthread_join(killer, NULL);
	assert_int_equal(atomic_load(&out_of_order), 0);
	writer_destroy(writer);
	check_stored(senders);
	mem_free(senders);
}

/* --- failures ------------------------------------------------------------------------------------------ */

static void on_failed(void *data)
{
	*(int *)data += 1;
}

static void writer__one_write_of_a_group_fails__the_others_are_stored(void **state)
{
	(void)state;
	struct writer *writer = start_writer(1000);
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct ctx ctx;
	ctx_init(&ctx, arena);
	struct write *writes[3];
	int failures = 0;
	const char *keys[] = {"same", "same", "other"};
	for (size_t i = 0; i < COUNT_OF(writes); i++) {
		writes[i] = write_new(&ctx);
		add_transaction(writes[i], &ctx, keys[i]);
		write_on_failure(writes[i], on_failed, &failures);
	}
	for (size_t i = 0; i < COUNT_OF(writes); i++) {
		writer_submit(writer, writes[i]);
	}
	assert_int_equal(writer_wait(&ctx, writes[0], NULL), ERR_OK);
	assert_int_equal(writer_wait(&ctx, writes[1], NULL), ERR_CONFLICT);
	assert_int_equal(writer_wait(&ctx, writes[2], NULL), ERR_OK);
	assert_int_equal(failures, 1);
	writer_destroy(writer);
}

/* A commit, and the writer's thread does not go on before it may. */
struct stop {
	struct wakeup arrived;
	struct wakeup released;
};

static void on_committed_stop(void *data, int64_t first_position)
{
	struct stop *stop = data;
	on_committed(NULL, first_position);
	wakeup_send(&stop->arrived);
	wakeup_wait(&stop->released);
}

static void writer__one_of_many_fails__halves_are_committed_not_each_alone(void **state)
{
	(void)state;
	enum { MANY_WRITES = 32, CULPRIT = 21, HALVES = 5 };
	struct writer *writer = start_writer(1000);
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct ctx ctx;
	ctx_init(&ctx, arena);
	struct stop stop;
	wakeup_init(&stop.arrived);
	wakeup_init(&stop.released);
	struct write *first = write_new(&ctx);
	add_transaction(first, &ctx, "taken");
	write_on_commit(first, on_committed_stop, &stop);
	atomic_store(&groups_published, 0);
	writer_submit(writer, first);
	wakeup_wait(&stop.arrived);
	struct write *writes[MANY_WRITES];
	for (size_t i = 0; i < MANY_WRITES; i++) {
		writes[i] = write_new(&ctx);
		add_transaction(writes[i], &ctx, i == CULPRIT ? "taken" : arena_printf(arena, "%zu", i));
		writer_submit(writer, writes[i]);
	}
	wakeup_send(&stop.released);
	assert_int_equal(writer_wait(&ctx, first, NULL), ERR_OK);
	for (size_t i = 0; i < MANY_WRITES; i++) {
		assert_int_equal(writer_wait(&ctx, writes[i], NULL), i == CULPRIT ? ERR_CONFLICT : ERR_OK);
	}
	writer_destroy(writer);
	wakeup_fini(&stop.arrived);
	wakeup_fini(&stop.released);
	assert_int_equal(atomic_load(&groups_published), 1 + HALVES);
}

static void run_sql(struct ctx *ctx, const char *sql)
{
	struct pg pg;
	pg_init(&pg, world_url, 20000);
	assert_int_equal(pg_ensure(ctx, &pg), ERR_OK);
	assert_int_equal(pg_exec(ctx, &pg, sql, 20000), ERR_OK);
	pg_close(&pg);
}

/* PostgreSQL ends so many tries to write a transaction that is called "met…", as it does with what it chooses in a deadlock. */
static void begin_meetings(struct ctx *ctx, int count)
{
	run_sql(ctx,
		arena_printf(ctx->arena,
			"CREATE SEQUENCE meetings; "
			"CREATE FUNCTION meet() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
			"IF nextval('meetings') <= %d THEN RAISE 'met' USING ERRCODE = 'deadlock_detected'; "
			"END IF; RETURN new; END $$; "
			"CREATE TRIGGER meet BEFORE INSERT ON transactions FOR EACH ROW WHEN (new.key LIKE 'met%%') "
			"EXECUTE FUNCTION meet()",
			count));
}

/* With so many tries at the least. */
static void end_meetings(struct ctx *ctx, int count)
{
	run_sql(ctx,
		arena_printf(ctx->arena,
			"DROP TRIGGER meet ON transactions; DROP FUNCTION meet(); "
			"SELECT 1 / CASE WHEN last_value >= %d THEN 1 ELSE 0 END FROM meetings; "
			"DROP SEQUENCE meetings",
			count));
}

static void writer__chosen_in_a_deadlock__committed_all_the_same(void **state)
{
	(void)state;
	struct writer *writer = start_writer(1000);
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct ctx ctx;
	ctx_init(&ctx, arena);
	struct write *write = write_new(&ctx);
	begin_meetings(&ctx, 1);
	add_transaction(write, &ctx, "met");
	assert_int_equal(writer_commit(&ctx, writer, write, NULL), ERR_OK);
	assert_true(world_has_transaction("met"));
	end_meetings(&ctx, 2);
	writer_destroy(writer);
}

static void writer__group_rolled_back_time_and_again__those_behind_it_are_stored(void **state)
{
	(void)state;
	struct writer *writer = start_writer_of_groups(1000, 1);
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct ctx ctx;
	ctx_init(&ctx, arena);
	const char *keys[] = {"before", "met again", "behind", "far behind"};
	struct write *writes[COUNT_OF(keys)];
	begin_meetings(&ctx, 1000000);
	for (size_t i = 0; i < COUNT_OF(keys); i++) {
		writes[i] = write_new(&ctx);
		add_transaction(writes[i], &ctx, keys[i]);
		writer_submit(writer, writes[i]);
	}
	for (size_t i = 0; i < COUNT_OF(keys); i++) {
		assert_int_equal(writer_wait(&ctx, writes[i], NULL), i == 1 ? ERR_STORE : ERR_OK);
		assert_int_equal(world_has_transaction(keys[i]), i != 1);
	}
	end_meetings(&ctx, 1);
	writer_destroy(writer);
}

static void note_told(void *data, enum err err)
{
	*(enum err *)data = err;
}

static void writer__nobody_waits__told_of_each_what_became_of_it(void **state)
{
	(void)state;
	struct writer *writer = start_writer(1000);
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct ctx ctx;
	ctx_init(&ctx, arena);
	enum err told[] = {ERR_DEFER, ERR_DEFER, ERR_DEFER};
	const char *keys[] = {"told", "told", "told too"};
	struct write *writes[COUNT_OF(told)];
	for (size_t i = 0; i < COUNT_OF(told); i++) {
		writes[i] = write_new(&ctx);
		add_transaction(writes[i], &ctx, keys[i]);
		write_on_done(writes[i], note_told, &told[i]);
		writer_submit(writer, writes[i]);
	}
	writer_destroy(writer);
	assert_int_equal(told[0], ERR_OK);
	assert_int_equal(told[1], ERR_CONFLICT);
	assert_int_equal(told[2], ERR_OK);
	assert_int_equal(writer_wait(&ctx, writes[1], NULL), ERR_CONFLICT);
}

static void writer__queue_full__told_by_who_submits(void **state)
{
	(void)state;
	struct writer *writer = start_writer(0);
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct ctx ctx;
	ctx_init(&ctx, arena);
	enum err told = ERR_OK;
	struct write *write = write_new(&ctx);
	add_transaction(write, &ctx, "refused");
	write_on_done(write, note_told, &told);
	writer_submit(writer, write);
	assert_int_equal(told, ERR_LIMIT);
	writer_destroy(writer);
}

static struct room_row make_room(struct ctx *ctx, struct writer *writer, int64_t room_nid)
{
	struct room_row row = {.room_nid = room_nid,
		.room_id = str_printf(ctx->arena, "!room%lld:hs", (long long)room_nid),
		.version = STR("11"),
		.event_seq = 1,
		.depth = 1,
		.extremities = STR("[]")};
	struct write *make = write_new(ctx);
	write_set_positions(make, 1);
	store_room_insert(make, &row, 0, 1);
	assert_int_equal(writer_commit(ctx, writer, make, NULL), ERR_OK);
	return row;
}

static void advance(struct write *write, struct room_row *row, int64_t before, int64_t after,
	size_t position_index)
{
	row->event_seq = after;
	store_room_advance(write, row, before, position_index);
}

static void writer__room_moved_by_another__conflict(void **state)
{
	(void)state;
	struct writer *writer = start_writer(1000);
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct ctx ctx;
	ctx_init(&ctx, arena);
	struct room_row row = make_room(&ctx, writer, 77);
	struct write *right = write_new(&ctx);
	write_set_positions(right, 1);
	advance(right, &row, 1, 2, 0);
	assert_int_equal(writer_commit(&ctx, writer, right, NULL), ERR_OK);
	struct write *late = write_new(&ctx);
	write_set_positions(late, 1);
	advance(late, &row, 1, 2, 0);
	assert_int_equal(writer_commit(&ctx, writer, late, NULL), ERR_CONFLICT);
	writer_destroy(writer);
}

static void check_room(struct ctx *ctx, int64_t room_nid, int64_t event_seq, int64_t last_position)
{
	struct db *db = world_connect(1);
	struct room_row found;
	assert_int_equal(store_room_find_nid(ctx, db, room_nid, &found), ERR_OK);
	assert_int_equal(found.event_seq, event_seq);
	assert_int_equal(found.last_position, last_position);
	db_destroy(db);
}

static void writer__steps_of_rooms_in_a_group__stored_when_they_follow_each_other(void **state)
{
	(void)state;
	struct writer *writer = start_writer(1000);
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct ctx ctx;
	ctx_init(&ctx, arena);
	struct room_row one = make_room(&ctx, writer, 79);
	struct room_row other = make_room(&ctx, writer, 78);
	struct write *write = write_new(&ctx);
	int64_t first = 0;
	write_set_positions(write, 4);
	advance(write, &one, 1, 2, 0);
	advance(write, &other, 1, 2, 1);
	advance(write, &one, 2, 3, 2);
	advance(write, &one, 3, 5, 3);
	assert_int_equal(writer_commit(&ctx, writer, write, &first), ERR_OK);
	check_room(&ctx, one.room_nid, 5, first + 3);
	check_room(&ctx, other.room_nid, 2, first + 1);
	static const int64_t wrong[][4] = {{5, 6, 7, 8}, {5, 6, 5, 6}, {5, 7, 6, 8}, {4, 5, 5, 6}};
	for (size_t i = 0; i < COUNT_OF(wrong); i++) {
		write = write_new(&ctx);
		write_set_positions(write, 3);
		advance(write, &one, wrong[i][0], wrong[i][1], 0);
		advance(write, &one, wrong[i][2], wrong[i][3], 1);
		advance(write, &other, 2, 3, 2);
		assert_int_equal(writer_commit(&ctx, writer, write, NULL), ERR_CONFLICT);
	}
	check_room(&ctx, one.room_nid, 5, first + 3);
	check_room(&ctx, other.room_nid, 2, first + 1);
	writer_destroy(writer);
}

static struct event_row make_event(const char *name, bool has_all)
{
	return (struct event_row){.room_nid = 81,
		.event_id = str_of(name),
		.json = STR("{}"),
		.replaces_position = has_all ? 3 : 0,
		.thread_root = has_all ? STR("$root") : str_from(NULL, 0),
		.txn = has_all ? STR("") : str_from(NULL, 0),
		.notify_seq = 5,
		.highlight_seq = -1};
}

static void add_event(struct write *write, const struct event_row *row, size_t position_index)
{
	const struct event_columns columns = {.type = STR("m.room.message"),
		.state_key = row->thread_root.p != NULL ? STR("") : str_from(NULL, 0),
		.sender = STR("@a:hs"),
		.origin_server_ts = 7,
		.depth = 9,
		.replaces_index = -1};
	store_event_insert(write, row, &columns, db_position(position_index));
}

static void check_event(struct ctx *ctx, struct db *db, const struct event_row *row,
	int64_t position)
{
	struct event_row *found;
	size_t count;
	assert_int_equal(store_events_by_id(ctx, db, &row->event_id, 1, &found, &count), ERR_OK);
	assert_int_equal(count, 1);
	assert_int_equal(found->position, position);
	assert_int_equal(found->replaces_position, row->replaces_position);
	assert_int_equal(found->highlight_seq, -1);
	assert_int_equal(found->thread_root.n, row->thread_root.n);
	assert_int_equal(found->thread_root.p == NULL, row->thread_root.p == NULL);
	assert_int_equal(found->txn.p == NULL, row->txn.p == NULL);
}

/* A row that is alone goes as scalars (the form `one`), several as arrays. */
static void writer__rows_alone_and_several__stored_alike(void **state)
{
	(void)state;
	struct writer *writer = start_writer(1000);
	struct db *db = world_connect(1);
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct ctx ctx;
	ctx_init(&ctx, arena);
	const struct event_row rows[] = {make_event("$alone_bare", false),
		make_event("$alone_full", true), make_event("$both_bare", false),
		make_event("$both_full", true)};
	static const size_t begins[] = {0, 1, 2, COUNT_OF(rows)};
	for (size_t i = 0; i + 1 < COUNT_OF(begins); i++) {
		struct write *write = write_new(&ctx);
		size_t count = begins[i + 1] - begins[i];
		int64_t first = 0;
		write_set_positions(write, count + 1);
		for (size_t k = 0; k < count; k++) {
			add_event(write, &rows[begins[i] + k], k + 1);
		}
		assert_int_equal(writer_commit(&ctx, writer, write, &first), ERR_OK);
		for (size_t k = 0; k < count; k++) {
			check_event(&ctx, db, &rows[begins[i] + k], first + (int64_t)k + 1);
		}
	}
	db_destroy(db);
	writer_destroy(writer);
}

static void writer__text_with_nul__refused_alone(void **state)
{
	(void)state;
	struct writer *writer = start_writer(1000);
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct ctx ctx;
	ctx_init(&ctx, arena);
	struct write *write = write_new(&ctx);
	store_transaction_insert(write, STR("nul"), str_from("a\0b", 3), 1);
	assert_int_equal(writer_commit(&ctx, writer, write, NULL), ERR_INPUT);
	assert_string_equal(ctx.fault.errcode, "M_INVALID_PARAM");
	writer_destroy(writer);
}

static void writer__queue_full__limit(void **state)
{
	(void)state;
	struct writer *writer = start_writer(0);
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct ctx ctx;
	ctx_init(&ctx, arena);
	struct write *write = write_new(&ctx);
	add_transaction(write, &ctx, "full");
	assert_int_equal(writer_commit(&ctx, writer, write, NULL), ERR_LIMIT);
	writer_destroy(writer);
}

/* --- a database that hangs ---------------------------------------------------------------------------------- */

/* Stops or continues the process at the other end of the writer's connection. @return false when that is not allowed here */
static bool signal_backends(int number)
{
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct ctx ctx;
	ctx_init(&ctx, arena);
	struct pg pg;
	struct str text;
	pg_init(&pg, world_url, 5000);
	assert_int_equal(pg_ensure(&ctx, &pg), ERR_OK);
	assert_int_equal(pg_query_text(&ctx, &pg,
						 "SELECT string_agg(pid::text, ' ') FROM pg_stat_activity WHERE "
						 "application_name = 'belfry' AND pid <> pg_backend_pid()",
						 5000, &text),
		ERR_OK);
	pg_close(&pg);
	bool is_allowed = true;
	while (text.n > 0) {
		struct str word;
		int64_t pid;
		(void)str_split(text, ' ', &word, &text);
		assert_true(str_to_int(word, 2, INT32_MAX, &pid));
		is_allowed = kill((pid_t)pid, number) == 0 && is_allowed;
	}
	return is_allowed;
}

static void *send_one(void *data)
{
	struct sender *sender = data;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct ctx ctx;
	ctx_init(&ctx, arena);
	struct write *write = write_new(&ctx);
	add_transaction(write, &ctx, arena_printf(arena, "hang%d", sender->number));
	int64_t start_us = clock_mono_us();
	sender->err = writer_commit(&ctx, sender->writer, write, NULL);
	sender->waited_ms = (clock_mono_us() - start_us) / 1000;
	sender->doubtful[0] = str_contains(ctx.fault.cause, STR("during a commit"));
	return NULL;
}

/* Connections that were given up, too: what they had been sent they have read. */
static void await_no_backends(void)
{
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct ctx ctx;
	struct pg pg;
	struct str found;
	pg_init(&pg, world_url, 5000);
	do {
		arena_reset(arena);
		ctx_init(&ctx, arena);
		assert_int_equal(pg_ensure(&ctx, &pg), ERR_OK);
		assert_int_equal(pg_query_text(&ctx, &pg,
							 "SELECT 1 FROM pg_stat_activity WHERE application_name = 'belfry' "
							 "AND pid <> pg_backend_pid()",
							 5000, &found),
			ERR_OK);
	} while (found.p != NULL);
	pg_close(&pg);
}

/* What had been sent is read when the database goes on: too late, unless the callers were told that nobody knows. */
static void writer__database_hangs__store_within_ten_seconds_and_never_written(void **state)
{
	(void)state;
	struct writer *writer = start_writer(1000);
	struct sender senders[THREADS];
	pthread_t threads[THREADS];
	struct sender before = {.writer = writer, .number = THREADS + 1};
	(void)send_one(&before); /* so that all is prepared, and the next one sent as a whole */
	assert_int_equal(before.err, ERR_OK);
	if (!signal_backends(SIGSTOP)) {
		(void)signal_backends(SIGCONT);
		writer_destroy(writer);
		skip();
	}
	for (int i = 0; i < THREADS; i++) {
		senders[i] = (struct sender){.writer = writer, .number = i};
		threads[i] = thread_start("sender", send_one, &senders[i]);
	}
	for (int i = 0; i < THREADS; i++) {
		(void)pthread_join(threads[i], NULL);
	}
	assert_true(signal_backends(SIGCONT));
	for (int i = 0; i < THREADS; i++) {
		assert_int_equal(senders[i].err, ERR_STORE);
		assert_in_range(senders[i].waited_ms, 0, 10000);
	}
	writer_destroy(writer);
	await_no_backends();
	for (int i = 0; i < THREADS; i++) {
		char key[16];
		(void)snprintf(key, sizeof(key), "hang%d", i);
		assert_true(senders[i].doubtful[0] || !world_has_transaction(key));
	}
	writer = start_writer(1000);
	struct sender after = {.writer = writer, .number = THREADS};
	(void)send_one(&after);
	assert_int_equal(after.err, ERR_OK);
	writer_destroy(writer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(writer__many_threads__all_stored_in_order),
		cmocka_unit_test(writer__backends_killed_under_load__acknowledged_is_stored_once),
		cmocka_unit_test(writer__one_write_of_a_group_fails__the_others_are_stored),
		cmocka_unit_test(writer__one_of_many_fails__halves_are_committed_not_each_alone),
		cmocka_unit_test(writer__chosen_in_a_deadlock__committed_all_the_same),
		cmocka_unit_test(writer__group_rolled_back_time_and_again__those_behind_it_are_stored),
		cmocka_unit_test(writer__nobody_waits__told_of_each_what_became_of_it),
		cmocka_unit_test(writer__queue_full__told_by_who_submits),
		cmocka_unit_test(writer__room_moved_by_another__conflict),
		cmocka_unit_test(writer__steps_of_rooms_in_a_group__stored_when_they_follow_each_other),
		cmocka_unit_test(writer__rows_alone_and_several__stored_alike),
		cmocka_unit_test(writer__text_with_nul__refused_alone),
		cmocka_unit_test(writer__queue_full__limit),
		cmocka_unit_test(writer__database_hangs__store_within_ten_seconds_and_never_written),
	};
	return cmocka_run_group_tests(tests, world_set_up_all, NULL);
}
