/*
 * What another server is in a room: what its users are.
 */
#include "homeserver/room/room.h"
#include "matrix/membership.h"

static void take(struct server_name server, struct str user_id, struct str membership,
	struct server_members *out)
{
	if (server_name_equals(user_id_server((struct user_id){user_id}), server)) {
		out->is_joined = out->is_joined || str_equals(membership, STR("join"));
		out->is_invited = out->is_invited || str_equals(membership, STR("invite"));
	}
}

static bool from_memory(struct room *room, struct server_name server, struct server_members *out)
{
	LOCK_SCOPE(&room->lock);
	struct str key;
	void *value;
	size_t i = 0;
	if (room->content == NULL) {
		return false;
	}
	while ((!out->is_joined || !out->is_invited) &&
		map_next(&room->content->state, &i, &key, &value)) {
		const struct state_slot *slot = value;
		if (slot->membership != NULL) {
			take(server, slot->state_key, str_of(slot->membership), out);
		}
	}
	return true;
}

enum err room_server_members(struct ctx *ctx, struct homeserver *hs, struct room *room,
	struct server_name server, struct server_members *out)
{
	const struct state_query query = {.only_members = true, .without_events = true};
	struct state_item *items;
	size_t count;
	*out = (struct server_members){0};
	if (from_memory(room, server, out)) {
		return ERR_OK;
	}
	TRY(room_state_list(ctx, hs, room, POSITION_NOW, &query, &items, &count));
	for (size_t i = 0; i < count; i++) {
		if (items[i].membership.p != NULL) {
			take(server, items[i].state_key, items[i].membership, out);
		}
	}
	return ERR_OK;
}
