/*
 * From the stream into the queues. Events in which nobody is interested cost no write: the position in the database follows now and then,
 * and after a crash they are looked at again. Without services it does not follow at all: whoever is added hears only of what comes
 * after that.
 */
#include "appservices/as_queue_inner.h"
#include "base/mem.h"
#include "base/vec.h"
#include "storage/consumer.h"

enum { EVENTS_A_ROUND = 200, PAUSE_MS = 2, PAUSE_ALONE_MS = 250, UNSAVED_POSITIONS = 1000 };

struct round {
	struct ctx *ctx;
	struct homeserver *hs;
	struct as_queue *queue;
	const struct appservice_set *set;
	int64_t after;
	int64_t reached;
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

/* @param news  without its service */
static void add_news(struct round *round, const bool *wants, struct appservice_news news)
{
	for (size_t i = 0; i < round->set->count; i++) {
		if (wants[i] && news.position > round->queue->since[i]) {
			news.appservice_id = round->set->items[i].reg.id;
			VEC_PUSH(round->ctx->arena, &round->news, news);
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

static enum err walk_events(struct round *round, int64_t up_to, struct as_walk **out)
{
	struct appservice_event *events;
	size_t count;
	int64_t *rooms;
	struct ctx *ctx = round->ctx;
	TRY(store_appservice_look(ctx, round->hs->db, round->after, up_to, EVENTS_A_ROUND, &events,
		&count, &round->reached));
	size_t room_n = rooms_of(ctx->arena, events, count, &rooms);
	TRY(as_walk_begin(ctx, round->queue->interest, round->set, round->after, rooms, room_n, out));
	bool *wants = ARENA_NEW_ARRAY(ctx->arena, bool, round->set->count);
	for (size_t i = 0; i < count; i++) {
		TRY(as_walk_event(*out, &events[i], wants));
		add_news(round, wants,
			(struct appservice_news){
				.position = events[i].position,
				.kind = APPSERVICE_NEWS_EVENT,
				.room_nid = events[i].room_nid,
				.event_position = events[i].event_position,
			});
	}
	return ERR_OK;
}

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

static enum err run_round(struct round *round, int64_t up_to)
{
	struct as_walk *walk = NULL;
	TRY(load_since(round));
	int64_t first = first_since(round);
	if (first >= up_to) {
		round->reached = up_to;
		return save(round);
	}
	round->after = MAX_OF(round->after, first);
	TRY(walk_events(round, up_to, &walk));
	TRY(save(round));
	as_walk_end(walk, round->reached);
	return ERR_OK;
}

enum err as_queue_consume(struct ctx *ctx, struct homeserver *hs, void *self, int64_t after,
	int64_t up_to, int64_t *out_reached)
{
	struct as_queue *queue = self;
	struct appservice_set *set CLEANUP(appservice_set_cleanup) = NULL;
	TRY(as_queue_hold(ctx, hs, &set));
	bool is_heard = has_listeners(set);
	atomic_store(&queue->has_listeners, is_heard);
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
