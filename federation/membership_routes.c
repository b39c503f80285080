/*
 * Version 1 of an endpoint answers [200, {…}] where version 2 answers {…}: for each send_* and invite there are two thin handlers.
 */
#include "federation/membership_routes.h"

#include "federation/fed_auth.h"
#include "federation/invite_in.h"
#include "federation/member_in.h"
#include "federation/third_party.h"
#include "http/memo.h"

enum { INVITE_BODY_CEILING = 1024 * 1024 };

static struct federation *federation_of(const struct call *call)
{
	return hs_of(call)->federation;
}

/* Opens the answer: of version 1 within its array. */
static struct json_out *begin_reply(struct call *call, bool is_v1)
{
	struct json_out *out = reply_json(call, 200);
	if (is_v1) {
		json_out_array(out);
		json_out_int(out, 200);
	}
	return out;
}

static enum err end_reply(struct json_out *out, bool is_v1)
{
	if (is_v1) {
		json_out_end(out);
	}
	return ERR_OK;
}

/* --- templates -------------------------------------------------------------------------------------------------- */

static enum err make(struct call *call, enum handshake_kind kind)
{
	static const struct str oldest = STR_INIT("1");
	struct template_wish wish = {
		.kind = kind,
		.origin = fed_origin(call),
		.room_id = call_path(call, "roomId"),
		.user_id = call_path(call, "userId"),
	};
	if (kind != HANDSHAKE_LEAVE) {
		wish.versions = call_query_all(call, "ver", &wish.version_count);
		if (wish.version_count == 0) {
			wish.versions = &oldest; /* "Defaults to [1]" */
			wish.version_count = 1;
		}
	}
	struct json event;
	const struct room_version *version;
	TRY(member_in_make(&call->ctx, federation_of(call), &wish, &event, &version));
	/* "The name of the resident homeserver": of the template only; whoever signs it makes an event without it, or with its own. */
	event = json_with(call->ctx.arena, &event, STR("origin"),
		json_string(hs_of(call)->signer.server.s));
	struct json_out *out = reply_json(call, 200);
	json_out_object(out);
	json_out_key_str(out, "room_version", version->id);
	json_out_key_value(out, "event", &event);
	json_out_end(out);
	return ERR_OK;
}

static enum err get_make_join(struct call *call)
{
	return make(call, HANDSHAKE_JOIN);
}

static enum err get_make_knock(struct call *call)
{
	return make(call, HANDSHAKE_KNOCK);
}

static enum err get_make_leave(struct call *call)
{
	return make(call, HANDSHAKE_LEAVE);
}

/* --- what comes back ---------------------------------------------------------------------------------------------- */

static enum err take(struct call *call, enum handshake_kind kind, struct taken_member *out)
{
	struct signed_member sent = {
		.kind = kind,
		.origin = fed_origin(call),
		.room_id = call_path(call, "roomId"),
		.event_id = call_path(call, "eventId"),
	};
	TRY(call_json(call, &sent.body));
	return member_in_take(&call->ctx, federation_of(call), &sent, out);
}

static enum err send_join(struct call *call, bool is_v1)
{
	bool omits_members;
	struct taken_member taken;
	TRY(call_query_bool(call, "omit_members", false, &omits_members));
	TRY(take(call, HANDSHAKE_JOIN, &taken));
	struct json_out *out = begin_reply(call, is_v1);
	TRY(member_in_write_room(&call->ctx, federation_of(call), &taken, omits_members, out));
	return end_reply(out, is_v1);
}

static enum err put_send_join_v1(struct call *call)
{
	return send_join(call, true);
}

static enum err put_send_join_v2(struct call *call)
{
	return send_join(call, false);
}

static enum err put_send_knock(struct call *call)
{
	struct taken_member taken;
	TRY(take(call, HANDSHAKE_KNOCK, &taken));
	struct json_out *out = reply_json(call, 200);
	json_out_object(out);
	json_out_key(out, STR("knock_room_state"));
	TRY(member_in_write_stripped(&call->ctx, federation_of(call), taken.room, out));
	json_out_end(out);
	return ERR_OK;
}

static enum err send_leave(struct call *call, bool is_v1)
{
	struct taken_member taken;
	TRY(take(call, HANDSHAKE_LEAVE, &taken));
	struct json_out *out = begin_reply(call, is_v1);
	json_out_object(out);
	json_out_end(out);
	return end_reply(out, is_v1);
}

static enum err put_send_leave_v1(struct call *call)
{
	return send_leave(call, true);
}

static enum err put_send_leave_v2(struct call *call)
{
	return send_leave(call, false);
}

/* --- invites -------------------------------------------------------------------------------------------------------- */

static enum err reply_invite(struct call *call, const struct invite_received *received, bool is_v1)
{
	struct json event;
	TRY(invite_in_take(&call->ctx, federation_of(call), received, &event));
	struct json_out *out = begin_reply(call, is_v1);
	json_out_object(out);
	json_out_key_value(out, "event", &event);
	json_out_end(out);
	return end_reply(out, is_v1);
}

static enum err put_invite_v1(struct call *call)
{
	struct invite_received received = {
		.origin = fed_origin(call),
		.room_id = call_path(call, "roomId"),
		.event_id = call_path(call, "eventId"),
	};
	TRY(call_json(call, &received.event));
	received.state = json_at(json_at(received.event, "unsigned"), "invite_room_state");
	return reply_invite(call, &received, true);
}

static enum err put_invite_v2(struct call *call)
{
	const struct json *body;
	struct invite_received received = {
		.origin = fed_origin(call),
		.room_id = call_path(call, "roomId"),
		.event_id = call_path(call, "eventId"),
	};
	TRY(call_json(call, &body));
	TRY(body_str(call, body, "room_version", &received.room_version));
	received.event = json_at(body, "event");
	received.state = json_at(body, "invite_room_state");
	return reply_invite(call, &received, false);
}

static enum err put_exchange(struct call *call)
{
	const struct json *body;
	call_begin_memo(call);
	TRY(call_json(call, &body));
	TRY(third_party_exchange(&call->ctx, federation_of(call), fed_origin(call),
		call_path(call, "roomId"), body));
	return reply_empty(call);
}

static enum err take_onbind(struct call *call)
{
	const struct json *body;
	call_begin_memo(call);
	TRY(call_json(call, &body));
	TRY(third_party_bound(&call->ctx, federation_of(call), body));
	return reply_empty(call);
}

#define V1 "/_matrix/federation/v1"
#define V2 "/_matrix/federation/v2"
#define EVENT "/{roomId}/{eventId}"
#define USER "/{roomId}/{userId}"

const struct route membership_routes[] = {
	{"makeJoin", "GET", V1 "/make_join" USER, AUTH_SERVER, LANE_LOCAL, RATE_SERVER, 0,
		get_make_join},
	{"sendJoinV1", "PUT", V1 "/send_join" EVENT, AUTH_SERVER, LANE_REMOTE, RATE_SERVER_HEAVY, 0,
		put_send_join_v1},
	{"sendJoinV2", "PUT", V2 "/send_join" EVENT, AUTH_SERVER, LANE_REMOTE, RATE_SERVER_HEAVY, 0,
		put_send_join_v2},
	{"makeKnock", "GET", V1 "/make_knock" USER, AUTH_SERVER, LANE_LOCAL, RATE_SERVER, 0,
		get_make_knock},
	{"sendKnock", "PUT", V1 "/send_knock" EVENT, AUTH_SERVER, LANE_REMOTE, RATE_SERVER, 0,
		put_send_knock},
	{"makeLeave", "GET", V1 "/make_leave" USER, AUTH_SERVER, LANE_LOCAL, RATE_SERVER, 0,
		get_make_leave},
	{"sendLeaveV1", "PUT", V1 "/send_leave" EVENT, AUTH_SERVER, LANE_REMOTE, RATE_SERVER, 0,
		put_send_leave_v1},
	{"sendLeaveV2", "PUT", V2 "/send_leave" EVENT, AUTH_SERVER, LANE_REMOTE, RATE_SERVER, 0,
		put_send_leave_v2},
	{"sendInviteV1", "PUT", V1 "/invite" EVENT, AUTH_SERVER, LANE_REMOTE, RATE_SERVER,
		INVITE_BODY_CEILING, put_invite_v1},
	{"sendInviteV2", "PUT", V2 "/invite" EVENT, AUTH_SERVER, LANE_REMOTE, RATE_SERVER,
		INVITE_BODY_CEILING, put_invite_v2},
	{"exchangeThirdPartyInvite", "PUT", V1 "/exchange_third_party_invite/{roomId}", AUTH_SERVER,
		LANE_REMOTE, RATE_SERVER, 0, put_exchange},
	{"onBindThirdPartyIdentifier", "PUT", V1 "/3pid/onbind", AUTH_NONE, LANE_REMOTE, RATE_LOGIN, 0,
		take_onbind},
	/* What identity servers in use ask instead, by an older text of the specification. */
	{"onBindThirdPartyIdentifierByPost", "POST", V1 "/3pid/onbind", AUTH_NONE, LANE_REMOTE,
		RATE_LOGIN, 0, take_onbind},
};
const size_t membership_route_count = COUNT_OF(membership_routes);
