/*
 * How transactions ended. One that fails leaves its events and stored EDUs in its destination's row; they are sent again first, under the same
 * id, which is made of them. Everything else that waits for the destination counts as missed from then on: rooms, not events.
 */
#include "federation/outbox_inner.h"

#include <inttypes.h>

#include "base/backoff.h"
#include "base/log.h"
#include "base/metrics.h"
#include "federation/fed_client.h"
#include "federation/policy.h"
#include "federation/processes.h"
#include "storage/destination.h"

enum {
	ROUND_LIMIT_MS = 30 * 1000,
	NOTED_EACH_MS = 3600 * 1000, /* how often the row of one that is well is brought up to date */
	REFUSALS_MAX = 3,            /* then what it says cannot be taken is left out */
	CAUSE_MAX_BYTES = 200,
};

#define OUTCOME(word) \
	{ \
		.kind = METRIC_KIND_COUNTER, .name = "belfry_outbox_transactions_total", \
		.help = "Transactions to other servers", .labels = "outcome=\"" word "\"" \
	}
static struct metric taken = OUTCOME("taken");
static struct metric failed = OUTCOME("failed");
static struct metric refused = OUTCOME("refused");
static struct metric pdus_sent =
	METRIC_COUNTER("belfry_outbox_pdus_total", "Events that other servers took, each counted");
static struct metric pdus_refused = METRIC_COUNTER("belfry_outbox_pdus_refused_total",
	"Events that other servers took no part of, as their answers say");

static void count_refused(const struct fed_answer *answer)
{
	const struct json *pdus = answer != NULL ? json_at(&answer->json, "pdus") : NULL;
	for (size_t i = 0; pdus != NULL && pdus->type == JSON_OBJECT && i < pdus->count; i++) {
		const struct json *error = json_at(&pdus->members[i].value, "error");
		if (json_is(error, JSON_STRING)) {
			metric_add(&pdus_refused, 1);
			log_debug(0, "outbox.pdu_refused", "event=%.*s", STR_ARG(pdus->members[i].key));
		}
	}
}

/* Any thread. */
void outbox_flight_finished(void *data, const struct fed_end *end)
{
	struct flight *flight = data;
	struct outbox *outbox = flight->outbox;
	flight->err = end->err;
	flight->status = end->refusal != NULL ? end->refusal->status : 0;
	flight->cause = str_heap(str_slice(end->cause, 0, CAUSE_MAX_BYTES));
	if (end->err == ERR_OK) {
		count_refused(end->answer);
	}
	int64_t lasted_ms = clock_mono_ms(&outbox->hs->clock) - flight->begun_mono_ms;
	LOCK_SCOPE(&outbox->lock);
	flight->destination->is_slow = lasted_ms >= outbox_place_ms(outbox);
	flight->next = outbox->over;
	outbox->over = flight;
	outbox_wake(outbox);
}

static struct missed_room *find_missed_locked(const struct flight *flight, int64_t room_nid)
{
	struct destination *destination = flight->destination;
	for (size_t i = 0; i < destination->missed_n; i++) {
		if (destination->missed[i].room_nid == room_nid) {
			return &destination->missed[i];
		}
	}
	return NULL;
}

/*
 * How far a room was dealt with. Everything that was in memory when the flight took off was committed, so the flight saw it: the room is
 * done unless something came later.
 */
static int64_t settled_up_to_locked(const struct flight *flight, const struct caught_room *room)
{
	const struct missed_room *missed = find_missed_locked(flight, room->room_nid);
	bool is_done = missed == NULL || missed->newest_position <= flight->horizon;
	return is_done ? INT64_MAX : MAX_OF(flight->horizon, room->up_to);
}

/* Whether a room's row went is not known: it counts as not written, so that nothing relies on it. */
static void doubt_rows(struct outbox *outbox, struct flight *flight)
{
	LOCK_SCOPE(&outbox->lock);
	for (size_t i = 0; i < flight->room_n; i++) {
		struct missed_room *missed = find_missed_locked(flight, flight->rooms[i].room_nid);
		if (missed != NULL) {
			missed->is_saved = false;
		}
	}
}

/* Rows first: should something come between them and memory, its room is missed again, without a row. */
static enum err settle_rooms(struct ctx *ctx, struct outbox *outbox, struct flight *flight)
{
	int64_t *nids = ARENA_NEW_ARRAY(ctx->arena, int64_t, flight->room_n);
	int64_t *up_to = ARENA_NEW_ARRAY(ctx->arena, int64_t, flight->room_n);
	lock_take(&outbox->lock);
	for (size_t i = 0; i < flight->room_n; i++) {
		nids[i] = flight->rooms[i].room_nid;
		up_to[i] = settled_up_to_locked(flight, &flight->rooms[i]);
	}
	lock_give(&outbox->lock);
	enum err err = store_outbox_missed_done(ctx, outbox->hs->db, flight->destination->server, nids,
		up_to, flight->room_n);
	if (err != ERR_OK) {
		doubt_rows(outbox, flight);
		return err;
	}
	LOCK_SCOPE(&outbox->lock);
	for (size_t i = 0; i < flight->room_n; i++) {
		int64_t now = settled_up_to_locked(flight, &flight->rooms[i]);
		outbox_caught_up_locked(flight->destination, nids[i], now, now == up_to[i]);
	}
	return ERR_OK;
}

static enum err land_well(struct ctx *ctx, struct outbox *outbox, struct flight *flight)
{
	struct destination *destination = flight->destination;
	struct db *db = outbox->hs->db;
	int64_t now_ms = clock_wall_ms(&outbox->hs->clock);
	bool is_noted = !flight->is_probe && now_ms - destination->noted_at_ms < NOTED_EACH_MS;
	if (flight->edu_n > 0) {
		TRY(store_outbox_edus_delete(ctx, db, destination->server, flight->edu_ids, flight->edu_n));
	}
	if (flight->room_n > 0) {
		TRY(settle_rooms(ctx, outbox, flight));
	}
	if (!is_noted) {
		TRY(store_destination_reached(ctx, db, destination->server, now_ms));
	}
	metric_add(&taken, 1);
	metric_add(&pdus_sent, (int64_t)flight->event_n);
	if (destination->failures > 0) {
		log_info(0, "outbox.reached_again", "server=%.*s failures=%" PRId64,
			STR_ARG(destination->server), destination->failures);
		atomic_fetch_sub(&outbox->failing_n, 1);
	}
	LOCK_SCOPE(&outbox->lock);
	destination->noted_at_ms = is_noted ? destination->noted_at_ms : now_ms;
	destination->failures = destination->interval_ms = destination->retry_at_ms = 0;
	if (flight->kind == FLIGHT_OPEN) {
		destination->is_open = false;
	} else if (!flight->has_more_edus) {
		destination->has_edus = destination->has_new_edus;
	}
	destination->has_new_edus = false;
	outbox_flight_release_locked(flight);
	return ERR_OK;
}

static struct transaction_parts parts_of(struct arena *arena, const struct flight *flight)
{
	struct transaction_parts parts = {
		.room_nids = ARENA_NEW_ARRAY(arena, int64_t, flight->event_n),
		.positions = ARENA_NEW_ARRAY(arena, int64_t, flight->event_n),
		.event_n = flight->event_n,
		.edu_ids = flight->edu_ids,
		.edu_n = flight->edu_n,
	};
	if (flight->kind == FLIGHT_CATCH_UP) {
		return (struct transaction_parts){
			0}; /* it is worked out anew: newer events may have come */
	}
	for (size_t i = 0; i < flight->event_n; i++) {
		parts.room_nids[i] = flight->events[i].room_nid;
		parts.positions[i] = flight->events[i].position;
	}
	return parts;
}

/* Whether it is our own policy by which it failed, and still would. */
static bool is_forbidden(struct outbox *outbox, const struct flight *flight)
{
	return flight->err == ERR_DENIED && flight->status == 0 &&
		!fed_policy_allows(outbox->federation, (struct server_name){flight->destination->server});
}

static int64_t next_interval_ms(struct outbox *outbox, const struct flight *flight)
{
	const struct federation_settings *settings = &outbox->hs->settings.federation;
	/* Whom our own policy forbids is like one that is away, for as long as can be: it is tried when the policy changes. */
	if (is_forbidden(outbox, flight)) {
		return settings->retry_longest_ms;
	}
	LOCK_SCOPE(&outbox->lock);
	return backoff_interval_ms(flight->destination->interval_ms, settings->retry_first_ms,
		settings->retry_longest_ms);
}

static enum err land_badly(struct ctx *ctx, struct outbox *outbox, struct flight *flight)
{
	struct destination *destination = flight->destination;
	int64_t now_ms = clock_wall_ms(&outbox->hs->clock);
	int64_t interval_ms = next_interval_ms(outbox, flight);
	bool by_policy = flight->err == ERR_DENIED && flight->status == 0;
	struct destination_failure failure = {
		.server = destination->server,
		.interval_ms = interval_ms,
		.retry_at_ms = now_ms + backoff_pause_ms(interval_ms, rng_u64(&outbox->hs->rng)),
		.now_ms = now_ms,
		.cause = flight->cause,
		.open = parts_of(ctx->arena, flight),
	};
	TRY(store_destination_failed(ctx, outbox->hs->db, &failure));
	metric_add(&failed, 1);
	processes_note_trouble(outbox->federation, (struct server_name){destination->server});
	if (destination->failures == 0) {
		log_info(0, "outbox.not_reached", "server=%.*s kind=%s cause=%.*s",
			STR_ARG(destination->server), err_name(flight->err), STR_ARG(flight->cause));
		atomic_fetch_add(&outbox->failing_n, 1);
	}
	LOCK_SCOPE(&outbox->lock);
	destination->is_forbidden = by_policy;
	destination->failures++;
	destination->interval_ms = interval_ms;
	destination->retry_at_ms = failure.retry_at_ms;
	destination->is_open = failure.open.event_n + failure.open.edu_n > 0;
	destination->has_new_edus = false;
	outbox_give_up_queue_locked(destination);
	outbox_flight_release_locked(flight);
	return ERR_OK;
}

static enum err land(struct ctx *ctx, struct outbox *outbox, struct flight *flight)
{
	if (flight->err == ERR_SHUTDOWN) {
		outbox_flight_turn_back(flight);
		return ERR_OK;
	}
	bool can_go_on = flight->kind != FLIGHT_CATCH_UP || flight->room_n > 0;
	bool is_hopeless = (flight->err == ERR_INPUT || flight->err == ERR_INTERNAL) && can_go_on &&
		flight->destination->failures >= REFUSALS_MAX;
	if (is_hopeless) {
		metric_add(&refused, 1);
		log_warn(0, "outbox.given_up", "server=%.*s events=%zu edus=%zu cause=%.*s",
			STR_ARG(flight->destination->server), flight->event_n, flight->edu_n,
			STR_ARG(flight->cause));
	}
	return flight->err == ERR_OK || is_hopeless ? land_well(ctx, outbox, flight)
												: land_badly(ctx, outbox, flight);
}

static struct flight *next_over(struct outbox *outbox)
{
	LOCK_SCOPE(&outbox->lock);
	struct flight *flight = outbox->over;
	if (flight != NULL) {
		outbox->over = flight->next;
		flight->next = NULL;
	}
	return flight;
}

enum err outbox_land(struct outbox *outbox)
{
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct flight *flight;
	while ((flight = next_over(outbox)) != NULL) {
		struct ctx ctx;
		ctx_init(&ctx, arena);
		ctx.deadline_ms = clock_mono_ms(&outbox->hs->clock) + ROUND_LIMIT_MS;
		enum err err = land(&ctx, outbox, flight);
		if (err != ERR_OK) {
			log_warn(0, "outbox.not_noted", "cause=%.*s", STR_ARG(ctx.fault.cause));
			LOCK_SCOPE(&outbox->lock);
			flight->next = outbox->over;
			outbox->over = flight;
			return err;
		}
		arena_reset(arena);
	}
	return ERR_OK;
}
