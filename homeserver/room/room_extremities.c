/*
 * The forward extremities, as another server is told of them.
 */
#include "homeserver/room/room_accept.h"
#include "homeserver/room/room_build.h"

enum err room_extremities(struct ctx *ctx, struct homeserver *hs, struct room *room,
	struct event_id **out, size_t *out_count)
{
	TRY(room_turn_take(ctx, hs, room));
	enum err err = room_load_if_needed(ctx, hs, room);
	struct str text = err == ERR_OK ? str_dup(ctx->arena, room->head.extremities) : STR("[]");
	room_turn_give(room);
	TRY(err);
	struct json list;
	if (json_parse(ctx->arena, text, NULL, &list, NULL) != JSON_OK || list.type != JSON_ARRAY) {
		return fail_cause(ctx, ERR_INTERNAL, "the extremities of a room are no list");
	}
	*out = ARENA_NEW_ARRAY(ctx->arena, struct event_id, list.count);
	*out_count = list.count;
	for (size_t i = 0; i < list.count; i++) {
		(*out)[i].s = json_text(&list.items[i]);
	}
	return ERR_OK;
}
