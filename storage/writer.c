/*
 * The writer's queue and thread. The thread takes everything that is waiting, commits it as one group, tells the
 * caches in order, publishes the position, wakes the callers. Nobody waits for company: a write that finds
 * the thread idle is a group of one.
 */
#include "storage/writer_inner.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "base/rand.h"

#include <poll.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum {
	RETRY_FOR_MS = 2000,
	RETRY_PAUSE_MS = 50,
	DOUBT_PAUSE_MS = 100,
	CONNECT_PAUSE_MS = 1000,
	AWAIT_MS = 5000,
	START_WAIT_MS = 30000, /* a failover right now */
	QUIET_MS = 2000,  /* having heard nothing for so long it asks whether the database is there */
	ANSWER_MS = 3000, /* and waits so long for the answer */
};

static struct metric queue_depth =
	METRIC_GAUGE("belfry_writer_queue", "Writes that wait for the next group");
static struct metric groups =
	METRIC_COUNTER("belfry_writer_groups_total", "Transactions of the writer");
static struct metric grouped = METRIC_COUNTER("belfry_writer_writes_total", "Writes committed");
static struct metric failures =
	METRIC_COUNTER("belfry_writer_failures_total", "Writes that failed");
static struct metric group_time =
	METRIC_HISTOGRAM("belfry_writer_group_seconds", "Duration of a group's transaction");

/* --- the caller's side ------------------------------------------------------------------------------------ */

static void write_fini(void *data)
{
	struct write *write = data;
	wakeup_fini(&write->done);
}

struct write *write_new(struct ctx *ctx)
{
	invariant(ctx_may_write(ctx) == ERR_OK);
	struct write *write = ARENA_NEW(ctx->arena, struct write);
	write->arena = ctx->arena;
	wakeup_init(&write->done);
	arena_on_reset(ctx->arena, write_fini, write);
	return write;
}

void write_set_positions(struct write *write, size_t count)
{
	write->positions = count;
}

void write_add(struct write *write, enum stmt_id stmt, struct db_args args)
{
	invariant(!write->is_submitted && args.count == (size_t)stmt_table[stmt].param_count);
	struct db_value *values = ARENA_NEW_ARRAY(write->arena, struct db_value, args.count);
	for (size_t i = 0; i < args.count; i++) {
		values[i] = args.values[i];
	}
	const struct write_row row = {.stmt = stmt, .values = values, .count = args.count};
	VEC_PUSH(write->arena, &write->rows, row);
}

void write_on_commit(struct write *write, void (*committed)(void *data, int64_t first_position),
	void *data)
{
	write->committed = committed;
	write->committed_data = data;
}

void write_on_failure(struct write *write, void (*failed)(void *data), void *data)
{
	write->failed = failed;
	write->failed_data = data;
}

void write_on_done(struct write *write, void (*told)(void *data, enum err err), void *data)
{
	write->told = told;
	write->told_data = data;
}

void write_finish(struct write *write)
{
	void (*told)(void *data, enum err err) = write->told;
	wakeup_send(&write->done);
	if (told != NULL) {
		told(write->told_data, write->err);
	}
}

static void fail_write(struct write *write, enum err err, const char *cause)
{
	write->err = err;
	(void)snprintf(write->cause, sizeof(write->cause), "%s", cause);
	metric_add(&failures, 1);
	if (write->failed != NULL) {
		write->failed(write->failed_data);
	}
}

void writer_wake(struct writer *writer)
{
	(void)!eventfd_write(writer->wake_fd, 1); /* fails only when it is woken 2^64 times over */
}

void writer_submit(struct writer *writer, struct write *write)
{
	lock_take(&writer->lock);
	bool was_empty = writer->first == NULL;
	write->is_submitted = true;
	bool is_full = writer->queued >= writer->config.queue_limit;
	bool is_refused = is_full || writer->is_stopping;
	if (!is_refused) {
		if (writer->last != NULL) {
			writer->last->next = write;
		} else {
			writer->first = write;
		}
		writer->last = write;
		writer->queued++;
		metric_set(&queue_depth, (int64_t)writer->queued);
	}
	lock_give(&writer->lock);
	if (was_empty && !is_refused) {
		writer_wake(writer);
	}
	if (is_refused) {
		fail_write(write, is_full ? ERR_LIMIT : ERR_SHUTDOWN, "refused");
		write_finish(write);
	}
}

enum err writer_wait(struct ctx *ctx, struct write *write, int64_t *out_first_position)
{
	invariant(write->is_submitted && !ctx->may_not_wait);
	wakeup_wait(&write->done);
	if (write->err == ERR_OK) {
		if (out_first_position != NULL) {
			*out_first_position = write->first_position;
		}
		return ERR_OK;
	}
	if (write->err == ERR_SHUTDOWN) {
		return fail(ctx, ERR_SHUTDOWN, NULL, "The server is stopping; try again soon");
	}
	if (write->err == ERR_LIMIT) {
		return fail(ctx, ERR_LIMIT, "M_LIMIT_EXCEEDED", "The server is busy; try again soon");
	}
	if (write->err == ERR_INPUT) {
		return fail(ctx, ERR_INPUT, "M_INVALID_PARAM",
			"A text contains the character U+0000, which cannot be stored");
	}
	return fail_cause(ctx, write->err, "%s", write->cause);
}

enum err writer_commit(struct ctx *ctx, struct writer *writer, struct write *write,
	int64_t *out_first_position)
{
	writer_submit(writer, write);
	return writer_wait(ctx, write, out_first_position);
}

int64_t writer_position(const struct writer *writer)
{
	return atomic_load(&writer->position);
}

enum err writer_await(struct ctx *ctx, struct writer *writer, int64_t position)
{
	TRY(ctx_may_wait(ctx));
	int64_t until_ms = clock_os_ms() + AWAIT_MS;
	bool in_time = true;
	LOCK_SCOPE(&writer->lock);
	writer->awaiting++;
	while (writer_position(writer) < position && in_time) {
		in_time = cond_wait_until(&writer->moved, &writer->lock, until_ms);
	}
	writer->awaiting--;
	return writer_position(writer) >= position
		? ERR_OK
		: fail(ctx, ERR_TIMEOUT, "M_UNKNOWN", "The server is behind; try again soon");
}

/* --- the thread's side --------------------------------------------------------------------------------------- */

/* The group was committed: caches, publication, callers. */
static void complete(struct writer *writer, struct write *const *writes, size_t count,
	const struct write_result *result)
{
	int64_t first = result->before + 1;
	for (size_t i = 0; i < count; i++) {
		writes[i]->first_position = first;
		if (writes[i]->committed != NULL) {
			writes[i]->committed(writes[i]->committed_data, first);
		}
		first += (int64_t)writes[i]->positions;
	}
	writer_move_to(writer, result->position);
	metric_add(&groups, 1);
	metric_add(&grouped, (int64_t)count);
	/* The callers first: how many others have to be woken is not their affair. */
	for (size_t i = 0; i < count; i++) {
		writer_finish_heard(writer, writes[i], result->position);
	}
	writer_publish(writer, result->position, result->kinds);
}

static void fail_all(struct write *const *writes, size_t count, enum err err, struct str cause)
{
	char text[160];
	(void)snprintf(text, sizeof(text), "%.*s", STR_ARG(cause));
	for (size_t i = 0; i < count; i++) {
		fail_write(writes[i], err, text);
		write_finish(writes[i]);
	}
}

/* Learns what became of a group whose callers were told that it failed. Errors: STORE when the database cannot say. */
static enum err settle_doubt(struct writer *writer, struct ctx *ctx)
{
	bool was_committed = false;
	if (!writer->is_in_doubt) {
		return ERR_OK;
	}
	TRY(write_outcome(ctx, &writer->pg, &writer->marks, &was_committed));
	writer->is_in_doubt = false;
	log_info(0, "db.doubt_settled", "committed=%d", was_committed);
	if (was_committed) {
		if (writer->config.overtaken != NULL) {
			writer->config.overtaken(writer->config.self, writer->doubtful_position);
		}
		writer_move_to(writer, writer->doubtful_position);
		writer_publish(writer, writer->doubtful_position, NEWS_ALL);
	}
	return ERR_OK;
}

/* @param out_doubtful  on failure: whether these may have been committed all the same */
static enum err commit_once(struct writer *writer, struct ctx *ctx, struct write *const *writes,
	size_t count, bool *out_doubtful)
{
	int64_t start_us = clock_mono_us();
	struct write_result result;
	*out_doubtful = false;
	TRY(settle_doubt(writer, ctx));
	TRY(writer_listen(writer, ctx));
	int64_t before = writer->peers.n == 0 ? writer_position(writer) : -1;
	enum err err = write_group(ctx, &writer->pg, &writer->marks, writes, count, before, &result);
	*out_doubtful = result.is_unknown;
	metric_observe_us(&group_time, clock_mono_us() - start_us);
	if (err == ERR_OK) {
		writer_hear_before(writer, ctx, result.before);
		complete(writer, writes, count, &result);
		writer_hear(writer, ctx);
	} else if (*out_doubtful) {
		writer->is_in_doubt = true;
		writer->doubtful_position = result.position;
	}
	return err;
}

/* A lost connection, or a deadlock, is tried again for a while, unless these may have been committed already. */
static enum err commit_together(struct writer *writer, struct ctx *ctx, struct write *const *writes,
	size_t count, bool *out_doubtful)
{
	int64_t give_up_ms = clock_os_ms() + RETRY_FOR_MS;
	for (;;) {
		enum err err = commit_once(writer, ctx, writes, count, out_doubtful);
		if (err != ERR_STORE || *out_doubtful || clock_os_ms() >= give_up_ms) {
			return err;
		}
		clock_os_pause(RETRY_PAUSE_MS);
		arena_reset(ctx->arena);
		ctx_init(ctx, ctx->arena);
	}
}

/* @return whether the database is away, as far as can be seen: then what comes behind these would wait in vain */
// NOLINTNEXTLINE(misc-no-recursion): as deep as a group can be halved
static bool commit_group(struct writer *writer, struct arena *arena, struct write *const *writes,
	size_t count)
{
	struct ctx ctx;
	ctx_init(&ctx, arena);
	bool is_doubtful = false;
	enum err err = commit_together(writer, &ctx, writes, count, &is_doubtful);
	if (err == ERR_OK) {
		return false;
	}
	if (count == 1 || err == ERR_STORE) {
		if (err != ERR_CONFLICT && err != ERR_MISSING && err != ERR_INPUT) {
			log_warn(0, "db.write_failed", "kind=%s writes=%zu doubtful=%d cause=%.*s",
				err_name(err), count, is_doubtful, STR_ARG(ctx.fault.cause));
		}
		fail_all(writes, count, err, ctx.fault.cause);
		return err == ERR_STORE && !writer->pg.was_rolled_back;
	}
	/* Who is the culprit? Each half on its own: of 256 writes with one of them, 8 commits. */
	size_t half = count / 2;
	arena_reset(arena);
	if (commit_group(writer, arena, writes, half)) {
		fail_all(writes + half, count - half, ERR_STORE, STR("the database is away"));
		return true;
	}
	arena_reset(arena);
	return commit_group(writer, arena, writes + half, count - half);
}

/* Everything that waits, up to the limit of a group, taken off the queue. */
static size_t take_group_locked(struct writer *writer, struct write **out)
{
	size_t count = 0;
	while (writer->first != NULL && count < writer->config.group_limit) {
		out[count++] = writer->first;
		writer->first = writer->first->next;
	}
	if (writer->first == NULL) {
		writer->last = NULL;
	}
	writer->queued -= count;
	metric_set(&queue_depth, (int64_t)writer->queued);
	return count;
}

/* How long a thread without writes may rest: as long as nothing is to be asked of the database. */
static int rest_ms(const struct writer *writer)
{
	if (writer->is_in_doubt) {
		return DOUBT_PAUSE_MS;
	}
	int patience_ms = writer_patience_ms(writer);
	int pause_ms = writer->pg.conn != NULL ? QUIET_MS : CONNECT_PAUSE_MS;
	return patience_ms >= 0 ? MIN_OF(patience_ms, pause_ms) : pause_ms;
}

/* Until there are writes, something to hear, or something to ask. */
static void rest(struct writer *writer)
{
	eventfd_t ignored;
	struct pollfd fds[] = {
		{.fd = writer->wake_fd, .events = POLLIN},
		{.fd = writer->pg.conn != NULL ? PQsocket(writer->pg.conn) : -1, .events = POLLIN},
	};
	int ready = poll(fds, COUNT_OF(fds), rest_ms(writer));
	writer->is_quiet = ready == 0;
	if (ready > 0 && fds[0].revents != 0) {
		(void)!eventfd_read(writer->wake_fd, &ignored);
	}
}

/* What is in the queue; nothing when it is time to hear what others did. @return false at the end */
static bool take_group(struct writer *writer, struct write **out, size_t *out_count)
{
	lock_take(&writer->lock);
	bool has_some = writer->first != NULL || writer->tells != NULL || writer->is_stopping;
	lock_give(&writer->lock);
	if (!has_some && writer->has_looked) {
		rest(writer);
	}
	LOCK_SCOPE(&writer->lock);
	*out_count = take_group_locked(writer, out);
	return *out_count > 0 || !writer->is_stopping;
}

/* Those who waited behind a group that found the database away have waited long enough. */
static void fail_queued(struct writer *writer, struct write **writes)
{
	lock_take(&writer->lock);
	size_t left = writer->queued;
	lock_give(&writer->lock);
	while (left > 0) {
		lock_take(&writer->lock);
		size_t count = take_group_locked(writer, writes);
		lock_give(&writer->lock);
		fail_all(writes, count, ERR_STORE, STR("the database is away"));
		left -= MIN_OF(left, count);
	}
}

/*
 * A database that hangs says nothing. Whoever reads would wait as long as a statement may take: so the writer looks whether it gets a connection
 * elsewhere, or anew; if not, or if another server has taken over, all connections are given up (fence.h).
 */
static enum err ask_whether_there(struct writer *writer, struct ctx *ctx)
{
	PGresult *result = NULL;
	if (!writer->is_quiet) {
		return ERR_OK;
	}
	writer->is_quiet = false;
	struct ctx question = *ctx;
	question.deadline_ms = clock_os_ms() + ANSWER_MS;
	enum err err = pg_run(&question, &writer->pg, STMT_SERVER_ANSWER, DB_NO_ARGS, &result);
	PQclear(result);
	return err == ERR_OK ? ERR_OK : writer_listen(writer, ctx);
}

/* While nothing is to be written. What fails is tried again after a rest. */
static void look_around(struct writer *writer, struct arena *arena)
{
	struct ctx ctx;
	ctx_init(&ctx, arena);
	if (settle_doubt(writer, &ctx) == ERR_OK && writer_listen(writer, &ctx) == ERR_OK &&
		ask_whether_there(writer, &ctx) == ERR_OK) {
		writer_say_tells(writer, &ctx);
		writer_hear(writer, &ctx);
		while (writer->owes_heard || writer->owes_answers) {
			writer_tell_heard(writer, &ctx);
			writer_hear(writer, &ctx); /* came with the answer: the socket will not tell */
		}
	} else {
		writer_lose_tells(writer);
	}
	writer_lose_patience(writer);
	writer->has_looked = true;
}

/* At the end: what is committed is answered, and nobody waits for this process any more. */
static void take_leave(struct writer *writer, struct arena *arena)
{
	look_around(writer, arena);
	while (writer->unheard != NULL || writer->untold != NULL) {
		arena_reset(arena);
		rest(writer);
		look_around(writer, arena);
	}
	struct ctx ctx;
	ctx_init(&ctx, arena);
	writer_say_bye(writer, &ctx);
}

static void *writer_run(void *data)
{
	struct writer *writer = data;
	struct arena *arena = arena_create();
	struct write **writes = mem_alloc_array(writer->config.group_limit, sizeof(*writes));
	size_t count;
	while (take_group(writer, writes, &count)) {
		if (count == 0 || writer_has_tells(writer)) {
			look_around(writer, arena);
		}
		if (count > 0) {
			arena_reset(arena);
			writer->has_looked = false;
			if (commit_group(writer, arena, writes, count)) {
				fail_queued(writer, writes);
			}
		}
		arena_reset(arena);
	}
	take_leave(writer, arena);
	mem_free(writes);
	arena_destroy(arena);
	return NULL;
}

/* The position at the start: what other runs of the server have committed. */
static enum err read_position(struct writer *writer, struct ctx *ctx)
{
	int64_t position;
	PGresult *result = NULL;
	TRY(pg_ensure(ctx, &writer->pg));
	TRY(writer_settle_position(writer, ctx, &position));
	writer_move_to(writer, position);
	writer->heard_since = writer->pg.connections;
	writer->owes_heard = true; /* others learn of this one */
	TRY(pg_run(ctx, &writer->pg, STMT_WRITER_MARK_TIDY, DB_NO_ARGS, &result));
	PQclear(result);
	return ERR_OK;
}

static void writer_free(struct writer *writer)
{
	pg_close(&writer->pg);
	(void)close(writer->wake_fd);
	cond_fini(&writer->moved);
	cond_fini(&writer->tells_done);
	lock_fini(&writer->lock);
	mem_free(writer->url);
	mem_free(writer);
}

struct writer *writer_create(const struct writer_config *config)
{
	struct writer *writer = mem_alloc(sizeof(*writer));
	writer->config = *config;
	writer->url = mem_dup(config->url.p, config->url.n);
	pg_init(&writer->pg, str_of(writer->url), WRITER_TIMEOUT_MS);
	writer->pg.channel = "belfry";
	writer->pg.fence = config->db != NULL ? db_fence(config->db) : NULL;
	writer->pg.speaks_for_all = true;
	writer->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	invariant(writer->wake_fd >= 0);
	struct rng rng = rng_os();
	writer->marks.writer_id = (int64_t)(rng_u64(&rng) >> 1);
	lock_init(&writer->lock, RANK_WRITER);
	cond_init(&writer->moved);
	cond_init(&writer->tells_done);
	const struct clock clock = clock_os();
	atomic_init(&writer->ephemeral, clock_wall_ms(&clock)); /* rises over restarts */
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct ctx ctx;
	ctx_init(&ctx, arena);
	int64_t give_up_ms = clock_os_ms() + START_WAIT_MS;
	while (read_position(writer, &ctx) != ERR_OK) {
		if (clock_os_ms() >= give_up_ms) {
			log_error(0, "db.unreachable", "cause=%.*s", STR_ARG(ctx.fault.cause));
			writer_free(writer);
			return NULL;
		}
		clock_os_pause(RETRY_PAUSE_MS);
	}
	writer->thread = thread_start("writer", writer_run, writer);
	return writer;
}

void writer_destroy(struct writer *writer)
{
	if (writer == NULL) {
		return;
	}
	lock_take(&writer->lock);
	writer->is_stopping = true;
	lock_give(&writer->lock);
	writer_wake(writer);
	(void)pthread_join(writer->thread, NULL);
	writer_free(writer);
}
