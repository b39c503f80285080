/*
 * One join of a room at a time: whoever comes second waits, and then finds the room resident (or tries on its own).
 */
#include "federation/join_out.h"

#include "base/lock.h"
#include "base/map.h"
#include "base/mem.h"
#include "federation/inbox.h"
#include "federation/join_answer.h"
#include "federation/missing.h"
#include "federation/outbox.h"
#include "http/memo.h"

enum {
	JOIN_TIMEOUT_MS = 150 * 1000, /* for all servers that are asked */
	STORE_TIMEOUT_MS = 60 * 1000, /* to take in what one has answered */
};

/* Somebody who joins, in the arena of their request. */
struct turn {
	struct joins *joins;
	struct str room_id;
	int64_t deadline_ms; /* so long it is waited for */
	bool has_waited;     /* guarded by joins->lock, as what follows */
	bool is_taken;
	struct memo_wait *waiting; /* a list of parked requests that want it next */
};

struct joins {
	struct lock lock;
	struct cond ended;
	struct map rooms; /* id of a room that is being joined → struct turn *; guarded by lock */
	bool is_stopped;  /* guarded by lock */
};

struct joins *joins_create(void)
{
	struct joins *joins = mem_alloc(sizeof(*joins));
	lock_init(&joins->lock, RANK_LEAF);
	cond_init(&joins->ended);
	return joins;
}

void joins_stop(struct joins *joins)
{
	LOCK_SCOPE(&joins->lock);
	joins->is_stopped = true;
	cond_broadcast(&joins->ended);
}

void joins_destroy(struct joins *joins)
{
	map_fini(&joins->rooms);
	cond_fini(&joins->ended);
	lock_fini(&joins->lock);
	mem_free(joins);
}

/* Gives the room to the next, if it was taken. */
static void end(void *data)
{
	struct turn *turn = data;
	struct joins *joins = turn->joins;
	lock_take(&joins->lock);
	if (turn->is_taken) {
		(void)map_remove(&joins->rooms, turn->room_id);
		cond_broadcast(&joins->ended);
	}
	turn->is_taken = false;
	struct memo_wait *waiting = turn->waiting;
	turn->waiting = NULL;
	lock_give(&joins->lock);
	memo_wake_all(waiting);
}

static const struct str memo_key = STR_INIT("turn to join");

/* The call's; one that is given up with its request ends then. */
static struct turn *turn_of(struct ctx *ctx, struct federation *federation, struct str room_id)
{
	struct turn *turn = MEMO_FIND(ctx, memo_key, struct turn);
	if (turn->joins == NULL) {
		turn->joins = federation->joins;
		turn->room_id = str_dup(ctx->arena, room_id);
		turn->deadline_ms = ctx->deadline_ms;
		arena_on_reset(ctx->arena, end, turn);
	}
	return turn;
}

/* @return false while somebody else has it; then a call with a memo hears of its end by *out_wait */
static bool take_locked(struct turn *turn, struct memo *memo, struct memo_wait **out_wait)
{
	struct turn *other = map_get(&turn->joins->rooms, turn->room_id);
	if (other == NULL || other == turn) {
		(void)map_set(&turn->joins->rooms, turn->room_id, turn);
		turn->is_taken = true;
		return true;
	}
	turn->has_waited = true;
	if (memo != NULL) {
		*out_wait = memo_wait_create(memo);
		memo_wait_join(&other->waiting, *out_wait);
	}
	return false;
}

/* @param out_wait  NULL: the turn is taken; else what to park for. Errors: TIMEOUT, SHUTDOWN */
static enum err try_begin(struct ctx *ctx, struct turn *turn, struct memo_wait **out_wait)
{
	struct joins *joins = turn->joins;
	LOCK_SCOPE(&joins->lock);
	*out_wait = NULL;
	while (!joins->is_stopped && !take_locked(turn, ctx->memo, out_wait) && *out_wait == NULL) {
		if (!cond_wait_until(&joins->ended, &joins->lock, turn->deadline_ms)) {
			return ERR_TIMEOUT;
		}
	}
	return joins->is_stopped
		? fail(ctx, ERR_SHUTDOWN, M_UNKNOWN, "The server is stopping; try again soon")
		: ERR_OK;
}

/* Waits until nobody else joins the room. */
static enum err begin(struct ctx *ctx, struct turn *turn)
{
	struct memo_wait *wait;
	enum err err;
	do {
		err = try_begin(ctx, turn, &wait);
		if (err == ERR_OK && wait != NULL) {
			err = memo_park(ctx, wait, turn->deadline_ms);
		}
	} while (err == ERR_OK && wait != NULL);
	return err == ERR_TIMEOUT
		? fail(ctx, ERR_TIMEOUT, M_UNKNOWN,
			  "Somebody else of this server is joining that room, which takes long")
		: err;
}

/* --- what is known here ---------------------------------------------------------------------------------------- */

struct known_room {
	struct room *resident; /* NULL: this server is not in it */
	bool has_state;        /* of now, or of before */
};

static enum err find_known(struct ctx *ctx, struct federation *federation, struct str room_id,
	struct known_room *out)
{
	*out = (struct known_room){0};
	struct room *room;
	enum err err = rooms_get(ctx, federation->hs, room_id, &room);
	if (err == ERR_MISSING) {
		return ERR_OK;
	}
	TRY(err);
	struct stored_event *create;
	TRY(room_state_event(ctx, federation->hs, room, STR("m.room.create"), STR(""), POSITION_NOW,
		&create));
	out->resident = room_is_resident(room) ? room : NULL;
	out->has_state = create != NULL;
	return ERR_OK;
}

/* --- one server ------------------------------------------------------------------------------------------------- */

/* A room in which this server is: the answer's state is not needed, the event comes in like any other. */
static enum err take_in(struct ctx *ctx, struct federation *federation,
	const struct handshake *handshake, struct room *room, const struct event *join)
{
	struct room_outcome outcome;
	const struct missing_case missing = {
		.room = room,
		.origin = handshake->server,
		.event = join,
	};
	TRY(missing_accept_parked(ctx, federation, &missing, &outcome));
	return outcome.fate == EVENT_IN_TIMELINE
		? ERR_OK
		: fail(ctx, ERR_DENIED, M_FORBIDDEN, "The room does not take the join: %s",
			  outcome.verdict.text);
}

/* The answer of the server whose turn it is, checked: once for all runs. */
static enum err check_answer(struct ctx *ctx, struct federation *federation,
	struct handshakes *shakes)
{
	if (shakes->checked == NULL) {
		struct room_import *import = ARENA_NEW(ctx->arena, struct room_import);
		TRY(join_answer_check(ctx, federation, &shakes->now, &shakes->answer, import));
		TRY(outbox_keep_back(ctx, federation, import->join->event_id));
		shakes->checked = import;
		if (shakes->answer_text != NULL) {
			held_text_fini(shakes->answer_text); /* its events have texts of their own */
		}
	}
	return ERR_OK;
}

static enum err join_by(struct ctx *ctx, struct federation *federation, struct handshakes *shakes,
	const struct known_room *known)
{
	struct room *room;
	TRY(handshakes_do(ctx, federation, shakes));
	/* The room has taken the join: now it has to come here, however late it is. */
	ctx->deadline_ms = clock_mono_ms(&federation->hs->clock) + STORE_TIMEOUT_MS;
	TRY(check_answer(ctx, federation, shakes));
	const struct room_import *import = shakes->checked;
	if (known->resident != NULL) {
		TRY(take_in(ctx, federation, &shakes->now, known->resident, import->join));
	} else {
		ctx->memo = NULL; /* from here on nothing is done twice */
		TRY(rooms_import(ctx, federation->hs, import, &room));
	}
	(void)outbox_await_stays(federation, writer_position(federation->hs->writer));
	if (import->omits_members) {
		inbox_wake(federation->inbox, shakes->wish.room_id); /* the rest comes by join_rest */
	}
	return ERR_OK;
}

/* Whether another server may do what this one did not. */
static bool is_theirs(enum err err)
{
	return err == ERR_DENIED || err == ERR_INPUT || err == ERR_MISSING || err_is_unanswered(err);
}

static enum err join_by_any(struct ctx *ctx, struct federation *federation,
	const struct membership_wish *wish, const struct known_room *known)
{
	struct handshakes *shakes =
		handshakes_of(ctx, federation, HANDSHAKE_JOIN, wish, JOIN_TIMEOUT_MS);
	/* How large a room is, nobody says before. Where members are known from before, it takes all of them to tell who has left. */
	shakes->takes_no_members = !known->has_state;
	while (handshakes_go_on(ctx, federation, shakes)) {
		enum err err = join_by(ctx, federation, shakes, known);
		if (!is_theirs(err)) {
			return err;
		}
		handshakes_failed(ctx, shakes, err);
	}
	return refusal_give(ctx, &shakes->best);
}

enum err join_out(void *self, struct ctx *ctx, const struct membership_wish *wish)
{
	struct federation *federation = self;
	TRY(ctx_may_ask(ctx));
	invariant(wish->server_count > 0);
	struct turn *turn = turn_of(ctx, federation, wish->room_id);
	TRY(begin(ctx, turn));
	struct known_room known;
	enum err err = find_known(ctx, federation, wish->room_id, &known);
	if (err == ERR_OK) {
		err = turn->has_waited && known.resident != NULL
			? ERR_CONFLICT
			: join_by_any(ctx, federation, wish, &known);
	}
	if (err != ERR_DEFER) {
		handshakes_end(ctx);
		memo_put(ctx->memo, memo_key, NULL);
		end(turn);
	}
	return err;
}
