/*
 * The thread of the queues: write down how transactions ended, start what is due. All its database work is done here, one call after the
 * other; the requests themselves wait in the HTTP client's thread.
 */
#include "appservices/as_queue_inner.h"

#include "base/backoff.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "homeserver/consumer.h"
#include "homeserver/troubled.h"

enum {
	ROUND_LIMIT_MS = 30 * 1000,
	LEASE_POLL_MS = 100,
	IDLE_MS = 1000, /* how soon a change of the registrations is seen */
};

static struct metric failing = METRIC_GAUGE("belfry_appservice_failing",
	"Application services that did not take their last transaction");

static struct as_sender *sender_locked(struct as_queue *queue, struct str id)
{
	struct as_sender *sender = map_get(&queue->senders, id);
	if (sender == NULL) {
		sender = mem_alloc(sizeof(*sender));
		sender->id = str_heap(id);
		(void)map_set(&queue->senders, id, sender);
	}
	return sender;
}

static void sender_free(struct as_sender *sender)
{
	as_moments_fini(&sender->moments);
	str_free(sender->id);
	str_free(sender->txn_id);
	mem_free(sender);
}

void as_flight_free(struct as_flight *flight)
{
	str_free(flight->id);
	str_free(flight->cause);
	mem_free(flight);
}

/* --- what the database says ------------------------------------------------------------------------------------ */

static void fill_locked(struct as_queue *queue, const struct appservice_delivery *row)
{
	struct as_sender *sender = sender_locked(queue, row->id);
	sender->is_known = true;
	sender->has_queue = true; /* what was queued since this was read, too */
	if (sender->is_flying) {
		return; /* how it ends is written down first */
	}
	str_free(sender->txn_id);
	sender->txn_id = row->txn_id.p != NULL ? str_heap(row->txn_id) : str_from(NULL, 0);
	sender->is_open = row->is_open;
	sender->taken_at_ms = 0;
	sender->failures = row->failures;
	sender->interval_ms = row->interval_ms;
	sender->retry_at_ms = row->retry_at_ms;
	sender->is_failing = row->failures > 0;
}

static void drop_unknown_locked(struct as_queue *queue)
{
	size_t i = 0;
	struct str key;
	void *value;
	while (map_next(&queue->senders, &i, &key, &value)) {
		struct as_sender *sender = value;
		if (!sender->is_known && !sender->is_flying) {
			(void)map_remove(&queue->senders, key);
			sender_free(sender);
		}
	}
}

static void forget_known_locked(struct as_queue *queue)
{
	size_t i = 0;
	struct str key;
	void *value;
	while (map_next(&queue->senders, &i, &key, &value)) {
		((struct as_sender *)value)->is_known = false;
	}
}

/* Rows, when there are others since, or this process has just got the lease. */
static enum err load(struct ctx *ctx, struct as_queue *queue, const struct appservice_set *set)
{
	struct appservice_delivery *rows;
	size_t count;
	if (queue->loaded_version == set->version) {
		return ERR_OK;
	}
	TRY(store_appservice_deliveries(ctx, queue->hs->db, &rows, &count));
	LOCK_SCOPE(&queue->lock);
	forget_known_locked(queue);
	for (size_t i = 0; i < count; i++) {
		fill_locked(queue, &rows[i]);
	}
	drop_unknown_locked(queue);
	queue->loaded_version = set->version;
	return ERR_OK;
}

/* Claims of keys are written down by whoever grants them, in any process: looked for once a round, if anybody is told. */
static enum err find_claims(struct ctx *ctx, struct as_queue *queue,
	const struct appservice_set *set)
{
	struct str *ids;
	size_t count;
	bool is_anybody_told = false;
	for (size_t i = 0; i < set->count; i++) {
		is_anybody_told = is_anybody_told || as_hears_of_keys(&set->items[i]);
	}
	if (!is_anybody_told) {
		return ERR_OK;
	}
	TRY(store_appservice_key_news_takers(ctx, queue->hs->db, &ids, &count));
	LOCK_SCOPE(&queue->lock);
	for (size_t i = 0; i < count; i++) {
		struct as_sender *sender = map_get(&queue->senders, ids[i]);
		if (sender != NULL) {
			sender->has_queue = true;
		}
	}
	return ERR_OK;
}

/* Whom another process, which sends, could not reach before this one heard of it. */
static enum err read_trouble(struct ctx *ctx, struct as_queue *queue)
{
	struct appservice_delivery *rows;
	size_t count;
	if (!atomic_exchange(&queue->is_unread, false)) {
		return ERR_OK;
	}
	enum err err = store_appservice_deliveries(ctx, queue->hs->db, &rows, &count);
	if (err != ERR_OK) {
		atomic_store(&queue->is_unread, true);
		return err;
	}
	for (size_t i = 0; i < count; i++) {
		if (rows[i].failures > 0) {
			troubled_add(queue->troubled, rows[i].id);
		}
	}
	return ERR_OK;
}

/* --- a round ------------------------------------------------------------------------------------------------------ */

/* How long until a pause is over; counts who fails. */
static int64_t next_due_in_ms(struct as_queue *queue)
{
	int64_t now_ms = clock_wall_ms(&queue->hs->clock);
	int64_t in_ms = IDLE_MS;
	size_t failing_n = 0;
	size_t i = 0;
	struct str key;
	void *value;
	LOCK_SCOPE(&queue->lock);
	while (map_next(&queue->senders, &i, &key, &value)) {
		const struct as_sender *sender = value;
		failing_n += sender->is_failing ? 1 : 0;
		if (sender->is_failing && !sender->is_flying && sender->is_known) {
			int64_t left_ms = backoff_left_ms(sender->retry_at_ms, now_ms, sender->interval_ms);
			in_ms = MIN_OF(in_ms, MAX_OF(left_ms, (int64_t)1));
		}
	}
	atomic_store(&queue->failing_n, failing_n);
	metric_set(&failing, (int64_t)failing_n);
	return in_ms;
}

static enum err run_round(void *self, struct ctx *ctx, int64_t *out_pause_ms)
{
	struct as_queue *queue = self;
	struct appservice_set *set CLEANUP(appservice_set_cleanup) = NULL;
	bool is_ours = consumers_is_ours(queue->hs->consumers, APPSERVICE_CONSUMER);
	TRY(as_queue_land(queue));
	TRY(as_queue_hold(ctx, queue->hs, &set));
	if (!is_ours) {
		queue->loaded_version = -1;
		as_queue_note_set(queue, NULL);
		TRY(read_trouble(ctx, queue));
		*out_pause_ms = LEASE_POLL_MS;
		return ERR_OK;
	}
	as_queue_note_set(queue, set);
	*out_pause_ms = IDLE_MS;
	if (set->count == 0) {
		return ERR_OK;
	}
	TRY(load(ctx, queue, set));
	TRY(find_claims(ctx, queue, set));
	TRY(as_queue_spread(ctx, queue, set));
	TRY(as_queue_launch(queue, set));
	*out_pause_ms = next_due_in_ms(queue);
	return ERR_OK;
}

static void end(void *self, struct ctx *ctx)
{
	(void)ctx;
	if (as_queue_land(self) != ERR_OK) {
		log_warn(0, "appservice.not_noted", "at=end");
	}
}

/* --- from outside ------------------------------------------------------------------------------------------------------ */

void as_queue_wake(struct as_queue *queue)
{
	rounds_wake(queue->rounds);
}

void as_queue_filled(struct as_queue *queue, const struct appservice_news *news, size_t count)
{
	LOCK_SCOPE(&queue->lock);
	for (size_t i = 0; i < count; i++) {
		struct as_sender *sender = map_get(&queue->senders, news[i].appservice_id);
		if (sender != NULL) {
			sender->has_queue = true;
		}
	}
	as_queue_wake(queue);
}

static void tell(struct as_queue *queue, const char *word, struct str id)
{
	if (writer_has_peers(queue->hs->writer)) {
		struct arena *arena CLEANUP(arena_cleanup) = arena_create();
		writer_tell(queue->hs->writer, NEWS_APPSERVICE,
			str_printf(arena, "%s %.*s", word, STR_ARG(id)));
	}
}

void as_queue_note_trouble(struct as_queue *queue, struct str id)
{
	tell(queue, "away", id);
}

static void end_pause(struct as_queue *queue, struct str appservice_id)
{
	if (atomic_load(&queue->failing_n) == 0) {
		return;
	}
	LOCK_SCOPE(&queue->lock);
	struct as_sender *sender = map_get(&queue->senders, appservice_id);
	if (sender != NULL && sender->is_failing && !sender->is_flying) {
		sender->is_retried = true;
		as_queue_wake(queue);
	}
}

void as_queue_heard_of(struct as_queue *queue, struct str appservice_id)
{
	end_pause(queue, appservice_id);
	if (troubled_take(queue->troubled, appservice_id)) {
		tell(queue, "there", appservice_id);
	}
}

void as_queue_heard(struct as_queue *queue, struct str line)
{
	struct str word;
	struct str id;
	(void)str_split(line, ' ', &word, &id);
	if (str_equals(word, STR("away"))) {
		troubled_add(queue->troubled, id);
	} else if (str_equals(word, STR("there"))) {
		(void)troubled_take(queue->troubled, id);
		end_pause(queue, id);
	}
}

void as_queue_deaf(struct as_queue *queue)
{
	atomic_store(&queue->is_unread, true);
}

struct as_queue *as_queue_create(struct homeserver *hs)
{
	struct as_queue *queue = mem_alloc(sizeof(*queue));
	queue->hs = hs;
	queue->interest = as_interest_create(hs);
	queue->since_version = queue->loaded_version = -1;
	queue->rounds = rounds_create(&(struct rounds_def){.name = "appservices",
		.limit_ms = ROUND_LIMIT_MS,
		.run = run_round,
		.end = end,
		.self = queue});
	lock_init(&queue->lock, RANK_LEAF);
	map_init(&queue->senders);
	queue->troubled = troubled_create();
	atomic_init(&queue->is_unread, true);
	as_queue_fill_port(queue);
	return queue;
}

void as_queue_start(struct as_queue *queue)
{
	rounds_start(queue->rounds);
}

void as_queue_stop(struct as_queue *queue)
{
	if (queue != NULL) {
		rounds_stop(queue->rounds);
	}
}

void as_queue_destroy(struct as_queue *queue)
{
	if (queue == NULL) {
		return;
	}
	rounds_stop(queue->rounds);
	while (queue->over != NULL) {
		struct as_flight *flight = queue->over;
		queue->over = flight->next;
		as_flight_free(flight);
	}
	size_t i = 0;
	struct str key;
	void *value;
	while (map_next(&queue->senders, &i, &key, &value)) {
		sender_free(value);
	}
	map_fini(&queue->senders);
	as_moments_fini(&queue->moments);
	mem_free(queue->since);
	as_interest_destroy(queue->interest);
	rounds_destroy(queue->rounds);
	troubled_destroy(queue->troubled);
	lock_fini(&queue->lock);
	mem_free(queue);
}
