/*
 * Not the thread of notice_job: a server that hangs for twenty seconds must not make the notice of 7 o'clock late.
 */
#include "notices/notice_upkeep.h"

#include "base/mem.h"
#include "base/rounds.h"
#include "notices/notice_class.h"
#include "notices/notice_job.h"
#include "notices/notice_source.h"
#include "storage/consumer.h"

enum {
	POLL_MS = 2000, /* what other processes and the command line stored */
	NOT_OURS_MS = 5000,
	ROUND_LIMIT_MS = 60 * 1000,
};

struct notice_upkeep {
	struct homeserver *hs;
	struct db *leases;
	struct rounds *rounds;
};

static bool is_stopping(void *data)
{
	const struct notice_upkeep *upkeep = data;
	return rounds_is_stopping(upkeep->rounds);
}

static enum err run_round(void *self, struct ctx *ctx, int64_t *out_pause_ms)
{
	struct notice_upkeep *upkeep = self;
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

/* --- its life ------------------------------------------------------------------------------------------------------- */

struct notice_upkeep *notice_upkeep_create(struct homeserver *hs)
{
	struct notice_upkeep *upkeep = mem_alloc(sizeof(*upkeep));
	upkeep->hs = hs;
	upkeep->leases = store_leases_create(hs->db);
	upkeep->rounds = rounds_create(&(struct rounds_def){.name = "upkeep",
		.limit_ms = ROUND_LIMIT_MS,
		.run = run_round,
		.self = upkeep});
	return upkeep;
}

void notice_upkeep_start(struct notice_upkeep *upkeep)
{
	rounds_start(upkeep->rounds);
}

void notice_upkeep_wake(struct notice_upkeep *upkeep)
{
	rounds_wake(upkeep->rounds);
}

void notice_upkeep_stop(struct notice_upkeep *upkeep)
{
	if (upkeep != NULL) {
		rounds_stop(upkeep->rounds);
	}
}

void notice_upkeep_destroy(struct notice_upkeep *upkeep)
{
	if (upkeep == NULL) {
		return;
	}
	rounds_destroy(upkeep->rounds);
	db_destroy(upkeep->leases);
	mem_free(upkeep);
}
