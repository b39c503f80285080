/*
 * Rooms whose members are not known yet: whether one is such a room, and waiting until it is whole.
 */
#include "homeserver/room/room.h"
#include "homeserver/room/room_accept.h"
#include "storage/partial_join.h"

enum { WAIT_MS = 20 * 1000 };

int64_t room_whole_at(const struct room *room)
{
	return atomic_load(&room->whole_at);
}

bool room_is_partial(const struct room *room)
{
	return room_whole_at(room) == ROOM_NOT_WHOLE;
}

void room_note_rest(struct room *room, bool is_late)
{
	LOCK_SCOPE(&room->lock);
	room->is_rest_late = is_late;
	cond_broadcast(&room->changed);
}

/* @return whether the room is whole */
static bool wait(struct room *room, int64_t deadline_ms)
{
	LOCK_SCOPE(&room->lock);
	while (room_is_partial(room) && !room->is_rest_late) {
		if (!cond_wait_until(&room->changed, &room->lock, deadline_ms)) {
			break;
		}
	}
	return !room_is_partial(room);
}

enum err room_await_whole(struct ctx *ctx, struct homeserver *hs, struct room *room)
{
	if (!room_is_partial(room) || !room_is_resident(room)) {
		return ERR_OK;
	}
	TRY(ctx_may_ask(ctx));
	int64_t deadline_ms = clock_mono_ms(&hs->clock) + WAIT_MS;
	if (ctx->deadline_ms != 0) {
		deadline_ms = MIN_OF(deadline_ms, ctx->deadline_ms);
	}
	if (!wait(room, deadline_ms)) {
		return fail(ctx, ERR_TIMEOUT, M_UNKNOWN,
			"This server has just come into that room and does not know its members yet; try again soon");
	}
	struct room *loaded; /* its content was put away */
	return rooms_get_nid(ctx, hs, room->nid, &loaded);
}
