/*
 * From the stream into the queues. Events in which nobody is interested cost no write: the position in the database follows now and then,
 * and after a crash they are looked at again. Without services it does not follow at all: whoever is added hears only of what comes
 * after that.
 */
#include "appservices/as_queue_inner.h"
#include "base/mem.h"
#include "base/vec.h"
#include "storage/consumer.h"

enum {
	EVENTS_A_ROUND = 200,
	OTHERS_A_ROUND = 1000,
	PAUSE_MS = 2,
	PAUSE_ALONE_MS = 250,
	UNSAVED_POSITIONS = 1000
};

struct round {
	struct ctx *ctx;
	struct homeserver *hs;
	struct as_queue *queue;
	const struct appservice_set *set;
	int64_t after;
	int64_t reached;
	struct appservice_event *events;
	size_t event_n;
	struct appservice_other *receipts;
	size_t receipt_n;
	struct appservice_other *devices;
	size_t device_n;
	struct appservice_other *whole; /* rooms whose members have become known */
	size_t whole_n;
	VEC(struct appservice_news) news;
};

enum err as_queue_hold(struct ctx *ctx, struct homeserver *hs, struct appservice_set **out)
{
	*out = appservices_hold(hs->appservices);
	if ((*out)->version != 0) {
		return ERR_OK;
	}
	appservice_set_release(*out);
	*out = NULL;
	TRY(appservices_follow(ctx, hs->appservices));
	*out = appservices_hold(hs->appservices);
	return ERR_OK;
}

static bool has_listeners(const struct appservice_set *set)
{
	for (size_t i = 0; i < set->count; i++) {
		if (as_is_listening(&set->items[i])) {
			return true;
		}
	}
	return false;
}

int64_t as_queue_pause_ms(void *self)
{
	struct as_queue *queue = self;
	return atomic_load(&queue->has_listeners) ? PAUSE_MS : PAUSE_ALONE_MS;
}

/* Since when each service hears. */
static enum err load_since(struct round *round)
{
	struct as_queue *queue = round->queue;
	struct appservice_delivery *rows;
	size_t count;
	if (queue->since_version == round->set->version) {
		return ERR_OK;
	}
	TRY(store_appservice_deliveries(round->ctx, round->hs->db, &rows, &count));
	mem_free(queue->since);
	queue->since = mem_alloc_array(round->set->count, sizeof(*queue->since));
	for (size_t i = 0; i < round->set->count; i++) {
		queue->since[i] = INT64_MAX;
		for (size_t k = 0; k < count; k++) {
			if (str_equals(rows[k].id, round->set->items[i].reg.id)) {
				queue->since[i] = rows[k].since_position;
			}
		}
	}
	queue->since_version = round->set->version;
	return ERR_OK;
}

/* Before this nobody hears anything. */
static int64_t first_since(const struct round *round)
{
	int64_t first = INT64_MAX;
	for (size_t i = 0; i < round->set->count; i++) {
		first =
			as_is_listening(&round->set->items[i]) ? MIN_OF(first, round->queue->since[i]) : first;
	}
	return first;
}

static void add_one(struct round *round, size_t place, struct appservice_news news)
{
	if (news.position > round->queue->since[place]) {
		news.appservice_id = round->set->items[place].reg.id;
		VEC_PUSH(round->ctx->arena, &round->news, news);
	}
}

/* @param news  without its service */
static void add_news(struct round *round, const bool *wants, struct appservice_news news)
{
	for (size_t i = 0; i < round->set->count; i++) {
		if (wants[i]) {
			add_one(round, i, news);
		}
	}
}

static size_t rooms_of(struct arena *arena, const struct appservice_event *events, size_t count,
	int64_t **out)
{
	VEC(int64_t) rooms = {0};
	for (size_t i = 0; i < count; i++) {
		size_t k = 0;
		while (k < rooms.n && rooms.p[k] != events[i].room_nid) {
			k++;
		}
		if (k == rooms.n) {
			VEC_PUSH(arena, &rooms, events[i].room_nid);
		}
	}
	*out = rooms.p;
	return rooms.n;
}

/* --- looking --------------------------------------------------------------------------------------------------- */

static bool has_taker(const struct appservice_set *set, bool of_devices)
{
	for (size_t i = 0; i < set->count; i++) {
		const struct registration *reg = &set->items[i].reg;
		if (as_is_listening(&set->items[i]) &&
			(reg->receives_ephemeral || (of_devices && reg->receives_devices))) {
			return true;
		}
	}
	return false;
}

static bool has_list_taker(const struct appservice_set *set)
{
	for (size_t i = 0; i < set->count; i++) {
		if (as_is_listening(&set->items[i]) && set->items[i].reg.receives_devices) {
			return true;
		}
	}
	return false;
}

bool as_hears_of_keys(const struct appservice *service)
{
	return as_is_listening(service) && service->reg.receives_ephemeral &&
		service->reg.receives_devices;
}

/* A list that is full may go on at its last position; all of that is for the next round then. */
static size_t cut(struct round *round, const struct appservice_other *others, size_t count)
{
	if (count < OTHERS_A_ROUND) {
		return count;
	}
	int64_t last = others[count - 1].position;
	while (count > 0 && others[count - 1].position == last) {
		count--;
	}
	round->reached = MIN_OF(round->reached, last - 1);
	return count;
}

/* One message may go to more users than a round takes: then that one is the round. */
static enum err look_at_devices(struct round *round)
{
	struct ctx *ctx = round->ctx;
	struct db *db = round->hs->db;
	TRY(store_appservice_look_devices(ctx, db, round->after, round->reached, OTHERS_A_ROUND,
		&round->devices, &round->device_n));
	int64_t first = round->device_n > 0 ? round->devices[0].position : 0;
	size_t found = round->device_n;
	round->device_n = cut(round, round->devices, found);
	if (found == 0 || round->device_n > 0) {
		return ERR_OK;
	}
	round->reached = first;
	return store_appservice_look_devices(ctx, db, round->after, first, INT64_MAX, &round->devices,
		&round->device_n);
}

static enum err look(struct round *round, int64_t up_to)
{
	struct ctx *ctx = round->ctx;
	struct db *db = round->hs->db;
	TRY(store_appservice_look(ctx, db, round->after, up_to, EVENTS_A_ROUND, &round->events,
		&round->event_n, &round->reached));
	if (has_taker(round->set, false)) {
		TRY(store_appservice_look_receipts(ctx, db, round->after, round->reached, OTHERS_A_ROUND,
			&round->receipts, &round->receipt_n));
		round->receipt_n = cut(round, round->receipts, round->receipt_n);
	}
	if (has_taker(round->set, true)) {
		TRY(look_at_devices(round));
	}
	if (has_list_taker(round->set)) {
		TRY(store_appservice_look_whole(ctx, db, round->after, round->reached, &round->whole,
			&round->whole_n));
	}
	return ERR_OK;
}

void as_queue_note_set(struct as_queue *queue, const struct appservice_set *set)
{
	atomic_store(&queue->has_listeners, set != NULL && has_listeners(set));
	atomic_store(&queue->has_takers, set != NULL && has_taker(set, false));
}

/* --- who is interested ------------------------------------------------------------------------------------------- */

/* With whom a service's users share rooms now, or no more: whose keys are of use to it. */
static void add_crossings(struct round *round, const struct appservice_event *event,
	const struct as_crossing *crossings)
{
	for (size_t i = 0; i < round->set->count; i++) {
		const struct as_crossing *crossing = &crossings[i];
		const bool has[] = {
			[APPSERVICE_NEWS_CAME] = crossing->came,
			[APPSERVICE_NEWS_ALL_CAME] = crossing->all_came,
			[APPSERVICE_NEWS_WENT] = crossing->went,
			[APPSERVICE_NEWS_ALL_WENT] = crossing->all_went,
		};
		for (size_t kind = 0; round->set->items[i].reg.receives_devices && kind < COUNT_OF(has);
			 kind++) {
			if (has[kind]) {
				add_one(round, i,
					(struct appservice_news){.position = event->position,
						.kind = (enum appservice_news_kind)kind,
						.room_nid = event->room_nid});
			}
		}
	}
}

static enum err walk_events(struct round *round)
{
	struct ctx *ctx = round->ctx;
	int64_t *rooms;
	struct as_walk *walk;
	size_t room_n = rooms_of(ctx->arena, round->events, round->event_n, &rooms);
	TRY(as_walk_begin(ctx, round->queue->interest, round->set, round->after, rooms, room_n, &walk));
	bool *wants = ARENA_NEW_ARRAY(ctx->arena, bool, round->set->count);
	struct as_crossing *crossings =
		ARENA_NEW_ARRAY(ctx->arena, struct as_crossing, round->set->count);
	for (size_t i = 0; i < round->event_n && round->events[i].position <= round->reached; i++) {
		const struct appservice_event *event = &round->events[i];
		TRY(as_walk_event(walk, event, wants, crossings));
		add_crossings(round, event, crossings);
		add_news(round, wants,
			(struct appservice_news){
				.position = event->position,
				.kind = APPSERVICE_NEWS_EVENT,
				.room_nid = event->room_nid,
				.event_position = event->event_position,
			});
	}
	as_walk_end(walk, round->reached);
	return ERR_OK;
}

/* Private ones only to who reads by them. */
static enum err add_receipts(struct round *round)
{
	const struct appservice_set *set = round->set;
	size_t n = round->receipt_n;
	int64_t *nids = ARENA_NEW_ARRAY(round->ctx->arena, int64_t, n);
	struct str *ids = ARENA_NEW_ARRAY(round->ctx->arena, struct str, n);
	bool *wants;
	if (n == 0) {
		return ERR_OK;
	}
	for (size_t i = 0; i < n; i++) {
		nids[i] = round->receipts[i].room_nid;
		ids[i] = round->receipts[i].room_id;
	}
	TRY(as_interest_now(round->ctx, round->queue->interest, set, nids, ids, n, &wants));
	for (size_t i = 0; i < n && round->receipts[i].position <= round->reached; i++) {
		const struct appservice_other *receipt = &round->receipts[i];
		bool *by = &wants[i * set->count];
		for (size_t k = 0; k < set->count; k++) {
			const struct appservice *service = &set->items[k];
			by[k] = by[k] && service->reg.receives_ephemeral &&
				(!receipt->is_private || as_has_user(service, receipt->user_id));
		}
		add_news(round, by,
			(struct appservice_news){.position = receipt->position,
				.kind = APPSERVICE_NEWS_RECEIPT,
				.room_nid = receipt->room_nid});
	}
	return ERR_OK;
}

static enum err add_devices(struct round *round)
{
	const struct appservice_set *set = round->set;
	struct str *ids = ARENA_NEW_ARRAY(round->ctx->arena, struct str, round->device_n);
	bool *wants;
	if (round->device_n == 0) {
		return ERR_OK;
	}
	for (size_t i = 0; i < round->device_n; i++) {
		ids[i] = round->devices[i].user_id;
	}
	TRY(as_interest_in_users(round->ctx, round->queue->interest, set, ids, round->device_n,
		&wants));
	for (size_t i = 0; i < round->device_n && round->devices[i].position <= round->reached; i++) {
		const struct appservice_other *device = &round->devices[i];
		bool *by = &wants[i * set->count];
		for (size_t k = 0; k < set->count; k++) {
			const struct registration *reg = &set->items[k].reg;
			by[k] = device->is_change
				? by[k] && reg->receives_devices
				: reg->receives_ephemeral && as_has_user(&set->items[k], device->user_id);
		}
		add_news(round, by,
			(struct appservice_news){.position = device->position,
				.kind = device->is_change ? APPSERVICE_NEWS_KEYS : APPSERVICE_NEWS_MESSAGE});
	}
	return ERR_OK;
}

/* Everybody in a room that this server has come into without knowing its members. */
static enum err add_whole(struct round *round)
{
	const struct appservice_set *set = round->set;
	int64_t *nids = ARENA_NEW_ARRAY(round->ctx->arena, int64_t, round->whole_n);
	bool *wants;
	if (round->whole_n == 0) {
		return ERR_OK;
	}
	for (size_t i = 0; i < round->whole_n; i++) {
		nids[i] = round->whole[i].room_nid;
	}
	TRY(as_interest_now(round->ctx, round->queue->interest, set, nids, NULL, round->whole_n,
		&wants));
	for (size_t i = 0; i < round->whole_n && round->whole[i].position <= round->reached; i++) {
		for (size_t k = 0; k < set->count; k++) {
			if (wants[i * set->count + k] && set->items[k].reg.receives_devices) {
				add_one(round, k,
					(struct appservice_news){.position = round->whole[i].position,
						.kind = APPSERVICE_NEWS_ALL_CAME,
						.room_nid = nids[i]});
			}
		}
	}
	return ERR_OK;
}

/* --- the round ------------------------------------------------------------------------------------------------------ */

static enum err save(struct round *round)
{
	struct as_queue *queue = round->queue;
	struct ctx *ctx = round->ctx;
	if (round->news.n == 0) {
		if (round->reached - queue->saved < UNSAVED_POSITIONS) {
			return ERR_OK;
		}
		TRY(store_consumer_skip(ctx, round->hs->db, STR(APPSERVICE_CONSUMER), queue->saved,
			round->reached));
		queue->saved = round->reached;
		return ERR_OK;
	}
	struct tx *tx CLEANUP(tx_cleanup) = NULL;
	TRY(tx_begin(ctx, round->hs->db, &tx));
	TRY(store_appservice_enqueue(ctx, tx, round->news.p, round->news.n));
	TRY(store_consumer_move_in(ctx, tx, STR(APPSERVICE_CONSUMER), queue->saved, round->reached));
	TRY(tx_commit(ctx, &tx));
	queue->saved = round->reached;
	as_queue_filled(queue, round->news.p, round->news.n);
	return ERR_OK;
}

static enum err add_others(struct round *round)
{
	TRY(add_receipts(round));
	TRY(add_devices(round));
	TRY(add_whole(round));
	return save(round);
}

static enum err run_round(struct round *round, int64_t up_to)
{
	TRY(load_since(round));
	int64_t first = first_since(round);
	if (first >= up_to) {
		round->reached = up_to;
		return save(round);
	}
	round->after = MAX_OF(round->after, first);
	TRY(look(round, up_to));
	TRY(walk_events(round));
	enum err err = add_others(round);
	if (err != ERR_OK) {
		as_interest_forget(round->queue->interest);
	}
	return err;
}

enum err as_queue_consume(struct ctx *ctx, struct homeserver *hs, void *self, int64_t after,
	int64_t up_to, int64_t *out_reached)
{
	struct as_queue *queue = self;
	struct appservice_set *set CLEANUP(appservice_set_cleanup) = NULL;
	TRY(as_queue_hold(ctx, hs, &set));
	bool is_heard = has_listeners(set);
	as_queue_note_set(queue, set);
	if (after != queue->reached) {
		queue->saved = after; /* it comes from the database */
	}
	struct round round = {.ctx = ctx, .hs = hs, .queue = queue, .set = set, .after = after};
	round.reached = up_to;
	if (is_heard) {
		TRY(run_round(&round, up_to));
	}
	queue->reached = *out_reached = round.reached;
	return ERR_OK;
}
