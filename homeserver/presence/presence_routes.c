/*
 * Asking for presence, and setting the own.
 */
#include "homeserver/presence/presence_routes.h"

#include "homeserver/presence/presence.h"

static enum err get_status(struct call *call)
{
	struct presence_view view;
	struct user_id user;
	if (!user_id_parse(call_path(call, "userId"), &user)) {
		return fail(&call->ctx, ERR_INPUT, M_INVALID_PARAM, "Not a user id");
	}
	TRY(presence_get(&call->ctx, hs_of(call), principal_of(call), user.s, &view));
	presence_write(&view, reply_json(call, 200));
	return ERR_OK;
}

static enum err put_status(struct call *call)
{
	const struct json *body;
	struct str word;
	struct str status_msg;
	enum presence_state state;
	if (!str_equals(call_path(call, "userId"), principal_of(call)->user.s)) {
		return fail(&call->ctx, ERR_DENIED, M_FORBIDDEN, "That is not you");
	}
	TRY(call_json(call, &body));
	TRY(body_str(call, body, "presence", &word));
	TRY(body_opt_str(call, body, "status_msg", &status_msg));
	if (!presence_state_parse(word, &state)) {
		return fail(&call->ctx, ERR_INPUT, M_INVALID_PARAM,
			"presence is online, unavailable or offline");
	}
	TRY(presence_set(&call->ctx, hs_of(call), principal_of(call), state, status_msg));
	return reply_empty(call);
}

#define STATUS "/_matrix/client/(r0|v3)/presence/{userId}/status"

const struct route presence_routes[] = {
	{"getPresence", "GET", STATUS, AUTH_USER, LANE_LOCAL, RATE_READ, 0, get_status},
	{"setPresence", "PUT", STATUS, AUTH_USER, LANE_LOCAL, RATE_WRITE, 0, put_status},
};
const size_t presence_route_count = COUNT_OF(presence_routes);
