/*
 * The timeline is part of the name of the file that a server writes its log to. It can be asked by any role, and is right from the first
 * moment after a promotion, which the control file is not.
 */
#include "storage/fence.h"

#include "base/log.h"
#include "base/mem.h"

void fence_init(struct fence *fence)
{
	*fence = (struct fence){0};
	lock_init(&fence->lock, RANK_LEAF);
}

static void forget_place(struct fence *fence)
{
	mem_free(fence->host);
	mem_free(fence->address);
	mem_free(fence->port);
}

void fence_fini(struct fence *fence)
{
	forget_place(fence);
	lock_fini(&fence->lock);
}

int64_t fence_moves(const struct fence *fence)
{
	return atomic_load(&fence->moves);
}

void fence_raise(struct fence *fence)
{
	atomic_fetch_add(&fence->moves, 1);
}

static char *dup_text(const char *text)
{
	struct str view = str_of(text);
	return mem_dup(view.p, view.n);
}

/* @return whether it is the first, or newer */
static bool is_news_locked(const struct fence *fence, int64_t system, int64_t timeline)
{
	return system != fence->system || timeline > fence->timeline;
}

/* What a connection's server is. @return whether the others have to move to it; *out_is_old: nobody may use it */
static bool compare(struct fence *fence, struct pg *pg, int64_t system, int64_t timeline,
	bool *out_is_old)
{
	LOCK_SCOPE(&fence->lock);
	bool is_first = fence->system == 0;
	bool is_news = is_news_locked(fence, system, timeline);
	*out_is_old = !is_news && timeline < fence->timeline;
	if (is_news) {
		forget_place(fence);
		fence->system = system;
		fence->timeline = timeline;
		fence->host = dup_text(PQhost(pg->conn));
		fence->address = dup_text(PQhostaddr(pg->conn));
		fence->port = dup_text(PQport(pg->conn));
	}
	if (is_news && !is_first) {
		fence_raise(fence);
	}
	if (!*out_is_old) {
		pg->moves_seen = fence_moves(fence); /* it leads where the others shall go */
	}
	return is_news && !is_first;
}

enum err fence_judge(struct ctx *ctx, struct fence *fence, struct pg *pg, bool *out_is_old)
{
	PGresult *result = NULL;
	*out_is_old = false;
	enum err err = pg_run(ctx, pg, STMT_SERVER_TIMELINE, DB_NO_ARGS, &result);
	if (err != ERR_OK && err != ERR_STORE) {
		if (!atomic_exchange(&fence->is_blind, true)) {
			log_warn(0, "db.timeline_unknown", "cause=%.*s", STR_ARG(ctx->fault.cause));
		}
		ctx->fault = (struct fault){0};
		return ERR_OK;
	}
	TRY(err);
	const struct db_rows *rows = pg_rows(ctx, result);
	int64_t system = db_int(rows, 0, 0);
	int64_t timeline = db_int(rows, 0, 1);
	if (timeline != 0 && compare(fence, pg, system, timeline, out_is_old)) {
		log_info(0, "db.moved", "to=%s:%s system=%lld timeline=%lld", PQhost(pg->conn),
			PQport(pg->conn), (long long)system, (long long)timeline);
	}
	return ERR_OK;
}

static const char *copy_of(struct ctx *ctx, const char *text)
{
	return text != NULL ? str_cstr(ctx->arena, str_of(text)) : NULL;
}

struct pg_server fence_newest(struct ctx *ctx, struct fence *fence)
{
	LOCK_SCOPE(&fence->lock);
	return (struct pg_server){copy_of(ctx, fence->host), copy_of(ctx, fence->address),
		copy_of(ctx, fence->port)};
}
