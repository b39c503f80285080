/*
 * createRoom, upgrade, send, redact, aliases.
 */
#include "homeserver/room/room_routes.h"

#include "homeserver/room/delayed_routes.h"
#include "homeserver/room/room_alias.h"
#include "homeserver/room/room_create.h"
#include "homeserver/room/room_send.h"
#include "homeserver/room/room_third_party.h"
#include "homeserver/room/room_upgrade.h"
#include "http/handover.h"
#include "http/memo.h"

static enum err read_third_parties(struct call *call, const struct json *body,
	struct create_request *out)
{
	const struct json *list;
	TRY(body_opt_array(call, body, "invite_3pid", &list));
	size_t count = list != NULL ? list->count : 0;
	struct threepid_ask *asks = ARENA_NEW_ARRAY(call->ctx.arena, struct threepid_ask, count);
	for (size_t i = 0; i < count; i++) {
		TRY(third_party_read(call, &list->items[i], &asks[i]));
	}
	out->third_parties = asks;
	out->third_party_count = count;
	return ERR_OK;
}

static enum err post_create_room(struct call *call)
{
	const struct json *body;
	struct create_request request = {.who = principal_of(call)};
	call_begin_memo(call);
	TRY(call_json(call, &body));
	TRY(body_opt_str(call, body, "room_version", &request.room_version));
	TRY(body_opt_str(call, body, "preset", &request.preset));
	TRY(body_opt_str(call, body, "visibility", &request.visibility));
	TRY(body_opt_str(call, body, "room_alias_name", &request.alias_name));
	TRY(body_opt_str(call, body, "name", &request.name));
	TRY(body_opt_str(call, body, "topic", &request.topic));
	TRY(body_opt_array(call, body, "invite", &request.invite));
	TRY(read_third_parties(call, body, &request));
	TRY(body_opt_object(call, body, "creation_content", &request.creation_content));
	TRY(body_opt_array(call, body, "initial_state", &request.initial_state));
	TRY(body_opt_object(call, body, "power_level_content_override", &request.power_override));
	TRY(body_opt_bool(call, body, "is_direct", false, &request.is_direct));
	struct str room_id;
	TRY(call_charge(call, room_create_weight(&request)));
	TRY(room_create(&call->ctx, hs_of(call), &request, &room_id));
	struct json_out *out = reply_json(call, 200);
	json_out_object(out);
	json_out_key_str(out, "room_id", room_id);
	json_out_end(out);
	return ERR_OK;
}

static enum err post_upgrade(struct call *call)
{
	const struct json *body;
	struct upgrade_request request = {
		.who = principal_of(call),
		.room_id = call_path(call, "roomId"),
	};
	call_begin_memo(call);
	TRY(call_json(call, &body));
	TRY(body_str(call, body, "new_version", &request.new_version));
	TRY(body_opt_array(call, body, "additional_creators", &request.additional_creators));
	struct str room_id;
	TRY(room_upgrade(&call->ctx, hs_of(call), &request, &room_id));
	struct json_out *out = reply_json(call, 200);
	json_out_object(out);
	json_out_key_str(out, "replacement_room", room_id);
	json_out_end(out);
	return ERR_OK;
}

static enum err reply_event_id(struct call *call, struct str event_id)
{
	struct json_out *out = reply_json(call, 200);
	json_out_object(out);
	json_out_key_str(out, "event_id", event_id);
	json_out_end(out);
	return ERR_OK;
}

static enum err put_send(struct call *call)
{
	call_begin_memo(call);
	call_begin_handover(call);
	TRY(ctx_may_write(&call->ctx));
	struct send_request request = {
		.who = principal_of(call),
		.room_id = call_path(call, "roomId"),
		.type = call_path(call, "eventType"),
		.txn_id = call_path(call, "txnId"),
	};
	struct str event_id;
	int64_t delay_ms;
	TRY(event_stamp_read(call, &request.stamp));
	TRY(delay_read(call, &delay_ms));
	TRY(call_json(call, &request.content));
	if (delay_ms > 0) {
		return delay_reply(call,
			&(struct delayed_wish){.who = request.who,
				.room_id = request.room_id,
				.type = request.type,
				.txn_id = request.txn_id,
				.content = request.content,
				.stamp = request.stamp,
				.delay_ms = delay_ms});
	}
	TRY(room_send(&call->ctx, hs_of(call), &request, &event_id));
	return reply_event_id(call, event_id);
}

static enum err put_redact(struct call *call)
{
	const struct json *body;
	struct str reason;
	call_begin_memo(call);
	call_begin_handover(call);
	TRY(call_json_optional(call, &body));
	TRY(body_opt_str(call, body, "reason", &reason));
	struct send_request request = {
		.who = principal_of(call),
		.room_id = call_path(call, "roomId"),
		.type = STR("m.room.redaction"),
		.txn_id = call_path(call, "txnId"),
		.content = body,
		.redacts = call_path(call, "eventId"),
	};
	struct str event_id;
	TRY(room_send(&call->ctx, hs_of(call), &request, &event_id));
	return reply_event_id(call, event_id);
}

static enum err path_alias(struct call *call, struct room_alias *out)
{
	if (!room_alias_parse(call_path(call, "roomAlias"), out)) {
		return fail(&call->ctx, ERR_INPUT, M_INVALID_PARAM, "Not a room alias");
	}
	return ERR_OK;
}

static enum err get_alias(struct call *call)
{
	struct room_alias alias;
	TRY(path_alias(call, &alias));
	return room_alias_write(&call->ctx, hs_of(call), alias, reply_json(call, 200));
}

static enum err put_alias(struct call *call)
{
	const struct json *body;
	struct room_alias alias;
	struct room_id room_id;
	struct str text;
	TRY(path_alias(call, &alias));
	TRY(call_json(call, &body));
	TRY(body_str(call, body, "room_id", &text));
	if (!room_id_parse(text, &room_id)) {
		return fail(&call->ctx, ERR_INPUT, M_INVALID_PARAM, "room_id is not a room id");
	}
	TRY(room_alias_set(&call->ctx, hs_of(call), principal_of(call), alias, text));
	return reply_empty(call);
}

static enum err delete_alias(struct call *call)
{
	struct room_alias alias;
	call_begin_memo(call);
	TRY(path_alias(call, &alias));
	TRY(room_alias_remove(&call->ctx, hs_of(call), principal_of(call), alias));
	return reply_empty(call);
}

static enum err get_aliases(struct call *call)
{
	struct str *aliases;
	size_t count;
	TRY(room_alias_list(&call->ctx, hs_of(call), principal_of(call), call_path(call, "roomId"),
		&aliases, &count));
	struct json_out *out = reply_json(call, 200);
	json_out_object(out);
	json_out_key_strs(out, "aliases", aliases, count);
	json_out_end(out);
	return ERR_OK;
}

const struct route room_routes[] = {
	{"createRoom", "POST", "/_matrix/client/(r0|v3)/createRoom", AUTH_USER_ACTS, LANE_LOCAL,
		RATE_JOIN, 0, post_create_room},
	{"upgradeRoom", "POST", "/_matrix/client/(r0|v3)/rooms/{roomId}/upgrade", AUTH_USER_ACTS,
		LANE_LOCAL, RATE_JOIN, 0, post_upgrade},
	{"sendMessage", "PUT", "/_matrix/client/(r0|v3)/rooms/{roomId}/send/{eventType}/{txnId}",
		AUTH_GUEST_ACTS, LANE_INLINE, RATE_MESSAGE, 0, put_send},
	{"redactEvent", "PUT", "/_matrix/client/(r0|v3)/rooms/{roomId}/redact/{eventId}/{txnId}",
		AUTH_USER_RETRACTS, LANE_LOCAL, RATE_MESSAGE, 0, put_redact},
	{"getRoomIdByAlias", "GET", "/_matrix/client/(r0|v3)/directory/room/{roomAlias}", AUTH_NONE,
		LANE_LOCAL, RATE_READ, 0, get_alias},
	{"setRoomAlias", "PUT", "/_matrix/client/(r0|v3)/directory/room/{roomAlias}", AUTH_USER_ACTS,
		LANE_LOCAL, RATE_WRITE, 0, put_alias},
	{"deleteRoomAlias", "DELETE", "/_matrix/client/(r0|v3)/directory/room/{roomAlias}",
		AUTH_USER_ACTS, LANE_LOCAL, RATE_WRITE, 0, delete_alias},
	{"getLocalAliases", "GET", "/_matrix/client/(r0|v3)/rooms/{roomId}/aliases", AUTH_USER,
		LANE_LOCAL, RATE_READ, 0, get_aliases},
};
const size_t room_route_count = COUNT_OF(room_routes);
