/*
 * Joining, leaving, inviting, kicking, banning: the path and the body become a struct member_wish.
 */
#include "homeserver/room/member_routes.h"

#include "homeserver/room/room_member.h"
#include "homeserver/room/room_third_party.h"
#include "http/memo.h"

/* Room and reason. `room_parameter` names the path's. */
static enum err read_wish(struct call *call, const char *room_parameter,
	const struct json **out_body, struct member_wish *out)
{
	TRY(call_json_optional(call, out_body));
	*out =
		(struct member_wish){.who = principal_of(call), .room_id = call_path(call, room_parameter)};
	return body_opt_str(call, *out_body, "reason", &out->reason);
}

/* Servers that may be in the room: `via`, and its name before v1.12. */
static void read_via(struct call *call, struct member_wish *out)
{
	size_t via_count;
	size_t old_count;
	const struct str *via = call_query_all(call, "via", &via_count);
	const struct str *old = call_query_all(call, "server_name", &old_count);
	struct str *all = ARENA_NEW_ARRAY(call->ctx.arena, struct str, via_count + old_count);
	for (size_t i = 0; i < via_count + old_count; i++) {
		all[i] = i < via_count ? via[i] : old[i - via_count];
	}
	out->via = all;
	out->via_count = via_count + old_count;
}

static enum err reply_room_id(struct call *call, struct str room_id)
{
	struct json_out *out = reply_json(call, 200);
	json_out_object(out);
	json_out_key_str(out, "room_id", room_id);
	json_out_end(out);
	return ERR_OK;
}

static enum err join_as(struct call *call, const char *room_parameter)
{
	const struct json *body;
	struct member_wish wish;
	struct str room_id;
	call_begin_memo(call);
	TRY(read_wish(call, room_parameter, &body, &wish));
	wish.body = body;
	read_via(call, &wish);
	TRY(room_join(&call->ctx, hs_of(call), &wish, &room_id));
	return reply_room_id(call, room_id);
}

static enum err post_join(struct call *call)
{
	return join_as(call, "roomIdOrAlias");
}

static enum err post_room_join(struct call *call)
{
	return join_as(call, "roomId");
}

static enum err post_knock(struct call *call)
{
	const struct json *body;
	struct member_wish wish;
	struct str room_id;
	call_begin_memo(call);
	TRY(read_wish(call, "roomIdOrAlias", &body, &wish));
	read_via(call, &wish);
	TRY(room_knock(&call->ctx, hs_of(call), &wish, &room_id));
	return reply_room_id(call, room_id);
}

static enum err post_leave(struct call *call)
{
	const struct json *body;
	struct member_wish wish;
	call_begin_memo(call);
	TRY(read_wish(call, "roomId", &body, &wish));
	TRY(room_leave(&call->ctx, hs_of(call), &wish));
	return reply_empty(call);
}

static enum err post_forget(struct call *call)
{
	const struct json *body;
	struct member_wish wish;
	TRY(read_wish(call, "roomId", &body, &wish));
	TRY(room_forget(&call->ctx, hs_of(call), &wish));
	return reply_empty(call);
}

typedef enum err member_change(struct ctx *ctx, struct homeserver *hs,
	const struct member_wish *wish);

/* A change of somebody else's membership: the body names `user_id`. */
static enum err change_other(struct call *call, member_change *change)
{
	const struct json *body;
	struct member_wish wish;
	call_begin_memo(call);
	TRY(read_wish(call, "roomId", &body, &wish));
	TRY(body_str(call, body, "user_id", &wish.target));
	TRY(change(&call->ctx, hs_of(call), &wish));
	return reply_empty(call);
}

static enum err invite_third_party(struct call *call, const struct json *body)
{
	struct third_party_wish wish = {
		.who = principal_of(call),
		.room_id = call_path(call, "roomId"),
	};
	TRY(third_party_read(call, body, &wish.ask));
	TRY(body_opt_str(call, body, "reason", &wish.reason));
	TRY(room_invite_third_party(&call->ctx, hs_of(call), &wish));
	return reply_empty(call);
}

static enum err post_invite(struct call *call)
{
	const struct json *body;
	call_begin_memo(call);
	TRY(call_json_optional(call, &body));
	bool is_third_party = json_at(body, "user_id") == NULL &&
		(json_at(body, "medium") != NULL || json_at(body, "address") != NULL);
	return is_third_party ? invite_third_party(call, body) : change_other(call, room_invite);
}

static enum err post_kick(struct call *call)
{
	return change_other(call, room_kick);
}

static enum err post_ban(struct call *call)
{
	return change_other(call, room_ban);
}

static enum err post_unban(struct call *call)
{
	return change_other(call, room_unban);
}

#define ROOM_PATH "/_matrix/client/(r0|v3)/rooms/{roomId}"

const struct route member_routes[] = {
	{"joinRoom", "POST", "/_matrix/client/(r0|v3)/join/{roomIdOrAlias}", AUTH_USER_ACTS, LANE_LOCAL,
		RATE_JOIN, 0, post_join},
	{"joinRoomById", "POST", ROOM_PATH "/join", AUTH_GUEST_ACTS, LANE_LOCAL, RATE_JOIN, 0,
		post_room_join},
	{"knockRoom", "POST", "/_matrix/client/(r0|v3)/knock/{roomIdOrAlias}", AUTH_USER_ACTS,
		LANE_LOCAL, RATE_JOIN, 0, post_knock},
	{"leaveRoom", "POST", ROOM_PATH "/leave", AUTH_GUEST, LANE_LOCAL, RATE_WRITE, 0, post_leave},
	{"forgetRoom", "POST", ROOM_PATH "/forget", AUTH_USER, LANE_LOCAL, RATE_WRITE, 0, post_forget},
	{"inviteUser", "POST", ROOM_PATH "/invite", AUTH_USER_ACTS, LANE_LOCAL, RATE_JOIN, 0,
		post_invite},
	{"kick", "POST", ROOM_PATH "/kick", AUTH_USER_ACTS, LANE_LOCAL, RATE_WRITE, 0, post_kick},
	{"ban", "POST", ROOM_PATH "/ban", AUTH_USER_ACTS, LANE_LOCAL, RATE_WRITE, 0, post_ban},
	{"unban", "POST", ROOM_PATH "/unban", AUTH_USER_ACTS, LANE_LOCAL, RATE_WRITE, 0, post_unban},
};
const size_t member_route_count = COUNT_OF(member_routes);
