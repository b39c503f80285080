/*
 * Rounds of a fixed length; a round whose work takes longer is followed by the next at once. Nothing here is
 * urgent but what a command changed beside the server, for which it can be poked.
 */
#include "app/housekeeper.h"

#include <stdatomic.h>

#include "appservices/registry.h"
#include "base/clock.h"
#include "base/lock.h"
#include "base/log.h"
#include "base/mem.h"
#include "e2ee/e2ee.h"
#include "federation/keyring.h"
#include "federation/policy.h"
#include "federation/federation.h"
#include "federation/outbox.h"
#include "homeserver/account/session.h"
#include "homeserver/media/media.h"
#include "homeserver/server_notice/server_notices.h"
#include "homeserver/presence/presence.h"
#include "homeserver/room/rooms.h"
#include "homeserver/typing/typing.h"
#include "homeserver/user/users.h"
#include "http/server.h"
#include "storage/account.h"
#include "storage/room.h"

enum {
	TIDY_INTERVAL_MS = 10 * 1000,
	HOURLY_MS = 3600 * 1000,
	IDLE_MS = 10 * 60 * 1000, /* rooms and users without use leave the memory */
	TRANSACTIONS_MS =
		24 * 60 * 60 * 1000, /* how long a transaction id protects from sending twice */
	ROUND_LIMIT_MS = 30 * 1000,
	LAST_LIMIT_MS = 200, /* the last round is part of the second in which a server ends */
};

struct housekeeper {
	struct homeserver *hs;
	struct http_server *http;
	pthread_t thread;
	struct lock lock;
	struct cond woken;
	bool is_poked;  /* guarded by lock */
	bool is_ending; /* guarded by lock */
	atomic_bool is_healthy;
	bool was_poked; /* its thread's: a command asks what this server knows */
	int64_t next_tidy_ms;
	int64_t next_hourly_ms;
};

static int64_t now_ms(const struct housekeeper *housekeeper)
{
	return clock_mono_ms(&housekeeper->hs->clock);
}

static void look_at_database(struct ctx *ctx, struct housekeeper *housekeeper)
{
	int64_t epoch;
	bool is_healthy = store_session_epoch(ctx, housekeeper->hs->db, &epoch) == ERR_OK;
	if (atomic_exchange(&housekeeper->is_healthy, is_healthy) != is_healthy) {
		if (is_healthy) {
			log_info(0, "serve.database_is_back", "healthy=true");
		} else {
			log_error(0, "serve.database_is_away", "cause=%.*s", STR_ARG(ctx->fault.cause));
		}
	}
}

static void tidy(struct ctx *ctx, struct housekeeper *housekeeper)
{
	struct homeserver *hs = housekeeper->hs;
	rooms_tidy(hs->rooms, now_ms(housekeeper) - IDLE_MS);
	users_tidy(hs->users, IDLE_MS);
	look_at_database(ctx, housekeeper);
	if (fed_policy_follow(ctx, hs->federation) != ERR_OK) {
		log_warn(0, "fed.policy.not_read", "cause=%.*s", STR_ARG(ctx->fault.cause));
	}
	outbox_tidy(ctx, hs->federation->outbox);
	if (media_remove_garbage(ctx, hs) != ERR_OK) {
		log_warn(0, "media.garbage_not_removed", "cause=%.*s", STR_ARG(ctx->fault.cause));
	}
	if (server_notices_deliver(ctx, hs) != ERR_OK) {
		log_warn(0, "server_notices.not_delivered", "text=%.*s cause=%.*s",
			STR_ARG(ctx->fault.text), STR_ARG(ctx->fault.cause));
	}
}

static void tidy_hourly(struct ctx *ctx, struct housekeeper *housekeeper)
{
	struct homeserver *hs = housekeeper->hs;
	int64_t before_ms = clock_wall_ms(&hs->clock) - TRANSACTIONS_MS;
	outbox_tidy_hourly(ctx, hs->federation->outbox);
	if (store_transaction_delete_old(ctx, hs->db, before_ms) != ERR_OK ||
		media_tidy(ctx, hs) != ERR_OK || keyring_tidy(ctx, hs) != ERR_OK) {
		log_warn(0, "serve.tidy_failed", "cause=%.*s", STR_ARG(ctx->fault.cause));
	}
}

static void run_round(struct housekeeper *housekeeper, struct arena *arena, int64_t limit_ms)
{
	struct ctx ctx;
	ctx_init(&ctx, arena);
	ctx.deadline_ms = now_ms(housekeeper) + limit_ms;
	if (appservices_follow(&ctx, housekeeper->hs->appservices) != ERR_OK) {
		log_warn(0, "appservice.not_read", "cause=%.*s", STR_ARG(ctx.fault.cause));
		ctx.fault = (struct fault){0};
	}
	http_server_share_rates(housekeeper->http, writer_process_count(housekeeper->hs->writer));
	sessions_tidy(&ctx, housekeeper->hs);
	if (housekeeper->was_poked && sessions_flush(&ctx, housekeeper->hs) != ERR_OK) {
		log_warn(0, "sessions.not_flushed", "cause=%.*s", STR_ARG(ctx.fault.cause));
		ctx.fault = (struct fault){0};
	}
	e2ee_tidy(&ctx, housekeeper->hs->e2ee);
	typing_tidy(housekeeper->hs->typing);
	presence_tidy(&ctx, housekeeper->hs);
	if (now_ms(housekeeper) >= housekeeper->next_tidy_ms) {
		housekeeper->next_tidy_ms = now_ms(housekeeper) + TIDY_INTERVAL_MS;
		tidy(&ctx, housekeeper);
	}
	if (now_ms(housekeeper) >= housekeeper->next_hourly_ms) {
		housekeeper->next_hourly_ms = now_ms(housekeeper) + HOURLY_MS;
		tidy_hourly(&ctx, housekeeper);
	}
	arena_reset(arena);
}

/* @return false when it is time to end */
static bool wait_for_round(struct housekeeper *housekeeper)
{
	LOCK_SCOPE(&housekeeper->lock);
	int64_t deadline_ms = clock_mono_us() / 1000 + SESSIONS_TIDY_INTERVAL_MS;
	while (!housekeeper->is_ending && !housekeeper->is_poked &&
		cond_wait_until(&housekeeper->woken, &housekeeper->lock, deadline_ms)) {
	}
	if (housekeeper->is_poked) {
		housekeeper->next_tidy_ms = 0; /* a command may have left something to do */
	}
	housekeeper->was_poked = housekeeper->is_poked;
	housekeeper->is_poked = false;
	return !housekeeper->is_ending;
}

static void *run(void *data)
{
	struct housekeeper *housekeeper = data;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	while (wait_for_round(housekeeper)) {
		run_round(housekeeper, arena, ROUND_LIMIT_MS);
	}
	housekeeper->next_tidy_ms = INT64_MAX;
	housekeeper->next_hourly_ms = INT64_MAX;
	run_round(housekeeper, arena, LAST_LIMIT_MS);
	return NULL;
}

struct housekeeper *housekeeper_create(struct homeserver *hs, struct http_server *http)
{
	struct housekeeper *housekeeper = mem_alloc(sizeof(*housekeeper));
	housekeeper->hs = hs;
	housekeeper->http = http;
	lock_init(&housekeeper->lock, RANK_LEAF);
	cond_init(&housekeeper->woken);
	atomic_init(&housekeeper->is_healthy, true);
	housekeeper->next_tidy_ms = now_ms(housekeeper) + TIDY_INTERVAL_MS;
	housekeeper->next_hourly_ms = now_ms(housekeeper) + TIDY_INTERVAL_MS;
	housekeeper->thread = thread_start("housekeeper", run, housekeeper);
	return housekeeper;
}

void housekeeper_poke(struct housekeeper *housekeeper)
{
	LOCK_SCOPE(&housekeeper->lock);
	housekeeper->is_poked = true;
	cond_signal(&housekeeper->woken);
}

bool housekeeper_is_healthy(const struct housekeeper *housekeeper)
{
	return atomic_load(&housekeeper->is_healthy);
}

void housekeeper_destroy(struct housekeeper *housekeeper)
{
	if (housekeeper == NULL) {
		return;
	}
	lock_take(&housekeeper->lock);
	housekeeper->is_ending = true;
	cond_signal(&housekeeper->woken);
	lock_give(&housekeeper->lock);
	(void)pthread_join(housekeeper->thread, NULL);
	cond_fini(&housekeeper->woken);
	lock_fini(&housekeeper->lock);
	mem_free(housekeeper);
}
