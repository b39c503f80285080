/*
 * The queues in memory and the threads that take them.
 *
 * The database holds what waits; memory only knows in which queues something may be due. A queue that was woken stands in a line until
 * a thread takes it, and goes to its end after each batch, so that a busy room does not keep others waiting. What is tried again later,
 * was left over by a crash, or was staged by another process is found by a look at the database every few seconds.
 *
 * Several processes may work off one room's queue at once: nothing is done twice, for events that were taken in are known, and what follows
 * from their order is in themselves. EDUs have nothing but their order: the queues of servers are worked off by the process that has a lease,
 * and whoever stages some tells it.
 */
#include "federation/inbox_inner.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "storage/consumer.h"
#include "storage/inbox.h"
#include "storage/partial_join.h"

enum {
	LOOK_MS = 5000,
	TIDY_MS = 3600 * 1000,
	KEPT_MS = 24 * 3600 * 1000, /* so long a transaction that comes again gets the same answer */
	KEPT_OF_SERVER = 10000,     /* whoever sends more an hour repeats none of them */
	LOOKS_AT = 10000,           /* items that are due */
	LOOK_LIMIT_MS = 10 * 1000,
};

static struct metric waiting_items =
	METRIC_GAUGE("belfry_inbox_items", "PDUs and EDUs of other servers that wait");
static struct metric oldest_age = METRIC_GAUGE("belfry_inbox_oldest_seconds",
	"Since when the oldest PDU or EDU of other servers waits");

static int64_t mono_ms(const struct inbox *inbox)
{
	return clock_mono_ms(&inbox->federation->hs->clock);
}

/* --- lines ------------------------------------------------------------------------------------------------ */

static void line_up_locked(struct inbox *inbox, struct inbox_queue *queue, enum inbox_lane lane)
{
	struct inbox_line *line = &inbox->lines[lane];
	queue->next = NULL;
	if (line->last != NULL) {
		line->last->next = queue;
	} else {
		line->first = queue;
	}
	line->last = queue;
	cond_signal(&line->work);
}

static struct inbox_queue *first_in_line_locked(struct inbox_line *line)
{
	struct inbox_queue *queue = line->first;
	if (queue != NULL) {
		line->first = queue->next;
		line->last = queue->next == NULL ? NULL : line->last;
		queue->is_running = true;
		queue->is_woken = false;
	}
	return queue;
}

static void forget_locked(struct inbox *inbox, struct inbox_queue *queue)
{
	(void)map_remove(&inbox->queues, queue->name);
	str_free(queue->name);
	mem_free(queue);
}

bool inbox_is_ours(struct inbox *inbox, struct str queue)
{
	return inbox_is_of_room(queue) || atomic_load(&inbox->is_ours);
}

void inbox_wake(struct inbox *inbox, struct str name)
{
	LOCK_SCOPE(&inbox->lock);
	struct inbox_queue *queue = map_get(&inbox->queues, name);
	if (queue != NULL) {
		queue->is_woken = true;
		return;
	}
	queue = mem_alloc(sizeof(*queue));
	queue->name = str_heap(name);
	(void)map_set(&inbox->queues, queue->name, queue);
	line_up_locked(inbox, queue, INBOX_FAST);
}

static void put_back(struct inbox *inbox, struct inbox_queue *queue, enum inbox_visit visit)
{
	LOCK_SCOPE(&inbox->lock);
	queue->is_running = false;
	switch (visit) {
	case INBOX_VISIT_DONE:
		if (!queue->is_woken) {
			forget_locked(inbox, queue);
			return;
		}
		line_up_locked(inbox, queue, INBOX_FAST);
		return;
	case INBOX_VISIT_MORE:
		line_up_locked(inbox, queue, INBOX_FAST);
		return;
	case INBOX_VISIT_WAITS:
		line_up_locked(inbox, queue, INBOX_SLOW);
		return;
	case INBOX_VISIT_FAILED:
		forget_locked(inbox, queue); /* the next look finds it again */
		return;
	}
}

/* --- threads ------------------------------------------------------------------------------------------------ */

static enum err look(struct ctx *ctx, struct inbox *inbox, bool tidies)
{
	struct homeserver *hs = inbox->federation->hs;
	struct str *queues;
	size_t count;
	bool is_ours;
	int64_t waiting;
	int64_t oldest_ms;
	int64_t now_ms = clock_wall_ms(&hs->clock);
	const struct partial_join_pauses pauses = {
		.first_ms = hs->settings.federation.retry_first_ms,
		.longest_ms = hs->settings.federation.retry_longest_ms,
	};
	TRY(store_consumer_lease(ctx, inbox->leases, STR("inbox"), &is_ours));
	atomic_store(&inbox->is_ours, is_ours);
	TRY(store_inbox_due_queues(ctx, hs->db, now_ms, INBOX_LONGEST_PAUSE_MS, LOOKS_AT, &queues,
		&count));
	for (size_t i = 0; i < count; i++) {
		if (inbox_is_ours(inbox, queues[i])) {
			inbox_wake(inbox, queues[i]);
		}
	}
	TRY(store_partial_joins_due(ctx, hs->db, now_ms, &pauses, LOOKS_AT, &queues, &count));
	for (size_t i = 0; i < count; i++) {
		inbox_wake(inbox, queues[i]);
	}
	TRY(store_inbox_count(ctx, hs->db, &waiting, &oldest_ms));
	atomic_store(&inbox->waiting, waiting);
	metric_set(&waiting_items, waiting);
	metric_set(&oldest_age, oldest_ms > 0 ? (now_ms - oldest_ms) / 1000 : 0);
	return tidies ? store_inbox_tidy(ctx, hs->db, now_ms - KEPT_MS, KEPT_OF_SERVER) : ERR_OK;
}

static void look_at_database(struct inbox *inbox, struct arena *arena, bool tidies)
{
	struct ctx ctx;
	ctx_init(&ctx, arena);
	ctx.deadline_ms = mono_ms(inbox) + LOOK_LIMIT_MS;
	if (look(&ctx, inbox, tidies) != ERR_OK) {
		log_warn(0, "inbox.look_failed", "cause=%.*s", STR_ARG(ctx.fault.cause));
	}
	arena_reset(arena);
}

/* What a thread does next: a queue; or the database is to be looked at; or neither, when it is time to end. */
struct duty {
	struct inbox_queue *queue;
	bool looks;
	bool tidies;
};

static struct duty next_duty(struct inbox *inbox, enum inbox_lane lane)
{
	struct inbox_line *line = &inbox->lines[lane];
	struct duty duty = {0};
	LOCK_SCOPE(&inbox->lock);
	while (!inbox->is_stopping) {
		int64_t now_ms = mono_ms(inbox);
		if (lane == INBOX_FAST && now_ms >= inbox->next_look_ms) {
			inbox->next_look_ms = now_ms + LOOK_MS;
			duty.looks = true;
			duty.tidies = now_ms >= inbox->next_tidy_ms;
			inbox->next_tidy_ms = duty.tidies ? now_ms + TIDY_MS : inbox->next_tidy_ms;
			return duty;
		}
		duty.queue = first_in_line_locked(line);
		if (duty.queue != NULL) {
			return duty;
		}
		if (lane == INBOX_FAST) {
			(void)cond_wait_until(&line->work, &inbox->lock, inbox->next_look_ms);
		} else {
			cond_wait(&line->work, &inbox->lock);
		}
	}
	return duty;
}

static void *run(struct inbox *inbox, enum inbox_lane lane)
{
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	for (;;) {
		struct duty duty = next_duty(inbox, lane);
		if (duty.looks) {
			look_at_database(inbox, arena, duty.tidies);
			continue;
		}
		if (duty.queue == NULL) {
			return NULL;
		}
		struct ctx ctx;
		ctx_init(&ctx, arena);
		put_back(inbox, duty.queue, inbox_visit(&ctx, inbox, duty.queue->name, lane));
		arena_reset(arena);
	}
}

static void *run_fast(void *data)
{
	return run(data, INBOX_FAST);
}

static void *run_slow(void *data)
{
	return run(data, INBOX_SLOW);
}

/* --- the face ------------------------------------------------------------------------------------------------ */

struct inbox *inbox_create(struct federation *federation)
{
	struct inbox *inbox = mem_alloc(sizeof(*inbox));
	inbox->federation = federation;
	inbox->leases = store_leases_create(federation->hs->db);
	atomic_init(&inbox->is_ours, false);
	atomic_init(&inbox->waiting, 0);
	lock_init(&inbox->lock, RANK_LEAF);
	for (size_t i = 0; i < INBOX_LANES; i++) {
		cond_init(&inbox->lines[i].work);
	}
	return inbox;
}

enum err inbox_start(struct ctx *ctx, struct inbox *inbox)
{
	TRY(look(ctx, inbox, false));
	for (size_t i = 0; i < INBOX_FAST_THREADS; i++) {
		inbox->threads[inbox->thread_n++] = thread_start("inbox", run_fast, inbox);
	}
	for (size_t i = 0; i < INBOX_SLOW_THREADS; i++) {
		inbox->threads[inbox->thread_n++] = thread_start("inbox-fetch", run_slow, inbox);
	}
	return ERR_OK;
}

void inbox_stop(struct inbox *inbox)
{
	if (inbox == NULL) {
		return;
	}
	lock_take(&inbox->lock);
	inbox->is_stopping = true;
	for (size_t i = 0; i < INBOX_LANES; i++) {
		cond_broadcast(&inbox->lines[i].work);
	}
	lock_give(&inbox->lock);
	for (size_t i = 0; i < inbox->thread_n; i++) {
		(void)pthread_join(inbox->threads[i], NULL);
	}
	inbox->thread_n = 0;
}

void inbox_destroy(struct inbox *inbox)
{
	if (inbox == NULL) {
		return;
	}
	inbox_stop(inbox);
	size_t i = 0;
	struct str name;
	void *queue;
	while (map_next(&inbox->queues, &i, &name, &queue)) {
		str_free(((struct inbox_queue *)queue)->name);
		mem_free(queue);
	}
	map_fini(&inbox->queues);
	db_destroy(inbox->leases);
	for (i = 0; i < INBOX_LANES; i++) {
		cond_fini(&inbox->lines[i].work);
	}
	lock_fini(&inbox->lock);
	mem_free(inbox);
}
