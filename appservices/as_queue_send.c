/*
 * Transactions from the queue to a service, one at a time. What the service has taken is known in memory first; the database hears of it with
 * the next transaction, or when there is none. A transaction that is open is read from the database, whoever wrote it.
 */
#include "appservices/as_queue_inner.h"

#include <inttypes.h>

#include "appservices/as_call.h"
#include "appservices/as_transaction.h"
#include "base/backoff.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"

enum {
	ROUND_LIMIT_MS = 30 * 1000,
	ANSWER_CEILING_BYTES = 256 * 1024,
	CAUSE_MAX_BYTES = 200,
	TXN_ID_LENGTH = 24,
	OLDER_MS = 3600 * 1000,
};

#define OUTCOME(word) \
	{ \
		.kind = METRIC_KIND_COUNTER, .name = "belfry_appservice_transactions_total", \
		.help = "Transactions to application services", .labels = "outcome=\"" word "\"" \
	}
static struct metric taken = OUTCOME("taken");
static struct metric failed = OUTCOME("failed");

/* --- how they end ------------------------------------------------------------------------------------------- */

static struct str cause_of(struct arena *arena, const struct fetch_end *end)
{
	return end->err != ERR_OK
		? str_printf(arena, "%.*s", STR_ARG(str_slice(end->cause, 0, CAUSE_MAX_BYTES)))
		: str_printf(arena, "status %d", end->answer.status);
}

/* On the client's thread. */
static void flight_finished(void *data, const struct fetch_end *end)
{
	struct as_flight *flight = data;
	struct as_queue *queue = flight->queue;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	flight->err = end->err;
	flight->status = end->err == ERR_OK ? end->answer.status : 0;
	flight->cause = str_heap(cause_of(arena, end));
	LOCK_SCOPE(&queue->lock);
	flight->next = queue->over;
	queue->over = flight;
	as_queue_wake(queue);
}

static bool is_taken(const struct as_flight *flight)
{
	return flight->err == ERR_OK && flight->status >= 200 && flight->status < 300;
}

static void land_well(struct as_queue *queue, const struct as_flight *flight,
	struct as_sender *sender)
{
	metric_add(&taken, 1);
	if (sender->failures > 0) {
		log_info(0, "appservice.reached_again", "id=%.*s failures=%" PRId64, STR_ARG(sender->id),
			sender->failures);
	}
	sender->taken_at_ms = clock_wall_ms(&queue->hs->clock);
	sender->failures = sender->interval_ms = sender->retry_at_ms = 0;
	if (flight->is_older && sender->newer_status != 0) {
		sender->older_until = clock_mono_ms(&queue->hs->clock) + OLDER_MS;
	}
	sender->newer_status = 0;
	LOCK_SCOPE(&queue->lock);
	sender->is_failing = false;
}

static enum err land_badly(struct ctx *ctx, struct as_queue *queue, const struct as_flight *flight,
	struct as_sender *sender)
{
	const struct appservice_settings *settings = &queue->hs->settings.appservices;
	int64_t now_ms = clock_wall_ms(&queue->hs->clock);
	int64_t interval_ms = backoff_interval_ms(sender->interval_ms, settings->retry_first_ms,
		settings->retry_longest_ms);
	struct appservice_failure failure = {
		.id = sender->id,
		.interval_ms = interval_ms,
		.retry_at_ms = now_ms + backoff_pause_ms(interval_ms, rng_u64(&queue->hs->rng)),
		.now_ms = now_ms,
		.cause = sender->newer_status != 0
			? str_printf(ctx->arena, "status %d; by the older path: %.*s", sender->newer_status,
				  STR_ARG(flight->cause))
			: flight->cause,
	};
	TRY(store_appservice_transaction_failed(ctx, queue->hs->db, &failure));
	metric_add(&failed, 1);
	if (sender->failures == 0) {
		log_warn(0, "appservice.not_reached", "id=%.*s kind=%s cause=%.*s", STR_ARG(sender->id),
			err_name(flight->err), STR_ARG(failure.cause));
	}
	sender->failures++;
	sender->interval_ms = interval_ms;
	sender->retry_at_ms = failure.retry_at_ms;
	sender->older_until = sender->newer_status = 0;
	as_queue_note_trouble(queue, sender->id);
	atomic_fetch_add(&queue->failing_n, 1); /* counted anew at the end of the round */
	LOCK_SCOPE(&queue->lock);
	sender->is_failing = true;
	return ERR_OK;
}

/* The path may not be known: the older one is tried at once, and only if that fails too, it has failed. */
static bool goes_to_older_path(const struct as_flight *flight)
{
	return flight->err == ERR_OK && !flight->is_older && as_is_unknown_path(flight->status);
}

static enum err land(struct ctx *ctx, struct as_queue *queue, const struct as_flight *flight)
{
	lock_take(&queue->lock);
	struct as_sender *sender = map_get(&queue->senders, flight->id);
	lock_give(&queue->lock);
	if (sender == NULL) {
		return ERR_OK;
	}
	if (is_taken(flight)) {
		land_well(queue, flight, sender);
	} else if (goes_to_older_path(flight)) {
		sender->newer_status = flight->status;
	} else if (flight->err != ERR_SHUTDOWN) {
		TRY(land_badly(ctx, queue, flight, sender));
	}
	LOCK_SCOPE(&queue->lock);
	sender->is_flying = false;
	return ERR_OK;
}

static struct as_flight *next_over(struct as_queue *queue)
{
	LOCK_SCOPE(&queue->lock);
	struct as_flight *flight = queue->over;
	if (flight != NULL) {
		queue->over = flight->next;
		flight->next = NULL;
	}
	return flight;
}

enum err as_queue_land(struct as_queue *queue)
{
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct as_flight *flight;
	while ((flight = next_over(queue)) != NULL) {
		struct ctx ctx;
		ctx_init(&ctx, arena);
		ctx.deadline_ms = clock_mono_ms(&queue->hs->clock) + ROUND_LIMIT_MS;
		enum err err = land(&ctx, queue, flight);
		if (err != ERR_OK) {
			log_warn(0, "appservice.not_noted", "cause=%.*s", STR_ARG(ctx.fault.cause));
			LOCK_SCOPE(&queue->lock);
			flight->next = queue->over;
			queue->over = flight;
			return err;
		}
		as_flight_free(flight);
		arena_reset(arena);
	}
	return ERR_OK;
}

/* --- sending --------------------------------------------------------------------------------------------------- */

struct sending {
	struct ctx *ctx;
	struct as_queue *queue;
	const struct appservice_set *set;
	const struct appservice *service;
	struct as_sender *sender;
};

static void set_txn_id(struct as_sender *sender, struct str txn_id)
{
	struct str copy = str_heap(txn_id);
	str_free(sender->txn_id);
	sender->txn_id = copy;
}

static void send_transaction(struct sending *sending, struct str body)
{
	struct as_sender *sender = sending->sender;
	struct as_queue *queue = sending->queue;
	struct as_flight *flight = mem_alloc(sizeof(*flight));
	*flight = (struct as_flight){
		.queue = queue,
		.id = str_heap(sender->id),
		.is_older =
			sender->newer_status != 0 || sender->older_until > clock_mono_ms(&queue->hs->clock),
	};
	lock_take(&queue->lock);
	sender->is_flying = true;
	lock_give(&queue->lock);
	struct arena *arena = sending->ctx->arena;
	const struct as_request request = {
		.service = sending->service,
		.method = "PUT",
		.path = str_printf(arena, "/_matrix/app/v1/transactions/%.*s", STR_ARG(sender->txn_id)),
		.legacy_path = str_printf(arena, "/transactions/%.*s", STR_ARG(sender->txn_id)),
		.body = body,
		.answer_ceiling_bytes = ANSWER_CEILING_BYTES,
		.timeout_ms = queue->hs->settings.appservices.transaction_timeout_ms,
	};
	as_start(queue->hs->http_client, &request, flight->is_older, flight_finished, flight);
}

/* The one that is open, once more. */
static enum err send_open(struct sending *sending)
{
	struct str txn_id;
	struct str body;
	enum err err = store_appservice_transaction_open(sending->ctx, sending->queue->hs->db,
		sending->sender->id, &txn_id, &body);
	if (err == ERR_MISSING) { /* another process has seen it through, or the service is gone */
		sending->queue->loaded_version = -1;
		return ERR_OK;
	}
	TRY(err);
	set_txn_id(sending->sender, txn_id);
	send_transaction(sending, body);
	return ERR_OK;
}

/* What waits, cut so that nothing of a position is left behind. */
static enum err take_news(struct sending *sending, struct as_draft *draft)
{
	struct appservice_news *news;
	size_t count;
	TRY(store_appservice_queue_next(sending->ctx, sending->queue->hs->db, sending->sender->id,
		AS_TRANSACTION_NEWS_MAX + 1, &news, &count));
	if (count > AS_TRANSACTION_NEWS_MAX) {
		int64_t last = news[count - 1].position;
		while (count > 0 && news[count - 1].position == last) {
			count--;
		}
	}
	draft->news = news;
	draft->news_n = count;
	return ERR_OK;
}

/* Read before the keys are counted: what is claimed meanwhile is told once more. */
static enum err take_key_news(struct sending *sending, struct as_draft *draft)
{
	struct appservice_key_news *news;
	if (!as_hears_of_keys(sending->service)) {
		return ERR_OK;
	}
	TRY(store_appservice_key_news(sending->ctx, sending->queue->hs->db, sending->sender->id,
		AS_TRANSACTION_KEY_NEWS_MAX, &news, &draft->key_news_n));
	draft->key_news = news;
	return ERR_OK;
}

/* Nothing waits: the row hears that all was taken. */
static enum err rest(struct sending *sending)
{
	struct as_sender *sender = sending->sender;
	if (sender->taken_at_ms == 0) {
		return ERR_OK;
	}
	TRY(store_appservice_transaction_taken(sending->ctx, sending->queue->hs->db, sender->id,
		sender->txn_id, sender->taken_at_ms));
	sender->is_open = false;
	sender->taken_at_ms = 0;
	return ERR_OK;
}

static enum err make_transaction(struct sending *sending, const struct as_draft *draft)
{
	struct as_sender *sender = sending->sender;
	struct homeserver *hs = sending->queue->hs;
	bool has_body = draft->body.p != NULL;
	struct appservice_transaction transaction = {
		.appservice_id = sender->id,
		.before = sender->txn_id,
		.txn_id =
			has_body ? rng_text(&hs->rng, sending->ctx->arena, TXN_ID_LENGTH) : sender->txn_id,
		.body = draft->body,
		.up_to = draft->up_to,
		.taken_at_ms = sender->taken_at_ms,
		.messages = draft->messages,
		.message_n = draft->message_n,
		.key_news = draft->key_news,
		.key_news_n = draft->key_news_n,
	};
	enum err err = store_appservice_transaction_make(sending->ctx, hs->db, &transaction);
	if (err == ERR_CONFLICT) {
		sending->queue->loaded_version = -1;
		return ERR_OK;
	}
	TRY(err);
	sender->taken_at_ms = 0;
	sender->is_open = has_body;
	if (has_body) {
		set_txn_id(sender, transaction.txn_id);
		send_transaction(sending, draft->body);
	} else {
		as_queue_wake(sending->queue);
	}
	return ERR_OK;
}

/* The next one. What has nothing to tell any more is passed over. */
static enum err send_next(struct sending *sending)
{
	struct as_queue *queue = sending->queue;
	struct as_draft draft = {.service = sending->service,
		.set = sending->set,
		.interest = queue->interest};
	lock_take(&queue->lock);
	sending->sender->has_queue = false; /* before it is read: what comes meanwhile says so again */
	lock_give(&queue->lock);
	TRY(take_news(sending, &draft));
	TRY(take_key_news(sending, &draft));
	bool has_rows = draft.news_n + draft.key_news_n > 0;
	if (!has_rows && as_moments_is_empty(&sending->sender->moments)) {
		return rest(sending);
	}
	struct as_moments moments CLEANUP(as_moments_fini) = {0};
	as_moments_move(&sending->sender->moments, &moments);
	as_moments_list(sending->ctx->arena, &moments, &draft.moments);
	lock_take(&queue->lock);
	sending->sender->has_queue =
		sending->sender->has_queue || has_rows; /* there may be more than fits */
	lock_give(&queue->lock);
	TRY(as_draft_write(sending->ctx, queue->hs, &draft));
	return make_transaction(sending, &draft);
}

static bool is_due(struct as_queue *queue, struct as_sender *sender)
{
	int64_t now_ms = clock_wall_ms(&queue->hs->clock);
	LOCK_SCOPE(&queue->lock);
	bool is_pausing = sender->failures > 0 && !sender->is_retried &&
		backoff_left_ms(sender->retry_at_ms, now_ms, sender->interval_ms) > 0;
	bool has_work = sender->has_queue || sender->is_open || sender->taken_at_ms != 0 ||
		!as_moments_is_empty(&sender->moments);
	if (!sender->is_known || sender->is_flying || is_pausing || !has_work) {
		return false;
	}
	sender->is_retried = false;
	return true;
}

static enum err launch_one(struct ctx *ctx, struct as_queue *queue,
	const struct appservice_set *set, const struct appservice *service)
{
	struct sending sending = {.ctx = ctx, .queue = queue, .set = set, .service = service};
	lock_take(&queue->lock);
	struct as_sender *sender = map_get(&queue->senders, service->reg.id);
	lock_give(&queue->lock);
	if (sender == NULL || !as_is_listening(service) || !is_due(queue, sender)) {
		return ERR_OK;
	}
	sending.sender = sender;
	bool is_open = sender->is_open && sender->taken_at_ms == 0;
	enum err err = is_open ? send_open(&sending) : send_next(&sending);
	if (err != ERR_OK) {
		log_warn(0, "appservice.not_sent", "id=%.*s cause=%.*s", STR_ARG(sender->id),
			STR_ARG(ctx->fault.cause.n > 0 ? ctx->fault.cause : ctx->fault.text));
		LOCK_SCOPE(&queue->lock);
		sender->has_queue = true;
	}
	return err;
}

/* One whose transaction cannot be made holds up no other. */
enum err as_queue_launch(struct as_queue *queue, const struct appservice_set *set)
{
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	enum err first = ERR_OK;
	for (size_t i = 0; i < set->count; i++) {
		struct ctx ctx;
		ctx_init(&ctx, arena);
		ctx.deadline_ms = clock_mono_ms(&queue->hs->clock) + ROUND_LIMIT_MS;
		enum err err = launch_one(&ctx, queue, set, &set->items[i]);
		first = first == ERR_OK ? err : first;
		arena_reset(arena);
	}
	return first;
}
