/*
 * The index of searchable texts on a real PostgreSQL: what is found where, edits, redactions, order.
 */
#include "storage/search.h"

#include "gen/embedded_migrations.h"
#include "storage/migrate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

/* cmocka's macro would replace base/ctx.h's function. */
#include <cmocka.h>
#undef fail

enum { TERMS_MAX = 100, HITS_MAX = 20 };

struct world {
	struct ctx ctx;
	struct db *db;
};

static struct str url;

static int set_up_all(void **state)
{
	(void)state;
	url = str_of(getenv("BELFRY_TEST_DATABASE_URL"));
	assert_true(url.n > 0);
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct ctx ctx;
	ctx_init(&ctx, arena);
	assert_int_equal(migrate_run(&ctx, url, embedded_migrations, embedded_migrations_count),
		ERR_OK);
	return 0;
}

static int set_up(void **state)
{
	struct world *world = test_calloc(1, sizeof(*world));
	ctx_init(&world->ctx, arena_create());
	world->db = db_create(&(struct db_config){.url = url,
		.pool_size = 2,
		.statement_timeout_ms = 5000,
		.acquire_timeout_ms = 5000});
	assert_int_equal(store_search_clear(&world->ctx, world->db), ERR_OK);
	*state = world;
	return 0;
}

static int tear_down(void **state)
{
	struct world *world = *state;
	db_destroy(world->db);
	arena_destroy(world->ctx.arena);
	test_free(world);
	return 0;
}

static void apply(struct world *world, const struct search_change *change)
{
	struct tx *tx CLEANUP(tx_cleanup) = NULL;
	assert_int_equal(tx_begin(&world->ctx, world->db, &tx), ERR_OK);
	assert_int_equal(store_search_change(&world->ctx, tx, change), ERR_OK);
	assert_int_equal(tx_commit(&world->ctx, &tx), ERR_OK);
}

static void add(struct world *world, int64_t room, int64_t position, int64_t target,
	const char *body)
{
	struct term *terms;
	struct search_text text = {.place = {room, position},
		.target_position = target,
		.key = SEARCH_BODY,
		.sender = STR("@a:hs"),
		.origin_server_ts = position};
	terms_split(world->ctx.arena, str_of(body), TERMS_MAX, &terms, &text.term_count);
	text.terms = terms;
	apply(world, &(struct search_change){.texts = &text, .text_count = 1});
}

static void redact(struct world *world, int64_t room, int64_t position)
{
	const struct search_place place = {room, position};
	apply(world, &(struct search_change){.redacted = &place, .redacted_count = 1});
}

/* Positions found, as text; the spans are of the rooms 1 to 6, up to a position. */
static const char *find(struct world *world, const char *query, int64_t up_to, size_t rooms,
	bool is_by_rank)
{
	static const int64_t keys[] = {SEARCH_BODY, SEARCH_NAME};
	struct ctx *ctx = &world->ctx;
	struct search_span spans[6];
	for (size_t i = 0; i < COUNT_OF(spans); i++) {
		spans[i] =
			(struct search_span){.room_nid = (int64_t)i + 1, .up_to = up_to, .horizon = up_to};
	}
	struct term_match *matches;
	struct search_ask ask = {.spans = spans,
		.span_count = rooms,
		.keys = keys,
		.key_count = COUNT_OF(keys),
		.has_url = -1,
		.is_by_rank = is_by_rank,
		.now_ms = 1000,
		.last_rank = INT64_MAX,
		.last_position = INT64_MAX,
		.limit = HITS_MAX};
	terms_query(ctx->arena, str_of(query), 32, &matches, &ask.match_count);
	ask.matches = matches;
	struct search_hit *hits;
	size_t count;
	int64_t total;
	assert_int_equal(store_search(ctx, world->db, &ask, &hits, &count, &total), ERR_OK);
	assert_int_equal(total, count);
	struct str all = STR("");
	for (size_t i = 0; i < count; i++) {
		all = str_printf(ctx->arena, "%.*s%s%d", STR_ARG(all), i == 0 ? "" : " ",
			(int)hits[i].place.position);
	}
	return str_cstr(ctx->arena, all);
}

static void search__few_and_many_rooms__the_same_hits(void **state)
{
	struct world *world = *state;
	add(world, 1, 10, 10, "apples and pears");
	add(world, 2, 20, 20, "an apple");
	add(world, 5, 30, 30, "apple pie");
	add(world, 9, 40, 40, "apple elsewhere");
	for (int by_rank = 0; by_rank <= 1; by_rank++) {
		assert_string_equal(find(world, "pear apple", 100, 2, by_rank), "10");
		assert_string_equal(find(world, "pear apple", 100, 6, by_rank), "10");
	}
	assert_string_equal(find(world, "apple", 100, 2, false), "20 10");
	assert_string_equal(find(world, "apple", 100, 6, false), "30 20 10");
	assert_string_equal(find(world, "apple", 25, 6, false), "20 10");
	assert_string_equal(find(world, "12", 100, 6, false), "");
}

static void search__edits__newest_that_is_known(void **state)
{
	struct world *world = *state;
	add(world, 1, 10, 10, "red");
	add(world, 1, 20, 10, "green");
	add(world, 1, 30, 10, "blue");
	assert_string_equal(find(world, "red", 100, 1, false), "");
	assert_string_equal(find(world, "green", 100, 1, false), "");
	assert_string_equal(find(world, "blue", 100, 1, false), "10");
	assert_string_equal(find(world, "green", 25, 1, false), "10");
	assert_string_equal(find(world, "blue", 25, 1, false), "");
	redact(world, 1, 30);
	assert_string_equal(find(world, "green", 100, 1, false), "10");
	redact(world, 1, 10);
	assert_string_equal(find(world, "green", 100, 1, false), "");
	assert_string_equal(find(world, "red", 15, 1, false), "");
}

static void search__the_same_change_twice__as_once(void **state)
{
	struct world *world = *state;
	for (int i = 0; i < 2; i++) {
		add(world, 1, 10, 10, "red");
		add(world, 1, 20, 10, "green");
	}
	assert_string_equal(find(world, "green", 100, 1, true), "10");
	assert_string_equal(find(world, "red", 100, 1, true), "");
	const int64_t room = 1;
	apply(world, &(struct search_change){.room_nids = &room, .room_count = 1});
	assert_string_equal(find(world, "green", 100, 1, true), "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(search__few_and_many_rooms__the_same_hits, set_up,
			tear_down),
		cmocka_unit_test_setup_teardown(search__edits__newest_that_is_known, set_up, tear_down),
		cmocka_unit_test_setup_teardown(search__the_same_change_twice__as_once, set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, set_up_all, NULL);
}
