/*
 * A line in the order in which they came. Whenever something is given up, or somebody comes, all are looked at in that order, and who does not fit is
 * passed over, since it may be its caller's share that is used up. Some hold an answer and want another, and may wait for one another so: therefore
 * nobody waits longer than some time.
 */
#include "federation/read_turn.h"

#include "base/lock.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "http/budget.h"
#include "http/memo.h"

enum {
	SMALL_BYTES = 1 << 20, /* as many of these as there are threads */
	BYTES_OF_A_VALUE = 64, /* in the tree, and once more while its list is read */
	WAIT_MS = 30 * 1000,
};

struct read_turn { /* in the arena of who reads */
	struct read_turns *turns;
	struct str caller;
	size_t bytes;
	int64_t deadline_ms;
	struct memo_wait *wait; /* of a parked call; NULL: a thread waits */
	struct budget_claim
		*claim; /* of all answers of a request; guarded by the lock, as what follows */
	bool is_in_line;
	struct read_turn *next;
};

struct read_turns {
	struct budget *budget;
	struct lock lock; /* RANK_RATE; guards all below */
	struct cond moved;
	struct read_turn *first;
	bool is_stopped;
};

static struct metric waiting_gauge = METRIC_GAUGE("belfry_federation_answers_waiting",
	"Answers of other servers that wait to be read");
static struct metric held_gauge = METRIC_GAUGE("belfry_federation_answers_read_bytes",
	"Memory of answers of other servers that were read and are needed");

struct read_turns *read_turns_create(size_t all_bytes)
{
	struct read_turns *turns = mem_alloc(sizeof(*turns));
	turns->budget = budget_create(&(struct budget_limits){.all_bytes = all_bytes,
		.small_bytes = SMALL_BYTES,
		.held = &held_gauge});
	lock_init(&turns->lock, RANK_RATE);
	cond_init(&turns->moved);
	return turns;
}

void read_turns_stop(struct read_turns *turns)
{
	if (turns != NULL) {
		LOCK_SCOPE(&turns->lock);
		turns->is_stopped = true;
		cond_broadcast(&turns->moved);
	}
}

void read_turns_destroy(struct read_turns *turns)
{
	if (turns == NULL) {
		return;
	}
	invariant(turns->first == NULL);
	budget_destroy(turns->budget);
	cond_fini(&turns->moved);
	lock_fini(&turns->lock);
	mem_free(turns);
}

size_t read_turn_bytes(size_t text_bytes, size_t max_values)
{
	/* A value is a byte, and one between it and the next. */
	return text_bytes + MIN_OF(max_values, text_bytes / 2 + 1) * BYTES_OF_A_VALUE;
}

/* --- the line ---------------------------------------------------------------------------------------------------- */

static void leave_at_locked(struct read_turn **at)
{
	struct read_turn *turn = *at;
	*at = turn->next;
	turn->next = NULL;
	turn->is_in_line = false;
	metric_add(&waiting_gauge, -1);
}

static void leave_locked(struct read_turn *turn)
{
	struct read_turn **at = &turn->turns->first;
	while (*at != turn) {
		at = &(*at)->next;
	}
	leave_at_locked(at);
}

/* Those whose turn it is leave the line. @return what is to be woken once the lock is given back */
static struct memo_wait *move_locked(struct read_turns *turns)
{
	struct memo_wait *woken = NULL;
	struct read_turn **at = &turns->first;
	while (*at != NULL) {
		struct read_turn *turn = *at;
		size_t bytes = turn->claim->bytes + turn->bytes;
		if (!budget_hold(turns->budget, turn->claim, turn->caller, bytes)) {
			at = &turn->next;
			continue;
		}
		leave_at_locked(at);
		if (turn->wait != NULL) {
			memo_wait_join(&woken, turn->wait);
		}
	}
	cond_broadcast(&turns->moved);
	return woken;
}

static void join_line(struct read_turn *turn)
{
	struct read_turns *turns = turn->turns;
	lock_take(&turns->lock);
	struct read_turn **at = &turns->first;
	while (*at != NULL) {
		at = &(*at)->next;
	}
	*at = turn;
	turn->is_in_line = true;
	metric_add(&waiting_gauge, 1);
	struct memo_wait *woken = move_locked(turns);
	lock_give(&turns->lock);
	memo_wake_all(woken);
}

/* Gives up what the request holds, or its place in the line. */
static void end(void *data)
{
	struct read_turn *turn = data;
	struct read_turns *turns = turn->turns;
	struct memo_wait *woken = NULL;
	lock_take(&turns->lock);
	if (turn->is_in_line) {
		leave_locked(turn);
		if (turn->wait != NULL) {
			memo_wait_join(&woken, turn->wait); /* it is counted */
		}
	} else {
		budget_release(turns->budget, turn->claim); /* its other answers go with it */
		woken = move_locked(turns);
	}
	lock_give(&turns->lock);
	memo_wake_all(woken);
}

/* --- who reads --------------------------------------------------------------------------------------------------- */

static struct read_turn *begin(struct ctx *ctx, struct federation *federation, size_t bytes,
	bool parks)
{
	struct read_turn *turn = ARENA_NEW(ctx->arena, struct read_turn);
	turn->turns = federation->read_turns;
	turn->caller = str_dup(ctx->arena, memo_caller(ctx->memo));
	turn->claim = MEMO_FIND(ctx, STR("answers that are read"), struct budget_claim);
	turn->bytes = bytes;
	turn->deadline_ms = clock_mono_ms(&federation->hs->clock) + WAIT_MS;
	if (ctx->deadline_ms != 0) {
		turn->deadline_ms = MIN_OF(turn->deadline_ms, ctx->deadline_ms);
	}
	turn->wait = parks ? memo_wait_create(ctx->memo) : NULL;
	arena_on_reset(ctx->arena, end, turn);
	join_line(turn);
	return turn;
}

/* With the thread. Errors: TIMEOUT, SHUTDOWN */
static enum err wait_for(struct ctx *ctx, struct read_turn *turn)
{
	struct read_turns *turns = turn->turns;
	lock_assert_none_held();
	LOCK_SCOPE(&turns->lock);
	while (turn->is_in_line) {
		if (turns->is_stopped) {
			return fail(ctx, ERR_SHUTDOWN, M_UNKNOWN, "The server is stopping; try again soon");
		}
		bool is_in_time = cond_wait_until(&turns->moved, &turns->lock, turn->deadline_ms);
		if (!is_in_time && turn->is_in_line) {
			leave_locked(turn); /* it goes on without, perhaps for long */
			return ERR_TIMEOUT;
		}
	}
	return ERR_OK;
}

enum err read_turn_take(struct ctx *ctx, struct federation *federation, struct str key,
	size_t bytes)
{
	if (bytes < SMALL_BYTES) {
		return ERR_OK;
	}
	if (ctx->memo == NULL || key.n == 0) {
		return wait_for(ctx, begin(ctx, federation, bytes, false));
	}
	struct str memo_key = str_printf(ctx->arena, "turn to read %.*s", STR_ARG(key));
	struct read_turn *turn = memo_get(ctx->memo, memo_key);
	if (turn == NULL) {
		turn = begin(ctx, federation, bytes, true);
		memo_put(ctx->memo, memo_key, turn);
	}
	return memo_park(ctx, turn->wait, turn->deadline_ms);
}
