/*
 * Parses what was asked into typed values.
 */
#include "homeserver/directory/directory_routes.h"

#include "homeserver/directory/directory.h"
#include "http/memo.h"

static enum err bad(struct call *call, const char *text)
{
	return fail(&call->ctx, ERR_INPUT, M_INVALID_PARAM, "%s", text);
}

/* --- people ---------------------------------------------------------------------------------------------------- */

static enum err post_user_search(struct call *call)
{
	const struct json *body;
	struct str term;
	int64_t limit;
	TRY(call_json(call, &body));
	TRY(body_str(call, body, "search_term", &term));
	TRY(body_opt_int(call, body, "limit", 0, INT64_MAX, DIRECTORY_USERS_DEFAULT, &limit));
	if (term.n > DIRECTORY_TERM_MAX_BYTES) {
		return bad(call, "search_term is too long");
	}
	return directory_search_users(&call->ctx, hs_of(call), principal_of(call)->user.s, term,
		(size_t)MIN_OF(limit, (int64_t)DIRECTORY_USERS_MAX), reply_json(call, 200));
}

static enum err get_mutual_rooms(struct call *call)
{
	struct str other = call_query(call, "user_id");
	if (other.p == NULL) {
		return fail(&call->ctx, ERR_INPUT, M_MISSING_PARAM, "user_id is missing");
	}
	return mutual_rooms_list(&call->ctx, hs_of(call), principal_of(call)->user.s, other,
		call_query(call, "from"), reply_json(call, 200));
}

/* --- published rooms ------------------------------------------------------------------------------------------- */

/* The room directory of another server: by the port, where there is one. */
static enum err list_elsewhere(struct call *call, struct str server, const struct json *body)
{
	const struct room_directory_port *port = &hs_of(call)->ports.room_directory;
	struct server_name name;
	if (!server_name_parse(server, &name)) {
		return bad(call, "server is no server name");
	}
	if (port->list == NULL) {
		return fail(&call->ctx, ERR_MISSING, M_NOT_FOUND,
			"This server does not ask others for their rooms");
	}
	return port->list(port->self, &call->ctx, name, body, reply_json(call, 200));
}

static bool is_elsewhere(struct call *call, struct str *out_server)
{
	*out_server = call_query(call, "server");
	struct server_name name = {*out_server};
	return out_server->p != NULL && !server_name_equals(name, hs_of(call)->signer.server);
}

static enum err get_public_rooms(struct call *call)
{
	struct str server;
	struct public_rooms_ask ask;
	if (hs_of(call)->settings.room_directory_needs_login && principal_of(call) == NULL) {
		return fail_status(&call->ctx, ERR_DENIED, 401, M_MISSING_TOKEN,
			"Log in to see the rooms of this server");
	}
	call_begin_memo(call);
	TRY(public_rooms_read_query(call, &ask));
	if (is_elsewhere(call, &server)) {
		struct json body = json_object(call->ctx.arena, 2);
		body = json_with(call->ctx.arena, &body, STR("limit"), json_integer((int64_t)ask.limit));
		if (ask.since.p != NULL) {
			body = json_with(call->ctx.arena, &body, STR("since"), json_string(ask.since));
		}
		return list_elsewhere(call, server, &body);
	}
	return public_rooms_list(&call->ctx, hs_of(call), &ask, reply_json(call, 200));
}

static enum err post_public_rooms(struct call *call)
{
	const struct json *body;
	struct public_rooms_ask ask;
	struct str server;
	call_begin_memo(call);
	TRY(call_json(call, &body));
	TRY(public_rooms_read_body(call, body, &ask));
	return is_elsewhere(call, &server)
		? list_elsewhere(call, server, body)
		: public_rooms_list(&call->ctx, hs_of(call), &ask, reply_json(call, 200));
}

static enum err get_visibility(struct call *call)
{
	bool is_published;
	TRY(public_rooms_get(&call->ctx, hs_of(call), principal_of(call), call_path(call, "roomId"),
		&is_published));
	struct json_out *out = reply_json(call, 200);
	json_out_object(out);
	json_out_key_str(out, "visibility", is_published ? STR("public") : STR("private"));
	json_out_end(out);
	return ERR_OK;
}

static enum err put_visibility(struct call *call)
{
	const struct json *body;
	struct str visibility;
	TRY(call_json_optional(call, &body));
	TRY(body_opt_str(call, body, "visibility", &visibility));
	bool is_public = visibility.p == NULL || str_equals(visibility, STR("public"));
	if (!is_public && !str_equals(visibility, STR("private"))) {
		return bad(call, "visibility must be public or private");
	}
	TRY(public_rooms_set(&call->ctx, hs_of(call), principal_of(call), call_path(call, "roomId"),
		is_public));
	return reply_empty(call);
}

#define CLIENT "/_matrix/client/(r0|v3)"

const struct route directory_routes[] = {
	{"searchUserDirectory", "POST", CLIENT "/user_directory/search", AUTH_USER, LANE_LOCAL,
		RATE_READ, 0, post_user_search},
	{"getMutualRooms", "GET", "/_matrix/client/v1/mutual_rooms", AUTH_USER, LANE_LOCAL, RATE_READ,
		0, get_mutual_rooms},
	{"getPublicRooms", "GET", CLIENT "/publicRooms", AUTH_OPTIONAL, LANE_REMOTE, RATE_READ, 0,
		get_public_rooms},
	{"queryPublicRooms", "POST", CLIENT "/publicRooms", AUTH_GUEST, LANE_REMOTE, RATE_READ, 0,
		post_public_rooms},
	{"getRoomVisibilityOnDirectory", "GET", CLIENT "/directory/list/room/{roomId}", AUTH_OPTIONAL,
		LANE_LOCAL, RATE_READ, 0, get_visibility},
	{"setRoomVisibilityOnDirectory", "PUT", CLIENT "/directory/list/room/{roomId}", AUTH_USER_ACTS,
		LANE_LOCAL, RATE_WRITE, 0, put_visibility},
};
const size_t directory_route_count = COUNT_OF(directory_routes);
