/*
 * One line, and for each thread what it does. An errand whose server, or whose caller, has enough of the threads is passed over; it is looked at again whenever one
 * ends.
 */
#include "federation/errand.h"

#include "base/lock.h"
#include "base/mem.h"
#include "base/refc.h"
#include "http/memo.h"

enum {
	THREADS = 8,
	OF_ONE_SERVER = 3,
	OF_ONE_CALLER = 3, /* names of servers cost nothing */
	LATE_MS = 500,     /* it ends itself when its time is over */
};

struct errand {
	struct refc refc;    /* one for each who asks, one for the line */
	struct arena *arena; /* of what follows */
	struct errand_task task;
	void *data;
	struct server_name whom;
	struct str caller; /* empty: nobody whose share is looked at */
	int64_t deadline_ms;
	enum err err; /* the thread's until it is over, as the fault */
	struct fault fault;
	struct lock lock; /* RANK_LEAF */
	struct cond ended;
	bool is_over;              /* guarded by lock */
	struct memo_wait *waiting; /* guarded by lock; a list */
	struct errand *next;       /* guarded by the errands' lock */
};

struct errands {
	const struct clock *clock;
	struct lock lock; /* RANK_LEAF; guards all below */
	struct cond work;
	struct errand *first;
	struct errand *last;
	struct errand *running[THREADS];
	size_t running_n;
	bool is_stopping;
	pthread_t threads[THREADS];
	size_t thread_n;
};

/* --- one ----------------------------------------------------------------------------------------------------------- */

static void errand_unref(void *data)
{
	struct errand *errand = data;
	if (refc_drop(&errand->refc)) {
		cond_fini(&errand->ended);
		lock_fini(&errand->lock);
		arena_destroy(errand->arena);
		mem_free(errand);
	}
}

struct errand *errand_create(struct ctx *ctx, const struct errand_task *task,
	struct server_name whom, int64_t deadline_ms, size_t data_bytes, void **out_data)
{
	struct errand *errand = mem_alloc(sizeof(*errand));
	refc_init(&errand->refc);
	arena_on_reset(ctx->arena, errand_unref, errand);
	errand->arena = arena_create();
	errand->task = *task;
	errand->data = arena_alloc(errand->arena, data_bytes);
	errand->whom.s = str_dup(errand->arena, whom.s);
	errand->caller = str_dup(errand->arena, memo_caller(ctx->memo));
	errand->deadline_ms = deadline_ms;
	lock_init(&errand->lock, RANK_LEAF);
	cond_init(&errand->ended);
	*out_data = errand->data;
	return errand;
}

struct arena *errand_arena(struct errand *errand)
{
	return errand->arena;
}

void errand_share(struct ctx *ctx, struct errand *errand)
{
	refc_take(&errand->refc);
	arena_on_reset(ctx->arena, errand_unref, errand);
}

static void copy_fault(struct arena *arena, const struct fault *fault, struct fault *out)
{
	*out = *fault;
	out->text = str_dup(arena, fault->text);
	out->cause = str_dup(arena, fault->cause);
	out->extra = str_dup(arena, fault->extra);
}

/* Takes the line's reference. */
static void end(struct errand *errand, enum err err)
{
	errand->task.drop(errand->data);
	errand->err = err;
	lock_take(&errand->lock);
	errand->is_over = true;
	struct memo_wait *waiting = errand->waiting;
	errand->waiting = NULL;
	cond_broadcast(&errand->ended);
	lock_give(&errand->lock);
	memo_wake_all(waiting);
	errand_unref(errand);
}

/* --- waiting -------------------------------------------------------------------------------------------------------- */

/* @return false when it is over */
static bool add_waiting(struct errand *errand, struct memo_wait *wait)
{
	LOCK_SCOPE(&errand->lock);
	if (errand->is_over) {
		return false;
	}
	memo_wait_join(&errand->waiting, wait);
	return true;
}

static enum err park_for(struct ctx *ctx, struct errand *errand)
{
	struct str key = str_printf(ctx->arena, "errand %p", (void *)errand);
	struct memo_wait *wait = memo_get(ctx->memo, key);
	if (wait == NULL) {
		wait = memo_wait_create(ctx->memo);
		memo_put(ctx->memo, key, wait);
		if (!add_waiting(errand, wait)) {
			memo_wake(wait);
		}
	}
	return memo_park(ctx, wait, errand->deadline_ms + LATE_MS);
}

static enum err wait_for(struct errand *errand)
{
	lock_assert_none_held();
	LOCK_SCOPE(&errand->lock);
	while (!errand->is_over) {
		if (!cond_wait_until(&errand->ended, &errand->lock, errand->deadline_ms + LATE_MS)) {
			return ERR_TIMEOUT;
		}
	}
	return ERR_OK;
}

enum err errand_await(struct ctx *ctx, struct errand *errand)
{
	TRY(ctx->memo != NULL ? park_for(ctx, errand) : wait_for(errand));
	if (errand->err == ERR_SHUTDOWN) {
		return fail(ctx, ERR_SHUTDOWN, NULL, "The server is stopping; try again soon");
	}
	if (errand->err != ERR_OK) {
		copy_fault(ctx->arena, &errand->fault, &ctx->fault);
	}
	return errand->err;
}

/* --- the line ------------------------------------------------------------------------------------------------------- */

static bool line_up(struct errands *errands, struct errand *errand)
{
	LOCK_SCOPE(&errands->lock);
	if (errands->is_stopping) {
		return false;
	}
	if (errands->last != NULL) {
		errands->last->next = errand;
	} else {
		errands->first = errand;
	}
	errands->last = errand;
	cond_signal(&errands->work);
	return true;
}

void errand_begin(struct errands *errands, struct errand *errand)
{
	refc_take(&errand->refc);
	if (!line_up(errands, errand)) {
		end(errand, ERR_SHUTDOWN);
	}
}

static bool has_enough(const struct errands *errands, const struct errand *errand)
{
	size_t of_server = 0;
	size_t of_caller = 0;
	for (size_t i = 0; i < errands->running_n; i++) {
		of_server += server_name_equals(errands->running[i]->whom, errand->whom);
		of_caller +=
			errand->caller.n > 0 && str_equals(errands->running[i]->caller, errand->caller);
	}
	return of_server >= OF_ONE_SERVER || of_caller >= OF_ONE_CALLER;
}

/* The first that may be done now, taken off the line; NULL: there is none. */
static struct errand *take_first_locked(struct errands *errands)
{
	struct errand *before = NULL;
	struct errand *errand = errands->first;
	while (errand != NULL && has_enough(errands, errand)) {
		before = errand;
		errand = errand->next;
	}
	if (errand == NULL) {
		return NULL;
	}
	if (before != NULL) {
		before->next = errand->next;
	} else {
		errands->first = errand->next;
	}
	errands->last = errand == errands->last ? before : errands->last;
	errands->running[errands->running_n++] = errand;
	return errand;
}

/* @return NULL: it is time to end */
static struct errand *next_errand(struct errands *errands)
{
	LOCK_SCOPE(&errands->lock);
	while (!errands->is_stopping) {
		struct errand *errand = take_first_locked(errands);
		if (errand != NULL) {
			return errand;
		}
		cond_wait(&errands->work, &errands->lock);
	}
	return NULL;
}

/* Another of the same server or caller may be done now. */
static void note_ended(struct errands *errands, const struct errand *errand)
{
	LOCK_SCOPE(&errands->lock);
	size_t at = 0;
	while (errands->running[at] != errand) {
		at++;
	}
	errands->running[at] = errands->running[--errands->running_n];
	cond_signal(&errands->work);
}

static enum err do_one(struct errands *errands, struct errand *errand, struct arena *arena)
{
	struct ctx ctx;
	ctx_init(&ctx, arena);
	ctx.deadline_ms = errand->deadline_ms;
	if (clock_mono_ms(errands->clock) >= errand->deadline_ms) {
		return ERR_TIMEOUT;
	}
	enum err err = errand->task.run(&ctx, errand->data);
	copy_fault(errand->arena, &ctx.fault, &errand->fault);
	return err;
}

static void *run(void *data)
{
	struct errands *errands = data;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct errand *errand;
	while ((errand = next_errand(errands)) != NULL) {
		enum err err = do_one(errands, errand, arena);
		arena_reset(arena);
		note_ended(errands, errand);
		end(errand, err);
	}
	return NULL;
}

/* --- the face --------------------------------------------------------------------------------------------------------- */

struct errands *errands_create(struct federation *federation)
{
	struct errands *errands = mem_alloc(sizeof(*errands));
	errands->clock = &federation->hs->clock;
	lock_init(&errands->lock, RANK_LEAF);
	cond_init(&errands->work);
	return errands;
}

void errands_start(struct errands *errands)
{
	while (errands->thread_n < THREADS) {
		errands->threads[errands->thread_n++] = thread_start("errand", run, errands);
	}
}

void errands_stop(struct errands *errands)
{
	if (errands == NULL) {
		return;
	}
	lock_take(&errands->lock);
	errands->is_stopping = true;
	struct errand *errand = errands->first;
	errands->first = NULL;
	errands->last = NULL;
	cond_broadcast(&errands->work);
	lock_give(&errands->lock);
	for (size_t i = 0; i < errands->thread_n; i++) {
		(void)pthread_join(errands->threads[i], NULL);
	}
	errands->thread_n = 0;
	while (errand != NULL) {
		struct errand *next = errand->next;
		end(errand, ERR_SHUTDOWN);
		errand = next;
	}
}

void errands_destroy(struct errands *errands)
{
	if (errands != NULL) {
		errands_stop(errands);
		cond_fini(&errands->work);
		lock_fini(&errands->lock);
		mem_free(errands);
	}
}
