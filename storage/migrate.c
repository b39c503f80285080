/*
 * Applying migrations. This is the one place whose SQL does not stand in storage/sql: it makes the tables that
 * those statements need.
 */
#include "storage/migrate.h"

#include "base/log.h"
#include "gen/embedded_migrations.h"
#include "storage/pg.h"
#include "storage/pooler.h"

enum {
	LOCK_TIMEOUT_MS = 60000,
	MIGRATION_TIMEOUT_MS = 3600000,
	QUICK_MS = 30000,
	LOOKS = 13, /* half a second apart: leases are not free for so long while somebody runs */
};

static const char TABLE_SQL[] =
	"CREATE TABLE IF NOT EXISTS schema_migrations ("
	"number integer NOT NULL CONSTRAINT schema_migrations_pkey PRIMARY KEY, name text NOT NULL, "
	"sha256 text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())";

/* An applied migration as text "number sha256 name". */
static enum err check_applied(struct ctx *ctx, struct str line,
	const struct embedded_migration *table, size_t count)
{
	struct str number_text;
	struct str sha256;
	struct str name;
	(void)str_split(line, ' ', &number_text, &line);
	(void)str_split(line, ' ', &sha256, &name);
	int64_t number = 0;
	if (!str_to_int(number_text, 1, INT32_MAX, &number)) {
		return fail_cause(ctx, ERR_INTERNAL, "bad row in schema_migrations");
	}
	if ((size_t)number > count) {
		return fail(ctx, ERR_CONFLICT, NULL,
			"The database is newer than this program: it has migration %lld (%.*s), the newest known "
			"here is %zu. Install the newer version of Belfry, or restore a backup made before the upgrade.",
			(long long)number, STR_ARG(name), count);
	}
	const struct embedded_migration *known = &table[number - 1];
	if (!str_equals(sha256, str_of(known->sha256_hex))) {
		return fail(ctx, ERR_CONFLICT, NULL,
			"Migration %lld (%.*s) differs from what this program has (%s): one of the two was changed after it "
			"was applied. Start the version of Belfry that made the database.",
			(long long)number, STR_ARG(name), known->name);
	}
	return ERR_OK;
}

/* @param out_done  how many are applied */
static enum err check_all(struct ctx *ctx, struct pg *pg, const struct embedded_migration *table,
	size_t count, size_t *out_done)
{
	struct str exists;
	TRY(pg_query_text(ctx, pg, "SELECT to_regclass('schema_migrations')::text", QUICK_MS, &exists));
	*out_done = 0;
	if (exists.p == NULL) {
		return ERR_OK;
	}
	struct str lines;
	TRY(pg_query_text(ctx, pg,
		"SELECT string_agg(number || ' ' || sha256 || ' ' || name, E'\\n' ORDER BY number) "
		"FROM schema_migrations",
		QUICK_MS, &lines));
	while (lines.n > 0) {
		struct str line;
		(void)str_split(lines, '\n', &line, &lines);
		TRY(check_applied(ctx, line, table, count));
		(*out_done)++;
	}
	return ERR_OK;
}

/* Each process has, or asks every few seconds for, leases of what only one may do (homeserver/consumer.h): locks that go with their connection. */
static enum err is_anybody_there(struct ctx *ctx, struct pg *pg, bool *out)
{
	struct str count;
	TRY(pg_query_text(ctx, pg,
		"SELECT count(*)::text FROM pg_locks WHERE locktype = 'advisory' AND granted AND pid <> pg_backend_pid() "
		"AND database = (SELECT oid FROM pg_database WHERE datname = current_database())",
		QUICK_MS, &count));
	*out = !str_equals(count, STR("0"));
	return ERR_OK;
}

/* The first look may meet what a process has just left. */
static enum err check_alone(struct ctx *ctx, struct pg *pg,
	const struct embedded_migration *migration)
{
	for (int i = 0; i < LOOKS; i++) {
		bool is_there;
		TRY(is_anybody_there(ctx, pg, &is_there));
		if (is_there && i > 0) {
			return fail(ctx, ERR_CONFLICT, NULL,
				"Another process of Belfry runs on this database, and cannot go on beside migration %d (%s), which is new. "
				"Stop all of them first.",
				migration->number, migration->name);
		}
		TRY(pg_exec(ctx, pg, "SELECT pg_sleep(0.5)", QUICK_MS));
	}
	return ERR_OK;
}

/* Before anything is applied: of a database that is in use. */
static enum err check_beside(struct ctx *ctx, struct pg *pg, const struct embedded_migration *table,
	size_t done, size_t count)
{
	for (size_t i = done; done > 0 && i < count; i++) {
		if (table[i].is_alone) {
			return check_alone(ctx, pg, &table[i]);
		}
	}
	return ERR_OK;
}

static enum err apply(struct ctx *ctx, struct pg *pg, const struct embedded_migration *migration)
{
	const char *record = arena_printf(ctx->arena,
		"INSERT INTO schema_migrations (number, name, sha256) VALUES (%d, '%s', '%s')",
		migration->number, migration->name, migration->sha256_hex);
	TRY(pg_exec(ctx, pg, "BEGIN", QUICK_MS));
	TRY(pg_exec(ctx, pg, migration->text, MIGRATION_TIMEOUT_MS));
	TRY(pg_exec(ctx, pg, record, QUICK_MS));
	TRY(pg_exec(ctx, pg, "COMMIT", QUICK_MS));
	log_info(0, "db.migrated", "number=%d name=%s", migration->number, migration->name);
	return ERR_OK;
}

static enum err run_locked(struct ctx *ctx, struct pg *pg, const struct embedded_migration *table,
	size_t count)
{
	size_t done;
	TRY(check_all(ctx, pg, table, count, &done));
	if (done == count) {
		return ERR_OK;
	}
	/* A process that waits here finds the work done. The lock ends with the connection. */
	TRY(pg_exec(ctx, pg, "SELECT pg_advisory_lock(4705927416)", LOCK_TIMEOUT_MS));
	TRY(check_all(ctx, pg, table, count, &done));
	TRY(check_beside(ctx, pg, table, done, count));
	TRY(pg_exec(ctx, pg, TABLE_SQL, QUICK_MS));
	for (size_t i = done; i < count; i++) {
		TRY(apply(ctx, pg, &table[i]));
	}
	return ERR_OK;
}

enum err migrate_run(struct ctx *ctx, struct str url, const struct embedded_migration *table,
	size_t count)
{
	struct pg pg;
	pg_init(&pg, url, 0);
	enum err err = pg_ensure(ctx, &pg);
	if (err == ERR_OK) {
		err = pooler_check(ctx, &pg);
	}
	if (err == ERR_OK) {
		err = run_locked(ctx, &pg, table, count);
	}
	pg_close(&pg);
	return err;
}
