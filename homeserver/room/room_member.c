/*
 * Membership, but for coming in (room_join): each call checks what the room's rules leave open (who is in already, who was never
 * there), then adds one m.room.member event. Where it takes another server, the federation is asked by its port.
 */
#include "homeserver/room/room_member.h"

#include "homeserver/room/room.h"
#include "homeserver/room/room_send.h"
#include "homeserver/room/room_via.h"
#include "storage/profile.h"
#include "storage/state.h"

static void put(struct json *object, const char *key, struct json value)
{
	object->members[object->count++] = (struct json_member){.key = str_of(key), .value = value};
}

enum err member_content(struct ctx *ctx, struct homeserver *hs, const char *membership,
	struct str target, struct str reason, struct json *out)
{
	*out = json_object(ctx->arena, 8);
	put(out, "membership", json_string(str_of(membership)));
	bool shows_profile = str_equals(str_of(membership), STR("join")) ||
		str_equals(str_of(membership), STR("invite")) ||
		str_equals(str_of(membership), STR("knock"));
	if (shows_profile && hs_is_local(hs, target)) {
		struct str displayname;
		struct str avatar_url;
		TRY(store_profile_get(ctx, hs->db, target, &displayname, &avatar_url));
		if (displayname.p != NULL) {
			put(out, "displayname", json_string(displayname));
		}
		if (avatar_url.p != NULL) {
			put(out, "avatar_url", json_string(avatar_url));
		}
	}
	if (reason.p != NULL) {
		put(out, "reason", json_string(reason));
	}
	return ERR_OK;
}

struct room_intent member_intent(struct user_id sender, struct str target,
	const struct json *content)
{
	return (struct room_intent){
		.sender = sender,
		.type = STR("m.room.member"),
		.is_state = true,
		.state_key = target,
		.content = content,
	};
}

static enum err change_member(struct ctx *ctx, struct homeserver *hs, struct room *room,
	const struct member_wish *wish, struct str target, const char *membership)
{
	struct json content;
	TRY(member_content(ctx, hs, membership, target, wish->reason, &content));
	const struct room_intent intent = member_intent(wish->who->user, target, &content);
	return room_add(ctx, hs, room, &intent, 1, NULL);
}

enum err member_now(struct ctx *ctx, struct homeserver *hs, struct room *room, struct str user_id,
	enum membership *out)
{
	struct str text;
	TRY(room_membership(ctx, hs, room, user_id, &text));
	*out = text.p == NULL ? MEMBERSHIP_NONE : membership_parse(text);
	return ERR_OK;
}

/* --- leaving -------------------------------------------------------------------------------------------- */

enum err room_require_may_reject(struct ctx *ctx, struct homeserver *hs, struct room *room,
	struct str user_id)
{
	struct stored_event *member;
	TRY(room_state_event(ctx, hs, room, STR("m.room.member"), user_id, POSITION_NOW, &member));
	struct str office = str_printf(ctx->arena, "@%.*s:%.*s",
		STR_ARG(hs->settings.server_notices_localpart), STR_ARG(hs->signer.server.s));
	if (member != NULL && str_equals(event_membership(member->event), STR("invite")) &&
		str_equals(member->event->sender.s, office)) {
		return fail(ctx, ERR_DENIED, M_CANNOT_LEAVE_SERVER_NOTICE_ROOM,
			"This invite is from your school and cannot be rejected");
	}
	return ERR_OK;
}

/* An invite or a knock, to a room that only others know. */
static enum err leave_outside(struct ctx *ctx, struct homeserver *hs, struct room *room,
	const struct member_wish *wish)
{
	const struct membership_port *others = &hs->ports.membership;
	struct str room_id = room_id_of(room).s;
	struct via via = {0};
	struct json content;
	TRY(ctx_may_ask(ctx));
	TRY(member_content(ctx, hs, "leave", wish->who->user.s, wish->reason, &content));
	TRY(via_add_known(ctx, hs, room, wish->who->user.s, &via));
	const struct membership_wish ask = {
		.user = wish->who->user,
		.room_id = room_id,
		.content = &content,
		.servers = via.servers,
		.server_count = via.count,
	};
	enum err err = others->leave(others->self, ctx, &ask);
	return err == ERR_CONFLICT ? change_member(ctx, hs, room, wish, wish->who->user.s, "leave")
							   : err;
}

enum err room_leave(struct ctx *ctx, struct homeserver *hs, const struct member_wish *wish)
{
	struct room *room;
	TRY(rooms_get_for(ctx, hs, wish->room_id, &room));
	struct str me = wish->who->user.s;
	enum membership membership;
	TRY(member_now(ctx, hs, room, me, &membership));
	if (membership == MEMBERSHIP_LEAVE) {
		return ERR_OK;
	}
	if (membership == MEMBERSHIP_NONE) {
		return fail(ctx, ERR_DENIED, M_FORBIDDEN, "You are not in that room");
	}
	TRY(room_require_may_reject(ctx, hs, room, me));
	return room_is_resident(room) ? change_member(ctx, hs, room, wish, me, "leave")
								  : leave_outside(ctx, hs, room, wish);
}

enum err room_forget(struct ctx *ctx, struct homeserver *hs, const struct member_wish *wish)
{
	struct room *room;
	TRY(rooms_get_for(ctx, hs, wish->room_id, &room));
	struct str me = wish->who->user.s;
	enum membership membership;
	TRY(member_now(ctx, hs, room, me, &membership));
	if (membership == MEMBERSHIP_NONE) {
		return fail(ctx, ERR_DENIED, M_FORBIDDEN, "You are not in that room");
	}
	if (membership == MEMBERSHIP_JOIN || membership == MEMBERSHIP_INVITE ||
		membership == MEMBERSHIP_KNOCK) {
		return fail(ctx, ERR_INPUT, M_UNKNOWN, "Leave the room before you forget it");
	}
	TRY(store_member_forget(ctx, hs->db, room_nid(room), me));
	const struct room_observer *observer = &hs->rooms->observer;
	observer->forgotten(observer->self, me);
	if (writer_has_peers(hs->writer)) {
		writer_tell_all(hs->writer, NEWS_USER, me);
	}
	return ERR_OK;
}

/* --- others ----------------------------------------------------------------------------------------------- */

/* The room, for somebody in it; and the target's membership. */
static enum err find_target(struct ctx *ctx, struct homeserver *hs, const struct member_wish *wish,
	struct room **out, enum membership *out_membership)
{
	struct user_id target;
	if (!user_id_parse(wish->target, &target)) {
		return fail(ctx, ERR_INPUT, M_INVALID_PARAM, "user_id is not a user id");
	}
	TRY(rooms_get_for(ctx, hs, wish->room_id, out));
	TRY(room_require_joined(ctx, hs, *out, wish->who->user.s));
	TRY(room_await_whole(ctx, hs, *out));
	return member_now(ctx, hs, *out, wish->target, out_membership);
}

/* An application service may make the user first. One that does not answer now hears of the invite when it can. */
static enum err ask_for_user(struct ctx *ctx, struct homeserver *hs, struct str user_id)
{
	const struct query_port *port = &hs->ports.query;
	struct user_id user;
	enum query_answer answer;
	return port->user != NULL && hs_is_local(hs, user_id) && user_id_parse(user_id, &user)
		? port->user(port->self, ctx, user, &answer)
		: ERR_OK;
}

enum err room_invite(struct ctx *ctx, struct homeserver *hs, const struct member_wish *wish)
{
	TRY(room_require_not_suspended(ctx, wish->who));
	struct room *room;
	enum membership membership;
	TRY(find_target(ctx, hs, wish, &room, &membership));
	if (membership == MEMBERSHIP_JOIN) {
		return fail(ctx, ERR_DENIED, M_FORBIDDEN, "That user is in the room already");
	}
	TRY(ask_for_user(ctx, hs, wish->target));
	struct json content;
	TRY(member_content(ctx, hs, "invite", wish->target, wish->reason, &content));
	if (wish->is_direct) {
		content = json_with(ctx->arena, &content, STR("is_direct"), json_boolean(true));
	}
	const struct room_intent intent = member_intent(wish->who->user, wish->target, &content);
	return room_invite_by(ctx, hs, room, &intent, NULL);
}

enum err room_invite_by(struct ctx *ctx, struct homeserver *hs, struct room *room,
	const struct room_intent *intent, struct str *out_event_id)
{
	const struct membership_port *others = &hs->ports.membership;
	if (!hs_is_local(hs, intent->state_key)) {
		TRY(ctx_may_ask(ctx));
		return others->invite(others->self, ctx, room, intent, out_event_id);
	}
	struct stored_event *event;
	TRY(room_add(ctx, hs, room, intent, 1, &event));
	if (out_event_id != NULL) {
		*out_event_id = event->event->event_id.s;
	}
	return ERR_OK;
}

enum err room_kick(struct ctx *ctx, struct homeserver *hs, const struct member_wish *wish)
{
	struct room *room;
	enum membership membership;
	TRY(find_target(ctx, hs, wish, &room, &membership));
	if (membership != MEMBERSHIP_JOIN && membership != MEMBERSHIP_INVITE &&
		membership != MEMBERSHIP_KNOCK) {
		return fail(ctx, ERR_DENIED, M_FORBIDDEN, "That user is not in the room");
	}
	return change_member(ctx, hs, room, wish, wish->target, "leave");
}

enum err room_ban(struct ctx *ctx, struct homeserver *hs, const struct member_wish *wish)
{
	struct room *room;
	enum membership membership;
	TRY(find_target(ctx, hs, wish, &room, &membership));
	return change_member(ctx, hs, room, wish, wish->target, "ban");
}

enum err room_unban(struct ctx *ctx, struct homeserver *hs, const struct member_wish *wish)
{
	struct room *room;
	enum membership membership;
	TRY(find_target(ctx, hs, wish, &room, &membership));
	if (membership != MEMBERSHIP_BAN) {
		return fail(ctx, ERR_DENIED, M_BAD_STATE, "That user is not banned");
	}
	return change_member(ctx, hs, room, wish, wish->target, "leave");
}
