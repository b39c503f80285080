/*
 * Endpoints of server administration: parse, one call, reply. That the caller is an administrator is checked before
 * anything is looked up.
 */
#include "homeserver/account/moderation_routes.h"

#include "homeserver/account/moderation.h"

static enum err answer(struct call *call, const char *key, bool value)
{
	struct json_out *out = reply_json(call, 200);
	json_out_object(out);
	json_out_key(out, str_of(key));
	json_out_bool(out, value);
	json_out_end(out);
	return ERR_OK;
}

static enum err get_status(struct call *call, enum moderation kind, const char *key)
{
	bool is_on = false;
	TRY(moderation_get(&call->ctx, hs_of(call), principal_of(call), call_path(call, "userId"), kind,
		&is_on));
	return answer(call, key, is_on);
}

static enum err put_status(struct call *call, enum moderation kind, const char *key)
{
	const struct json *body;
	TRY(call_json(call, &body));
	const struct json *value = json_get(body, str_of(key));
	if (value == NULL) {
		return fail(&call->ctx, ERR_INPUT, M_MISSING_PARAM, "'%s' is missing", key);
	}
	if (value->type != JSON_BOOL) {
		return fail(&call->ctx, ERR_INPUT, M_BAD_JSON, "'%s' must be a boolean", key);
	}
	TRY(moderation_set(&call->ctx, hs_of(call), principal_of(call), call_path(call, "userId"), kind,
		value->boolean));
	return answer(call, key, value->boolean);
}

static enum err get_suspend(struct call *call)
{
	return get_status(call, MODERATION_SUSPEND, "suspended");
}

static enum err put_suspend(struct call *call)
{
	return put_status(call, MODERATION_SUSPEND, "suspended");
}

static enum err get_lock(struct call *call)
{
	return get_status(call, MODERATION_LOCK, "locked");
}

static enum err put_lock(struct call *call)
{
	return put_status(call, MODERATION_LOCK, "locked");
}

#define ADMIN "/_matrix/client/v1/admin"

const struct route moderation_routes[] = {
	{"getAdminSuspendUser", "GET", ADMIN "/suspend/{userId}", AUTH_ADMIN, LANE_LOCAL, RATE_READ, 0,
		get_suspend},
	{"setAdminSuspendUser", "PUT", ADMIN "/suspend/{userId}", AUTH_ADMIN, LANE_LOCAL, RATE_WRITE, 0,
		put_suspend},
	{"getAdminLockUser", "GET", ADMIN "/lock/{userId}", AUTH_ADMIN, LANE_LOCAL, RATE_READ, 0,
		get_lock},
	{"setAdminLockUser", "PUT", ADMIN "/lock/{userId}", AUTH_ADMIN, LANE_LOCAL, RATE_WRITE, 0,
		put_lock},
};
const size_t moderation_route_count = COUNT_OF(moderation_routes);
