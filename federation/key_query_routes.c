/*
 * Only users of this server are looked up, whoever is named: nobody learns here whom this server knows elsewhere.
 */
#include "federation/key_query_routes.h"

#include "e2ee/device_keys.h"
#include "e2ee/key_claims.h"

enum { KEYS_BODY_BYTES = 1 << 20 };

static enum err get_devices(struct call *call)
{
	struct homeserver *hs = hs_of(call);
	struct str user_id = call_path(call, "userId");
	if (!hs_is_local(hs, user_id)) {
		return fail(&call->ctx, ERR_INPUT, M_INVALID_PARAM, "That is no user of this server");
	}
	return device_keys_write_list(&call->ctx, hs, user_id, false, reply_json(call, 200));
}

static enum err read_map(struct call *call, const char *key, const struct json **out)
{
	const struct json *body;
	TRY(call_json(call, &body));
	TRY(body_opt_object(call, body, key, out));
	return *out != NULL ? ERR_OK
						: fail(&call->ctx, ERR_INPUT, M_MISSING_PARAM, "'%s' is missing", key);
}

static enum err post_query(struct call *call)
{
	struct keys_ask ask = {0};
	struct keys_found found;
	TRY(read_map(call, "device_keys", &ask.wanted));
	TRY(device_keys_query(&call->ctx, hs_of(call), &ask, &found));
	device_keys_write(&found, call->ctx.arena, hs_of(call), reply_json(call, 200));
	return ERR_OK;
}

static enum err post_claim(struct call *call)
{
	const struct json *wanted;
	struct keys_claimed claimed;
	TRY(read_map(call, "one_time_keys", &wanted));
	TRY(key_claims_take(&call->ctx, hs_of(call), wanted, KEY_CLAIMS_HERE_ONLY, &claimed));
	key_claims_write(&claimed, reply_json(call, 200));
	return ERR_OK;
}

#define USER "/_matrix/federation/v1/user"

const struct route key_query_routes[] = {
	{"getUserDevices", "GET", USER "/devices/{userId}", AUTH_SERVER, LANE_LOCAL, RATE_SERVER, 0,
		get_devices},
	{"queryUserEncryptionKeys", "POST", USER "/keys/query", AUTH_SERVER, LANE_LOCAL, RATE_SERVER,
		KEYS_BODY_BYTES, post_query},
	{"claimUserEncryptionKeys", "POST", USER "/keys/claim", AUTH_SERVER, LANE_LOCAL, RATE_SERVER,
		KEYS_BODY_BYTES, post_claim},
};
const size_t key_query_route_count = COUNT_OF(key_query_routes);
