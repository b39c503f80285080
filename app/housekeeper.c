/*
 * Rounds of a fixed length; a round whose work takes longer is followed by the next at once. Nothing here is
 * urgent but what a command changed beside the server, for which it can be poked.
 */
#include "app/housekeeper.h"

#include <stdatomic.h>

#include "appservices/registry.h"
#include "base/clock.h"
#include "base/heap.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "base/rounds.h"
#include "e2ee/e2ee.h"
#include "federation/keyring.h"
#include "federation/policy.h"
#include "federation/federation.h"
#include "federation/outbox.h"
#include "federation/processes.h"
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
#include "storage/statistics.h"

enum {
	TIDY_INTERVAL_MS = 10 * 1000,
	HOURLY_MS = 3600 * 1000,
	IDLE_MS = 10 * 60 * 1000, /* rooms and users without use leave the memory */
	TRANSACTIONS_MS =
		24 * 60 * 60 * 1000, /* how long a transaction id protects from sending twice */
	ROUND_LIMIT_MS = 30 * 1000,
	ANSWER_MS = 5 * 1000, /* so long the database may take to say that it is there */
	LAST_LIMIT_MS = 200,  /* the last round is part of the second in which a server ends */
};

static struct metric heap_used = METRIC_GAUGE("belfry_heap_used_bytes",
	"Memory that was asked for and not given back, but threads' stacks, libraries and the database");
static struct metric heap_unused =
	METRIC_GAUGE("belfry_heap_unused_bytes", "Memory that was given back, and lies ready");

struct housekeeper {
	struct homeserver *hs;
	struct http_server *http;
	struct rounds *rounds;
	atomic_bool is_poked; /* a command asks what this server knows */
	atomic_bool is_healthy;
	_Atomic int64_t asked_ms; /* since when the database has not answered; 0: it has */
	bool fails_to_renew;      /* its thread's, as all below */
	int64_t next_tidy_ms;
	int64_t next_hourly_ms;
	struct heap_watch heap;
};

static int64_t now_ms(const struct housekeeper *housekeeper)
{
	return clock_mono_ms(&housekeeper->hs->clock);
}

static void look_at_database(struct ctx *ctx, struct housekeeper *housekeeper)
{
	int64_t epoch;
	atomic_store(&housekeeper->asked_ms, now_ms(housekeeper));
	bool is_healthy = store_session_epoch(ctx, housekeeper->hs->db, &epoch) == ERR_OK;
	atomic_store(&housekeeper->asked_ms, 0);
	if (atomic_exchange(&housekeeper->is_healthy, is_healthy) != is_healthy) {
		if (is_healthy) {
			log_info(0, "serve.database_is_back", "healthy=true");
		} else {
			log_error(0, "serve.database_is_away", "cause=%.*s", STR_ARG(ctx->fault.cause));
		}
	}
}

static void tend_heap(struct housekeeper *housekeeper)
{
	struct heap_bytes heap = heap_tend(&housekeeper->heap);
	metric_set(&heap_used, (int64_t)heap.used);
	metric_set(&heap_unused, (int64_t)heap.unused);
}

static void tidy(struct ctx *ctx, struct housekeeper *housekeeper)
{
	struct homeserver *hs = housekeeper->hs;
	rooms_tidy(hs->rooms, now_ms(housekeeper) - IDLE_MS);
	users_tidy(hs->users, IDLE_MS);
	if (fed_policy_follow(ctx, hs->federation) != ERR_OK) {
		log_warn(0, "fed.policy.not_read", "cause=%.*s", STR_ARG(ctx->fault.cause));
	}
	if (processes_tidy(ctx, hs->federation) != ERR_OK) {
		log_warn(0, "fed.trouble.not_read", "cause=%.*s", STR_ARG(ctx->fault.cause));
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

static void look_around(struct ctx *ctx, struct housekeeper *housekeeper, bool is_poked)
{
	if (appservices_follow(ctx, housekeeper->hs->appservices) != ERR_OK) {
		log_warn(0, "appservice.not_read", "cause=%.*s", STR_ARG(ctx->fault.cause));
		ctx->fault = (struct fault){0};
	}
	http_server_share_rates(housekeeper->http, writer_process_count(housekeeper->hs->writer));
	sessions_tidy(ctx, housekeeper->hs);
	if (is_poked && sessions_flush(ctx, housekeeper->hs) != ERR_OK) {
		log_warn(0, "sessions.not_flushed", "cause=%.*s", STR_ARG(ctx->fault.cause));
		ctx->fault = (struct fault){0};
	}
	e2ee_tidy(ctx, housekeeper->hs->e2ee);
	typing_tidy(housekeeper->hs->typing);
	presence_tidy(ctx, housekeeper->hs);
}

/* Told once, until it goes again: it is tried every two seconds. */
static void renew_statistics(struct ctx *ctx, struct housekeeper *housekeeper)
{
	bool fails = store_statistics_renew(ctx, housekeeper->hs->db) != ERR_OK;
	if (fails && !housekeeper->fails_to_renew) {
		log_warn(0, "serve.statistics_not_renewed", "cause=%.*s", STR_ARG(ctx->fault.cause));
	}
	housekeeper->fails_to_renew = fails;
	ctx->fault = (struct fault){0};
}

static enum err run_round(void *self, struct ctx *ctx, int64_t *out_pause_ms)
{
	struct housekeeper *housekeeper = self;
	bool is_poked = atomic_exchange(&housekeeper->is_poked, false);
	look_at_database(ctx, housekeeper);
	look_around(ctx, housekeeper, is_poked);
	renew_statistics(ctx, housekeeper);
	if (is_poked || now_ms(housekeeper) >= housekeeper->next_tidy_ms) {
		housekeeper->next_tidy_ms = now_ms(housekeeper) + TIDY_INTERVAL_MS;
		tidy(ctx, housekeeper); /* a command may have left something to do */
		tend_heap(housekeeper);
	}
	if (now_ms(housekeeper) >= housekeeper->next_hourly_ms) {
		housekeeper->next_hourly_ms = now_ms(housekeeper) + HOURLY_MS;
		tidy_hourly(ctx, housekeeper);
	}
	*out_pause_ms = SESSIONS_TIDY_INTERVAL_MS;
	return ERR_OK;
}

static void end(void *self, struct ctx *ctx)
{
	struct housekeeper *housekeeper = self;
	ctx->deadline_ms = now_ms(housekeeper) + LAST_LIMIT_MS;
	look_around(ctx, housekeeper, atomic_load(&housekeeper->is_poked));
}

struct housekeeper *housekeeper_create(struct homeserver *hs, struct http_server *http)
{
	struct housekeeper *housekeeper = mem_alloc(sizeof(*housekeeper));
	housekeeper->hs = hs;
	housekeeper->http = http;
	atomic_init(&housekeeper->is_healthy, true);
	atomic_init(&housekeeper->asked_ms, 0);
	housekeeper->next_tidy_ms = now_ms(housekeeper) + TIDY_INTERVAL_MS;
	housekeeper->next_hourly_ms = now_ms(housekeeper) + TIDY_INTERVAL_MS;
	housekeeper->rounds = rounds_create(&(struct rounds_def){.name = "housekeeper",
		.limit_ms = ROUND_LIMIT_MS,
		.run = run_round,
		.end = end,
		.self = housekeeper});
	return housekeeper;
}

void housekeeper_start(struct housekeeper *housekeeper)
{
	rounds_start(housekeeper->rounds);
}

void housekeeper_poke(struct housekeeper *housekeeper)
{
	atomic_store(&housekeeper->is_poked, true);
	rounds_wake(housekeeper->rounds);
}

bool housekeeper_is_healthy(const struct housekeeper *housekeeper)
{
	int64_t asked_ms = atomic_load(&housekeeper->asked_ms);
	bool hangs = asked_ms != 0 && now_ms(housekeeper) - asked_ms > ANSWER_MS;
	return atomic_load(&housekeeper->is_healthy) && !hangs;
}

void housekeeper_stop(struct housekeeper *housekeeper)
{
	if (housekeeper != NULL) {
		rounds_stop(housekeeper->rounds);
	}
}

void housekeeper_destroy(struct housekeeper *housekeeper)
{
	if (housekeeper == NULL) {
		return;
	}
	rounds_destroy(housekeeper->rounds);
	mem_free(housekeeper);
}
