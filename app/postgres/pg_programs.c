/*
 * A cluster can only be run by the version that made it, and several may be installed side by side; so
 * the newest is taken for new clusters, and exactly the right one for those that exist.
 */
#include "app/postgres/pg_programs.h"

#include <dirent.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/postgres/pg_child.h"
#include "base/file.h"

/* Where versions lie side by side: ROOT/PREFIX<major>/bin. */
static const struct {
	const char *root;
	const char *prefix;
} homes[] = {{"/usr/lib/postgresql", ""}, {"/usr", "pgsql-"}};

static bool take(struct ctx *ctx, const char *bin, int major, struct pg_programs *out)
{
	struct pg_programs found = {
		.postgres = arena_printf(ctx->arena, "%s/postgres", bin),
		.initdb = arena_printf(ctx->arena, "%s/initdb", bin),
		.major = major,
	};
	if (access(found.postgres, X_OK) != 0 || access(found.initdb, X_OK) != 0) {
		return false;
	}
	*out = found;
	return true;
}

/* The newest in one home, newer than what was found before. */
static void look_in(struct ctx *ctx, const char *root, const char *prefix, int major,
	struct pg_programs *best)
{
	DIR *folder = opendir(root);
	if (folder == NULL) {
		return;
	}
	for (const struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder)) {
		struct str name = str_of(entry->d_name);
		int64_t found;
		if (!str_starts_with(name, str_of(prefix)) ||
			!str_to_int(str_slice(name, strlen(prefix), name.n), PG_OLDEST_MAJOR, 999, &found)) {
			continue;
		}
		if ((major == 0 || found == major) && found > best->major) {
			(void)take(ctx, arena_printf(ctx->arena, "%s/%s/bin", root, entry->d_name), (int)found,
				best);
		}
	}
	(void)closedir(folder);
}

/* "postgres (PostgreSQL) 16.2": its major version, 0 when it is no PostgreSQL. */
static int ask_version(struct ctx *ctx, const char *program)
{
	const char *const arguments[] = {program, "--version", NULL};
	struct str said;
	if (!pg_child_output(ctx->arena, program, arguments, &said)) {
		return 0;
	}
	struct str intro = STR("postgres (PostgreSQL) ");
	struct str number = str_starts_with(said, intro) ? str_slice(said, intro.n, said.n) : said;
	size_t digits = 0;
	while (digits < number.n && number.p[digits] >= '0' && number.p[digits] <= '9') {
		digits++;
	}
	int64_t major = 0;
	return str_to_int(str_slice(number, 0, digits), 1, 999, &major) ? (int)major : 0;
}

static void look_in_path(struct ctx *ctx, int major, struct pg_programs *best)
{
	struct str rest = str_of(getenv("PATH"));
	while (rest.n > 0 && best->major == 0) {
		struct str folder;
		(void)str_split(rest, ':', &folder, &rest);
		char real[PATH_MAX];
		const char *program = arena_printf(ctx->arena, "%.*s/postgres", STR_ARG(folder));
		if (folder.n == 0 || realpath(program, real) == NULL) {
			continue;
		}
		struct str bin = str_slice(str_of(real), 0, str_find_last_byte(str_of(real), '/'));
		const char *bin_path = str_cstr(ctx->arena, bin);
		int found = ask_version(ctx, real);
		if (found >= PG_OLDEST_MAJOR && (major == 0 || found == major)) {
			(void)take(ctx, bin_path, found, best);
		}
	}
}

enum err pg_programs_find(struct ctx *ctx, int major, struct pg_programs *out)
{
	struct pg_programs best = {0};
	for (size_t i = 0; i < COUNT_OF(homes); i++) {
		look_in(ctx, homes[i].root, homes[i].prefix, major, &best);
	}
	if (best.major == 0) {
		look_in_path(ctx, major, &best);
	}
	if (best.major == 0 && major != 0) {
		return fail(ctx, ERR_MISSING, NULL,
			"the data folder's database was made by PostgreSQL %d, which is not installed here "
			"(on Debian: apt-get install postgresql-%d)",
			major, major);
	}
	if (best.major == 0) {
		return fail(ctx, ERR_MISSING, NULL,
			"PostgreSQL %d or newer is not installed here (on Debian: apt-get install postgresql); or "
			"give database.url",
			PG_OLDEST_MAJOR);
	}
	*out = best;
	return ERR_OK;
}

int pg_programs_major_of(struct ctx *ctx, const char *cluster)
{
	struct ctx quiet;
	ctx_init(&quiet, ctx->arena);
	struct str text;
	int64_t major = 0;
	if (file_read(&quiet, arena_printf(ctx->arena, "%s/PG_VERSION", cluster), 64, &text) ==
		ERR_OK) {
		(void)!str_to_int(str_trim(text), 1, 999, &major);
	}
	return (int)major;
}
