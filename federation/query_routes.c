/*
 * Parses what was asked, lets the domains answer. None of these asks another server in turn.
 */
#include "federation/query_routes.h"

#include "federation/fed_auth.h"
#include "homeserver/directory/directory.h"
#include "homeserver/person/profile.h"
#include "homeserver/room/room_alias.h"
#include "homeserver/space/space.h"

/* --- queries --------------------------------------------------------------------------------------------------- */

static enum err read_required(struct call *call, const char *name, struct str *out)
{
	*out = call_query(call, name);
	return out->p != NULL ? ERR_OK
						  : fail(&call->ctx, ERR_INPUT, M_MISSING_PARAM, "'%s' is missing", name);
}

static enum err get_directory(struct call *call)
{
	struct homeserver *hs = hs_of(call);
	struct str text;
	struct room_alias alias;
	TRY(read_required(call, "room_alias", &text));
	if (!room_alias_parse(text, &alias)) {
		return fail(&call->ctx, ERR_INPUT, M_INVALID_PARAM, "room_alias is no room alias");
	}
	if (!server_name_equals(room_alias_server(alias), hs->signer.server)) {
		return fail(&call->ctx, ERR_MISSING, M_NOT_FOUND, "That is another server's alias");
	}
	return room_alias_write(&call->ctx, hs, alias, reply_json(call, 200));
}

/*
 * "404: … the queried field does not exist"; but of a name or a picture, which each profile may have, "MUST either exclude it from the
 * response": so do the servers in use.
 */
static enum err write_field(struct call *call, const struct json *profile, struct str field)
{
	const struct json *value = json_get(profile, field);
	if (value == NULL && !str_equals(field, STR("displayname")) &&
		!str_equals(field, STR("avatar_url"))) {
		return fail(&call->ctx, ERR_MISSING, M_NOT_FOUND, "The profile has no such field");
	}
	struct json_out *out = reply_json(call, 200);
	json_out_object(out);
	if (value != NULL) {
		json_out_key(out, field);
		json_out_value(out, value);
	}
	json_out_end(out);
	return ERR_OK;
}

static enum err get_profile(struct call *call)
{
	struct homeserver *hs = hs_of(call);
	struct str field = call_query(call, "field");
	struct str user_id;
	struct json profile;
	TRY(read_required(call, "user_id", &user_id));
	if (!hs->settings.profiles_for_servers) {
		return fail(&call->ctx, ERR_DENIED, M_FORBIDDEN,
			"This server does not give profiles to other servers");
	}
	struct user_id id;
	struct server_name server;
	if (!user_id_parse(user_id, &id) || !server_name_parse(user_id_server(id).s, &server)) {
		return fail(&call->ctx, ERR_INPUT, M_INVALID_PARAM, "user_id is not a user id");
	}
	if (!hs_is_local(hs, user_id)) {
		return fail(&call->ctx, ERR_MISSING, M_NOT_FOUND, "That is no user of this server");
	}
	TRY(profile_get(&call->ctx, hs, user_id, &profile));
	if (field.p != NULL) {
		return write_field(call, &profile, field);
	}
	json_out_value(reply_json(call, 200), &profile);
	return ERR_OK;
}

static enum err get_unknown(struct call *call)
{
	return fail(&call->ctx, ERR_MISSING, M_UNRECOGNIZED, "This server does not know such a query");
}

/* --- rooms ------------------------------------------------------------------------------------------------------ */

static enum err may_list(struct call *call)
{
	return hs_of(call)->settings.room_directory_for_servers
		? ERR_OK
		: fail(&call->ctx, ERR_DENIED, M_FORBIDDEN,
			  "This server does not show its rooms to other servers");
}

static enum err get_public_rooms(struct call *call)
{
	struct public_rooms_ask ask;
	TRY(may_list(call));
	TRY(public_rooms_read_query(call, &ask));
	return public_rooms_list(&call->ctx, hs_of(call), &ask, reply_json(call, 200));
}

static enum err post_public_rooms(struct call *call)
{
	const struct json *body;
	struct public_rooms_ask ask;
	TRY(may_list(call));
	TRY(call_json(call, &body));
	TRY(public_rooms_read_body(call, body, &ask));
	return public_rooms_list(&call->ctx, hs_of(call), &ask, reply_json(call, 200));
}

static enum err get_hierarchy(struct call *call)
{
	bool suggested_only;
	TRY(call_query_bool(call, "suggested_only", false, &suggested_only));
	return space_write_for_server(&call->ctx, hs_of(call), call_path(call, "roomId"),
		fed_origin(call), suggested_only, reply_json(call, 200));
}

#define FED "/_matrix/federation/v1"

const struct route query_routes[] = {
	{"queryRoomDirectory", "GET", FED "/query/directory", AUTH_SERVER, LANE_LOCAL, RATE_SERVER, 0,
		get_directory},
	{"queryProfile", "GET", FED "/query/profile", AUTH_SERVER, LANE_LOCAL, RATE_SERVER, 0,
		get_profile},
	{"queryInfo", "GET", FED "/query/{queryType}", AUTH_SERVER, LANE_LOCAL, RATE_SERVER, 0,
		get_unknown},
	{"getPublicRooms", "GET", FED "/publicRooms", AUTH_SERVER, LANE_LOCAL, RATE_SERVER_HEAVY, 0,
		get_public_rooms},
	{"queryPublicRooms", "POST", FED "/publicRooms", AUTH_SERVER, LANE_LOCAL, RATE_SERVER_HEAVY, 0,
		post_public_rooms},
	{"getSpaceHierarchy", "GET", FED "/hierarchy/{roomId}", AUTH_SERVER, LANE_LOCAL,
		RATE_SERVER_HEAVY, 0, get_hierarchy},
};
const size_t query_route_count = COUNT_OF(query_routes);
