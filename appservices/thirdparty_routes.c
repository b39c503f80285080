/*
 * Each look-up is a question to the port; what services list in the directories of their networks is stored right here.
 */
#include "appservices/thirdparty_routes.h"

#include "homeserver/room/rooms.h"
#include "storage/directory.h"

enum { NETWORK_ID_MAX_BYTES = 255 };

static enum err found(struct call *call, enum err err, const char *text)
{
	return err == ERR_MISSING ? fail(&call->ctx, ERR_MISSING, M_NOT_FOUND, "%s", text) : err;
}

static enum err get_protocols(struct call *call)
{
	const struct third_party_port *port = &hs_of(call)->ports.third_party;
	struct json_out *out = reply_json(call, 200);
	if (port->write_protocols == NULL) {
		json_out_object(out);
		json_out_end(out);
		return ERR_OK;
	}
	return port->write_protocols(port->self, &call->ctx, out);
}

static enum err get_protocol(struct call *call)
{
	const struct third_party_port *port = &hs_of(call)->ports.third_party;
	enum err err = port->write_protocol == NULL
		? ERR_MISSING
		: port->write_protocol(port->self, &call->ctx, call_path(call, "protocol"),
			  reply_json(call, 200));
	return found(call, err, "Nobody here bridges that network");
}

static enum err get_matches(struct call *call, enum third_party_kind kind)
{
	const struct third_party_port *port = &hs_of(call)->ports.third_party;
	struct str path;
	struct str query;
	(void)str_split(call_raw_target(call), '?', &path, &query);
	enum err err = port->write_matches == NULL
		? ERR_MISSING
		: port->write_matches(port->self, &call->ctx, kind, call_path(call, "protocol"), query,
			  reply_json(call, 200));
	return found(call, err, "Nothing was found on that network");
}

static enum err get_locations(struct call *call)
{
	return get_matches(call, THIRD_PARTY_LOCATION);
}

static enum err get_users(struct call *call)
{
	return get_matches(call, THIRD_PARTY_USER);
}

static enum err get_matches_of(struct call *call, enum third_party_kind kind, const char *name)
{
	const struct third_party_port *port = &hs_of(call)->ports.third_party;
	struct str id = call_query(call, name);
	if (id.p == NULL) {
		return fail(&call->ctx, ERR_INPUT, M_MISSING_PARAM, "%s is missing", name);
	}
	enum err err = port->write_matches_of == NULL
		? ERR_MISSING
		: port->write_matches_of(port->self, &call->ctx, kind, id, reply_json(call, 200));
	return found(call, err, "That is on no bridged network");
}

static enum err get_locations_of(struct call *call)
{
	return get_matches_of(call, THIRD_PARTY_LOCATION, "alias");
}

static enum err get_users_of(struct call *call)
{
	return get_matches_of(call, THIRD_PARTY_USER, "userid");
}

static enum err put_listed(struct call *call)
{
	struct homeserver *hs = hs_of(call);
	const struct json *body;
	struct str visibility;
	struct room *room;
	TRY(call_json(call, &body));
	TRY(body_str(call, body, "visibility", &visibility));
	bool is_listed = str_equals(visibility, STR("public"));
	if (!is_listed && !str_equals(visibility, STR("private"))) {
		return fail(&call->ctx, ERR_INPUT, M_INVALID_PARAM, "visibility is public or private");
	}
	struct directory_network network = {
		.appservice_id = principal_of(call)->appservice_id,
		.network_id = call_path(call, "networkId"),
	};
	if (network.network_id.n > NETWORK_ID_MAX_BYTES) {
		return fail(&call->ctx, ERR_INPUT, M_INVALID_PARAM, "The network's id is too long");
	}
	TRY(rooms_get(&call->ctx, hs, call_path(call, "roomId"), &room));
	TRY(store_network_room_set(&call->ctx, hs->db, network, room_nid(room), is_listed));
	return reply_empty(call);
}

#define THIRD_PARTY "/_matrix/client/(r0|v3)/thirdparty"

const struct route thirdparty_routes[] = {
	{"getProtocols", "GET", THIRD_PARTY "/protocols", AUTH_USER, LANE_REMOTE, RATE_READ, 0,
		get_protocols},
	{"getProtocolMetadata", "GET", THIRD_PARTY "/protocol/{protocol}", AUTH_USER, LANE_REMOTE,
		RATE_READ, 0, get_protocol},
	{"queryLocationByProtocol", "GET", THIRD_PARTY "/location/{protocol}", AUTH_USER, LANE_REMOTE,
		RATE_READ, 0, get_locations},
	{"queryUserByProtocol", "GET", THIRD_PARTY "/user/{protocol}", AUTH_USER, LANE_REMOTE,
		RATE_READ, 0, get_users},
	{"queryLocationByAlias", "GET", THIRD_PARTY "/location", AUTH_USER, LANE_REMOTE, RATE_READ, 0,
		get_locations_of},
	{"queryUserByID", "GET", THIRD_PARTY "/user", AUTH_USER, LANE_REMOTE, RATE_READ, 0,
		get_users_of},
	{"updateAppserviceRoomDirectoryVisibility", "PUT",
		"/_matrix/client/(r0|v3)/directory/list/appservice/{networkId}/{roomId}", AUTH_APPSERVICE,
		LANE_LOCAL, RATE_NONE, 0, put_listed},
};
const size_t thirdparty_route_count = COUNT_OF(thirdparty_routes);
