/*
 * Parses what was asked into typed values; history.c says what may be told.
 */
#include "federation/history_routes.h"

#include "base/vec.h"
#include "federation/fed_auth.h"
#include "federation/history.h"

enum { MISSING_DEFAULT = 10 };

static enum err open_room(struct call *call, struct history *out)
{
	return history_open(&call->ctx, hs_of(call), call_path(call, "roomId"), fed_origin(call), out);
}

/* --- transactions that carry events ------------------------------------------------------------------------------ */

static enum err reply_transaction(struct call *call, const struct history *history,
	struct stored_event **events, size_t count)
{
	struct homeserver *hs = hs_of(call);
	struct json_out *out = reply_json(call, 200);
	json_out_object(out);
	json_out_key_str(out, "origin", hs->signer.server.s);
	json_out_key_int(out, "origin_server_ts", clock_wall_ms(&hs->clock));
	TRY(history_write(&call->ctx, hs, history, events, count, "pdus", out));
	json_out_end(out);
	return ERR_OK;
}

static enum err get_event(struct call *call)
{
	struct homeserver *hs = hs_of(call);
	struct str event_id = call_path(call, "eventId");
	struct history history;
	struct stored_event *event;
	TRY(history_open_of(&call->ctx, hs, event_id, fed_origin(call), &history));
	TRY(history_find(&call->ctx, hs, &history, event_id, &event));
	return reply_transaction(call, &history, &event, 1);
}

static enum err get_backfill(struct call *call)
{
	struct history history;
	struct history_walk walk = {0};
	int64_t limit;
	struct stored_event **events;
	size_t count;
	TRY(open_room(call, &history));
	const struct str *ids = call_query_all(call, "v", &walk.from_count);
	TRY(call_query_int(call, "limit", 0, INT64_MAX, -1, &limit));
	if (walk.from_count == 0 || limit < 0) {
		return fail(&call->ctx, ERR_INPUT, M_MISSING_PARAM, "'v' and 'limit' are needed");
	}
	walk.from_count = MIN_OF(walk.from_count, (size_t)HISTORY_IDS_MAX);
	struct event_id *from = ARENA_NEW_ARRAY(call->ctx.arena, struct event_id, walk.from_count);
	for (size_t i = 0; i < walk.from_count; i++) {
		from[i].s = ids[i];
	}
	walk.from = from;
	walk.limit = (size_t)MIN_OF(limit, (int64_t)HISTORY_LIMIT_MAX);
	TRY(history_walk(&call->ctx, hs_of(call), &history, &walk, &events, &count));
	return reply_transaction(call, &history, events, count);
}

/* --- missing events ----------------------------------------------------------------------------------------------- */

static enum err read_ids(struct call *call, const struct json *body, const char *key,
	const struct event_id **out, size_t *out_count)
{
	const struct json *list = json_get(body, str_of(key));
	if (!json_is(list, JSON_ARRAY)) {
		return fail(&call->ctx, ERR_INPUT, list == NULL ? M_MISSING_PARAM : M_BAD_JSON,
			"'%s' must be a list of event ids", key);
	}
	*out_count = MIN_OF(list->count, (size_t)HISTORY_IDS_MAX);
	struct event_id *ids = ARENA_NEW_ARRAY(call->ctx.arena, struct event_id, *out_count);
	for (size_t i = 0; i < *out_count; i++) {
		if (list->items[i].type != JSON_STRING) {
			return fail(&call->ctx, ERR_INPUT, M_BAD_JSON, "'%s' must be a list of event ids", key);
		}
		ids[i].s = json_text(&list->items[i]);
	}
	*out = ids;
	return ERR_OK;
}

static void turn_round(struct stored_event **events, size_t count)
{
	for (size_t i = 0; i < count / 2; i++) {
		struct stored_event *event = events[i];
		events[i] = events[count - 1 - i];
		events[count - 1 - i] = event;
	}
}

static enum err post_missing(struct call *call)
{
	const struct json *body;
	struct history history;
	struct history_walk walk = {.without_from = true};
	int64_t limit;
	struct stored_event **events;
	size_t count;
	TRY(call_json(call, &body));
	TRY(open_room(call, &history));
	TRY(read_ids(call, body, "latest_events", &walk.from, &walk.from_count));
	TRY(read_ids(call, body, "earliest_events", &walk.stop, &walk.stop_count));
	TRY(body_opt_int(call, body, "limit", 0, INT64_MAX, MISSING_DEFAULT, &limit));
	TRY(body_opt_int(call, body, "min_depth", 0, INT64_MAX, 0, &walk.min_depth));
	walk.limit = (size_t)MIN_OF(limit, (int64_t)HISTORY_LIMIT_MAX);
	TRY(history_walk(&call->ctx, hs_of(call), &history, &walk, &events, &count));
	turn_round(events, count); /* so that each can be taken in when its turn comes */
	struct json_out *out = reply_json(call, 200);
	json_out_object(out);
	TRY(history_write(&call->ctx, hs_of(call), &history, events, count, "events", out));
	json_out_end(out);
	return ERR_OK;
}

/* --- state and auth chains ----------------------------------------------------------------------------------------- */

struct snapshot {
	const struct event **state;
	size_t state_n;
	const struct event **chain;
	size_t chain_n;
};

static enum err load_snapshot(struct call *call, struct snapshot *out)
{
	struct ctx *ctx = &call->ctx;
	struct homeserver *hs = hs_of(call);
	struct history history;
	struct stored_event *event_at;
	struct state_map map;
	struct str event_id = call_query(call, "event_id");
	VEC(const struct event *) state = {0};
	TRY(open_room(call, &history));
	if (event_id.p == NULL) {
		return fail(ctx, ERR_INPUT, M_MISSING_PARAM, "'event_id' is missing");
	}
	TRY(history_find(ctx, hs, &history, event_id, &event_at));
	TRY(room_state_around(ctx, hs, history.room, (struct event_id){event_id}, false, &map));
	size_t i = 0;
	for (const struct event *event = state_map_next(&map, &i); event != NULL;
		 event = state_map_next(&map, &i)) {
		VEC_PUSH(ctx->arena, &state, event);
	}
	out->state = state.p;
	out->state_n = state.n;
	return room_auth_chain(ctx, hs, history.room, out->state, out->state_n, &out->chain,
		&out->chain_n);
}

static void write_events(struct json_out *out, const char *key, const struct event **events,
	size_t count)
{
	json_out_key(out, str_of(key));
	json_out_array(out);
	for (size_t i = 0; i < count; i++) {
		json_out_raw(out, events[i]->raw);
	}
	json_out_end(out);
}

static void write_ids(struct json_out *out, const char *key, const struct event **events,
	size_t count)
{
	json_out_key(out, str_of(key));
	json_out_array(out);
	for (size_t i = 0; i < count; i++) {
		json_out_str(out, events[i]->event_id.s);
	}
	json_out_end(out);
}

static enum err get_state(struct call *call)
{
	struct snapshot snapshot;
	TRY(load_snapshot(call, &snapshot));
	struct json_out *out = reply_json(call, 200);
	json_out_object(out);
	write_events(out, "pdus", snapshot.state, snapshot.state_n);
	write_events(out, "auth_chain", snapshot.chain, snapshot.chain_n);
	json_out_end(out);
	return ERR_OK;
}

static enum err get_state_ids(struct call *call)
{
	struct snapshot snapshot;
	TRY(load_snapshot(call, &snapshot));
	struct json_out *out = reply_json(call, 200);
	json_out_object(out);
	write_ids(out, "pdu_ids", snapshot.state, snapshot.state_n);
	write_ids(out, "auth_chain_ids", snapshot.chain, snapshot.chain_n);
	json_out_end(out);
	return ERR_OK;
}

static enum err get_event_auth(struct call *call)
{
	struct history history;
	struct stored_event *event;
	const struct event **chain;
	size_t count;
	TRY(open_room(call, &history));
	TRY(history_find(&call->ctx, hs_of(call), &history, call_path(call, "eventId"), &event));
	TRY(room_auth_chain(&call->ctx, hs_of(call), history.room, &event->event, 1, &chain, &count));
	struct json_out *out = reply_json(call, 200);
	json_out_object(out);
	write_events(out, "auth_chain", chain, count);
	json_out_end(out);
	return ERR_OK;
}

/* --- by time --------------------------------------------------------------------------------------------------------- */

static enum err get_near(struct call *call)
{
	struct history history;
	struct str dir = call_query(call, "dir");
	int64_t ts;
	const struct event *event;
	TRY(open_room(call, &history));
	TRY(call_query_int(call, "ts", 0, INT64_MAX, -1, &ts));
	bool is_backwards = str_equals(dir, STR("b"));
	if (ts < 0 || dir.p == NULL) {
		return fail(&call->ctx, ERR_INPUT, M_MISSING_PARAM, "'ts' and 'dir' are needed");
	}
	if (!is_backwards && !str_equals(dir, STR("f"))) {
		return fail(&call->ctx, ERR_INPUT, M_INVALID_PARAM, "dir must be f or b");
	}
	TRY(history_near(&call->ctx, hs_of(call), &history, ts, is_backwards, &event));
	struct json_out *out = reply_json(call, 200);
	json_out_object(out);
	json_out_key_str(out, "event_id", event->event_id.s);
	json_out_key_int(out, "origin_server_ts", event->origin_server_ts);
	json_out_end(out);
	return ERR_OK;
}

#define FED "/_matrix/federation/v1"

const struct route history_routes[] = {
	{"getEvent", "GET", FED "/event/{eventId}", AUTH_SERVER, LANE_LOCAL, RATE_SERVER, 0, get_event},
	{"backfillRoom", "GET", FED "/backfill/{roomId}", AUTH_SERVER, LANE_LOCAL, RATE_SERVER_HEAVY, 0,
		get_backfill},
	{"getMissingPreviousEvents", "POST", FED "/get_missing_events/{roomId}", AUTH_SERVER,
		LANE_LOCAL, RATE_SERVER_HEAVY, 0, post_missing},
	{"getRoomState", "GET", FED "/state/{roomId}", AUTH_SERVER, LANE_LOCAL, RATE_SERVER_HEAVY, 0,
		get_state},
	{"getRoomStateIds", "GET", FED "/state_ids/{roomId}", AUTH_SERVER, LANE_LOCAL,
		RATE_SERVER_HEAVY, 0, get_state_ids},
	{"getEventAuth", "GET", FED "/event_auth/{roomId}/{eventId}", AUTH_SERVER, LANE_LOCAL,
		RATE_SERVER_HEAVY, 0, get_event_auth},
	{"getEventByTimestamp", "GET", FED "/timestamp_to_event/{roomId}", AUTH_SERVER, LANE_LOCAL,
		RATE_SERVER_HEAVY, 0, get_near},
};
const size_t history_route_count = COUNT_OF(history_routes);
