/*
 * The arena of a call with a memo is the memo's, and is freed with the request. A wait may outlive both: it is counted.
 */
#include "http/memo.h"

#include "base/clock.h"
#include "base/lock.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/refc.h"
#include "http/admission.h"
#include "http/call_state.h"

struct memo {
	struct arena *arena;
	struct call *call; /* of the run that is under way */
	struct str caller; /* of the first run: a user may be exempt in a later one */
	struct http_server *server;
	struct budget_claim claim; /* of server->parked */
	struct map values;
};

struct memo_wait {
	struct refc refs;
	struct arena *arena;
	struct memo_wait *next; /* of a list; its owner guards it */
	struct lock lock;
	bool is_over;      /* guarded by lock */
	struct park *park; /* guarded by lock; the last one; NULL before the first */
};

static void destroy(void *value)
{
	struct memo *memo = value;
	map_fini(&memo->values);
	arena_destroy(memo->arena);
	budget_release(memo->server->parked, &memo->claim);
	mem_free(memo);
}

void call_begin_memo(struct call *call)
{
	if (ctx_may_ask(&call->ctx) == ERR_OK) {
		call_begin_memo_early(call);
	}
}

void call_begin_memo_early(struct call *call)
{
	struct memo *memo = call_kept(call);
	if (memo == NULL) {
		memo = mem_alloc(sizeof(*memo));
		memo->arena = arena_create();
		memo->caller = str_dup(memo->arena, admission_key(call));
		memo->server = call->state->request->server;
		map_init(&memo->values);
		call_keep(call, memo, destroy);
	}
	memo->call = call;
	call->state->has_query = false; /* it is parsed anew, into the arena that stays */
	call->state->body_json = NULL;
	call->ctx.arena = memo->arena;
	call->ctx.memo = memo;
}

struct str memo_caller(const struct memo *memo)
{
	return memo != NULL ? memo->caller : STR("");
}

bool memo_hold(struct ctx *ctx, size_t more_bytes)
{
	struct memo *memo = ctx->memo;
	return memo == NULL ||
		budget_hold(memo->server->parked, &memo->claim, memo->caller,
			arena_used_bytes(memo->arena) + more_bytes);
}

void *memo_get(const struct memo *memo, struct str key)
{
	return memo != NULL ? map_get(&memo->values, key) : NULL;
}

void memo_put(struct memo *memo, struct str key, void *value)
{
	if (memo != NULL && value != NULL) {
		(void)map_set(&memo->values, key, value);
	} else if (memo != NULL) {
		(void)map_remove(&memo->values, key);
	}
}

void *memo_find(struct ctx *ctx, struct str key, size_t size_bytes)
{
	void *value = memo_get(ctx->memo, key);
	if (value == NULL) {
		value = arena_alloc(ctx->arena, size_bytes);
		memo_put(ctx->memo, key, value);
	}
	return value;
}

/* --- waiting --------------------------------------------------------------------------------------------------- */

static void wait_unref(struct memo_wait *wait)
{
	if (refc_drop(&wait->refs)) {
		if (wait->park != NULL) {
			park_unref(wait->park);
		}
		lock_fini(&wait->lock);
		arena_destroy(wait->arena);
		mem_free(wait);
	}
}

static void drop_wait(void *data)
{
	wait_unref(data);
}

struct memo_wait *memo_wait_create(struct memo *memo)
{
	struct memo_wait *wait = mem_alloc(sizeof(*wait));
	refc_init(&wait->refs);
	refc_take(&wait->refs);
	wait->arena = arena_create();
	lock_init(&wait->lock, RANK_LEAF);
	arena_on_reset(memo->arena, drop_wait, wait);
	return wait;
}

struct arena *memo_wait_arena(struct memo_wait *wait)
{
	return wait->arena;
}

void memo_wake(struct memo_wait *wait)
{
	lock_take(&wait->lock);
	wait->is_over = true;
	struct park *park = wait->park;
	if (park != NULL) {
		park_ref(park);
	}
	lock_give(&wait->lock);
	if (park != NULL) {
		park_wake(park);
		park_unref(park);
	}
	wait_unref(wait);
}

void memo_wait_join(struct memo_wait **list, struct memo_wait *wait)
{
	wait->next = *list;
	*list = wait;
}

void memo_wake_all(struct memo_wait *list)
{
	while (list != NULL) {
		struct memo_wait *wait = list;
		list = wait->next;
		memo_wake(wait);
	}
}

/* @return whether it is over already; else `park` takes the place of the last one */
static bool set_park(struct memo_wait *wait, struct park *park)
{
	lock_take(&wait->lock);
	bool is_over = wait->is_over;
	struct park *old = wait->park;
	wait->park = park;
	lock_give(&wait->lock);
	if (old != NULL) {
		park_unref(old);
	}
	return is_over;
}

static bool is_over(struct memo_wait *wait)
{
	LOCK_SCOPE(&wait->lock);
	return wait->is_over;
}

enum err memo_park(struct ctx *ctx, struct memo_wait *wait, int64_t deadline_ms)
{
	struct call *call = ctx->memo->call;
	lock_assert_none_held();
	if (is_over(wait)) {
		return ERR_OK;
	}
	if (call_is_stopping(call)) {
		return fail(ctx, ERR_SHUTDOWN, NULL, "The server is stopping; try again soon");
	}
	if (clock_os_ms() >= deadline_ms) {
		return ERR_TIMEOUT;
	}
	struct park *park = call_park(call, deadline_ms);
	if (set_park(wait, park)) {
		park_wake(park); /* it came just now: the call runs again at once */
	}
	return ERR_DEFER;
}
