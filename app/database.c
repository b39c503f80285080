/*
 * Which database, and that it is ready to be used.
 */
#include "app/database.h"

#include "app/manager.h"
#include "base/clock.h"
#include "base/log.h"
#include "storage/reach.h"
#include "storage/schema.h"

enum {
	OTHER_CONNECTIONS =
		8, /* the writer's, those of the leases, and what a lane may hold besides the pool */
	TRY_EACH_MS = 1000,
	TELL_EACH_MS = 10 * 1000,
	CAUSE_TOLD_BYTES = 500,
	LONGEST_TRY_US = 60 * 1000 * 1000, /* several servers that do not answer */
};

/* --- waiting for a configured one ----------------------------------------------------------------------------- */

struct waiting {
	int64_t start_ms; /* monotonic */
	int64_t limit_ms;
	int64_t told_ms; /* when the log was told last, since the start; < 0: never */
};

/* The cause of what failed stays. */
static enum err fail_with(struct ctx *ctx, enum err err, const char *text)
{
	struct str cause = ctx->fault.cause;
	(void)fail(ctx, err, NULL, "%s", text);
	ctx->fault.cause = cause;
	return err;
}

static void tell(const struct ctx *ctx, struct waiting *waiting, int64_t for_ms)
{
	struct str cause = ctx->fault.cause;
	(void)manager_tell(
		"EXTEND_TIMEOUT_USEC=%d\nSTATUS=Waiting for a database that takes writes: %.*s",
		LONGEST_TRY_US, STR_ARG(str_slice(cause, 0, CAUSE_TOLD_BYTES)));
	if (waiting->told_ms < 0 || for_ms - waiting->told_ms >= TELL_EACH_MS) {
		log_warn(0, "db.awaited",
			"for_s=%lld at_most_s=%lld hint=\"goes on as soon as a database takes writes; is database.url right?\" cause=%.*s",
			(long long)(for_ms / 1000), (long long)(waiting->limit_ms / 1000), STR_ARG(cause));
		waiting->told_ms = for_ms;
	}
}

/* @return ERR_OK: try again */
static enum err wait_a_while(struct ctx *ctx, struct str url, struct signals *signals,
	struct waiting *waiting)
{
	if (!store_may_come(ctx, url)) {
		return fail_with(ctx, ERR_DENIED,
			"The database refuses. Correct database.url (user, password, name of the database), or what its server has of them");
	}
	int64_t for_ms = clock_os_ms() - waiting->start_ms;
	if (for_ms >= waiting->limit_ms) {
		return fail_with(ctx, ERR_STORE,
			"There is no database that takes writes. Look after the servers that database.url names, and start again");
	}
	tell(ctx, waiting, for_ms);
	signals_wait(signals, TRY_EACH_MS);
	if (signals->stop) {
		return fail(ctx, ERR_SHUTDOWN, NULL, "Stopped while waiting for the database");
	}
	ctx->fault = (struct fault){0};
	return ERR_OK;
}

/* A failover may be under way, or a PostgreSQL beside this process be starting. */
static enum err update_configured(struct ctx *ctx, struct str url, struct signals *signals,
	int64_t wait_ms)
{
	struct waiting waiting = {.start_ms = clock_os_ms(), .limit_ms = wait_ms, .told_ms = -1};
	enum err err;
	while ((err = schema_update(ctx, url)) == ERR_STORE) {
		TRY(wait_a_while(ctx, url, signals, &waiting));
	}
	if (waiting.told_ms >= 0) {
		log_info(0, "db.came", "after_ms=%lld", (long long)(clock_os_ms() - waiting.start_ms));
	}
	return err;
}

/* --- opening -------------------------------------------------------------------------------------------------- */

enum err database_open(struct ctx *ctx, const struct conf *conf, const char *data,
	struct signals *signals, int64_t wait_ms, struct database *out)
{
	*out = (struct database){.url = conf_str(conf, "database.url")};
	if (!str_is_empty(out->url)) {
		return update_configured(ctx, out->url, signals, wait_ms);
	}
	TRY(pg_embedded_start(ctx,
		&(struct pg_embedded_config){
			.data = data,
			.shared_buffers_bytes = (size_t)conf_int(conf, "database.shared_buffers"),
			.connections = (int)conf_int(conf, "database.pool_size") + OTHER_CONNECTIONS,
			.digest = schema_digest(ctx->arena),
			.prepare = schema_update,
			.signals = signals,
		},
		&out->cluster));
	out->url = pg_postmaster_url(out->cluster);
	enum err err = schema_update(ctx, out->url);
	if (err != ERR_OK) {
		database_close(out, clock_os_ms());
	}
	return err;
}

void database_close(struct database *database, int64_t deadline_mono_ms)
{
	pg_postmaster_stop(database->cluster, deadline_mono_ms);
	*database = (struct database){0};
}
