/*
 * The thread that sends what is due, the oldest first. It sleeps until the next one is, and is woken when one is given that is due before that; to be put
 * off makes none due earlier, so that needs no word. Of all processes the one with the lease sends; should two for a moment, the writes
 * tell them apart (room_delayed.c).
 */
#include "homeserver/room/room_delayed.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "base/rounds.h"
#include "storage/consumer.h"

#include <stdio.h>

enum {
	POLL_MS = 5000, /* should nobody have said that one was given */
	NOT_OURS_MS = 3000,
	ROUND_LIMIT_MS = 60 * 1000,
	EVENT_LIMIT_MS = 10 * 1000,
	AT_ONCE = 50,
	PAUSE_MS = 5 * 1000,
	GIVE_UP_MS = 24 * 60 * 60 * 1000,
};

#define OUTCOME(word) \
	{ \
		.kind = METRIC_KIND_COUNTER, .name = "belfry_delayed_events_total", \
		.help = \
			"Events that clients had given to be sent later, by what became of them when they were due", \
		.labels = "outcome=\"" word "\"" \
	}
static struct metric sent = OUTCOME("sent");
static struct metric refused = OUTCOME("refused");
static struct metric put_off = OUTCOME("put_off");

struct room_delayed {
	struct homeserver *hs;
	struct db *leases;
	struct rounds *rounds;
	_Atomic int64_t
		wakes_at_ms; /* on the wall clock: who has one that is due before wakes the thread */
};

/* --- one that is due ---------------------------------------------------------------------------------------------- */

/* What cannot be for no fault of its own may be in a while; the rest never, and nobody waits for it. */
static enum err note_failure(struct ctx *ctx, struct homeserver *hs,
	const struct delayed_event_row *row, enum err err)
{
	int64_t now_ms = clock_wall_ms(&hs->clock);
	if (err == ERR_CONFLICT) { /* somebody else has put it off, sent or cancelled it */
		return store_delayed_event_postpone(ctx, hs->db, &row->key, now_ms + PAUSE_MS);
	}
	bool may_be_later = (err_is_transient(err) || err == ERR_INTERNAL) &&
		now_ms - row->running_since_ms - row->delay_ms < GIVE_UP_MS;
	log_info(0, "delayed.not_sent", "kind=%s code=%s cause=%.*s", err_name(err),
		ctx->fault.errcode != NULL ? ctx->fault.errcode : "", STR_ARG(ctx->fault.cause));
	ctx->deadline_ms = clock_os_ms() + EVENT_LIMIT_MS; /* the old one may be why it failed */
	metric_add(may_be_later ? &put_off : &refused, 1);
	return may_be_later ? store_delayed_event_postpone(ctx, hs->db, &row->key, now_ms + PAUSE_MS)
						: store_delayed_event_drop(ctx, hs->db, &row->key);
}

/*
 * With an arena of its own: what fifty of the largest kind need is much.
 * Errors: DEFER when another server has to be asked, and that may not be now; STORE and SHUTDOWN: nothing more can be done now
 */
static enum err deliver(struct ctx *round, struct homeserver *hs,
	const struct delayed_event_row *row, bool may_ask)
{
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct ctx ctx;
	ctx_init(&ctx, arena);
	ctx.may_not_ask = !may_ask;
	ctx.deadline_ms = clock_os_ms() + EVENT_LIMIT_MS;
	enum err err = room_delayed_deliver(&ctx, hs, row);
	if (err == ERR_OK) {
		metric_add(&sent, 1);
	} else if (err != ERR_DEFER && err != ERR_STORE && err != ERR_SHUTDOWN) {
		err = note_failure(&ctx, hs, row, err);
	}
	return err == ERR_OK || err == ERR_DEFER
		? err
		: fail_cause(round, err, "%.*s", STR_ARG(ctx.fault.cause));
}

/*
 * Those for which another server has to be asked come behind the others, and for no longer than a pause: rooms whose policy server hangs keep
 * nobody else's waiting for longer than that, and what one of them takes.
 */
static enum err ask_due(struct ctx *ctx, struct room_delayed *delayed,
	const struct delayed_event_row *rows, size_t count)
{
	struct homeserver *hs = delayed->hs;
	int64_t until_ms = clock_os_ms() + PAUSE_MS;
	for (size_t i = 0; i < count && !rounds_is_stopping(delayed->rounds); i++) {
		if (clock_os_ms() < until_ms) {
			TRY(deliver(ctx, hs, &rows[i], true));
		} else {
			TRY(store_delayed_event_postpone(ctx, hs->db, &rows[i].key,
				clock_wall_ms(&hs->clock) + PAUSE_MS));
		}
	}
	return ERR_OK;
}

static enum err send_due(struct ctx *ctx, struct room_delayed *delayed)
{
	struct homeserver *hs = delayed->hs;
	struct delayed_event_row *rows;
	size_t count;
	size_t asking = 0; /* so many that have to ask are now the first of the rows */
	TRY(store_delayed_event_due(ctx, hs->db, clock_wall_ms(&hs->clock), AT_ONCE, &rows, &count));
	for (size_t i = 0; i < count && !rounds_is_stopping(delayed->rounds); i++) {
		enum err err = deliver(ctx, hs, &rows[i], false);
		if (err == ERR_DEFER) {
			rows[asking++] = rows[i];
		} else {
			TRY(err);
		}
	}
	return ask_due(ctx, delayed, rows, asking);
}

/* --- rounds ------------------------------------------------------------------------------------------------------- */

static enum err run_round(void *self, struct ctx *ctx, int64_t *out_pause_ms)
{
	struct room_delayed *delayed = self;
	struct homeserver *hs = delayed->hs;
	int64_t next_ms;
	bool is_ours = false;
	atomic_store(&delayed->wakes_at_ms, INT64_MAX); /* until it is known */
	TRY(store_delayed_event_next(ctx, hs->db, &next_ms));
	int64_t now_ms = clock_wall_ms(&hs->clock);
	if (next_ms > now_ms) {
		*out_pause_ms = MIN_OF(next_ms - now_ms, (int64_t)POLL_MS);
		atomic_store(&delayed->wakes_at_ms, now_ms + *out_pause_ms);
		return ERR_OK;
	}
	TRY(store_consumer_lease(ctx, delayed->leases, STR("delayed_events"), &is_ours));
	if (!is_ours) {
		*out_pause_ms = NOT_OURS_MS;
		atomic_store(&delayed->wakes_at_ms, now_ms + NOT_OURS_MS);
		return ERR_OK;
	}
	*out_pause_ms = 0;
	return send_due(ctx, delayed);
}

static void wake(struct room_delayed *delayed, int64_t due_at_ms)
{
	if (due_at_ms < atomic_load(&delayed->wakes_at_ms)) {
		rounds_wake(delayed->rounds);
	}
}

void room_delayed_tell(struct homeserver *hs, int64_t due_at_ms)
{
	wake(hs->delayed, due_at_ms);
	if (writer_has_peers(hs->writer)) {
		char line[24];
		(void)snprintf(line, sizeof(line), "%lld", (long long)due_at_ms);
		writer_tell(hs->writer, NEWS_DELAYED, str_of(line)); /* another one may have the lease */
	}
}

void room_delayed_heard(struct room_delayed *delayed, struct str line)
{
	int64_t due_at_ms;
	if (str_to_int(line, 0, INT64_MAX, &due_at_ms)) {
		wake(delayed, due_at_ms);
	}
}

/* --- its life ----------------------------------------------------------------------------------------------------- */

struct room_delayed *room_delayed_create(struct homeserver *hs)
{
	struct room_delayed *delayed = mem_alloc(sizeof(*delayed));
	delayed->hs = hs;
	atomic_init(&delayed->wakes_at_ms, INT64_MAX);
	delayed->leases = store_leases_create(hs->db);
	delayed->rounds = rounds_create(&(struct rounds_def){.name = "delayed-events",
		.limit_ms = ROUND_LIMIT_MS,
		.run = run_round,
		.self = delayed});
	return delayed;
}

void room_delayed_start(struct room_delayed *delayed)
{
	rounds_start(delayed->rounds);
}

void room_delayed_stop(struct room_delayed *delayed)
{
	if (delayed != NULL) {
		rounds_stop(delayed->rounds);
	}
}

void room_delayed_destroy(struct room_delayed *delayed)
{
	if (delayed == NULL) {
		return;
	}
	rounds_destroy(delayed->rounds);
	db_destroy(delayed->leases);
	mem_free(delayed);
}
