/*
 * GET /initialSync, GET /rooms/{roomId}/initialSync, GET /events.
 */
#include "homeserver/initial_sync/initial_sync_routes.h"

#include "homeserver/initial_sync/event_stream.h"
#include "homeserver/initial_sync/initial_sync.h"

static enum err read_ask(struct call *call, struct initial_sync_ask *out)
{
	int64_t limit;
	*out = (struct initial_sync_ask){.who = principal_of(call)};
	TRY(call_query_int(call, "limit", 0, INT64_MAX, INITIAL_SYNC_DEFAULT_LIMIT, &limit));
	out->limit = (size_t)MIN_OF(limit, (int64_t)INITIAL_SYNC_MAX_LIMIT);
	return call_query_bool(call, "archived", false, &out->is_archived);
}

static enum err get_initial_sync(struct call *call)
{
	struct initial_sync_ask ask;
	TRY(read_ask(call, &ask));
	return initial_sync_all(&call->ctx, hs_of(call), &ask, reply_json(call, 200));
}

static enum err get_room_initial_sync(struct call *call)
{
	struct initial_sync_ask ask;
	TRY(read_ask(call, &ask));
	return initial_sync_room(&call->ctx, hs_of(call), &ask, call_path(call, "roomId"),
		reply_json(call, 200));
}

/* Also peekEvents, which is the same with a room. */
static enum err get_events(struct call *call)
{
	struct event_stream_request *request;
	TRY(event_stream_request_of(call, &request));
	return event_stream_serve(call, request, call_query(call, "room_id"));
}

#define CLIENT "/_matrix/client/(r0|v3)"

const struct route initial_sync_routes[] = {
	{"initialSync", "GET", CLIENT "/initialSync", AUTH_USER, LANE_LOCAL, RATE_READ, 0,
		get_initial_sync},
	{"roomInitialSync", "GET", CLIENT "/rooms/{roomId}/initialSync", AUTH_GUEST, LANE_LOCAL,
		RATE_READ, 0, get_room_initial_sync},
	{"getEvents", "GET", CLIENT "/events", AUTH_GUEST, LANE_LOCAL, RATE_READ, 0, get_events},
};
const size_t initial_sync_route_count = COUNT_OF(initial_sync_routes);
