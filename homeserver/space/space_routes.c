/*
 * Parses what was asked into typed values.
 */
#include "homeserver/space/space_routes.h"

#include "homeserver/space/space.h"
#include "http/memo.h"

static enum err get_hierarchy(struct call *call)
{
	call_begin_memo(call);
	int64_t limit;
	struct space_ask ask = {
		.user_id = principal_of(call)->user.s,
		.room_id = call_path(call, "roomId"),
		.from = call_query(call, "from"),
	};
	TRY(call_query_bool(call, "suggested_only", false, &ask.suggested_only));
	TRY(call_query_int(call, "limit", 1, INT64_MAX, SPACE_LIMIT_DEFAULT, &limit));
	TRY(call_query_int(call, "max_depth", 0, INT64_MAX, SPACE_DEPTH_MAX, &ask.max_depth));
	ask.limit = (size_t)MIN_OF(limit, (int64_t)SPACE_LIMIT_MAX);
	ask.max_depth = MIN_OF(ask.max_depth, (int64_t)SPACE_DEPTH_MAX);
	return space_write_hierarchy(&call->ctx, hs_of(call), &ask, reply_json(call, 200));
}

static enum err get_summary(struct call *call)
{
	call_begin_memo(call);
	const struct principal *who = principal_of(call);
	struct summary_ask ask = {
		.id = call_path(call, "roomIdOrAlias"),
		.user_id = who != NULL ? who->user.s : str_from(NULL, 0),
	};
	ask.via = call_query_all(call, "via", &ask.via_count);
	return space_write_summary(&call->ctx, hs_of(call), &ask, reply_json(call, 200));
}

const struct route space_routes[] = {
	{"getSpaceHierarchy", "GET", "/_matrix/client/v1/rooms/{roomId}/hierarchy", AUTH_USER,
		LANE_LOCAL, RATE_READ, 0, get_hierarchy},
	{"getRoomSummary", "GET", "/_matrix/client/v1/room_summary/{roomIdOrAlias}", AUTH_OPTIONAL,
		LANE_LOCAL, RATE_READ, 0, get_summary},
};
const size_t space_route_count = COUNT_OF(space_routes);
