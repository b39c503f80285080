#include "tests/sim/bare.h"

#include "base/clock.h"
#include "base/mem.h"
#include "homeserver/room/rooms.h"
#include "homeserver/user/users.h"
#include "storage/schema.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <libpq-fe.h>

/* cmocka's macro would replace base/ctx.h's function. */
#include <cmocka.h>
#undef fail

struct str bare_database(void)
{
	const struct str url = str_of(getenv("BELFRY_TEST_DATABASE_URL"));
	assert_true(url.n > 0);
	bare_migrate(url);
	return url;
}

void bare_migrate(struct str url)
{
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct ctx ctx;
	ctx_init(&ctx, arena);
	assert_int_equal(schema_update(&ctx, url), ERR_OK);
}

static void tell_users(void *self, int64_t position, uint32_t kinds)
{
	(void)kinds;
	(void)position;
	users_published(((const struct homeserver *)self)->users);
}

void bare_start(struct homeserver *hs, struct str url, const struct settings *settings,
	void (*published)(void *self, int64_t position, uint32_t kinds))
{
	const unsigned char seed[32] = {1, 2, 3};
	*hs = (struct homeserver){.clock = clock_os(),
		.rng = rng_os(),
		.secrets_key = {7, 7},
		.settings = *settings};
	if (hs->settings.event_cache_bytes == 0) {
		hs->settings.event_cache_bytes = (size_t)1 << 22;
	}
	hs->signer = (struct event_signer){.server = {STR("hs")},
		.key_id = STR("ed25519:1"),
		.key = ed25519_key_create(seed)};
	hs->db = db_create(&(struct db_config){.url = url,
		.pool_size = 8,
		.statement_timeout_ms = 5000,
		.acquire_timeout_ms = 5000});
	hs->rooms = rooms_create(hs);
	hs->users = users_create(hs);
	hs->writer = writer_create(&(struct writer_config){.url = url,
		.queue_limit = 1000,
		.group_limit = 16,
		.published = published != NULL ? published : tell_users,
		.self = hs});
	assert_non_null(hs->writer);
}

void bare_stop_writer(struct homeserver *hs)
{
	writer_destroy(hs->writer);
	hs->writer = NULL;
}

void bare_stop(struct homeserver *hs)
{
	bare_stop_writer(hs);
	users_destroy(hs->users);
	rooms_destroy(hs->rooms);
	db_destroy(hs->db);
	ed25519_key_destroy((struct ed25519_key *)(uintptr_t)hs->signer.key);
}

int64_t bare_ask(struct str url, struct str room_id, const char *sql)
{
	char *database = mem_dup(url.p, url.n);
	char *id = mem_dup(room_id.p, room_id.n);
	PGconn *conn = PQconnectdb(database);
	const char *const values[] = {id};
	PGresult *result = PQexecParams(conn, sql, 1, NULL, values, NULL, NULL, 0);
	if (PQresultStatus(result) != PGRES_TUPLES_OK) {
		print_error("%s\n", PQresultErrorMessage(result));
	}
	assert_int_equal(PQresultStatus(result), PGRES_TUPLES_OK);
	int64_t number = strtoll(PQgetvalue(result, 0, 0), NULL, 10);
	PQclear(result);
	PQfinish(conn);
	mem_free(id);
	mem_free(database);
	return number;
}

void bare_do(struct str url, const char *sql)
{
	char *database = mem_dup(url.p, url.n);
	PGconn *conn = PQconnectdb(database);
	PGresult *result = PQexec(conn, sql);
	if (PQresultStatus(result) != PGRES_COMMAND_OK) {
		print_error("%s\n", PQresultErrorMessage(result));
	}
	assert_int_equal(PQresultStatus(result), PGRES_COMMAND_OK);
	PQclear(result);
	PQfinish(conn);
	mem_free(database);
}
