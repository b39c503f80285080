/*
 * Membership: each call checks what the room's rules leave open (who is in already, who was never there), then
 * adds one m.room.member event.
 */
#include "homeserver/room/room_member.h"

#include "homeserver/room/room_alias.h"
#include "homeserver/room/room_guest.h"
#include "homeserver/room/room_send.h"
#include "homeserver/room/room.h"
#include "matrix/join_rule.h"
#include "matrix/membership.h"
#include "matrix/power.h"
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

static enum err add_member(struct ctx *ctx, struct homeserver *hs, struct room *room,
	struct user_id sender, struct str target, const struct json *content)
{
	const struct room_intent intent = {
		.sender = sender,
		.type = STR("m.room.member"),
		.is_state = true,
		.state_key = target,
		.content = content,
	};
	return room_add(ctx, hs, room, &intent, 1, NULL);
}

static enum err change_member(struct ctx *ctx, struct homeserver *hs, struct room *room,
	const struct member_wish *wish, struct str target, const char *membership)
{
	struct json content;
	TRY(member_content(ctx, hs, membership, target, wish->reason, &content));
	return add_member(ctx, hs, room, wish->who->user, target, &content);
}

static enum err current(struct ctx *ctx, struct homeserver *hs, struct room *room,
	struct str user_id, enum membership *out)
{
	struct str text;
	TRY(room_membership(ctx, hs, room, user_id, &text));
	*out = text.p == NULL ? MEMBERSHIP_NONE : membership_parse(text);
	return ERR_OK;
}

/* The room by its id or an alias. */
static enum err find_room(struct ctx *ctx, struct homeserver *hs, struct str id_or_alias,
	struct room **out)
{
	struct room_alias alias;
	struct room_id id;
	if (room_alias_parse(id_or_alias, &alias)) {
		struct str room_id;
		TRY(room_alias_find(ctx, hs, alias, &room_id));
		return rooms_get(ctx, hs, room_id, out);
	}
	if (!room_id_parse(id_or_alias, &id)) {
		return fail(ctx, ERR_INPUT, M_INVALID_PARAM, "Neither a room id nor an alias");
	}
	return rooms_get(ctx, hs, id_or_alias, out);
}

/* --- joining ------------------------------------------------------------------------------------------ */

/* Whether the user is joined to one of the rooms that the join rule names. */
static enum err is_in_allowed_room(struct ctx *ctx, struct homeserver *hs,
	const struct event *join_rules, struct str user_id, bool *out)
{
	struct room_id *allowed;
	size_t count = join_rule_allowed_rooms(ctx->arena, join_rules, &allowed);
	*out = false;
	for (size_t i = 0; i < count && !*out; i++) {
		struct room *other;
		enum err err = rooms_get(ctx, hs, allowed[i].s, &other);
		if (err == ERR_MISSING) {
			continue;
		}
		TRY(err);
		enum membership membership;
		TRY(current(ctx, hs, other, user_id, &membership));
		*out = membership == MEMBERSHIP_JOIN;
	}
	return ERR_OK;
}

/* A joined local user who has the power to invite: the one with the most power, creators first. */
static enum err find_authoriser(struct ctx *ctx, struct homeserver *hs, struct room *room,
	struct str *out)
{
	static const struct state_ask asks[] = {{STR_INIT("m.room.power_levels"), STR_INIT("")},
		{STR_INIT("m.room.create"), STR_INIT("")}};
	struct state_view view;
	TRY(room_state_view(ctx, hs, room, asks, COUNT_OF(asks), &view));
	const struct room_version *version = room_version_of(room);
	int64_t best = power_for_action(version, &view, POWER_INVITE);
	const struct state_query query = {.only_members = true, .without_events = true};
	struct state_item *items;
	size_t count;
	TRY(room_state_list(ctx, hs, room, POSITION_NOW, &query, &items, &count));
	*out = str_from(NULL, 0);
	for (size_t i = 0; i < count; i++) {
		struct user_id user;
		if (!str_equals(items[i].membership, STR("join")) || !hs_is_local(hs, items[i].state_key) ||
			!user_id_parse(items[i].state_key, &user)) {
			continue;
		}
		int64_t power = power_of_user(version, &view, user);
		if (power > best || (power == best && out->p == NULL)) {
			best = power;
			*out = items[i].state_key;
		}
	}
	return ERR_OK;
}

/* Restricted rooms: names who could have invited, when the user is in an allowed room. */
static enum err authorise_restricted(struct ctx *ctx, struct homeserver *hs, struct room *room,
	struct str user_id, struct json *content)
{
	struct stored_event *rules;
	TRY(room_state_event(ctx, hs, room, STR("m.room.join_rules"), STR(""), POSITION_NOW, &rules));
	const struct event *event = rules != NULL ? rules->event : NULL;
	if (!join_rule_is_restricted(join_rule_of(room_version_of(room), event))) {
		return ERR_OK;
	}
	bool is_allowed;
	TRY(is_in_allowed_room(ctx, hs, event, user_id, &is_allowed));
	if (!is_allowed) {
		return fail(ctx, ERR_DENIED, M_FORBIDDEN,
			"You have to be invited, or to be in one of the rooms that this room admits");
	}
	struct str authoriser;
	TRY(find_authoriser(ctx, hs, room, &authoriser));
	if (authoriser.p == NULL) {
		return fail(ctx, ERR_DENIED, M_FORBIDDEN, "Nobody here could let you in");
	}
	*content = json_with(ctx->arena, content, STR("join_authorised_via_users_server"),
		json_string(authoriser));
	return ERR_OK;
}

/*
 * What a client puts into the body of a join besides what the specification names becomes content of the member event: an
 * old custom that bridges and bots rely on. It never replaces what the server says.
 */
static void add_custom(struct ctx *ctx, const struct json *body, struct json *content)
{
	for (size_t i = 0; body != NULL && i < body->count; i++) {
		struct str key = body->members[i].key;
		bool is_own = str_equals(key, STR("third_party_signed")) ||
			str_equals(key, STR("third_party_invite")) || str_equals(key, STR("is_direct")) ||
			str_equals(key, STR("join_authorised_via_users_server")) ||
			json_get(content, key) != NULL;
		if (!is_own) {
			*content = json_with(ctx->arena, content, key, body->members[i].value);
		}
	}
}

enum err room_join(struct ctx *ctx, struct homeserver *hs, const struct member_wish *wish,
	struct str *out_room_id)
{
	TRY(room_require_not_suspended(ctx, wish->who));
	struct room *room;
	TRY(find_room(ctx, hs, wish->room_id, &room));
	struct str me = wish->who->user.s;
	enum membership membership;
	TRY(current(ctx, hs, room, me, &membership));
	*out_room_id = room_id_of(room).s;
	if (membership == MEMBERSHIP_JOIN) {
		return ERR_OK;
	}
	TRY(room_require_guests_allowed(ctx, hs, room, wish->who));
	struct json content;
	TRY(member_content(ctx, hs, "join", me, wish->reason, &content));
	add_custom(ctx, wish->body, &content);
	if (membership != MEMBERSHIP_INVITE && membership != MEMBERSHIP_BAN) {
		TRY(authorise_restricted(ctx, hs, room, me, &content));
	}
	TRY(add_member(ctx, hs, room, wish->who->user, me, &content));
	hs->ports.succession.carry_over(hs->ports.succession.self, ctx, room, wish->who->user);
	return ERR_OK;
}

enum err room_knock(struct ctx *ctx, struct homeserver *hs, const struct member_wish *wish,
	struct str *out_room_id)
{
	TRY(room_require_not_suspended(ctx, wish->who));
	struct room *room;
	TRY(find_room(ctx, hs, wish->room_id, &room));
	*out_room_id = room_id_of(room).s;
	return change_member(ctx, hs, room, wish, wish->who->user.s, "knock");
}

/* --- leaving -------------------------------------------------------------------------------------------- */

enum err room_require_may_reject(struct ctx *ctx, struct homeserver *hs, struct room *room,
	struct str user_id)
{
	struct stored_event *member;
	TRY(room_state_event(ctx, hs, room, STR("m.room.member"), user_id, POSITION_NOW, &member));
	struct str office = str_printf(ctx->arena, "@%.*s:%.*s",
		STR_ARG(hs->settings.notices_localpart), STR_ARG(hs->signer.server.s));
	if (member != NULL && str_equals(event_membership(member->event), STR("invite")) &&
		str_equals(member->event->sender.s, office)) {
		return fail(ctx, ERR_DENIED, M_CANNOT_LEAVE_SERVER_NOTICE_ROOM,
			"This invite is from your school and cannot be rejected");
	}
	return ERR_OK;
}

enum err room_leave(struct ctx *ctx, struct homeserver *hs, const struct member_wish *wish)
{
	struct room *room;
	TRY(rooms_get_for(ctx, hs, wish->room_id, &room));
	struct str me = wish->who->user.s;
	enum membership membership;
	TRY(current(ctx, hs, room, me, &membership));
	if (membership == MEMBERSHIP_LEAVE) {
		return ERR_OK;
	}
	if (membership == MEMBERSHIP_NONE) {
		return fail(ctx, ERR_DENIED, M_FORBIDDEN, "You are not in that room");
	}
	TRY(room_require_may_reject(ctx, hs, room, me));
	return change_member(ctx, hs, room, wish, me, "leave");
}

enum err room_forget(struct ctx *ctx, struct homeserver *hs, const struct member_wish *wish)
{
	struct room *room;
	TRY(rooms_get_for(ctx, hs, wish->room_id, &room));
	struct str me = wish->who->user.s;
	enum membership membership;
	TRY(current(ctx, hs, room, me, &membership));
	if (membership == MEMBERSHIP_NONE) {
		return fail(ctx, ERR_DENIED, M_FORBIDDEN, "You are not in that room");
	}
	if (membership == MEMBERSHIP_JOIN || membership == MEMBERSHIP_INVITE ||
		membership == MEMBERSHIP_KNOCK) {
		return fail(ctx, ERR_INPUT, M_UNKNOWN, "Leave the room before you forget it");
	}
	TRY(store_member_forget(ctx, hs->db, room_nid(room), me));
	const struct room_observer *observer = &hs->rooms->observer;
	observer->forgotten(observer->self, room, me);
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
	return current(ctx, hs, *out, wish->target, out_membership);
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
	return change_member(ctx, hs, room, wish, wish->target, "invite");
}

enum err room_invite_third_party(struct ctx *ctx, struct homeserver *hs,
	const struct member_wish *wish)
{
	struct room *room;
	TRY(rooms_get_for(ctx, hs, wish->room_id, &room));
	TRY(room_require_joined(ctx, hs, room, wish->who->user.s));
	return fail(ctx, ERR_DENIED, M_THREEPID_DENIED,
		"This server has no identity server to invite by mail or phone");
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
		return fail(ctx, ERR_DENIED, M_FORBIDDEN, "That user is not banned");
	}
	return change_member(ctx, hs, room, wish, wish->target, "leave");
}
