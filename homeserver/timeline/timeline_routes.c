/*
 * Parses what was asked into typed values; page.c answers.
 */
#include "homeserver/timeline/timeline_routes.h"

#include "homeserver/timeline/page.h"
#include "http/memo.h"

static enum err read_direction(struct call *call, bool *out_is_backwards)
{
	struct str text = call_query(call, "dir");
	if (text.p == NULL) {
		return fail(&call->ctx, ERR_INPUT, M_MISSING_PARAM, "dir is missing");
	}
	*out_is_backwards = str_equals(text, STR("b"));
	if (!*out_is_backwards && !str_equals(text, STR("f"))) {
		return fail(&call->ctx, ERR_INPUT, M_INVALID_PARAM, "dir must be b or f");
	}
	return ERR_OK;
}

static enum err read_filter(struct call *call, const struct event_filter **out)
{
	struct str text = call_query(call, "filter");
	struct json json;
	struct field_error error;
	*out = NULL;
	if (text.p == NULL || text.n == 0) {
		return ERR_OK;
	}
	if (text.n > FILTER_MAX_BYTES ||
		json_parse(call->ctx.arena, text, NULL, &json, NULL) != JSON_OK) {
		return fail(&call->ctx, ERR_INPUT, M_NOT_JSON, "filter is not valid JSON");
	}
	struct event_filter *filter = ARENA_NEW(call->ctx.arena, struct event_filter);
	if (!event_filter_parse(call->ctx.arena, &json, filter, &error)) {
		return fail(&call->ctx, ERR_INPUT, error.errcode, "filter: %.*s %s", STR_ARG(error.field),
			error.text);
	}
	*out = filter;
	return ERR_OK;
}

/* The parts that /messages and /context share. */
static enum err read_ask(struct call *call, struct page_ask *out)
{
	int64_t limit;
	*out = (struct page_ask){.who = principal_of(call), .room_id = call_path(call, "roomId")};
	TRY(read_filter(call, &out->filter));
	int64_t otherwise = out->filter != NULL && out->filter->has_limit ? out->filter->limit
																	  : (int64_t)PAGE_DEFAULT_LIMIT;
	TRY(call_query_int(call, "limit", 0, INT64_MAX, otherwise, &limit));
	out->limit = (size_t)MIN_OF(limit, (int64_t)PAGE_MAX_LIMIT);
	return ERR_OK;
}

static enum err get_messages(struct call *call)
{
	struct page_ask ask;
	call_begin_memo(call);
	TRY(read_ask(call, &ask));
	TRY(page_may_read(&call->ctx, hs_of(call), &ask));
	TRY(read_direction(call, &ask.is_backwards));
	TRY(token_query(call, "from", &ask.has_from, &ask.from));
	TRY(token_query(call, "to", &ask.has_to, &ask.to));
	return page_messages(&call->ctx, hs_of(call), &ask, reply_json(call, 200));
}

static enum err get_context(struct call *call)
{
	struct page_ask ask;
	call_begin_memo(call);
	TRY(read_ask(call, &ask));
	return page_context(&call->ctx, hs_of(call), &ask, call_path(call, "eventId"),
		reply_json(call, 200));
}

static enum err get_event(struct call *call)
{
	call_begin_memo(call);
	return page_event(&call->ctx, hs_of(call), principal_of(call), call_path(call, "roomId"),
		call_path(call, "eventId"), reply_json(call, 200));
}

static enum err get_event_by_id(struct call *call)
{
	call_begin_memo(call);
	return page_event_by_id(&call->ctx, hs_of(call), principal_of(call), call_path(call, "eventId"),
		reply_json(call, 200));
}

static enum err get_state(struct call *call)
{
	call_begin_memo(call);
	return page_state(&call->ctx, hs_of(call), principal_of(call), call_path(call, "roomId"),
		reply_json(call, 200));
}

static enum err read_membership(struct call *call, const char *name, struct str *out)
{
	static const struct str words[] = {STR_INIT("join"), STR_INIT("invite"), STR_INIT("knock"),
		STR_INIT("leave"), STR_INIT("ban")};
	*out = call_query(call, name);
	for (size_t i = 0; i < COUNT_OF(words); i++) {
		if (out->p == NULL || str_equals(*out, words[i])) {
			return ERR_OK;
		}
	}
	return fail(&call->ctx, ERR_INPUT, M_INVALID_PARAM, "%s must be a membership", name);
}

static enum err get_members(struct call *call)
{
	call_begin_memo(call);
	struct members_ask ask = {.who = principal_of(call), .room_id = call_path(call, "roomId")};
	TRY(token_query(call, "at", &ask.has_at, &ask.at));
	TRY(read_membership(call, "membership", &ask.membership));
	TRY(read_membership(call, "not_membership", &ask.not_membership));
	return page_members(&call->ctx, hs_of(call), &ask, reply_json(call, 200));
}

static enum err get_joined_members(struct call *call)
{
	call_begin_memo(call);
	return page_joined_members(&call->ctx, hs_of(call), principal_of(call),
		call_path(call, "roomId"), reply_json(call, 200));
}

static enum err get_joined_rooms(struct call *call)
{
	return page_joined_rooms(&call->ctx, hs_of(call), principal_of(call), reply_json(call, 200));
}

#define ROOM "/_matrix/client/(r0|v3)/rooms/{roomId}"

const struct route timeline_routes[] = {
	{"getRoomEvents", "GET", ROOM "/messages", AUTH_GUEST, LANE_LOCAL, RATE_READ, 0, get_messages},
	{"getEventContext", "GET", ROOM "/context/{eventId}", AUTH_GUEST, LANE_LOCAL, RATE_READ, 0,
		get_context},
	{"getOneRoomEvent", "GET", ROOM "/event/{eventId}", AUTH_GUEST, LANE_LOCAL, RATE_READ, 0,
		get_event},
	{"getOneEvent", "GET", "/_matrix/client/(r0|v3)/events/{eventId}", AUTH_USER, LANE_LOCAL,
		RATE_READ, 0, get_event_by_id},
	{"getRoomState", "GET", ROOM "/state", AUTH_GUEST, LANE_LOCAL, RATE_READ, 0, get_state},
	{"getMembersByRoom", "GET", ROOM "/members", AUTH_GUEST, LANE_LOCAL, RATE_READ, 0, get_members},
	{"getJoinedMembersByRoom", "GET", ROOM "/joined_members", AUTH_USER, LANE_LOCAL, RATE_READ, 0,
		get_joined_members},
	{"getJoinedRooms", "GET", "/_matrix/client/(r0|v3)/joined_rooms", AUTH_USER, LANE_LOCAL,
		RATE_READ, 0, get_joined_rooms},
};
const size_t timeline_route_count = COUNT_OF(timeline_routes);
