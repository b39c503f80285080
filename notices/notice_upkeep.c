/*
 * Not the thread of notice_job: a server that hangs for twenty seconds must not make the notice of 7 o'clock late.
 */
#include "notices/notice_upkeep.h"

#include "base/lock.h"
#include "base/log.h"
#include "base/mem.h"
#include "notices/feed.h"
#include "notices/notice_class.h"
#include "notices/notice_job.h"
#include "notices/notice_source.h"
#include "storage/consumer.h"

enum {
	POLL_MS = 2000, /* what other processes and the command line stored */
	TROUBLE_MS = 1000,
	NOT_OURS_MS = 5000,
	ROUND_LIMIT_MS = 60 * 1000,
};

struct notice_upkeep {
	struct homeserver *hs;
	struct db *leases;
	pthread_t thread;
	bool is_started;
	struct lock lock;
	struct cond work;
	bool is_woken;    /* guarded by lock */
	bool is_stopping; /* guarded by lock */
};

static bool is_stopping(void *data)
{
	struct notice_upkeep *upkeep = data;
	LOCK_SCOPE(&upkeep->lock);
	return upkeep->is_stopping;
}

/* *out_pause_ms: how long nothing is to be done unless somebody wakes the thread. */
static enum err run_round(struct ctx *ctx, struct notice_upkeep *upkeep, int64_t *out_pause_ms)
{
	struct homeserver *hs = upkeep->hs;
	bool is_ours = false;
	bool has_more = false;
	int64_t source_ms;
	int64_t class_ms;
	TRY(store_notice_source_next(ctx, hs->db, &source_ms));
	TRY(store_notice_class_next(ctx, hs->db, &class_ms));
	int64_t next_ms = MIN_OF(source_ms, class_ms);
	int64_t wait_ms = next_ms == INT64_MAX ? POLL_MS : next_ms - clock_wall_ms(&hs->clock);
	*out_pause_ms = MIN_OF(MAX_OF(wait_ms, (int64_t)1), (int64_t)POLL_MS);
	if (wait_ms > 0) {
		return ERR_OK;
	}
	TRY(store_consumer_lease(ctx, upkeep->leases, STR("notice upkeep"), &is_ours));
	if (!is_ours) {
		*out_pause_ms = NOT_OURS_MS;
		return ERR_OK;
	}
	TRY(notice_classes_run(ctx, hs, is_stopping, upkeep));
	TRY(notice_sources_run(ctx, hs, is_stopping, upkeep, &has_more));
	notice_job_wake(hs->notices);
	*out_pause_ms = has_more ? 0 : 1;
	return ERR_OK;
}

/* @return false when it is time to end */
static bool wait_for_work(struct notice_upkeep *upkeep, int64_t pause)
{
	LOCK_SCOPE(&upkeep->lock);
	int64_t until_ms = clock_mono_us() / 1000 + pause;
	while (!upkeep->is_stopping && !upkeep->is_woken &&
		cond_wait_until(&upkeep->work, &upkeep->lock, until_ms)) {
	}
	upkeep->is_woken = false;
	return !upkeep->is_stopping;
}

static void *run(void *data)
{
	struct notice_upkeep *upkeep = data;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	int64_t pause = 0;
	while (wait_for_work(upkeep, pause)) {
		struct ctx ctx;
		ctx_init(&ctx, arena);
		ctx.deadline_ms = clock_mono_us() / 1000 + ROUND_LIMIT_MS;
		enum err err = run_round(&ctx, upkeep, &pause);
		if (err != ERR_OK) {
			pause = TROUBLE_MS;
		}
		if (err != ERR_OK && err != ERR_SHUTDOWN) {
			log_warn(0, "notices.upkeep_failed", "text=%.*s cause=%.*s", STR_ARG(ctx.fault.text),
				STR_ARG(ctx.fault.cause));
		}
		arena_reset(arena);
	}
	return NULL;
}

/* --- its life ------------------------------------------------------------------------------------------------------- */

struct notice_upkeep *notice_upkeep_create(struct homeserver *hs, struct str url)
{
	struct notice_upkeep *upkeep = mem_alloc(sizeof(*upkeep));
	upkeep->hs = hs;
	upkeep->leases = db_create(&(struct db_config){.url = url,
		.pool_size = 1,
		.statement_timeout_ms = 5000,
		.acquire_timeout_ms = 5000});
	feed_start();
	lock_init(&upkeep->lock, RANK_LEAF);
	cond_init(&upkeep->work);
	return upkeep;
}

void notice_upkeep_start(struct notice_upkeep *upkeep)
{
	upkeep->thread = thread_start("upkeep", run, upkeep);
	upkeep->is_started = true;
}

void notice_upkeep_wake(struct notice_upkeep *upkeep)
{
	LOCK_SCOPE(&upkeep->lock);
	upkeep->is_woken = true;
	cond_signal(&upkeep->work);
}

void notice_upkeep_stop(struct notice_upkeep *upkeep)
{
	if (upkeep == NULL || !upkeep->is_started) {
		return;
	}
	lock_take(&upkeep->lock);
	upkeep->is_stopping = true;
	cond_signal(&upkeep->work);
	lock_give(&upkeep->lock);
	(void)pthread_join(upkeep->thread, NULL);
	upkeep->is_started = false;
}

void notice_upkeep_destroy(struct notice_upkeep *upkeep)
{
	if (upkeep == NULL) {
		return;
	}
	notice_upkeep_stop(upkeep);
	db_destroy(upkeep->leases);
	cond_fini(&upkeep->work);
	lock_fini(&upkeep->lock);
	mem_free(upkeep);
}
