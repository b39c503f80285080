/*
 * Rooms whose members are not known yet: whether one is such a room, and waiting until it is whole.
 */
#include "homeserver/room/room.h"
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

void room_wake_rest_waiters(struct room *room)
{
	lock_take(&room->lock);
	struct memo_wait *waiters = room->rest_waiters;
	room->rest_waiters = NULL;
	cond_broadcast(&room->changed);
	lock_give(&room->lock);
	memo_wake_all(waiters);
}

void room_note_rest(struct room *room, enum room_rest rest)
{
	lock_take(&room->lock);
	room->rest = rest;
	lock_give(&room->lock);
	if (rest != ROOM_REST_ASKED) {
		room_wake_rest_waiters(room);
	}
}

enum room_rest room_rest_noted(struct room *room)
{
	LOCK_SCOPE(&room->lock);
	return room->rest;
}

/* A request's. */
struct rest_wait {
	struct memo_wait *wait;
	int64_t deadline_ms;
};

static const struct str rest_key = STR_INIT("room is whole");

/* Whether there is nothing to wait for; then it is in memory whether the room is whole, or has to be read anew. */
static bool has_ended_locked(const struct room *room)
{
	return !room_is_partial(room) || room->rest != ROOM_REST_ASKED || !room_is_current_locked(room);
}

static void add_waiter(struct room *room, struct memo_wait *wait)
{
	lock_take(&room->lock);
	bool has_ended = has_ended_locked(room);
	memo_wait_join(&room->rest_waiters, wait);
	lock_give(&room->lock);
	if (has_ended) {
		room_wake_rest_waiters(room);
	}
}

/* Parked, until something happened. Errors: DEFER, SHUTDOWN, TIMEOUT */
static enum err wait_parked(struct ctx *ctx, struct room *room, int64_t deadline_ms)
{
	struct rest_wait *rest = MEMO_FIND(ctx, rest_key, struct rest_wait);
	if (rest->deadline_ms == 0) {
		rest->deadline_ms = deadline_ms;
	}
	if (rest->wait == NULL) {
		rest->wait = memo_wait_create(ctx->memo);
		add_waiter(room, rest->wait);
	}
	enum err err = memo_park(ctx, rest->wait, rest->deadline_ms);
	if (err == ERR_OK) {
		rest->wait = NULL; /* it may not be over yet */
	}
	return err;
}

/* The same with the thread. Errors: TIMEOUT */
static enum err wait(struct room *room, int64_t deadline_ms)
{
	LOCK_SCOPE(&room->lock);
	while (!has_ended_locked(room)) {
		if (!cond_wait_until(&room->changed, &room->lock, deadline_ms)) {
			return ERR_TIMEOUT;
		}
	}
	return ERR_OK;
}

/* Whether there is more to wait for. Another process may have got the members: what is not in memory any more is read. */
static enum err look_again(struct ctx *ctx, struct homeserver *hs, struct room *room, bool *out)
{
	struct room *loaded;
	TRY(rooms_get_nid(ctx, hs, room->nid, &loaded));
	LOCK_SCOPE(&room->lock);
	*out = room_is_partial(room) && room->rest == ROOM_REST_ASKED;
	return ERR_OK;
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
	bool is_waiting;
	TRY(look_again(ctx, hs, room, &is_waiting));
	while (is_waiting) {
		enum err err =
			ctx->memo == NULL ? wait(room, deadline_ms) : wait_parked(ctx, room, deadline_ms);
		if (err == ERR_TIMEOUT) {
			break;
		}
		TRY(err);
		TRY(look_again(ctx, hs, room, &is_waiting));
	}
	return room_is_partial(room)
		? fail(ctx, ERR_TIMEOUT, M_UNKNOWN,
			  "This server has just come into that room and does not know its members yet; try again soon")
		: ERR_OK;
}
