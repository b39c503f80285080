/*
 * Reports: path and reason become one call.
 */
#include "homeserver/report/report_routes.h"

#include "homeserver/report/reports.h"

static enum err post_event(struct call *call)
{
	const struct json *body;
	struct str reason;
	TRY(call_json_optional(call, &body));
	TRY(body_opt_str(call, body, "reason", &reason));
	TRY(report_event(&call->ctx, hs_of(call), principal_of(call), call_path(call, "roomId"),
		call_path(call, "eventId"), reason));
	return reply_empty(call);
}

static enum err post_room(struct call *call)
{
	const struct json *body;
	struct str reason;
	TRY(call_json(call, &body));
	TRY(body_str(call, body, "reason", &reason));
	TRY(report_room(&call->ctx, hs_of(call), principal_of(call), call_path(call, "roomId"),
		reason));
	return reply_empty(call);
}

static enum err post_user(struct call *call)
{
	const struct json *body;
	struct str reason;
	TRY(call_json(call, &body));
	TRY(body_str(call, body, "reason", &reason));
	TRY(report_user(&call->ctx, hs_of(call), principal_of(call), call_path(call, "userId"),
		reason));
	return reply_empty(call);
}

#define CLIENT "/_matrix/client/(r0|v3)"

const struct route report_routes[] = {
	{"reportEvent", "POST", CLIENT "/rooms/{roomId}/report/{eventId}", AUTH_USER, LANE_LOCAL,
		RATE_JOIN, 0, post_event},
	{"reportRoom", "POST", CLIENT "/rooms/{roomId}/report", AUTH_USER, LANE_LOCAL, RATE_JOIN, 0,
		post_room},
	{"reportUser", "POST", CLIENT "/users/{userId}/report", AUTH_USER, LANE_LOCAL, RATE_JOIN, 0,
		post_user},
};
const size_t report_route_count = COUNT_OF(report_routes);
