/*
 * One lock guards all consumers. A thread picks one that is due, marks it as running, runs a round without the lock, and enters
 * the outcome. Threads sleep until the next consumer's time comes or something is published.
 *
 * The leases are advisory locks of one connection, looked at again before each round: one that broke has lost them, and on the next
 * one either this process gets the lease again or it stands back. Should two processes run a consumer for a moment
 * all the same, the second one to move the position fails, for it is not where it was.
 */
#include "homeserver/consumer.h"

#include "base/clock.h"
#include "base/lock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "storage/consumer.h"
#include "storage/news.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum {
	THREADS = 2,
	ROUND_LIMIT_MS = 60 * 1000,
	LEASE_RETRY_MS = 3000, /* how soon another process takes over */
	NOT_READY_MS = 1000,
	BACKOFF_FIRST_MS = 100,
	BACKOFF_MAX_MS = 60 * 1000,
	BACKOFF_AWAY_MS = 1000, /* the same while the database is away: the round has done no harm */
	LABEL_BYTES = 64,
	LOOK_FIRST_MS = 5, /* between two looks at what another process has done */
	LOOK_MAX_MS = 50,
};

struct consumer {
	struct consumer_def def;
	/* Guarded by the lock: */
	bool is_running;
	bool is_ours;   /* has the lease, and the position is known */
	bool is_urgent; /* somebody waits: the pause is left out */
	bool is_lost;   /* while it ran, its position became what the database says */
	int64_t position;
	int64_t wanted;    /* newest published position that brought what it follows */
	int64_t due_ms;    /* not before; monotonic */
	int64_t pass_ms;   /* when it is shown what it does not follow; 0: there is nothing */
	int64_t failures;  /* in a row */
	int64_t leased_on; /* the connection that had the lease; of its round alone */
	/* Metrics, by the consumer's place. */
	struct metric *lag, *rounds, *failed;
};

struct consumers {
	struct homeserver *hs;
	struct db *leases;
	struct lock lock;
	struct cond work;  /* something may be due */
	struct cond moved; /* a consumer's round has ended, or something was published */
	int64_t begun;     /* published position when the threads were started; fixed from then on */
	int64_t newest;    /* published position; guarded by lock, like all below */
	size_t idle_threads;
	size_t waiting; /* callers, for a position */
	bool is_stopping;
	pthread_t threads[THREADS];
	size_t thread_n;
	struct consumer list[CONSUMERS_MAX];
	size_t n;
};

/* Metrics live as long as the program; a consumer's are found by its label. */
static struct metric lags[CONSUMERS_MAX];
static struct metric rounds[CONSUMERS_MAX];
static struct metric failures[CONSUMERS_MAX];
static char labels[CONSUMERS_MAX][LABEL_BYTES];

static void set_metrics(struct consumer *consumer, size_t place)
{
	char label[LABEL_BYTES];
	(void)snprintf(label, sizeof(label), "consumer=\"%s\"", consumer->def.name);
	if (strcmp(labels[place], label) != 0) {
		invariant(labels[place][0] == '\0');
		memcpy(labels[place], label, sizeof(label));
		lags[place] = (struct metric)METRIC_GAUGE("belfry_consumer_lag_positions",
			"Stream positions that a consumer has not dealt with");
		rounds[place] = (struct metric)METRIC_COUNTER("belfry_consumer_rounds_total",
			"Rounds of stream consumers");
		failures[place] = (struct metric)METRIC_COUNTER("belfry_consumer_failures_total",
			"Rounds of stream consumers that failed");
		lags[place].labels = rounds[place].labels = failures[place].labels = labels[place];
	}
	consumer->lag = &lags[place];
	consumer->rounds = &rounds[place];
	consumer->failed = &failures[place];
}

/* --- which one, and when ---------------------------------------------------------------------------------- */

/* When it has something to do; INT64_MAX: not before something is published. */
static int64_t due_locked(const struct consumer *consumer)
{
	if (!consumer->is_ours || consumer->position < consumer->wanted) {
		return consumer->due_ms;
	}
	return consumer->pass_ms != 0 ? MAX_OF(consumer->due_ms, consumer->pass_ms) : INT64_MAX;
}

/* How far it has to be, so that nothing it follows up to a position is left. */
static int64_t needed_locked(const struct consumers *consumers, const struct consumer *consumer,
	int64_t position)
{
	return position <= consumers->newest ? MIN_OF(position, consumer->wanted) : position;
}

static struct consumer *find_due_locked(struct consumers *consumers)
{
	int64_t at_ms = clock_os_ms();
	for (size_t i = 0; i < consumers->n; i++) {
		if (!consumers->list[i].is_running && at_ms >= due_locked(&consumers->list[i])) {
			return &consumers->list[i];
		}
	}
	return NULL;
}

/* When the next consumer is due, or may be: what comes in its pause wakes nobody. INT64_MAX: none will be. */
static int64_t next_due_locked(const struct consumers *consumers)
{
	int64_t at_ms = clock_os_ms();
	int64_t next_ms = INT64_MAX;
	for (size_t i = 0; i < consumers->n; i++) {
		const struct consumer *consumer = &consumers->list[i];
		if (!consumer->is_running) {
			int64_t pause_ms = consumer->due_ms > at_ms ? consumer->due_ms : INT64_MAX;
			next_ms = MIN_OF(next_ms, MIN_OF(pause_ms, due_locked(consumer)));
		}
	}
	return next_ms;
}

/* Whether what it does not follow begins to wait. */
static bool note_behind_locked(const struct consumers *consumers, struct consumer *consumer)
{
	bool was_behind = consumer->pass_ms != 0;
	if (consumer->position >= consumers->newest) {
		consumer->pass_ms = 0;
	} else if (!was_behind) {
		consumer->pass_ms = clock_os_ms() + CONSUMERS_PASS_MS;
	}
	return !was_behind && consumer->pass_ms != 0;
}

/* A consumer to run, marked as running; NULL when it is time to end. */
static struct consumer *pick(struct consumers *consumers, int64_t *out_up_to)
{
	LOCK_SCOPE(&consumers->lock);
	struct consumer *consumer = NULL;
	while (!consumers->is_stopping && (consumer = find_due_locked(consumers)) == NULL) {
		int64_t next_ms = next_due_locked(consumers);
		consumers->idle_threads++;
		if (next_ms == INT64_MAX) {
			cond_wait(&consumers->work, &consumers->lock);
		} else {
			(void)cond_wait_until(&consumers->work, &consumers->lock, next_ms);
		}
		consumers->idle_threads--;
	}
	if (consumers->is_stopping) {
		return NULL;
	}
	consumer->is_running = true;
	consumer->is_urgent = consumer->is_lost = false;
	*out_up_to = consumers->newest;
	return consumer;
}

/* --- a round ------------------------------------------------------------------------------------------------ */

struct outcome {
	enum err err;
	bool is_ours;
	int64_t position;
	int64_t pause_ms;
};

/* What is in the database. A new name that is from now begins where the stream was when this process started, however late its first round is. */
static enum err find_position(struct ctx *ctx, const struct consumers *consumers,
	const struct consumer *consumer, int64_t *out)
{
	int64_t first = consumer->def.from_now ? consumers->begun : 0;
	return store_consumer_position(ctx, consumers->hs->db, str_of(consumer->def.name), first, out);
}

/* Lease and position. The position is read after the lease is had, so it is the last holder's. */
static enum err claim(struct ctx *ctx, struct consumers *consumers, struct consumer *consumer,
	struct outcome *out)
{
	struct str name = str_of(consumer->def.name);
	int64_t connection;
	TRY(store_leases_connection(ctx, consumers->leases, &connection));
	out->is_ours = consumer->is_ours && consumer->leased_on == connection;
	if (!out->is_ours) {
		TRY(store_consumer_lease(ctx, consumers->leases, name, &out->is_ours));
		consumer->leased_on = connection;
	}
	out->position = consumer->position;
	if (out->is_ours && !consumer->is_ours) {
		TRY(find_position(ctx, consumers, consumer, &out->position));
	}
	return ERR_OK;
}

static void note_claimed(struct consumers *consumers, struct consumer *consumer, int64_t position)
{
	LOCK_SCOPE(&consumers->lock);
	consumer->is_ours = true;
	consumer->position = position;
}

static enum err run_round(struct ctx *ctx, struct consumers *consumers, struct consumer *consumer,
	int64_t up_to, struct outcome *out)
{
	const struct consumer_def *def = &consumer->def;
	TRY(claim(ctx, consumers, consumer, out));
	if (!out->is_ours) {
		out->pause_ms = LEASE_RETRY_MS;
		return ERR_OK;
	}
	int64_t after = out->position;
	note_claimed(consumers, consumer, after);
	if (after >= up_to) {
		return ERR_OK;
	}
	int64_t reached = after;
	TRY(def->run(ctx, consumers->hs, def->self, after, up_to, &reached));
	invariant(reached >= after && reached <= up_to);
	if (reached > after && !def->saves_itself) {
		TRY(store_consumer_move(ctx, consumers->hs->db, str_of(def->name), after, reached));
	}
	out->position = reached;
	int64_t pause_ms = def->pause != NULL ? def->pause(def->self) : def->pause_ms;
	out->pause_ms = reached == after ? NOT_READY_MS : reached < up_to ? 0 : pause_ms;
	metric_add(consumer->rounds, 1);
	return ERR_OK;
}

static void note_failure(const struct ctx *ctx, struct consumer *consumer, struct outcome *out)
{
	int64_t doublings = MIN_OF(consumer->failures, 16);
	int64_t longest_ms = out->err == ERR_STORE ? BACKOFF_AWAY_MS : BACKOFF_MAX_MS;
	out->pause_ms = MIN_OF((int64_t)BACKOFF_FIRST_MS << doublings, longest_ms);
	out->is_ours = false; /* whatever happened, the position in the database is what holds */
	metric_add(consumer->failed, 1);
	log_warn(0, "consumer.failed", "consumer=%s kind=%s retry_ms=%" PRId64 " cause=%.*s",
		consumer->def.name, err_name(out->err), out->pause_ms,
		STR_ARG(ctx->fault.cause.n > 0 ? ctx->fault.cause : ctx->fault.text));
}

static void enter(struct consumers *consumers, struct consumer *consumer,
	const struct outcome *outcome)
{
	LOCK_SCOPE(&consumers->lock);
	consumer->is_running = false;
	consumer->is_ours = outcome->is_ours && !consumer->is_lost;
	consumer->position = consumer->is_ours ? outcome->position : 0;
	consumer->failures = outcome->err == ERR_OK ? 0 : consumer->failures + 1;
	bool skips_pause = consumer->is_urgent && outcome->err == ERR_OK && outcome->is_ours;
	consumer->due_ms = skips_pause ? 0 : clock_os_ms() + outcome->pause_ms;
	consumer->pass_ms = 0;
	if (consumer->is_ours) {
		(void)note_behind_locked(consumers, consumer);
		bool is_behind = consumer->position < consumer->wanted;
		metric_set(consumer->lag, is_behind ? consumers->newest - consumer->position : 0);
	}
	cond_broadcast(&consumers->moved);
}

static void *run(void *data)
{
	struct consumers *consumers = data;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct consumer *consumer;
	int64_t up_to = 0;
	while ((consumer = pick(consumers, &up_to)) != NULL) {
		struct ctx ctx;
		ctx_init(&ctx, arena);
		ctx.deadline_ms = clock_os_ms() + ROUND_LIMIT_MS;
		struct outcome outcome = {0};
		outcome.err = run_round(&ctx, consumers, consumer, up_to, &outcome);
		if (outcome.err != ERR_OK) {
			note_failure(&ctx, consumer, &outcome);
		}
		enter(consumers, consumer, &outcome);
		arena_reset(arena);
	}
	return NULL;
}

/* --- from outside --------------------------------------------------------------------------------------------- */

void consumers_published(struct consumers *consumers, int64_t position, uint32_t kinds)
{
	LOCK_SCOPE(&consumers->lock);
	consumers->newest = MAX_OF(consumers->newest, position);
	bool has_plan = false; /* somebody has to be woken later than those who sleep think */
	for (size_t i = 0; i < consumers->n; i++) {
		struct consumer *consumer = &consumers->list[i];
		if ((consumer->def.follows & kinds) != 0) {
			consumer->wanted = consumers->newest;
		} else if (consumer->is_ours && !consumer->is_running) {
			has_plan |= note_behind_locked(consumers, consumer);
		}
	}
	if (consumers->idle_threads > 0 && (has_plan || find_due_locked(consumers) != NULL)) {
		cond_signal(&consumers->work);
	}
	if (consumers->waiting > 0) {
		cond_broadcast(&consumers->moved);
	}
}

static struct consumer *find_named(struct consumers *consumers, const char *name)
{
	for (size_t i = 0; i < consumers->n; i++) {
		if (strcmp(consumers->list[i].def.name, name) == 0) {
			return &consumers->list[i];
		}
	}
	return NULL;
}

bool consumers_is_ours(struct consumers *consumers, const char *name)
{
	LOCK_SCOPE(&consumers->lock);
	const struct consumer *consumer = find_named(consumers, name);
	return consumer != NULL && consumer->is_ours;
}

void consumers_begin_anew(struct consumers *consumers, const char *name)
{
	LOCK_SCOPE(&consumers->lock);
	struct consumer *consumer = find_named(consumers, name);
	invariant(consumer != NULL);
	if (consumer->is_running) {
		consumer->is_lost = true; /* the rest is its thread's */
	} else {
		consumer->is_ours = false;
		cond_signal(&consumers->work);
	}
}

/* *out_is_elsewhere: it is not done, because another process runs it. */
static bool await_own(struct consumers *consumers, struct consumer *consumer, int64_t position,
	int64_t deadline_mono_ms, bool *out_is_elsewhere)
{
	*out_is_elsewhere = false;
	LOCK_SCOPE(&consumers->lock);
	while (!consumers->is_stopping && consumer->failures == 0 &&
		(consumer->is_running || consumer->is_ours || consumer->due_ms == 0)) {
		if (consumer->is_ours &&
			consumer->position >= needed_locked(consumers, consumer, position)) {
			return true;
		}
		consumer->is_urgent = true;
		if (!consumer->is_running && consumer->due_ms != 0) {
			consumer->due_ms = 0;
			cond_signal(&consumers->work);
		}
		consumers->waiting++;
		bool is_woken = cond_wait_until(&consumers->moved, &consumers->lock, deadline_mono_ms);
		consumers->waiting--;
		if (!is_woken) {
			break;
		}
	}
	*out_is_elsewhere = !consumers->is_stopping && consumer->failures == 0 && !consumer->is_ours;
	return consumer->is_ours && consumer->position >= needed_locked(consumers, consumer, position);
}

static int64_t needed(struct consumers *consumers, const struct consumer *consumer,
	int64_t position)
{
	LOCK_SCOPE(&consumers->lock);
	return needed_locked(consumers, consumer, position);
}

static bool await_elsewhere(struct consumers *consumers, const struct consumer *consumer,
	int64_t position, int64_t deadline_mono_ms)
{
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct ctx ctx;
	ctx_init(&ctx, arena);
	ctx.deadline_ms = deadline_mono_ms;
	int64_t pause_ms = LOOK_FIRST_MS;
	int64_t reached = 0;
	while (find_position(&ctx, consumers, consumer, &reached) == ERR_OK &&
		reached < needed(consumers, consumer, position) &&
		clock_os_ms() + pause_ms < deadline_mono_ms) {
		clock_os_pause(pause_ms);
		pause_ms = MIN_OF(pause_ms * 2, (int64_t)LOOK_MAX_MS);
		arena_reset(arena);
	}
	return reached >= needed(consumers, consumer, position);
}

bool consumers_await(struct consumers *consumers, const char *name, int64_t position,
	int64_t deadline_mono_ms)
{
	struct consumer *consumer = find_named(consumers, name);
	invariant(consumer != NULL);
	bool is_elsewhere;
	return await_own(consumers, consumer, position, deadline_mono_ms, &is_elsewhere);
}

bool consumers_await_stored(struct consumers *consumers, const char *name, int64_t position,
	int64_t deadline_mono_ms)
{
	struct consumer *consumer = find_named(consumers, name);
	invariant(consumer != NULL);
	bool is_elsewhere;
	return await_own(consumers, consumer, position, deadline_mono_ms, &is_elsewhere) ||
		(is_elsewhere && await_elsewhere(consumers, consumer, position, deadline_mono_ms));
}

struct consumers *consumers_create(struct homeserver *hs)
{
	struct consumers *consumers = mem_alloc(sizeof(*consumers));
	consumers->hs = hs;
	consumers->leases = store_leases_create(hs->db);
	lock_init(&consumers->lock, RANK_LEAF);
	cond_init(&consumers->work);
	cond_init(&consumers->moved);
	return consumers;
}

void consumers_add(struct consumers *consumers, const struct consumer_def *def)
{
	invariant(consumers->n < CONSUMERS_MAX && consumers->thread_n == 0);
	invariant(find_named(consumers, def->name) == NULL && def->follows != 0);
	struct consumer *consumer = &consumers->list[consumers->n];
	consumer->def = *def;
	set_metrics(consumer, consumers->n);
	consumers->n++;
}

void consumers_start(struct consumers *consumers)
{
	consumers->begun = writer_position(consumers->hs->writer);
	consumers_published(consumers, consumers->begun, NEWS_ALL);
	for (size_t i = 0; i < THREADS; i++) {
		consumers->threads[consumers->thread_n++] = thread_start("consumer", run, consumers);
	}
}

enum err consumers_place(struct ctx *ctx, const struct consumers *consumers)
{
	for (size_t i = 0; i < consumers->n; i++) {
		int64_t position;
		TRY(find_position(ctx, consumers, &consumers->list[i], &position));
	}
	return ERR_OK;
}

void consumers_stop(struct consumers *consumers)
{
	if (consumers == NULL) {
		return;
	}
	lock_take(&consumers->lock);
	consumers->is_stopping = true;
	cond_broadcast(&consumers->work);
	cond_broadcast(&consumers->moved);
	lock_give(&consumers->lock);
	for (size_t i = 0; i < consumers->thread_n; i++) {
		(void)pthread_join(consumers->threads[i], NULL);
	}
	consumers->thread_n = 0;
}

void consumers_destroy(struct consumers *consumers)
{
	if (consumers == NULL) {
		return;
	}
	consumers_stop(consumers);
	db_destroy(consumers->leases);
	cond_fini(&consumers->moved);
	cond_fini(&consumers->work);
	lock_fini(&consumers->lock);
	mem_free(consumers);
}
