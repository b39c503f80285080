/*
 * Endpoints of calls: parse, one call, reply. All from memory, so on the I/O threads.
 */
#include "homeserver/voip/voip_routes.h"

#include "homeserver/homeserver.h"
#include "homeserver/voip/voip.h"
#include "homeserver/voip/turn.h"

static enum err get_turn_server(struct call *call)
{
	const struct homeserver *hs = hs_of(call);
	const struct turn_settings *settings = &hs->settings.account.turn;
	struct turn_credentials credentials;
	if (settings->uris.n == 0) {
		return fail(&call->ctx, ERR_MISSING, M_NOT_FOUND, "This server has no TURN server");
	}
	turn_credentials_make(call->ctx.arena, settings, principal_of(call)->user.s,
		clock_wall_ms(&hs->clock), &credentials);
	struct json_out *out = reply_json(call, 200);
	json_out_object(out);
	json_out_key_str(out, "username", credentials.username);
	json_out_key_str(out, "password", credentials.password);
	json_out_key_strs(out, "uris", settings->uris.items, settings->uris.n);
	json_out_key_int(out, "ttl", credentials.ttl_s);
	json_out_end(out);
	return ERR_OK;
}

/* An empty list where there is none: clients look no further then. */
static enum err get_transports(struct call *call)
{
	struct json_out *out = reply_json(call, 200);
	json_out_object(out);
	voip_write_transports(out, STR("rtc_transports"), hs_of(call)->settings.livekit_url);
	json_out_end(out);
	return ERR_OK;
}

const struct route voip_routes[] = {
	{"getTurnServer", "GET", "/_matrix/client/(r0|v3)/voip/turnServer", AUTH_USER, LANE_INLINE,
		RATE_READ, 0, get_turn_server},
	{"getRtcTransports", "GET", "/_matrix/client/unstable/org.matrix.msc4143/rtc/transports",
		AUTH_USER, LANE_INLINE, RATE_READ, 0, get_transports},
};
const size_t voip_route_count = COUNT_OF(voip_routes);
