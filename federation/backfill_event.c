/*
 * One event of long ago, by its id or by its time. It comes by filling the gap in which it is missing, if that is near; alone, with the state
 * before it, when it is far from all that is known here.
 */
#include "federation/backfill_inner.h"

#include "federation/answers.h"
#include "federation/fed_client.h"
#include "federation/missing.h"
#include "http/uri.h"

enum {
	TIME_BYTES = 64 << 10,
	UNKNOWN_KEPT_MS = 60 * 1000, /* an event that nobody had */
};

/* --- by its id ------------------------------------------------------------------------------------------------------ */

static enum err look_up(struct ctx *ctx, struct homeserver *hs, struct room *room,
	struct event_id id, struct known_event *out)
{
	return room_known_events(ctx, hs, room, &id, 1, out);
}

/* Whoever took it in: another process may have been first. *out NULL: it is not there. */
static enum err find_in_timeline(struct ctx *ctx, struct homeserver *hs, struct room *room,
	struct event_id id, const struct event **out)
{
	struct known_event known;
	TRY(look_up(ctx, hs, room, id, &known));
	*out = known.fate == EVENT_IN_TIMELINE ? known.event : NULL;
	return ERR_OK;
}

/* By filling the gap in which it is missing, if it is near: then nothing is missing between the two. */
static enum err fill_down_to(struct ctx *ctx, struct federation *federation, struct room *room,
	const struct event *event, int64_t below, bool *out_is_here)
{
	struct homeserver *hs = federation->hs;
	struct stored_event *over;
	struct room_gap gap;
	const struct event *found;
	TRY(room_event_at_place(ctx, hs, room, below, &over));
	TRY(room_gap_find(ctx, hs, room, below - 1, below, &gap));
	*out_is_here = false;
	if (gap.below == 0 || over->event->depth - event->depth > BACKFILL_EVENTS) {
		return ERR_OK;
	}
	TRY(backfill_fill_gap(ctx, federation, room, user_id_server(over->event->sender), &gap));
	TRY(find_in_timeline(ctx, hs, room, event->event_id, &found));
	*out_is_here = found != NULL;
	return ERR_OK;
}

/* Takes in an event that is known or came from a server. Errors: MISSING (what it needs cannot be had); TIMEOUT; STORE; SHUTDOWN */
static enum err take_in(struct ctx *ctx, struct federation *federation, struct room *room,
	struct server_name server, const struct event *event)
{
	int64_t below;
	bool is_here;
	struct room_arrival arrival = {.event = event};
	const struct missing_case missing = {.room = room, .origin = server, .event = event};
	TRY(room_gap_over(ctx, federation->hs, room, event->depth, &below));
	if (below == 0) {
		return ERR_OK;
	}
	TRY(fill_down_to(ctx, federation, room, event, below, &is_here));
	if (is_here) {
		return ERR_OK;
	}
	TRY(missing_state(ctx, federation, &missing, &arrival.state_before,
		&arrival.state_before_count));
	return room_accept_past(ctx, federation->hs, room, &arrival, &is_here);
}

/* From what is known as an outlier, or from others. *out NULL: it was judged before. */
static enum err get_event(struct ctx *ctx, struct federation *federation, struct room *room,
	struct server_name server, struct event_id id, const struct event **out)
{
	struct known_event known;
	TRY(look_up(ctx, federation->hs, room, id, &known));
	*out = known.fate == EVENT_OUTLIER ? known.event : NULL;
	return known.fate == EVENT_UNKNOWN && !known.is_elsewhere
		? missing_event(ctx, federation, room, server, id, out)
		: ERR_OK;
}

static struct str key_of_event(struct arena *arena, struct room *room, struct event_id id)
{
	return str_printf(arena, "%lld %.*s", (long long)room_nid(room), STR_ARG(id.s));
}

/* Whether there is anybody to ask, and anything that was not asked just now. */
static enum err is_worth_asking(struct ctx *ctx, struct federation *federation, struct room *room,
	struct event_id id, bool *out)
{
	struct known_event known;
	struct json nothing;
	*out = false;
	if (!room_is_resident(room) || !room_has_gaps(room)) {
		return ERR_OK; /* all that was there is here */
	}
	TRY(look_up(ctx, federation->hs, room, id, &known));
	bool is_open =
		known.fate == EVENT_OUTLIER || (known.fate == EVENT_UNKNOWN && !known.is_elsewhere);
	*out = is_open &&
		!answers_get(ctx, federation->missing_events, key_of_event(ctx->arena, room, id), &nothing);
	return ERR_OK;
}

static enum err ask_for_event(struct ctx *ctx, struct federation *federation, struct room *room,
	const struct quest *quest, bool *out_is_news)
{
	struct json nothing = {.type = JSON_NULL};
	const struct event *event;
	enum err err = get_event(ctx, federation, room, quest->first, quest->id, &event);
	if (err == ERR_OK && event != NULL) {
		err = take_in(ctx, federation, room, quest->first, event);
	}
	if (err == ERR_OK) {
		err = find_in_timeline(ctx, federation->hs, room, quest->id, &event);
		*out_is_news = err == ERR_OK && event != NULL;
	}
	if (!backfill_is_general(err) && !*out_is_news) {
		answers_put(ctx, federation->missing_events, key_of_event(ctx->arena, room, quest->id),
			&nothing, UNKNOWN_KEPT_MS);
	}
	return err;
}

enum err backfill_fetch(void *self, struct ctx *ctx, struct room *room, struct event_id id,
	bool *out_is_news)
{
	struct backfill *backfill = self;
	struct homeserver *hs = backfill->federation->hs;
	struct quest quest = {.backfill = backfill,
		.room_nid = room_nid(room),
		.ask = ask_for_event,
		.id = id};
	struct server_name *servers;
	size_t count;
	if (room_is_partial(room) && room_is_resident(room)) {
		return backfill_await_whole(ctx, hs, room, out_is_news); /* nothing may come yet */
	}
	TRY(is_worth_asking(ctx, backfill->federation, room, id, out_is_news));
	if (!*out_is_news) {
		return ERR_OK;
	}
	TRY(ctx_may_ask(ctx));
	*out_is_news = false;
	TRY(room_servers(ctx, hs, room, &servers, &count));
	if (count == 0) {
		return ERR_OK;
	}
	quest.first = servers[rng_u64(&hs->rng) % count];
	return backfill_await(ctx, &quest, str_printf(ctx->arena, "history: %.*s", STR_ARG(id.s)),
		out_is_news);
}

/* --- by its time ------------------------------------------------------------------------------------------------------ */

/* One server's answer. *out_id: s.p == NULL when it is no better than what is here. */
static enum err ask_time(struct ctx *ctx, struct federation *federation, struct room *room,
	const struct history_time *wanted, struct server_name server, struct event_id *out_id,
	int64_t *out_ts)
{
	struct fed_answer answer;
	const struct fed_request request = {
		.server = server,
		.method = "GET",
		.target =
			str_printf(ctx->arena, "/_matrix/federation/v1/timestamp_to_event/%.*s?ts=%lld&dir=%c",
				STR_ARG(uri_encode(ctx->arena, room_id_of(room).s)), (long long)wanted->ts,
				wanted->is_backwards ? 'b' : 'f'),
		.answer_ceiling_bytes = TIME_BYTES,
		.timeout_ms = BACKFILL_ASK_MS,
	};
	*out_id = (struct event_id){0};
	TRY(fed_ask(ctx, federation, &request, &answer, NULL));
	bool is_right =
		json_get_int(&answer.json, STR("origin_server_ts"), wanted->from, wanted->to, out_ts) &&
		event_id_parse(json_get_str(&answer.json, STR("event_id")), out_id);
	if (!is_right) {
		*out_id = (struct event_id){0};
	}
	return ERR_OK;
}

static enum err ask_one_for_time(struct ctx *ctx, struct federation *federation, struct room *room,
	const struct history_time *wanted, struct server_name server, bool *out_is_here)
{
	struct event_id id;
	int64_t ts;
	const struct event *event = NULL;
	*out_is_here = false;
	TRY(ask_time(ctx, federation, room, wanted, server, &id, &ts));
	if (id.s.p == NULL) {
		return ERR_OK;
	}
	TRY(get_event(ctx, federation, room, server, id, &event));
	if (event != NULL && event->origin_server_ts == ts) {
		TRY(take_in(ctx, federation, room, server, event));
	}
	TRY(find_in_timeline(ctx, federation->hs, room, id, &event));
	*out_is_here = event != NULL && event->origin_server_ts == ts;
	return ERR_OK;
}

static enum err ask_for_time(struct ctx *ctx, struct federation *federation, struct room *room,
	const struct quest *quest, bool *out_is_news)
{
	struct server_name *servers;
	size_t count;
	TRY(backfill_choose_servers(ctx, federation->hs, room, quest->first, &servers, &count));
	for (size_t i = 0; i < count && !*out_is_news && backfill_has_time(ctx, federation); i++) {
		enum err err =
			ask_one_for_time(ctx, federation, room, &quest->wanted, servers[i], out_is_news);
		if (backfill_is_general(err)) {
			return err;
		}
		backfill_pass_over(ctx, servers[i], err);
	}
	return ERR_OK;
}

enum err backfill_fetch_near(void *self, struct ctx *ctx, struct room *room,
	const struct history_time *wanted, bool *out_is_news)
{
	struct backfill *backfill = self;
	struct homeserver *hs = backfill->federation->hs;
	struct quest quest = {.backfill = backfill,
		.room_nid = room_nid(room),
		.ask = ask_for_time,
		.wanted = *wanted};
	struct room *loaded;
	bool is_whole;
	*out_is_news = false;
	TRY(rooms_get_nid(ctx, hs, quest.room_nid, &loaded));
	if (room_is_resident(room)) {
		TRY(room_gap_in_time(ctx, hs, room, wanted->from, wanted->to, &quest.gap.below));
	}
	if (quest.gap.below == 0) {
		return ERR_OK;
	}
	TRY(ctx_may_ask(ctx));
	TRY(backfill_await_whole(ctx, hs, room, &is_whole));
	if (!is_whole) {
		return ERR_OK;
	}
	TRY(backfill_choose_first(ctx, hs, room, quest.gap.below, &quest.first));
	return backfill_await(ctx, &quest, STR("history by its time"), out_is_news);
}
