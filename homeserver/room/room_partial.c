/*
 * Rooms whose members are not known yet: whether one is such a room, and waiting until it is whole.
 */
#include "homeserver/room/room.h"
#include "base/mem.h"
#include "homeserver/room/room_accept.h"
#include "http/memo.h"
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

/* --- who waits ------------------------------------------------------------------------------------------------- */

struct rest_waiter {
	struct rest_waiter *next;
	struct memo_wait *wait;
};

void room_wake_rest_waiters(struct room *room)
{
	lock_take(&room->lock);
	struct rest_waiter *waiter = room->rest_waiters;
	room->rest_waiters = NULL;
	cond_broadcast(&room->changed);
	lock_give(&room->lock);
	while (waiter != NULL) {
		struct rest_waiter *next = waiter->next;
		memo_wake(waiter->wait);
		mem_free(waiter);
		waiter = next;
	}
}

void room_note_rest(struct room *room, bool is_late)
{
	lock_take(&room->lock);
	room->is_rest_late = is_late;
	lock_give(&room->lock);
	if (is_late) {
		room_wake_rest_waiters(room);
	}
}

/* A request's: it waits once. */
struct rest_wait {
	struct memo_wait *wait;
	int64_t deadline_ms;
};

static struct rest_wait *rest_wait_of(struct ctx *ctx, struct room *room, int64_t deadline_ms)
{
	static const struct str key = STR_INIT("room is whole");
	struct rest_wait *rest = memo_get(ctx->memo, key);
	if (rest == NULL) {
		struct rest_waiter *waiter = mem_alloc(sizeof(*waiter));
		rest = ARENA_NEW(ctx->arena, struct rest_wait);
		*rest = (struct rest_wait){memo_wait_create(ctx->memo), deadline_ms};
		memo_put(ctx->memo, key, rest);
		waiter->wait = rest->wait;
		lock_take(&room->lock);
		bool has_ended = !room_is_partial(room) || room->is_rest_late;
		waiter->next = room->rest_waiters;
		room->rest_waiters = waiter;
		lock_give(&room->lock);
		if (has_ended) {
			room_wake_rest_waiters(room);
		}
	}
	return rest;
}

/* Parked. Errors: DEFER, SHUTDOWN. @return whether the room is whole, in *out */
static enum err wait_parked(struct ctx *ctx, struct room *room, int64_t deadline_ms, bool *out)
{
	struct rest_wait *rest = rest_wait_of(ctx, room, deadline_ms);
	enum err err = memo_park(ctx, rest->wait, rest->deadline_ms);
	*out = !room_is_partial(room);
	return err == ERR_TIMEOUT ? ERR_OK : err;
}

/* With the thread. @return whether the room is whole */
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
	bool is_whole = false;
	if (ctx->memo == NULL) {
		is_whole = wait(room, deadline_ms);
	} else {
		TRY(wait_parked(ctx, room, deadline_ms, &is_whole));
	}
	if (!is_whole) {
		return fail(ctx, ERR_TIMEOUT, M_UNKNOWN,
			"This server has just come into that room and does not know its members yet; try again soon");
	}
	struct room *loaded; /* its content was put away */
	return rooms_get_nid(ctx, hs, room->nid, &loaded);
}
