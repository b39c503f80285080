/*
 * From memory, so on the I/O threads.
 */
#include "federation/server_info_routes.h"

#include "gen/version.h"
#include "homeserver/homeserver.h"

static enum err get_version(struct call *call)
{
	struct json_out *out = reply_json(call, 200);
	json_out_object(out);
	json_out_key_object(out, "server");
	json_out_key_str(out, "name", STR("Belfry"));
	json_out_key_str(out, "version", STR(BELFRY_VERSION));
	json_out_end(out);
	json_out_end(out);
	return ERR_OK;
}

static enum err get_well_known(struct call *call)
{
	struct str announced = hs_of(call)->settings.federation.announce;
	if (announced.n == 0) {
		return fail(&call->ctx, ERR_MISSING, M_NOT_FOUND, "This server is reached by its own name");
	}
	struct json_out *out = reply_json(call, 200);
	json_out_object(out);
	json_out_key_str(out, "m.server", announced);
	json_out_end(out);
	return ERR_OK;
}

const struct route server_info_routes[] = {
	{"getVersion", "GET", "/_matrix/federation/v1/version", AUTH_NONE, LANE_INLINE, RATE_NONE, 0,
		get_version},
	{"getServerWellknown", "GET", "/.well-known/matrix/server", AUTH_NONE, LANE_INLINE, RATE_NONE,
		0, get_well_known},
};
const size_t server_info_route_count = COUNT_OF(server_info_routes);
