/*
 * A room without m.room.guest_access lets no guests in. Who lets them in no longer sends those away who are there, in the same commit.
 */
#include "homeserver/room/room_guest.h"

#include "base/vec.h"
#include "matrix/json_make.h"
#include "storage/account.h"

static bool lets_in(const struct json *content)
{
	return content != NULL &&
		str_equals(json_get_str(content, STR("guest_access")), STR("can_join"));
}

static enum err find_access(struct ctx *ctx, struct homeserver *hs, struct room *room,
	struct stored_event **out)
{
	return room_state_event(ctx, hs, room, STR("m.room.guest_access"), STR(""), POSITION_NOW, out);
}

enum err room_require_guests_allowed(struct ctx *ctx, struct homeserver *hs, struct room *room,
	const struct principal *who)
{
	struct stored_event *event;
	if (!who->is_guest) {
		return ERR_OK;
	}
	TRY(find_access(ctx, hs, room, &event));
	return event != NULL && lets_in(event->event->content)
		? ERR_OK
		: fail(ctx, ERR_DENIED, M_GUEST_ACCESS_FORBIDDEN, "Guests may not join this room");
}

static enum err find_guests(struct ctx *ctx, struct homeserver *hs, struct room *room,
	struct str **out, size_t *out_count)
{
	const struct state_query query = {.only_members = true, .without_events = true};
	struct state_item *items;
	size_t count;
	TRY(room_state_list(ctx, hs, room, POSITION_NOW, &query, &items, &count));
	VEC(struct str) members = {0};
	for (size_t i = 0; i < count; i++) {
		if (str_equals(items[i].membership, STR("join")) && hs_is_local(hs, items[i].state_key)) {
			VEC_PUSH(ctx->arena, &members, items[i].state_key);
		}
	}
	return store_account_guests(ctx, hs->db, members.p, members.n, out, out_count);
}

enum err room_guests_leaving(struct ctx *ctx, struct homeserver *hs, struct room *room,
	const struct json *content, struct room_intent **out_intents, size_t *out_count)
{
	struct str *guests;
	*out_count = 0;
	if (lets_in(content)) {
		return ERR_OK;
	}
	TRY(find_guests(ctx, hs, room, &guests, out_count));
	struct json *leave = ARENA_NEW(ctx->arena, struct json);
	*leave = json_object(ctx->arena, 2);
	json_put(leave, STR("membership"), json_string(STR("leave")));
	json_put(leave, STR("reason"), json_string(STR("Guests may no longer be here")));
	*out_intents = ARENA_NEW_ARRAY(ctx->arena, struct room_intent, *out_count);
	for (size_t i = 0; i < *out_count; i++) {
		(*out_intents)[i] = (struct room_intent){
			.sender = {guests[i]},
			.type = STR("m.room.member"),
			.is_state = true,
			.state_key = guests[i],
			.content = leave,
		};
	}
	return ERR_OK;
}

enum err room_guests_follow(struct ctx *ctx, struct homeserver *hs, struct room *room)
{
	struct stored_event *access;
	struct room_intent *leaving;
	size_t count;
	TRY(find_access(ctx, hs, room, &access));
	const struct json *content = access != NULL ? access->event->content : NULL;
	TRY(room_guests_leaving(ctx, hs, room, content, &leaving, &count));
	if (count == 0) {
		return ERR_OK;
	}
	struct stored_event **events = ARENA_NEW_ARRAY(ctx->arena, struct stored_event *, count);
	return room_add(ctx, hs, room, leaving, count, events);
}

enum err room_guests_position(struct ctx *ctx, struct homeserver *hs, struct room *room,
	int64_t *out)
{
	struct stored_event *access;
	TRY(find_access(ctx, hs, room, &access));
	*out = access != NULL ? access->position : 0;
	return ERR_OK;
}
