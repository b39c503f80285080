/*
 * What processes say to each other beside commits. Lines wait in a queue; the writer's thread sends all there are between two groups, in one
 * notification or a few, and takes them in, like those of others, when they come back: so all processes do the same in the same order.
 */
#include "storage/writer_inner.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"

#include <inttypes.h>

enum { TELLS_MAX = 10000 };

static struct metric told_lines =
	METRIC_COUNTER("belfry_writer_tells_total", "Lines said to other processes beside commits");
static struct metric lost_lines = METRIC_COUNTER("belfry_writer_tells_lost_total",
	"Lines that could not be said to other processes");

/* --- the caller's side ------------------------------------------------------------------------------------ */

bool writer_has_peers(const struct writer *writer)
{
	return atomic_load(&writer->peer_n) > 0;
}

size_t writer_process_count(const struct writer *writer)
{
	return atomic_load(&writer->peer_n) + 1;
}

int64_t writer_ephemeral(const struct writer *writer)
{
	return atomic_load(&writer->ephemeral);
}

void writer_raise_ephemeral(struct writer *writer, int64_t serial)
{
	int64_t now = atomic_load(&writer->ephemeral);
	while (now < serial && !atomic_compare_exchange_weak(&writer->ephemeral, &now, serial)) {
	}
}

static void free_tell(struct tell *tell)
{
	str_free(tell->line);
	mem_free(tell);
}

/* @return false when it is not taken */
static bool queue(struct writer *writer, struct tell *tell)
{
	lock_take(&writer->lock);
	bool is_taken = !writer->is_stopping && (tell->is_awaited || writer->tell_n < TELLS_MAX);
	bool was_empty = writer->tells == NULL;
	if (is_taken) {
		*(was_empty ? &writer->tells : &writer->tells_last->next) = tell;
		writer->tells_last = tell;
		writer->tell_n++;
	}
	lock_give(&writer->lock);
	if (is_taken && was_empty) {
		writer_wake(writer);
	}
	metric_add(is_taken ? &told_lines : &lost_lines, 1);
	return is_taken;
}

/* Names of other servers may have anything in them. */
static bool is_line(struct str line)
{
	bool is_good = line.n <= NEWS_LINE_MAX_BYTES && str_find_byte(line, '\n') == SIZE_MAX &&
		str_find_byte(line, '\0') == SIZE_MAX;
	metric_add(&lost_lines, is_good ? 0 : 1);
	return is_good;
}

void writer_tell(struct writer *writer, enum news_kind kind, struct str line)
{
	if (!is_line(line)) {
		return;
	}
	struct tell *tell = mem_alloc(sizeof(*tell));
	*tell = (struct tell){.kind = kind, .line = str_heap(line)};
	if (!queue(writer, tell)) {
		free_tell(tell);
	}
}

void writer_tell_all(struct writer *writer, enum news_kind kind, struct str line)
{
	if (!is_line(line)) {
		return;
	}
	struct tell tell = {.kind = kind, .line = line, .is_awaited = true};
	if (!queue(writer, &tell)) {
		return;
	}
	LOCK_SCOPE(&writer->lock);
	while (!tell.is_done) {
		cond_wait(&writer->tells_done, &writer->lock);
	}
}

/* --- the thread's side ------------------------------------------------------------------------------------- */

bool writer_has_tells(struct writer *writer)
{
	LOCK_SCOPE(&writer->lock);
	return writer->tells != NULL;
}

/* Its caller goes on, in whose hands it is; one that nobody waits for ends here. */
static void finish(struct writer *writer, struct tell *tell)
{
	if (!tell->is_awaited) {
		free_tell(tell);
		return;
	}
	LOCK_SCOPE(&writer->lock);
	tell->is_done = true;
	cond_broadcast(&writer->tells_done);
}

/* Said: who waits, waits on. */
static void note_said(struct writer *writer, struct tell *tell)
{
	tell->number = writer->said;
	tell->next = NULL;
	if (!tell->is_awaited) {
		free_tell(tell);
		return;
	}
	tell->patience_until_ms = clock_os_ms() + writer_patience(writer);
	*(writer->untold == NULL ? &writer->untold : &writer->untold_last->next) = tell;
	writer->untold_last = tell;
}

static enum err send(struct writer *writer, struct ctx *ctx, size_t lines, struct str text)
{
	PGresult *result = NULL;
	enum err err = pg_run(ctx, &writer->pg, STMT_STREAM_TELL,
		DB_ARGS(db_bigint(writer_ephemeral(writer)), db_bigint((int64_t)lines), db_text(text)),
		&result);
	PQclear(result);
	return err;
}

/* As much as one notification takes. @return what is left */
static struct tell *say_some(struct writer *writer, struct ctx *ctx, struct tell *first)
{
	struct buf text CLEANUP(buf_fini);
	size_t lines = 0;
	struct tell *next = first;
	buf_init(&text, (size_t)NEWS_MAX_BYTES + 1);
	writer->said++;
	buf_printf(&text, "%" PRId64 " %" PRId64, writer->marks.writer_id, writer->said);
	while (next != NULL && news_add_line(&text, next->kind, next->line)) {
		next = next->next;
		lines++;
	}
	enum err err = send(writer, ctx, lines, buf_str(&text));
	if (err != ERR_OK) {
		log_warn(0, "db.tell_failed", "kind=%s lines=%zu cause=%.*s", err_name(err), lines,
			STR_ARG(ctx->fault.cause));
		metric_add(&lost_lines, (int64_t)lines);
		ctx->fault = (struct fault){0};
	}
	for (struct tell *tell = first; tell != next;) {
		struct tell *after = tell->next;
		if (err == ERR_OK) {
			note_said(writer, tell);
		} else {
			finish(writer, tell);
		}
		tell = after;
	}
	return next;
}

static struct tell *take_queued(struct writer *writer)
{
	LOCK_SCOPE(&writer->lock);
	struct tell *first = writer->tells;
	writer->tells = writer->tells_last = NULL;
	writer->tell_n = 0;
	return first;
}

void writer_say_tells(struct writer *writer, struct ctx *ctx)
{
	struct tell *next = take_queued(writer);
	while (next != NULL) {
		next = say_some(writer, ctx, next);
	}
}

void writer_lose_tells(struct writer *writer)
{
	struct tell *next = take_queued(writer);
	while (next != NULL) {
		struct tell *tell = next;
		next = tell->next;
		metric_add(&lost_lines, 1);
		finish(writer, tell);
	}
}

void writer_take_in_tells(struct writer *writer, const struct news_group *group)
{
	int64_t serial = group->serial - (int64_t)group->count;
	for (size_t i = 0; i < group->count; i++) {
		if (writer->config.heard != NULL) {
			writer->config.heard(writer->config.self, &group->list[i], ++serial);
		}
	}
	writer_raise_ephemeral(writer, group->serial);
}

void writer_let_tellers_go(struct writer *writer)
{
	int64_t known = MIN_OF(writer->said_heard, peers_know(&writer->peers));
	while (writer->untold != NULL && writer->untold->number <= known) {
		struct tell *tell = writer->untold;
		writer->untold = tell->next;
		finish(writer, tell);
	}
}

void writer_give_up_tells(struct writer *writer)
{
	writer->said_heard = writer->said;
	while (writer->untold != NULL) {
		struct tell *tell = writer->untold;
		writer->untold = tell->next;
		finish(writer, tell);
	}
}
