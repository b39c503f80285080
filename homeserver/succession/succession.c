/*
 * A room says itself what it follows (`predecessor` in its create event), so it makes no difference whether it was upgraded or made
 * by hand. Anybody can make a room that claims to follow another: only who was in the old room takes anything along.
 */
#include "homeserver/succession/succession.h"

#include "base/log.h"
#include "homeserver/person/persons.h"
#include "homeserver/push/push.h"
#include "homeserver/room/rooms.h"

/* The room before this one. Errors: MISSING (this server does not know it, or there is none); STORE. */
static enum err find_predecessor(struct ctx *ctx, struct homeserver *hs, struct room *room,
	struct room **out)
{
	struct stored_event *create;
	TRY(room_state_event(ctx, hs, room, STR("m.room.create"), STR(""), POSITION_NOW, &create));
	const struct json *predecessor =
		create != NULL ? json_get(create->event->content, STR("predecessor")) : NULL;
	struct str room_id = json_is(predecessor, JSON_OBJECT)
		? json_get_str(predecessor, STR("room_id"))
		: str_from(NULL, 0);
	return room_id.p != NULL ? rooms_get(ctx, hs, room_id, out) : ERR_MISSING;
}

static enum err try_carry_over(struct ctx *ctx, struct homeserver *hs, struct room *room,
	struct user_id user)
{
	struct room *old;
	struct str membership;
	TRY(find_predecessor(ctx, hs, room, &old));
	TRY(room_membership(ctx, hs, old, user.s, &membership));
	if (!str_equals(membership, STR("join")) && !str_equals(membership, STR("leave"))) {
		return ERR_OK;
	}
	TRY(tags_copy(ctx, hs, user.s, room_nid(old), room_nid(room)));
	return push_rule_copy_room(ctx, hs, user, room_id_of(old).s, room_id_of(room).s);
}

static void carry_over(void *self, struct ctx *ctx, struct room *room, struct user_id user)
{
	enum err err = try_carry_over(ctx, self, room, user);
	if (err != ERR_OK && err != ERR_MISSING) {
		log_warn(ctx->request_id, "succession.not_carried_over", "text=%.*s cause=%.*s",
			STR_ARG(ctx->fault.text), STR_ARG(ctx->fault.cause));
	}
}

struct succession_port succession_port(struct homeserver *hs)
{
	return (struct succession_port){.self = hs, .carry_over = carry_over};
}
