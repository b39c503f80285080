/*
 * Parses what was asked into typed values; page_relations.c, page_threads.c and page_time.c answer.
 */
#include "homeserver/timeline/relation_routes.h"

#include "homeserver/timeline/page_relations.h"
#include "homeserver/timeline/page_time.h"
#include "http/memo.h"

static enum err read_limit(struct call *call, size_t *out)
{
	int64_t limit;
	TRY(call_query_int(call, "limit", 1, INT64_MAX, RELATIONS_DEFAULT_LIMIT, &limit));
	*out = (size_t)MIN_OF(limit, (int64_t)RELATIONS_MAX_LIMIT);
	return ERR_OK;
}

static enum err read_direction(struct call *call, bool *out_is_backwards)
{
	struct str text = call_query(call, "dir");
	*out_is_backwards = str_equals(text, STR("b"));
	return *out_is_backwards || str_equals(text, STR("f"))
		? ERR_OK
		: fail(&call->ctx, ERR_INPUT, text.p == NULL ? M_MISSING_PARAM : M_INVALID_PARAM,
			  "dir must be b or f");
}

static enum err answer_relations(struct call *call, struct str rel_type, struct str event_type)
{
	struct relations_ask ask = {
		.who = principal_of(call),
		.room_id = call_path(call, "roomId"),
		.event_id = call_path(call, "eventId"),
		.rel_type = rel_type,
		.event_type = event_type,
		.is_backwards = true,
		.tells_depth = call_query(call, "recurse").p != NULL,
	};
	if (call_query(call, "dir").p != NULL) {
		TRY(read_direction(call, &ask.is_backwards));
	}
	TRY(token_query(call, "from", &ask.has_from, &ask.from));
	TRY(token_query(call, "to", &ask.has_to, &ask.to));
	TRY(read_limit(call, &ask.limit));
	TRY(call_query_bool(call, "recurse", false, &ask.is_recursive));
	return page_relations(&call->ctx, hs_of(call), &ask, reply_json(call, 200));
}

static enum err get_relations(struct call *call)
{
	return answer_relations(call, str_from(NULL, 0), str_from(NULL, 0));
}

static enum err get_relations_of_kind(struct call *call)
{
	return answer_relations(call, call_path(call, "relType"), str_from(NULL, 0));
}

static enum err get_relations_of_type(struct call *call)
{
	return answer_relations(call, call_path(call, "relType"), call_path(call, "eventType"));
}

static enum err get_threads(struct call *call)
{
	struct threads_ask ask = {.who = principal_of(call), .room_id = call_path(call, "roomId")};
	struct str include = call_query(call, "include");
	ask.only_participated = str_equals(include, STR("participated"));
	if (include.p != NULL && !ask.only_participated && !str_equals(include, STR("all"))) {
		return fail(&call->ctx, ERR_INPUT, M_INVALID_PARAM, "include must be all or participated");
	}
	TRY(token_query(call, "from", &ask.has_from, &ask.from));
	TRY(read_limit(call, &ask.limit));
	return page_threads(&call->ctx, hs_of(call), &ask, reply_json(call, 200));
}

static enum err get_event_near(struct call *call)
{
	int64_t ts;
	bool is_backwards;
	call_begin_memo(call);
	if (call_query(call, "ts").p == NULL) {
		return fail(&call->ctx, ERR_INPUT, M_MISSING_PARAM, "ts is missing");
	}
	TRY(call_query_int(call, "ts", INT64_MIN, INT64_MAX, 0, &ts));
	TRY(read_direction(call, &is_backwards));
	return page_event_near(&call->ctx, hs_of(call), principal_of(call), call_path(call, "roomId"),
		ts, is_backwards, reply_json(call, 200));
}

#define ROOM "/_matrix/client/v1/rooms/{roomId}"

const struct route relation_routes[] = {
	{"getRelatingEvents", "GET", ROOM "/relations/{eventId}", AUTH_USER, LANE_LOCAL, RATE_READ, 0,
		get_relations},
	{"getRelatingEventsWithRelType", "GET", ROOM "/relations/{eventId}/{relType}", AUTH_USER,
		LANE_LOCAL, RATE_READ, 0, get_relations_of_kind},
	{"getRelatingEventsWithRelTypeAndEventType", "GET",
		ROOM "/relations/{eventId}/{relType}/{eventType}", AUTH_USER, LANE_LOCAL, RATE_READ, 0,
		get_relations_of_type},
	{"getThreadRoots", "GET", ROOM "/threads", AUTH_USER, LANE_LOCAL, RATE_READ, 0, get_threads},
	{"getEventByTimestamp", "GET", ROOM "/timestamp_to_event", AUTH_USER, LANE_LOCAL, RATE_READ, 0,
		get_event_near},
};
const size_t relation_route_count = COUNT_OF(relation_routes);
