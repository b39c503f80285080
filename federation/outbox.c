/*
 * The thread of the outbox, and how its memory begins. One round: write down how transactions ended, work out who gets EDUs, give what
 * was missed its rows, start what is due, move the consumer's position. All database work of sending is done here, one call after the
 * other; the requests themselves wait in the HTTP client's thread.
 *
 * Only the process with the consumer's lease sends. Whoever gets it begins with what the database says.
 */
#include "federation/outbox_inner.h"

#include <inttypes.h>

#include "base/backoff.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "base/vec.h"
#include "federation/fed_client.h"
#include "federation/policy.h"
#include "federation/processes.h"
#include "homeserver/consumer.h"
#include "storage/consumer.h"
#include "storage/destination.h"

enum {
	ROUND_LIMIT_MS = 30 * 1000,
	LOAD_WAIT_MS = 5000,
	SAVE_EACH_MS = 250,
	LEASE_POLL_MS = 100,
	LOOK_MS = 1000, /* the longest rest */
	MARKS_KEPT_MS = 7 * 24 * 3600 * 1000,
};

static struct metric destinations_failing =
	METRIC_GAUGE("belfry_outbox_failing_destinations", "Servers that cannot be reached");
static struct metric queued =
	METRIC_GAUGE("belfry_outbox_queue_pdus", "Events in memory for other servers, each counted");
static struct metric missed = METRIC_GAUGE("belfry_outbox_missed_rooms",
	"Rooms that other servers have missed, each counted");
static struct metric under_way =
	METRIC_GAUGE("belfry_outbox_transactions", "Transactions under way");
static struct metric under_way_bytes =
	METRIC_GAUGE("belfry_outbox_transaction_bytes", "Bodies of transactions under way");

/* --- loading ----------------------------------------------------------------------------------------------- */

/* What the database knows. */
struct stored_outbox {
	struct destination_trouble *trouble;
	size_t trouble_n;
	struct missed_row *missed;
	size_t missed_n;
	struct str *edu_servers;
	size_t edu_server_n;
	int64_t *shared;
	size_t shared_n;
	int64_t position;
};

/* The position first: whoever moves it meanwhile has written down before what was missed up to there. */
static enum err read_stored(struct ctx *ctx, struct outbox *outbox, struct stored_outbox *out)
{
	struct db *db = outbox->hs->db;
	TRY(store_consumer_position(ctx, db, STR(OUTBOX_CONSUMER), writer_position(outbox->hs->writer),
		&out->position));
	TRY(store_destination_trouble(ctx, db, &out->trouble, &out->trouble_n));
	TRY(store_outbox_missed_all(ctx, db, &out->missed, &out->missed_n));
	TRY(store_outbox_edus_servers(ctx, db, &out->edu_servers, &out->edu_server_n));
	return store_outbox_shared_rooms(ctx, db, outbox->hs->signer.server.s, &out->shared,
		&out->shared_n);
}

static void set_trouble_locked(struct outbox *outbox, const struct destination_trouble *trouble)
{
	struct destination *destination = outbox_destination_locked(outbox, trouble->server);
	destination->failures = trouble->failures;
	destination->interval_ms = trouble->interval_ms;
	destination->retry_at_ms = trouble->retry_at_ms;
	destination->is_open = trouble->is_open;
	destination->is_forbidden = str_equals(trouble->cause, STR(FED_POLICY_CAUSE));
	if (trouble->failures > 0) {
		atomic_fetch_add(&outbox->failing_n, 1);
	}
}

static void fill_locked(struct outbox *outbox, const struct stored_outbox *stored)
{
	outbox_clear_locked(outbox);
	outbox->dispatched = outbox->saved = stored->position;
	for (size_t i = 0; i < stored->trouble_n; i++) {
		set_trouble_locked(outbox, &stored->trouble[i]);
	}
	for (size_t i = 0; i < stored->missed_n; i++) {
		const struct missed_row *row = &stored->missed[i];
		outbox_add_missed_locked(outbox_destination_locked(outbox, row->server),
			(struct missed_room){row->room_nid, row->from_position, stored->position, true});
	}
	for (size_t i = 0; i < stored->edu_server_n; i++) {
		outbox_destination_locked(outbox, stored->edu_servers[i])->has_edus = true;
	}
	for (size_t i = 0; i < stored->shared_n; i++) {
		outbox_share_room_locked(outbox, stored->shared[i]);
	}
	outbox->is_loaded = true;
	cond_broadcast(&outbox->loaded);
}

static void add_edus_locked(struct outbox *outbox, struct str server)
{
	struct destination *destination = outbox_destination_locked(outbox, server);
	destination->has_edus = true;
	destination->has_new_edus = true;
}

static enum err load(struct ctx *ctx, struct outbox *outbox)
{
	struct stored_outbox stored = {0};
	lock_take(&outbox->lock);
	bool is_loaded = outbox->is_loaded;
	int64_t edus_serial = outbox->edus_serial;
	lock_give(&outbox->lock);
	if (is_loaded) {
		return ERR_OK;
	}
	TRY(read_stored(ctx, outbox, &stored));
	LOCK_SCOPE(&outbox->lock);
	/* If something has come between, what was read is too old: once more, in the next round. */
	if (outbox->edus_serial == edus_serial) {
		fill_locked(outbox, &stored);
	}
	return ERR_OK;
}

/* The servers that were forbidden when they were tried. In the arena. */
static size_t find_forbidden(struct outbox *outbox, struct arena *arena, struct str **out)
{
	VEC(struct str) servers = {0};
	size_t i = 0;
	struct str server;
	void *value;
	LOCK_SCOPE(&outbox->lock);
	while (map_next(&outbox->destinations, &i, &server, &value)) {
		const struct destination *destination = value;
		if (destination->failures > 0 && destination->is_forbidden) {
			VEC_PUSH(arena, &servers, str_dup(arena, server));
		}
	}
	*out = servers.p;
	return servers.n;
}

void outbox_policy_changed(struct outbox *outbox)
{
	struct arena *arena CLEANUP(arena_cleanup) = NULL;
	if (atomic_load(&outbox->failing_n) == 0) {
		return;
	}
	arena = arena_create();
	struct str *servers;
	size_t count = find_forbidden(outbox, arena, &servers);
	for (size_t i = 0; i < count; i++) {
		if (!fed_policy_allows(outbox->federation, (struct server_name){servers[i]})) {
			continue;
		}
		LOCK_SCOPE(&outbox->lock);
		struct destination *destination = map_get(&outbox->destinations, servers[i]);
		if (destination != NULL && destination->is_forbidden) {
			destination->is_forbidden = false;
			destination->interval_ms = destination->retry_at_ms = 0;
			outbox_wake(outbox);
		}
	}
}

enum err outbox_await_loaded(struct ctx *ctx, struct outbox *outbox, int64_t position,
	bool *out_is_loaded)
{
	int64_t until_ms = clock_os_ms() + LOAD_WAIT_MS;
	LOCK_SCOPE(&outbox->lock);
	if (!outbox->is_loaded || outbox->dispatched != position) {
		outbox->is_loaded = false;
		outbox_wake(outbox);
	}
	while (!outbox->is_stopping && !outbox->is_loaded &&
		cond_wait_until(&outbox->loaded, &outbox->lock, until_ms)) {
	}
	*out_is_loaded = !outbox->is_stopping && outbox->is_loaded;
	return *out_is_loaded && outbox->dispatched != position
		? fail_cause(ctx, ERR_CONFLICT, "the outbox begins elsewhere than its consumer")
		: ERR_OK;
}

/* --- a round -------------------------------------------------------------------------------------------------- */

static enum err save_missed(struct ctx *ctx, struct outbox *outbox)
{
	VEC(struct missed_row) rows = {0};
	size_t i = 0;
	struct str server;
	void *value;
	lock_take(&outbox->lock);
	while (map_next(&outbox->destinations, &i, &server, &value)) {
		struct destination *destination = value;
		for (size_t k = 0; k < destination->missed_n; k++) {
			struct missed_room *room = &destination->missed[k];
			if (!room->is_saved) {
				struct missed_row row = {destination->server, room->room_nid, room->from_position};
				VEC_PUSH(ctx->arena, &rows, row);
			}
		}
	}
	lock_give(&outbox->lock);
	if (rows.n == 0) {
		return ERR_OK;
	}
	TRY(store_outbox_missed_add(ctx, outbox->hs->db, rows.p, rows.n));
	LOCK_SCOPE(&outbox->lock);
	for (i = 0; i < rows.n; i++) {
		struct destination *destination = outbox_destination_locked(outbox, rows.p[i].server);
		for (size_t k = 0; k < destination->missed_n; k++) {
			struct missed_room *room = &destination->missed[k];
			if (room->room_nid == rows.p[i].room_nid &&
				room->from_position == rows.p[i].from_position) {
				room->is_saved = true;
			}
		}
	}
	return ERR_OK;
}

/*
 * The consumer goes on. Should it not be where it was left (another process has moved it, the database has lost the last move, or made one
 * whose answer was lost), memory and consumer begin anew where the database says. Not worth a flush: what is sent twice because
 * the database has forgotten this, others know by its ids.
 */
static enum err save_position(struct ctx *ctx, struct outbox *outbox)
{
	lock_take(&outbox->lock);
	int64_t from = outbox->saved;
	int64_t to = outbox->is_loaded ? outbox_reached_locked(outbox) : from;
	lock_give(&outbox->lock);
	if (from == to) {
		return ERR_OK;
	}
	enum err err = store_consumer_skip(ctx, outbox->hs->db, STR(OUTBOX_CONSUMER), from, to);
	lock_take(&outbox->lock);
	if (err == ERR_OK && outbox->saved == from) {
		outbox->saved = to;
	} else if (err == ERR_CONFLICT) {
		outbox->is_loaded = false;
	}
	lock_give(&outbox->lock);
	if (err == ERR_CONFLICT) {
		consumers_begin_anew(outbox->hs->consumers, OUTBOX_CONSUMER);
		log_info(0, "outbox.begins_anew", "position=%" PRId64, from);
	}
	return err == ERR_CONFLICT ? ERR_OK : err;
}

static void measure(struct outbox *outbox)
{
	size_t events = 0;
	size_t rooms = 0;
	size_t i = 0;
	struct str server;
	void *value;
	LOCK_SCOPE(&outbox->lock);
	while (map_next(&outbox->destinations, &i, &server, &value)) {
		const struct destination *destination = value;
		events += destination->queue_n;
		rooms += destination->missed_n;
	}
	metric_set(&queued, (int64_t)events);
	metric_set(&missed, (int64_t)rooms);
	metric_set(&under_way, (int64_t)outbox->flying);
	metric_set(&under_way_bytes, (int64_t)outbox->flying_bytes);
	metric_set(&destinations_failing, (int64_t)atomic_load(&outbox->failing_n));
}

int64_t outbox_pause_left_ms(const struct outbox *outbox, const struct destination *destination,
	int64_t now_ms)
{
	if (destination->failures == 0) {
		return 0;
	}
	/* One that was heard of has no interval, but a first pause all the same. */
	int64_t interval_ms =
		MAX_OF(destination->interval_ms, outbox->hs->settings.federation.retry_first_ms);
	return backoff_left_ms(destination->retry_at_ms, now_ms, interval_ms);
}

/* When something is due next, of what is not due now; INT64_MAX: nothing is known. */
static int64_t next_due_in_ms(struct outbox *outbox)
{
	int64_t now_ms = clock_wall_ms(&outbox->hs->clock);
	int64_t in_ms = LOOK_MS;
	size_t i = 0;
	struct str server;
	void *value;
	LOCK_SCOPE(&outbox->lock);
	while (map_next(&outbox->destinations, &i, &server, &value)) {
		const struct destination *destination = value;
		int64_t left_ms = outbox_pause_left_ms(outbox, destination, now_ms);
		if (left_ms > 0 && destination->flight == NULL && outbox_has_work_locked(destination)) {
			in_ms = MIN_OF(in_ms, left_ms);
		}
	}
	if (!outbox->is_loaded) {
		return 0;
	}
	if (outbox_reached_locked(outbox) != outbox->saved) {
		int64_t save_in_ms = outbox->saved_at_mono_ms + SAVE_EACH_MS - clock_os_ms();
		in_ms = MIN_OF(in_ms, MAX_OF(save_in_ms, (int64_t)1));
	}
	return in_ms;
}

/* EDUs that another process has stored: that it told of them may have been missed. */
static enum err look_for_edus(struct ctx *ctx, struct outbox *outbox)
{
	struct str *servers;
	size_t count;
	TRY(store_outbox_edus_servers(ctx, outbox->hs->db, &servers, &count));
	LOCK_SCOPE(&outbox->lock);
	for (size_t i = 0; outbox->is_loaded && i < count; i++) {
		add_edus_locked(outbox, servers[i]);
	}
	return ERR_OK;
}

static enum err run_round(void *self, struct ctx *ctx, int64_t *out_pause_ms)
{
	struct outbox *outbox = self;
	bool is_ours = consumers_is_ours(outbox->hs->consumers, OUTBOX_CONSUMER);
	TRY(outbox_land(outbox));
	if (!is_ours) {
		LOCK_SCOPE(&outbox->lock);
		outbox->is_loaded = false;
		*out_pause_ms = LEASE_POLL_MS;
		return ERR_OK;
	}
	lock_take(&outbox->lock);
	bool was_loaded = outbox->is_loaded;
	lock_give(&outbox->lock);
	TRY(load(ctx, outbox));
	if (!was_loaded) {
		outbox_policy_changed(outbox); /* perhaps while nobody was there */
	}
	TRY(fed_policy_refresh(ctx, outbox->federation));
	TRY(outbox_spread_news(ctx, outbox));
	TRY(save_missed(ctx, outbox));
	if (clock_os_ms() - outbox->looked_at_mono_ms >= LOOK_MS) {
		TRY(look_for_edus(ctx, outbox));
		outbox->looked_at_mono_ms = clock_os_ms();
	}
	TRY(outbox_launch(outbox));
	if (clock_os_ms() - outbox->saved_at_mono_ms >= SAVE_EACH_MS) {
		TRY(save_position(ctx, outbox));
		measure(outbox);
		outbox->saved_at_mono_ms = clock_os_ms();
	}
	*out_pause_ms = next_due_in_ms(outbox);
	return ERR_OK;
}

static void end(void *self, struct ctx *ctx)
{
	struct outbox *outbox = self;
	if (outbox_land(outbox) != ERR_OK || save_position(ctx, outbox) != ERR_OK) {
		log_warn(0, "outbox.not_saved", "cause=%.*s", STR_ARG(ctx->fault.cause));
	}
}

void outbox_wake(struct outbox *outbox)
{
	rounds_wake(outbox->rounds);
}

/* --- from outside -------------------------------------------------------------------------------------------------- */

void outbox_take_edus(struct outbox *outbox, struct str server)
{
	LOCK_SCOPE(&outbox->lock);
	outbox->edus_serial++;
	if (outbox->is_loaded) {
		add_edus_locked(outbox, server);
	}
	outbox_wake(outbox);
}

void outbox_edus_stored(struct outbox *outbox, const struct str *servers, size_t count)
{
	bool is_ours = consumers_is_ours(outbox->hs->consumers, OUTBOX_CONSUMER);
	for (size_t i = 0; i < count; i++) {
		outbox_take_edus(outbox, servers[i]);
		if (!is_ours) {
			processes_note_edus(outbox->federation, servers[i]);
		}
	}
}

void outbox_share_room(struct outbox *outbox, int64_t room_nid)
{
	LOCK_SCOPE(&outbox->lock);
	outbox_share_room_locked(outbox, room_nid);
}

void outbox_heard_of(struct outbox *outbox, struct server_name server)
{
	if (atomic_load(&outbox->failing_n) == 0) {
		return;
	}
	int64_t now_ms = clock_wall_ms(&outbox->hs->clock);
	LOCK_SCOPE(&outbox->lock);
	struct destination *destination = map_get(&outbox->destinations, server.s);
	if (destination == NULL || destination->failures == 0) {
		return;
	}
	/* One that asks but cannot be asked is not tried with each of its requests. */
	int64_t at_ms =
		MAX_OF(now_ms, destination->tried_at_ms + outbox->hs->settings.federation.retry_first_ms);
	destination->interval_ms = 0;
	if (at_ms < destination->retry_at_ms) {
		destination->retry_at_ms = at_ms;
		outbox_wake(outbox);
	}
}

enum err outbox_pass_on(struct ctx *ctx, struct federation *federation, struct event_id event_id)
{
	struct homeserver *hs = federation->hs;
	return store_outbox_mark(ctx, hs->db, event_id.s, true, clock_wall_ms(&hs->clock));
}

enum err outbox_keep_back(struct ctx *ctx, struct federation *federation, struct event_id event_id)
{
	struct homeserver *hs = federation->hs;
	return store_outbox_mark(ctx, hs->db, event_id.s, false, clock_wall_ms(&hs->clock));
}

void outbox_tidy(struct ctx *ctx, struct outbox *outbox)
{
	struct destination_trouble *trouble;
	size_t count;
	if (atomic_load(&outbox->failing_n) == 0) {
		return;
	}
	if (store_destination_trouble(ctx, outbox->hs->db, &trouble, &count) != ERR_OK) {
		log_warn(0, "outbox.not_tidied", "cause=%.*s", STR_ARG(ctx->fault.cause));
		return;
	}
	LOCK_SCOPE(&outbox->lock);
	for (size_t i = 0; i < count; i++) {
		struct destination *destination = map_get(&outbox->destinations, trouble[i].server);
		if (trouble[i].retry_at_ms == 0 && destination != NULL) {
			destination->retry_at_ms = 0;
			outbox_wake(outbox);
		}
	}
}

void outbox_tidy_hourly(struct ctx *ctx, struct outbox *outbox)
{
	int64_t before_ms = clock_wall_ms(&outbox->hs->clock) - MARKS_KEPT_MS;
	if (store_outbox_marks_delete_old(ctx, outbox->hs->db, before_ms) != ERR_OK) {
		log_warn(0, "outbox.not_tidied", "cause=%.*s", STR_ARG(ctx->fault.cause));
	}
}

struct outbox *outbox_create(struct federation *federation)
{
	struct outbox *outbox = mem_alloc(sizeof(*outbox));
	outbox->federation = federation;
	outbox->hs = federation->hs;
	outbox->news_end = &outbox->news;
	outbox->rounds = rounds_create(&(struct rounds_def){.name = "outbox",
		.limit_ms = ROUND_LIMIT_MS,
		.run = run_round,
		.end = end,
		.self = outbox});
	lock_init(&outbox->lock, RANK_LEAF);
	cond_init(&outbox->loaded);
	outbox_fill_edu_port(outbox);
	outbox_fill_message_port(outbox);
	return outbox;
}

void outbox_start(struct outbox *outbox)
{
	rounds_start(outbox->rounds);
}

void outbox_stop(struct outbox *outbox)
{
	if (outbox == NULL) {
		return;
	}
	lock_take(&outbox->lock);
	outbox->is_stopping = true;
	cond_broadcast(&outbox->loaded);
	lock_give(&outbox->lock);
	rounds_stop(outbox->rounds);
}

static void free_all(struct outbox *outbox)
{
	while (outbox->over != NULL) {
		struct flight *flight = outbox->over;
		outbox->over = flight->next;
		flight->destination->flight = NULL;
		outbox_flight_free(flight);
	}
	while (outbox->news != NULL) {
		struct edu_news *news = outbox->news;
		outbox->news = news->next;
		edu_note_unref(news->note);
		str_free(news->user_id);
		mem_free(news);
	}
	outbox_clear_locked(outbox);
	map_fini(&outbox->destinations);
	map_fini(&outbox->shared);
}

void outbox_destroy(struct outbox *outbox)
{
	if (outbox == NULL) {
		return;
	}
	outbox_stop(outbox);
	lock_take(&outbox->lock);
	free_all(outbox);
	lock_give(&outbox->lock);
	rounds_destroy(outbox->rounds);
	cond_fini(&outbox->loaded);
	lock_fini(&outbox->lock);
	mem_free(outbox);
}
