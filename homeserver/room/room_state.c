/*
 * State for clients: members see what is, those who left what was when they left.
 */
#include "homeserver/room/room_state.h"

#include "homeserver/room/room_alias.h"
#include "homeserver/room/room_guest.h"
#include "homeserver/room/room_member.h"
#include "homeserver/room/room_send.h"
#include "matrix/power.h"
#include "matrix/visibility.h"
#include "storage/state.h"

enum err room_state_horizon(struct ctx *ctx, struct homeserver *hs, struct room *room,
	struct str user_id, int64_t *out_position)
{
	struct str membership;
	TRY(room_membership(ctx, hs, room, user_id, &membership));
	*out_position = POSITION_NOW;
	if (str_equals(membership, STR("join"))) {
		return ERR_OK;
	}
	struct stored_event *visibility;
	TRY(room_state_event(ctx, hs, room, STR("m.room.history_visibility"), STR(""), POSITION_NOW,
		&visibility));
	if (visibility_of(visibility != NULL ? visibility->event : NULL) == VISIBILITY_WORLD_READABLE) {
		return ERR_OK;
	}
	/* The last time that the user was joined and ceased to be. */
	struct state_row last_join;
	struct member_row member;
	enum err err =
		store_state_last_join(ctx, hs->db, room_nid(room), user_id, POSITION_NOW, &last_join);
	bool was_joined = err == ERR_OK;
	if (err != ERR_MISSING) {
		TRY(err);
	}
	err = store_member_of_room(ctx, hs->db, room_nid(room), user_id, &member);
	bool is_forgotten = err == ERR_OK && member.is_forgotten;
	if (err != ERR_MISSING) {
		TRY(err);
	}
	if (was_joined && !is_forgotten) {
		*out_position = last_join.to_position;
		return ERR_OK;
	}
	return fail(ctx, ERR_DENIED, M_FORBIDDEN, "You are not in that room");
}

enum err room_state_get(struct ctx *ctx, struct homeserver *hs, const struct principal *who,
	struct str room_id, struct str type, struct str state_key, struct stored_event **out)
{
	struct room *room;
	int64_t position;
	TRY(rooms_get_for(ctx, hs, room_id, &room));
	TRY(room_state_horizon(ctx, hs, room, who->user.s, &position));
	TRY(room_state_event(ctx, hs, room, type, state_key, position, out));
	if (*out == NULL && room_is_partial(room)) {
		TRY(room_await_whole(ctx, hs, room));
		TRY(room_state_event(ctx, hs, room, type, state_key, position, out));
	}
	if (*out == NULL) {
		return fail(ctx, ERR_MISSING, M_NOT_FOUND, "The room has no such state");
	}
	return ERR_OK;
}

/* --- writing ---------------------------------------------------------------------------------------------- */

static bool lists_alias(const struct json *content, struct str alias)
{
	if (str_equals(json_get_str(content, STR("alias")), alias)) {
		return true;
	}
	const struct json *others = json_at(content, "alt_aliases");
	for (size_t i = 0; json_is(others, JSON_ARRAY) && i < others->count; i++) {
		if (others->items[i].type == JSON_STRING &&
			str_equals(json_text(&others->items[i]), alias)) {
			return true;
		}
	}
	return false;
}

/* An alias that is new in the event has to exist and to point here. */
static enum err check_alias(struct ctx *ctx, struct homeserver *hs, struct room *room,
	const struct json *value, const struct json *before)
{
	struct room_alias alias;
	if (value->type != JSON_STRING || !room_alias_parse(json_text(value), &alias)) {
		return fail(ctx, ERR_INPUT, M_INVALID_PARAM, "An alias in the content is not valid");
	}
	if (before != NULL && lists_alias(before, json_text(value))) {
		return ERR_OK;
	}
	struct alias_target target;
	enum err err = room_alias_locate(ctx, hs, alias, &target);
	bool leads_here = err == ERR_OK && str_equals(target.room_id, room_id_of(room).s);
	bool is_told = err == ERR_OK || err == ERR_MISSING || err == ERR_REMOTE || err == ERR_DENIED;
	if (is_told && !leads_here) {
		return fail(ctx, ERR_INPUT, M_BAD_ALIAS, "The alias %.*s does not point to this room",
			STR_ARG(json_text(value)));
	}
	return err;
}

static enum err check_canonical_alias(struct ctx *ctx, struct homeserver *hs, struct room *room,
	const struct state_wish *wish, const struct stored_event *before)
{
	if (!str_equals(wish->type, STR("m.room.canonical_alias")) || wish->state_key.n > 0) {
		return ERR_OK;
	}
	const struct json *known = before != NULL ? before->event->content : NULL;
	const struct json *alias = json_at(wish->content, "alias");
	if (alias != NULL && alias->type != JSON_NULL &&
		!(alias->type == JSON_STRING && json_text(alias).n == 0)) {
		TRY(check_alias(ctx, hs, room, alias, known));
	}
	const struct json *others = json_at(wish->content, "alt_aliases");
	if (others == NULL || others->type == JSON_NULL) {
		return ERR_OK;
	}
	if (others->type != JSON_ARRAY) {
		return fail(ctx, ERR_INPUT, M_BAD_JSON, "alt_aliases must be an array");
	}
	for (size_t i = 0; i < others->count; i++) {
		TRY(check_alias(ctx, hs, room, &others->items[i], known));
	}
	return ERR_OK;
}

/* What nobody may do, however much power they have: a second create event, power levels for creators (version 12). */
static enum err check_creation(struct ctx *ctx, struct homeserver *hs, struct room *room,
	const struct state_wish *wish)
{
	if (wish->state_key.n > 0) {
		return ERR_OK;
	}
	if (str_equals(wish->type, STR("m.room.create"))) {
		return fail(ctx, ERR_INPUT, M_BAD_STATE, "A room is created once");
	}
	const struct room_version *version = room_version_of(room);
	if (!str_equals(wish->type, STR("m.room.power_levels")) || !version->privileged_creators) {
		return ERR_OK;
	}
	static const struct state_ask asks[] = {{STR_INIT("m.room.create"), STR_INIT("")}};
	struct state_view view;
	TRY(room_state_view(ctx, hs, room, asks, COUNT_OF(asks), &view));
	const struct json *users = json_at(wish->content, "users");
	for (size_t i = 0; json_is(users, JSON_OBJECT) && i < users->count; i++) {
		struct user_id user;
		if (user_id_parse(users->members[i].key, &user) && power_is_creator(version, &view, user)) {
			return fail(ctx, ERR_INPUT, M_BAD_STATE,
				"Creators have all power: `users` may not name them");
		}
	}
	return ERR_OK;
}

/* What rooms of old versions take for a level comes from other servers, if from anybody. */
static enum err check_levels(struct ctx *ctx, const struct state_wish *wish)
{
	bool is_levels = str_equals(wish->type, STR("m.room.power_levels")) && wish->state_key.n == 0;
	return !is_levels || power_levels_are_plain(wish->content)
		? ERR_OK
		: fail(ctx, ERR_INPUT, M_BAD_JSON, "Power levels must be integers");
}

/* The event, and what it entails for others; all in one commit. */
static enum err add_state(struct ctx *ctx, struct homeserver *hs, struct room *room,
	const struct room_intent *intent, struct str *out_event_id)
{
	struct room_intent *leaving = NULL;
	size_t count = 0;
	if (str_equals(intent->type, STR("m.room.guest_access")) && intent->state_key.n == 0) {
		TRY(room_guests_leaving(ctx, hs, room, intent->content, &leaving, &count));
	}
	struct room_intent *intents = ARENA_NEW_ARRAY(ctx->arena, struct room_intent, count + 1);
	struct stored_event **events = ARENA_NEW_ARRAY(ctx->arena, struct stored_event *, count + 1);
	intents[0] = *intent;
	for (size_t i = 0; i < count; i++) {
		intents[i + 1] = leaving[i];
	}
	TRY(room_add(ctx, hs, room, intents, count + 1, events));
	*out_event_id = events[0]->event->event_id.s;
	return ERR_OK;
}

/* Whether it is a membership of that kind, whoever's. */
static bool wishes_for(const struct state_wish *wish, struct str membership)
{
	return str_equals(wish->type, STR("m.room.member")) &&
		str_equals(json_get_str(wish->content, STR("membership")), membership);
}

static bool is_own_membership(const struct state_wish *wish)
{
	return str_equals(wish->type, STR("m.room.member")) &&
		str_equals(wish->state_key, wish->who->user.s);
}

/* Who is in the room may try; who is not, to come in or to say no. The room's rules decide. */
static enum err check_sender(struct ctx *ctx, struct homeserver *hs, struct room *room,
	const struct state_wish *wish)
{
	if (!is_own_membership(wish)) {
		return room_require_joined(ctx, hs, room, wish->who->user.s);
	}
	return wishes_for(wish, STR("join"))
		? room_require_guests_allowed(ctx, hs, room, wish->who)
		: room_require_may_reject(ctx, hs, room, wish->who->user.s);
}

enum err room_state_put(struct ctx *ctx, struct homeserver *hs, const struct state_wish *wish,
	struct str *out_event_id)
{
	TRY(room_require_not_suspended(ctx, wish->who));
	struct user_id member;
	if (str_equals(wish->type, STR("m.room.member")) && !user_id_parse(wish->state_key, &member)) {
		return fail(ctx, ERR_INPUT, M_INVALID_PARAM, "The state key must be a user id");
	}
	struct room *room;
	TRY(rooms_get_for(ctx, hs, wish->room_id, &room));
	TRY(check_creation(ctx, hs, room, wish));
	TRY(check_levels(ctx, wish));
	struct stored_event *before;
	TRY(room_state_event(ctx, hs, room, wish->type, wish->state_key, POSITION_NOW, &before));
	bool is_own_join = is_own_membership(wish) && wishes_for(wish, STR("join"));
	TRY(check_sender(ctx, hs, room, wish));
	if (before != NULL && str_equals(before->event->sender.s, wish->who->user.s) &&
		json_equals(before->event->content, wish->content)) {
		*out_event_id = before->event->event_id.s;
		return ERR_OK;
	}
	TRY(check_canonical_alias(ctx, hs, room, wish, before));
	/* Who lets somebody in says the server that does. A join again, for a new name, is let in by being joined. */
	const struct json own_words =
		json_without(ctx->arena, wish->content, STR("join_authorised_via_users_server"));
	struct room_intent intent = {
		.sender = wish->who->user,
		.type = wish->type,
		.is_state = true,
		.state_key = wish->state_key,
		.content = is_own_join ? &own_words : wish->content,
		.origin_server_ts = wish->stamp.ms,
		.is_dated = wish->stamp.is_given,
	};
	if (wish->delayed != NULL) {
		room_intent_delayed(&intent, wish->delayed);
	}
	if (wishes_for(wish, STR("invite"))) {
		return room_invite_by(ctx, hs, room, &intent, out_event_id);
	}
	bool was_joined = before != NULL && str_equals(event_membership(before->event), STR("join"));
	bool comes_in = is_own_join && !was_joined;
	if (comes_in) {
		ctx->handover = NULL; /* what follows has to wait for the commit */
	}
	TRY(add_state(ctx, hs, room, &intent, out_event_id));
	if (comes_in) {
		hs->ports.succession.carry_over(hs->ports.succession.self, ctx, room, wish->who->user);
	}
	return ERR_OK;
}
