/*
 * What was before a gap, from servers that have it; the events of an answer that may be believed are put where they belong. One event of long ago
 * is backfill_event.c's, and that one question at a time is asked for each room is backfill_quest.c's.
 */
#include "federation/backfill.h"

#include "base/mem.h"
#include "base/metrics.h"
#include "federation/backfill_inner.h"
#include "federation/fed_client.h"
#include "federation/missing.h"
#include "federation/pdu_check.h"
#include "http/uri.h"

enum { PREVS_MAX = 20, ANSWER_BYTES = 16 << 20 };

static struct metric fetched_counter = METRIC_COUNTER("belfry_federation_backfilled_events_total",
	"Events of history taken from others");

static struct str target_of(struct arena *arena, struct room *room, const struct room_gap *gap)
{
	struct str target = str_printf(arena, "/_matrix/federation/v1/backfill/%.*s?limit=%d",
		STR_ARG(uri_encode(arena, room_id_of(room).s)), BACKFILL_EVENTS);
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
	const struct pdu_room pdu_room = {.version = room_version_of(room),
		.room_id = room_id_of(room),
		.is_history = true};
	struct pdu *pdus;
	size_t count;
	struct json some =
		list != NULL && list->type == JSON_ARRAY ? *list : (struct json){.type = JSON_ARRAY};
	some.count = MIN_OF(some.count, (size_t)BACKFILL_EVENTS);
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
		.is_of_events = true,
		.timeout_ms = BACKFILL_ASK_MS,
	};
	TRY(fed_ask(ctx, federation, &request, &answer, NULL));
	TRY(check(ctx, federation, room, json_at(&answer.json, "pdus"), &events, &count));
	if (count == 0) {
		return ERR_OK;
	}
	/* What they rest on; those for which it cannot be had are left out. */
	enum err err = missing_auth(ctx, federation, room, server, events, count);
	if (backfill_is_general(err)) {
		return err;
	}
	TRY(room_accept_history(ctx, federation->hs, room, gap->below, events, count, out_added));
	metric_add(&fetched_counter, (int64_t)*out_added);
	return ERR_OK;
}

/* @param out_is_unanswered  somebody did not answer */
static enum err ask_all(struct ctx *ctx, struct federation *federation, struct room *room,
	struct server_name first, const struct room_gap *gap, size_t *out_added,
	bool *out_is_unanswered)
{
	struct server_name *servers;
	size_t count;
	TRY(backfill_choose_servers(ctx, federation->hs, room, first, &servers, &count));
	for (size_t i = 0; i < count && *out_added == 0 && backfill_has_time(ctx, federation); i++) {
		enum err err = ask_one(ctx, federation, room, gap, servers[i], out_added);
		if (backfill_is_general(err)) {
			return err;
		}
		*out_is_unanswered = *out_is_unanswered || err_is_unanswered(err);
		backfill_pass_over(ctx, servers[i], err);
	}
	return ERR_OK;
}

enum err backfill_fill_gap(struct ctx *ctx, struct federation *federation, struct room *room,
	struct server_name first, const struct room_gap *gap)
{
	size_t added = 0;
	bool is_unanswered = false;
	size_t missing;
	TRY(room_order_history(ctx, federation->hs, room, gap->below, &missing));
	if (missing == 0) {
		return ERR_OK;
	}
	TRY(ask_all(ctx, federation, room, first, gap, &added, &is_unanswered));
	if (added == 0) {
		room_gap_postpone(ctx, federation->hs, room, gap, is_unanswered);
	}
	return ERR_OK;
}

static enum err ask_for_gap(struct ctx *ctx, struct federation *federation, struct room *room,
	const struct quest *quest, bool *out_is_news)
{
	*out_is_news = true; /* or it is passed over from now on */
	return backfill_fill_gap(ctx, federation, room, quest->first, &quest->gap);
}

/* Nobody tells a server that is not in the room; but what came while it was may not be in order yet. */
static enum err put_in_order(struct ctx *ctx, struct homeserver *hs, struct room *room,
	const struct room_gap *gap, bool *out_has_changed)
{
	size_t missing;
	TRY(room_order_history(ctx, hs, room, gap->below, &missing));
	*out_has_changed = missing != gap->prev_count;
	return ERR_OK;
}

static enum err fill(void *self, struct ctx *ctx, struct room *room, int64_t reached,
	bool *out_goes_on)
{
	struct backfill *backfill = self;
	struct homeserver *hs = backfill->federation->hs;
	struct quest quest = {.backfill = backfill, .room_nid = room_nid(room), .ask = ask_for_gap};
	bool is_whole;
	*out_goes_on = false;
	TRY(room_gap_find(ctx, hs, room, reached, reached + 1, &quest.gap));
	if (quest.gap.below == 0) {
		return ERR_OK;
	}
	if (!room_is_resident(room)) {
		return put_in_order(ctx, hs, room, &quest.gap, out_goes_on);
	}
	TRY(ctx_may_ask(ctx));
	TRY(backfill_await_whole(ctx, hs, room, &is_whole));
	if (!is_whole) {
		return ERR_OK;
	}
	TRY(backfill_choose_first(ctx, hs, room, quest.gap.below, &quest.first));
	struct str key = str_printf(ctx->arena, "history of %lld below %lld", (long long)quest.room_nid,
		(long long)quest.gap.below);
	return backfill_await(ctx, &quest, key, out_goes_on);
}

struct backfill *backfill_create(struct federation *federation)
{
	struct backfill *backfill = mem_alloc(sizeof(*backfill));
	backfill->federation = federation;
	lock_init(&backfill->lock, RANK_LEAF);
	map_init(&backfill->rooms);
	federation->hs->ports.history = (struct history_port){
		.self = backfill,
		.fill = fill,
		.fetch = backfill_fetch,
		.fetch_near = backfill_fetch_near,
	};
	return backfill;
}

void backfill_destroy(struct backfill *backfill)
{
	if (backfill != NULL) {
		invariant(backfill->rooms.n == 0);
		map_fini(&backfill->rooms);
		lock_fini(&backfill->lock);
		mem_free(backfill);
	}
}
