/*
 * One question at a time for each room, however many readers come to its gap: the others wait for the answer. The servers are asked
 * in turn, first the one whose event stands at the gap, since it knows what stands behind it.
 */
#include "federation/backfill.h"

#include "base/lock.h"
#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "federation/fed_client.h"
#include "federation/pdu_check.h"
#include "homeserver/room/room_accept.h"
#include "http/uri.h"

enum {
	EVENTS = 100, /* of one question */
	SERVERS_MAX = 5,
	PREVS_MAX = 20,
	ASK_MS = 15 * 1000,
	ALL_MS = 30 * 1000,
	ANSWER_BYTES = 16 << 20,
};

static struct metric fetched_counter = METRIC_COUNTER("belfry_federation_backfilled_events_total",
	"Events of history taken from others");

struct backfill {
	struct federation *federation;
	struct lock lock; /* RANK_LEAF; guards the map */
	struct cond ended;
	struct map rooms; /* numbers of rooms for which somebody asks */
};

/* --- one at a time ------------------------------------------------------------------------------------------------ */

static struct str key_of(const int64_t *room_nid)
{
	return str_from((const char *)room_nid, sizeof(*room_nid));
}

/* @return false when somebody else asked; that one has ended by then, or the time is over */
static bool begin(struct backfill *backfill, const int64_t *room_nid, int64_t deadline_ms)
{
	LOCK_SCOPE(&backfill->lock);
	if (map_get(&backfill->rooms, key_of(room_nid)) == NULL) {
		(void)map_set(&backfill->rooms, key_of(room_nid), backfill);
		return true;
	}
	bool has_time = true;
	while (has_time && map_get(&backfill->rooms, key_of(room_nid)) != NULL) {
		has_time = cond_wait_until(&backfill->ended, &backfill->lock, deadline_ms);
	}
	return false;
}

static void end(struct backfill *backfill, const int64_t *room_nid)
{
	LOCK_SCOPE(&backfill->lock);
	(void)map_remove(&backfill->rooms, key_of(room_nid));
	cond_broadcast(&backfill->ended);
}

/* --- asking -------------------------------------------------------------------------------------------------------- */

/* Who is asked, in this order. */
static enum err choose_servers(struct ctx *ctx, struct homeserver *hs, struct room *room,
	const struct room_gap *gap, struct server_name **out, size_t *out_count)
{
	struct stored_event *at;
	struct server_name first = {0};
	TRY(room_servers(ctx, hs, room, out, out_count));
	if (room_event_at(ctx, hs, room, gap->below, &at) == ERR_OK) {
		first = user_id_server(at->event->sender);
	}
	for (size_t i = 1; i < *out_count; i++) {
		if (server_name_equals((*out)[i], first)) {
			(*out)[i] = (*out)[0];
			(*out)[0] = first;
		}
	}
	*out_count = MIN_OF(*out_count, (size_t)SERVERS_MAX);
	return ERR_OK;
}

static struct str target_of(struct arena *arena, struct room *room, const struct room_gap *gap)
{
	struct str target = str_printf(arena, "/_matrix/federation/v1/backfill/%.*s?limit=%d",
		STR_ARG(uri_encode(arena, room_id_of(room).s)), EVENTS);
	for (size_t i = 0; i < gap->prev_count && i < PREVS_MAX; i++) {
		target = str_printf(arena, "%.*s&v=%.*s", STR_ARG(target),
			STR_ARG(uri_encode(arena, gap->prevs[i].s)));
	}
	return target;
}

/* Those that may be believed. @return count */
static enum err check(struct ctx *ctx, struct federation *federation, struct room *room,
	const struct json *list, const struct event ***out, size_t *out_count)
{
	const struct pdu_room pdu_room = {room_version_of(room), room_id_of(room)};
	struct pdu *pdus;
	size_t count;
	struct json some =
		list != NULL && list->type == JSON_ARRAY ? *list : (struct json){.type = JSON_ARRAY};
	some.count = MIN_OF(some.count, (size_t)EVENTS);
	TRY(pdu_check_list(ctx, federation, &pdu_room, &some, &pdus, &count));
	*out = ARENA_NEW_ARRAY(ctx->arena, const struct event *, count);
	*out_count = 0;
	for (size_t i = 0; i < count; i++) {
		if (pdus[i].event != NULL) {
			(*out)[(*out_count)++] = pdus[i].event;
		}
	}
	return ERR_OK;
}

static enum err ask_one(struct ctx *ctx, struct federation *federation, struct room *room,
	const struct room_gap *gap, struct server_name server, size_t *out_added)
{
	struct fed_answer answer;
	const struct event **events;
	size_t count;
	const struct fed_request request = {
		.server = server,
		.method = "GET",
		.target = target_of(ctx->arena, room, gap),
		.answer_ceiling_bytes = ANSWER_BYTES,
		.timeout_ms = ASK_MS,
	};
	TRY(fed_ask(ctx, federation, &request, &answer, NULL));
	TRY(check(ctx, federation, room, json_at(&answer.json, "pdus"), &events, &count));
	if (count == 0) {
		return ERR_OK;
	}
	TRY(room_accept_history(ctx, federation->hs, room, gap->below, events, count, out_added));
	metric_add(&fetched_counter, (int64_t)*out_added);
	return ERR_OK;
}

static enum err ask_all(struct ctx *ctx, struct federation *federation, struct room *room,
	const struct room_gap *gap, size_t *out_added)
{
	struct homeserver *hs = federation->hs;
	struct server_name *servers;
	size_t count;
	int64_t until_ms = clock_mono_ms(&hs->clock) + ALL_MS;
	TRY(choose_servers(ctx, hs, room, gap, &servers, &count));
	for (size_t i = 0; i < count && *out_added == 0 && clock_mono_ms(&hs->clock) < until_ms; i++) {
		enum err err = ask_one(ctx, federation, room, gap, servers[i], out_added);
		if (err == ERR_STORE || err == ERR_SHUTDOWN) {
			return err;
		}
		if (err != ERR_OK) {
			log_debug(ctx->request_id, "fed.backfill.failed", "server=%.*s kind=%s",
				STR_ARG(servers[i].s), err_name(err));
			ctx->fault = (struct fault){0};
		}
	}
	return ERR_OK;
}

/* @param gap  as it is now: whoever asked before may have filled it */
static enum err fill_gap(struct ctx *ctx, struct federation *federation, struct room *room,
	const struct room_gap *gap)
{
	size_t added = 0;
	TRY(ask_all(ctx, federation, room, gap, &added));
	if (added == 0) {
		room_gap_postpone(ctx, federation->hs, room, gap);
	}
	return ERR_OK;
}

static enum err fill(void *self, struct ctx *ctx, struct room *room, int64_t reached,
	bool *out_goes_on)
{
	struct backfill *backfill = self;
	struct homeserver *hs = backfill->federation->hs;
	struct room_gap gap;
	int64_t nid = room_nid(room);
	*out_goes_on = false;
	if (!room_is_resident(room)) {
		return ERR_OK; /* nobody tells a server that is not in the room */
	}
	TRY(room_gap_find(ctx, hs, room, reached, reached + 1, &gap));
	if (gap.below == 0) {
		return ERR_OK;
	}
	TRY(ctx_may_ask(ctx));
	*out_goes_on = true;
	if (!begin(backfill, &nid, clock_mono_ms(&hs->clock) + ALL_MS)) {
		return ERR_OK;
	}
	enum err err = fill_gap(ctx, backfill->federation, room, &gap);
	end(backfill, &nid);
	return err;
}

struct backfill *backfill_create(struct federation *federation)
{
	struct backfill *backfill = mem_alloc(sizeof(*backfill));
	backfill->federation = federation;
	lock_init(&backfill->lock, RANK_LEAF);
	cond_init(&backfill->ended);
	map_init(&backfill->rooms);
	federation->hs->ports.history = (struct history_port){.self = backfill, .fill = fill};
	return backfill;
}

void backfill_destroy(struct backfill *backfill)
{
	if (backfill != NULL) {
		invariant(backfill->rooms.n == 0);
		map_fini(&backfill->rooms);
		cond_fini(&backfill->ended);
		lock_fini(&backfill->lock);
		mem_free(backfill);
	}
}
