/*
 * GET /_matrix/key/v2/server: which keys this server signs with. From memory, so on the I/O threads.
 */
#include "federation/server_key_routes.h"

#include "homeserver/homeserver.h"
#include "matrix/server_keys.h"

/* Others may keep our keys for a day; new ones are made known at least that long before their use. */
static const int64_t key_validity_ms = INT64_C(24) * 3600 * 1000;

static enum err get_server_keys(struct call *call)
{
	const struct homeserver *hs = hs_of(call);
	int64_t valid_until_ms = clock_wall_ms(&hs->clock) + key_validity_ms;
	return reply_bytes(call, 200, "application/json",
		server_keys_build(call->ctx.arena, &hs->signer, valid_until_ms, NULL, 0));
}

const struct route server_key_routes[] = {
	{"getServerKey", "GET", "/_matrix/key/v2/server", AUTH_NONE, LANE_INLINE, RATE_NONE, 0,
		get_server_keys},
};
const size_t server_key_route_count = COUNT_OF(server_key_routes);
