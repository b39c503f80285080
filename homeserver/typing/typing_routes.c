/*
 * Typing notifications.
 */
#include "homeserver/typing/typing_routes.h"

#include "homeserver/typing/typing.h"

static enum err put_typing(struct call *call)
{
	const struct json *body;
	int64_t timeout_ms;
	struct str user_id = principal_of(call)->user.s;
	TRY(call_json(call, &body));
	const struct json *is_typing = json_at(body, "typing");
	if (!json_is(is_typing, JSON_BOOL)) {
		return fail(&call->ctx, ERR_INPUT, is_typing == NULL ? M_MISSING_PARAM : M_BAD_JSON,
			"'typing' must be true or false");
	}
	TRY(body_opt_int(call, body, "timeout", 0, INT64_MAX, TYPING_DEFAULT_MS, &timeout_ms));
	if (!str_equals(user_id, call_path(call, "userId"))) {
		return fail(&call->ctx, ERR_DENIED, M_FORBIDDEN,
			"You can only say of yourself that you type");
	}
	TRY(typing_set(&call->ctx, hs_of(call), user_id, call_path(call, "roomId"),
		is_typing->boolean ? timeout_ms : 0));
	return reply_empty(call);
}

const struct route typing_routes[] = {
	{"setTyping", "PUT", "/_matrix/client/(r0|v3)/rooms/{roomId}/typing/{userId}", AUTH_USER_ACTS,
		LANE_LOCAL, RATE_WRITE, 0, put_typing},
};
const size_t typing_route_count = COUNT_OF(typing_routes);
