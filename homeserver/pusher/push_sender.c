/*
 * The delivery: one thread, many requests at once, one for each pusher at a time. The thread asks the database for what is due, hands it
 * to the outgoing client, as a request or as a mail, and writes down how it ended when the client's callback has told it. Of all processes only the one with
 * the lease delivers; whatever else they do, a notification is sent twice at worst, which its event id tells the gateway.
 */
#include "homeserver/pusher/pushers_inner.h"

#include "base/backoff.h"
#include "base/lock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "base/rounds.h"
#include "http/client_mail.h"
#include "storage/consumer.h"

#include <inttypes.h>

enum {
	MAX_FLIGHTS = 128,
	FLIGHTS_OF_USER = 8, /* whose gateways answer slowly keeps nobody else's waiting */
	TIMEOUT_MS = 20 * 1000,
	ANSWER_CEILING_BYTES = 65536,
	POLL_MS = 5000, /* should nobody have said that something was queued */
	BACKOFF_FIRST_MS = 1000,
	BACKOFF_MAX_MS = 30 * 60 * 1000,
	GIVE_UP_MS = 24 * 60 * 60 * 1000,
	KEPT_WHILE_FAILING = 100,
	KEPT_AFTER_GIVING_UP = 1,
	MAIL_REFUSED_PAUSE_MS = 24 * 60 * 60 * 1000,
	ROUND_LIMIT_MS = 30 * 1000,
};

#define OUTCOME(word) \
	{ \
		.kind = METRIC_KIND_COUNTER, .name = "belfry_push_deliveries_total", \
		.help = "Notifications to push gateways, and mails of missed messages", \
		.labels = "outcome=\"" word "\"" \
	}
static struct metric delivered = OUTCOME("delivered");
static struct metric rejected = OUTCOME("rejected");
static struct metric failed = OUTCOME("failed");

/* A request under way. */
struct flight {
	struct pushers *pushers;
	int64_t pusher_nid;
	int64_t position;
	int64_t badge;
	int64_t failures;
	int64_t failing_since_ms;
	bool is_mail;
	int64_t mail_pause_ms; /* until the next mail */
	struct str user_id;    /* heap, and the two behind it */
	struct str app_id;
	struct str pushkey;
	/* Once it is over: */
	enum err err;
	int status;
	bool is_rejected;
	struct flight *next;
};

struct pushers {
	struct homeserver *hs;
	struct db *leases;
	struct rounds *rounds;
	struct lock lock;
	struct flight *over; /* ended, not written down; guarded by lock */
	/* The thread's own: */
	int64_t busy[MAX_FLIGHTS];          /* pushers with a request under way */
	struct str busy_users[MAX_FLIGHTS]; /* whose they are; the flights' */
	size_t busy_n;
	int64_t clock_heeded_ms; /* monotonic */
};

/* --- ends, on the client's thread ---------------------------------------------------------------------- */

static bool is_pushkey_rejected(struct str body, struct str pushkey)
{
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct json answer;
	if (json_parse(arena, body, NULL, &answer, NULL) != JSON_OK) {
		return false;
	}
	const struct json *list = json_at(&answer, "rejected");
	for (size_t i = 0; json_is(list, JSON_ARRAY) && i < list->count; i++) {
		if (list->items[i].type == JSON_STRING && str_equals(json_text(&list->items[i]), pushkey)) {
			return true;
		}
	}
	return false;
}

static void flight_over(void *data, const struct fetch_end *end)
{
	struct flight *flight = data;
	struct pushers *pushers = flight->pushers;
	flight->err = end->err;
	flight->status = end->err == ERR_OK ? end->answer.status : 0;
	flight->is_rejected = flight->status == 200 && !flight->is_mail &&
		is_pushkey_rejected(end->answer.body, flight->pushkey);
	lock_take(&pushers->lock);
	flight->next = pushers->over;
	pushers->over = flight;
	lock_give(&pushers->lock);
	rounds_wake(pushers->rounds);
}

/* --- writing down how they ended -------------------------------------------------------------------------- */

static void flight_destroy(struct flight *flight)
{
	str_free(flight->user_id);
	str_free(flight->app_id);
	str_free(flight->pushkey);
	mem_free(flight);
}

static int64_t backoff_ms(struct homeserver *hs, int64_t failures)
{
	int64_t interval_ms =
		MIN_OF((int64_t)BACKOFF_FIRST_MS << MIN_OF(failures, 16), (int64_t)BACKOFF_MAX_MS);
	return backoff_pause_ms(interval_ms, rng_u64(&hs->rng));
}

static enum err note_failure(struct ctx *ctx, struct homeserver *hs, const struct flight *flight)
{
	int64_t now_ms = clock_wall_ms(&hs->clock);
	bool gives_up = flight->failing_since_ms != 0 && now_ms - flight->failing_since_ms > GIVE_UP_MS;
	metric_add(&failed, 1);
	log_debug(0, "push.failed", "pusher=%" PRId64 " kind=%s status=%d failures=%" PRId64,
		flight->pusher_nid, err_name(flight->err), flight->status, flight->failures + 1);
	TRY(store_push_failed(ctx, hs->db, flight->pusher_nid, now_ms,
		backoff_ms(hs, flight->failures)));
	return store_push_give_up(ctx, hs->db, flight->pusher_nid,
		gives_up ? KEPT_AFTER_GIVING_UP : KEPT_WHILE_FAILING);
}

/* What else waits for it comes behind the others that are due by now. */
static enum err done(struct ctx *ctx, struct homeserver *hs, int64_t pusher_nid, int64_t position,
	int64_t badge)
{
	return store_push_done(ctx, hs->db,
		&(struct push_done){.pusher_nid = pusher_nid,
			.position = position,
			.badge = badge,
			.now_ms = clock_wall_ms(&hs->clock)});
}

/* An address that the relay will never deliver to is tried again a day later, with what comes until then. */
static enum err write_down_mail(struct ctx *ctx, struct homeserver *hs, const struct flight *flight)
{
	bool is_refused = flight->err == ERR_DENIED || flight->err == ERR_INPUT;
	if (flight->err != ERR_OK && !is_refused) {
		return note_failure(ctx, hs, flight);
	}
	metric_add(is_refused ? &rejected : &delivered, 1);
	if (is_refused) {
		log_info(0, "push.mail_refused", "pusher=%" PRId64, flight->pusher_nid);
	}
	return store_push_mailed(ctx, hs->db, flight->pusher_nid, flight->position,
		clock_wall_ms(&hs->clock), is_refused ? MAIL_REFUSED_PAUSE_MS : flight->mail_pause_ms);
}

static enum err write_down(struct ctx *ctx, struct homeserver *hs, const struct flight *flight)
{
	if (flight->err == ERR_SHUTDOWN) {
		return ERR_OK;
	}
	if (flight->is_mail) {
		return write_down_mail(ctx, hs, flight);
	}
	if (flight->is_rejected) {
		metric_add(&rejected, 1);
		log_info(0, "push.rejected", "pusher=%" PRId64, flight->pusher_nid);
		return store_pusher_reject(ctx, hs->db, flight->app_id, flight->pushkey);
	}
	if (flight->status >= 200 && flight->status < 300) {
		metric_add(&delivered, 1);
		return done(ctx, hs, flight->pusher_nid, flight->position, flight->badge);
	}
	return note_failure(ctx, hs, flight);
}

static void forget_busy(struct pushers *pushers, int64_t pusher_nid)
{
	for (size_t i = 0; i < pushers->busy_n; i++) {
		if (pushers->busy[i] == pusher_nid) {
			pushers->busy_n--;
			pushers->busy[i] = pushers->busy[pushers->busy_n];
			pushers->busy_users[i] = pushers->busy_users[pushers->busy_n];
			return;
		}
	}
}

static enum err write_down_all(struct ctx *ctx, struct pushers *pushers, struct flight *over)
{
	enum err first = ERR_OK;
	while (over != NULL) {
		struct flight *flight = over;
		over = flight->next;
		enum err err = write_down(ctx, pushers->hs, flight);
		first = first == ERR_OK ? err : first;
		forget_busy(pushers, flight->pusher_nid);
		flight_destroy(flight);
	}
	return first;
}

/* --- sending -------------------------------------------------------------------------------------------- */

static struct flight *begin_flight(struct pushers *pushers, const struct push_due *due,
	int64_t position)
{
	struct flight *flight = mem_alloc(sizeof(*flight));
	*flight = (struct flight){
		.pushers = pushers,
		.pusher_nid = due->pusher_nid,
		.position = position,
		.failures = due->failures,
		.failing_since_ms = due->failing_since_ms,
		.is_mail = due->is_mail,
		.user_id = str_heap(due->user_id),
		.app_id = str_heap(due->app_id),
		.pushkey = str_heap(due->pushkey),
	};
	pushers->busy[pushers->busy_n] = due->pusher_nid;
	pushers->busy_users[pushers->busy_n++] = flight->user_id;
	return flight;
}

static void launch(struct pushers *pushers, const struct push_due *due,
	const struct push_notice *notice)
{
	static const struct fetch_header headers[] = {
		{STR_INIT("Content-Type"), STR_INIT("application/json")}};
	struct flight *flight = begin_flight(pushers, due, due->position);
	flight->badge = notice->badge;
	const struct fetch fetch = {
		.method = "POST",
		.url = notice->url,
		.headers = headers,
		.header_count = COUNT_OF(headers),
		.body = notice->body,
		.answer_ceiling_bytes = ANSWER_CEILING_BYTES,
		.timeout_ms = TIMEOUT_MS,
	};
	http_client_start(pushers->hs->http_client, &fetch, flight_over, flight);
}

/* Does what there is to do; *out_more: there may be more that is due. */
static enum err send_notice(struct ctx *ctx, struct pushers *pushers, const struct push_due *due,
	bool *out_more)
{
	struct push_notice notice;
	TRY(push_notice_write(ctx, pushers->hs, due, &notice));
	if (notice.body.p != NULL) {
		launch(pushers, due, &notice);
		return ERR_OK;
	}
	*out_more = true;
	return done(ctx, pushers->hs, due->pusher_nid, due->position, -1);
}

static enum err send_mail(struct ctx *ctx, struct pushers *pushers, const struct push_due *due,
	bool *out_more)
{
	struct homeserver *hs = pushers->hs;
	struct push_mail mail;
	TRY(push_mail_write(ctx, hs, due, &mail));
	switch (mail.next) {
	case PUSH_MAIL_NOTHING:
		*out_more = true;
		return done(ctx, hs, due->pusher_nid, mail.position, -1);
	case PUSH_MAIL_LATER:
		return store_push_postpone(ctx, hs->db, due->pusher_nid, clock_wall_ms(&hs->clock),
			mail.left_ms);
	case PUSH_MAIL_SEND:
		break;
	}
	struct flight *flight = begin_flight(pushers, due, mail.position);
	flight->mail_pause_ms = mail.pause_ms;
	mail_start(hs->http_client, &mail.mail, flight_over, flight);
	return ERR_OK;
}

/* What cannot be written as a notification now must not hold up the others. */
static enum err send_one(struct ctx *ctx, struct pushers *pushers, const struct push_due *due,
	bool *out_more)
{
	struct homeserver *hs = pushers->hs;
	enum err err = due->is_mail ? send_mail(ctx, pushers, due, out_more)
								: send_notice(ctx, pushers, due, out_more);
	if (err == ERR_OK || err_is_transient(err)) {
		return err;
	}
	log_warn(0, "push.not_written", "pusher=%" PRId64 " cause=%.*s", due->pusher_nid,
		STR_ARG(ctx->fault.cause));
	return store_push_failed(ctx, hs->db, due->pusher_nid, clock_wall_ms(&hs->clock),
		backoff_ms(hs, due->failures));
}

static size_t flights_of(const struct pushers *pushers, struct str user_id)
{
	size_t n = 0;
	for (size_t i = 0; i < pushers->busy_n; i++) {
		n += str_equals(pushers->busy_users[i], user_id);
	}
	return n;
}

/* Pushers that have a request under way, and users who have as many as one may have; in the arena. */
static struct push_busy who_is_busy(struct arena *arena, const struct pushers *pushers)
{
	struct str *full = ARENA_NEW_ARRAY(arena, struct str, pushers->busy_n + 1);
	size_t n = 0;
	for (size_t i = 0; i < pushers->busy_n; i++) {
		if (flights_of(pushers, pushers->busy_users[i]) >= FLIGHTS_OF_USER) {
			full[n++] = pushers->busy_users[i];
		}
	}
	return (struct push_busy){.pusher_nids = pushers->busy,
		.pusher_count = pushers->busy_n,
		.user_ids = full,
		.user_count = n};
}

/* *out_more: there may be more that is due. */
static enum err send_due(struct ctx *ctx, struct pushers *pushers, bool *out_more)
{
	struct homeserver *hs = pushers->hs;
	struct push_due *due;
	size_t count;
	size_t room_for = MAX_FLIGHTS - pushers->busy_n;
	*out_more = false;
	if (room_for == 0) {
		return ERR_OK;
	}
	const struct push_busy busy = who_is_busy(ctx->arena, pushers);
	TRY(store_push_due(ctx, hs->db, clock_wall_ms(&hs->clock), &busy, (int64_t)room_for, &due,
		&count));
	for (size_t i = 0; i < count; i++) {
		if (flights_of(pushers, due[i].user_id) < FLIGHTS_OF_USER) {
			TRY(send_one(ctx, pushers, &due[i], out_more));
		}
	}
	*out_more = *out_more || count == room_for;
	return ERR_OK;
}

/* Pauses are times of the wall clock, which somebody may have set back. */
static enum err heed_clock(struct ctx *ctx, struct pushers *pushers)
{
	struct homeserver *hs = pushers->hs;
	int64_t now_ms = clock_mono_ms(&hs->clock);
	if (now_ms < pushers->clock_heeded_ms + POLL_MS) {
		return ERR_OK;
	}
	pushers->clock_heeded_ms = now_ms;
	return store_push_set_back(ctx, hs->db, clock_wall_ms(&hs->clock));
}

static enum err time_until_next(struct ctx *ctx, struct pushers *pushers, int64_t *out_ms)
{
	int64_t next_ms;
	struct homeserver *hs = pushers->hs;
	const struct push_busy busy = who_is_busy(ctx->arena, pushers);
	TRY(store_push_next(ctx, hs->db, &busy, &next_ms));
	int64_t now_ms = clock_wall_ms(&hs->clock);
	*out_ms = next_ms <= now_ms ? 0 : MIN_OF(next_ms - now_ms, (int64_t)POLL_MS);
	return ERR_OK;
}

static struct flight *take_over(struct pushers *pushers)
{
	LOCK_SCOPE(&pushers->lock);
	struct flight *over = pushers->over;
	pushers->over = NULL;
	return over;
}

static enum err run_round(void *self, struct ctx *ctx, int64_t *out_pause_ms)
{
	struct pushers *pushers = self;
	bool is_ours = false;
	bool has_more = false;
	TRY(write_down_all(ctx, pushers, take_over(pushers)));
	TRY(store_consumer_lease(ctx, pushers->leases, STR("push_delivery"), &is_ours));
	if (!is_ours) {
		*out_pause_ms = POLL_MS;
		return ERR_OK;
	}
	TRY(heed_clock(ctx, pushers));
	TRY(send_due(ctx, pushers, &has_more));
	*out_pause_ms = POLL_MS;
	if (has_more) {
		*out_pause_ms = pushers->busy_n < MAX_FLIGHTS ? 0 : POLL_MS;
		return ERR_OK;
	}
	return time_until_next(ctx, pushers, out_pause_ms);
}

/* --- its life -------------------------------------------------------------------------------------------- */

void pushers_wake(struct pushers *pushers)
{
	rounds_wake(pushers->rounds);
}

struct pushers *pushers_create(struct homeserver *hs)
{
	struct pushers *pushers = mem_alloc(sizeof(*pushers));
	pushers->hs = hs;
	pushers->leases = store_leases_create(hs->db);
	pushers->rounds = rounds_create(&(struct rounds_def){.name = "push-sender",
		.limit_ms = ROUND_LIMIT_MS,
		.run = run_round,
		.self = pushers});
	lock_init(&pushers->lock, RANK_LEAF);
	return pushers;
}

void pushers_start(struct pushers *pushers)
{
	rounds_start(pushers->rounds);
}

void pushers_stop(struct pushers *pushers)
{
	if (pushers != NULL) {
		rounds_stop(pushers->rounds);
	}
}

void pushers_destroy(struct pushers *pushers)
{
	if (pushers == NULL) {
		return;
	}
	rounds_stop(pushers->rounds);
	/* Those that ended since stay stored: they are sent again. */
	while (pushers->over != NULL) {
		struct flight *flight = pushers->over;
		pushers->over = flight->next;
		flight_destroy(flight);
	}
	rounds_destroy(pushers->rounds);
	db_destroy(pushers->leases);
	lock_fini(&pushers->lock);
	mem_free(pushers);
}
