/*
 * Woken by a counter of the kernel's: whoever wakes takes no lock, so it may hold any. It is asked once for a round, however many wake.
 */
#include "base/rounds.h"

#include <limits.h>
#include <poll.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/lock.h"
#include "base/log.h"
#include "base/mem.h"

enum { TROUBLE_MS = 1000, END_LIMIT_MS = 1000 };

struct rounds {
	struct rounds_def def;
	pthread_t thread;
	bool is_started;
	int waker;
	atomic_bool is_woken; /* and the round that is due for it has not begun */
	atomic_bool is_stopping;
};

static void wait_for_work(struct rounds *rounds, int64_t pause_ms)
{
	struct pollfd waker = {.fd = rounds->waker, .events = POLLIN};
	uint64_t wakes;
	if (poll(&waker, 1, (int)MIN_OF(MAX_OF(pause_ms, (int64_t)0), (int64_t)INT_MAX)) > 0) {
		(void)!read(rounds->waker, &wakes, sizeof(wakes));
	}
	(void)atomic_exchange(&rounds->is_woken, false);
}

/* @return how long to wait for the next */
static int64_t run_one(const struct rounds *rounds, struct ctx *ctx)
{
	int64_t pause_ms = TROUBLE_MS;
	ctx->deadline_ms = clock_os_ms() + rounds->def.limit_ms;
	enum err err = rounds->def.run(rounds->def.self, ctx, &pause_ms);
	if (err == ERR_OK) {
		return pause_ms;
	}
	if (err != ERR_SHUTDOWN) {
		log_warn(0, "rounds.failed", "thread=%s kind=%s text=%.*s cause=%.*s", rounds->def.name,
			err_name(err), STR_ARG(ctx->fault.text), STR_ARG(ctx->fault.cause));
	}
	return TROUBLE_MS;
}

static void *run(void *data)
{
	struct rounds *rounds = data;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct ctx ctx;
	int64_t pause_ms = 0;
	while (wait_for_work(rounds, pause_ms), !rounds_is_stopping(rounds)) {
		ctx_init(&ctx, arena);
		pause_ms = run_one(rounds, &ctx);
		arena_reset(arena);
	}
	if (rounds->def.end != NULL) {
		ctx_init(&ctx, arena);
		ctx.deadline_ms = clock_os_ms() + END_LIMIT_MS;
		rounds->def.end(rounds->def.self, &ctx);
	}
	return NULL;
}

struct rounds *rounds_create(const struct rounds_def *def)
{
	struct rounds *rounds = mem_alloc(sizeof(*rounds));
	rounds->def = *def;
	rounds->waker = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	invariant(rounds->waker >= 0);
	return rounds;
}

void rounds_start(struct rounds *rounds)
{
	rounds->thread = thread_start(rounds->def.name, run, rounds);
	rounds->is_started = true;
}

void rounds_wake(struct rounds *rounds)
{
	const uint64_t one = 1;
	if (!atomic_exchange(&rounds->is_woken, true)) {
		(void)!write(rounds->waker, &one, sizeof(one)); /* only a full counter refuses */
	}
}

bool rounds_is_stopping(const struct rounds *rounds)
{
	return atomic_load(&rounds->is_stopping);
}

void rounds_stop(struct rounds *rounds)
{
	if (rounds == NULL || !rounds->is_started) {
		return;
	}
	atomic_store(&rounds->is_stopping, true);
	rounds_wake(rounds);
	(void)pthread_join(rounds->thread, NULL);
	rounds->is_started = false;
}

void rounds_destroy(struct rounds *rounds)
{
	if (rounds == NULL) {
		return;
	}
	rounds_stop(rounds);
	(void)close(rounds->waker);
	mem_free(rounds);
}
