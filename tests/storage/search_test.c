/*
 * The index of searchable texts on a real PostgreSQL: what is found where, edits, redactions, order, and how much is read for it.
 */
#include "storage/search.h"

#include "tests/storage/world.h"

#include <libpq-fe.h>
#include <string.h>

enum { TERMS_MAX = 100, HITS_MAX = 20, STEP = 4 /* positions from text to text */ };

/* Each test begins with none. */
static int set_up(void **state)
{
	(void)world_set_up(state);
	struct world *world = *state;
	assert_int_equal(store_search_clear(&world->ctx, world->db), ERR_OK);
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

/* Many texts at once, in the rooms 1 to 6 in turn. */
static void add_many(struct world *world, size_t from, size_t to, const char *body)
{
	size_t n = to - from;
	struct term *terms;
	size_t term_count;
	struct search_text *texts = ARENA_NEW_ARRAY(world->ctx.arena, struct search_text, n);
	terms_split(world->ctx.arena, str_of(body), TERMS_MAX, &terms, &term_count);
	for (size_t i = 0; i < n; i++) {
		int64_t position = (int64_t)(from + i + 1) * STEP;
		texts[i] = (struct search_text){.place = {(int64_t)(i % 6) + 1, position},
			.target_position = position,
			.key = SEARCH_BODY,
			.sender = STR("@a:hs"),
			.terms = terms,
			.term_count = term_count};
	}
	apply(world, &(struct search_change){.texts = texts, .text_count = n});
}

static void redact(struct world *world, int64_t room, int64_t position)
{
	const struct search_place place = {room, position};
	apply(world, &(struct search_change){.redacted = &place, .redacted_count = 1});
}

struct found {
	struct search_hit *hits;
	size_t n;
	int64_t total;
};

/* The spans are of the rooms 1 to 6, up to a position; `last` is of the hit before. */
static struct found ask(struct world *world, const char *query, int64_t up_to, size_t rooms,
	bool is_by_rank, struct search_hit last)
{
	static const int64_t keys[] = {SEARCH_BODY, SEARCH_NAME};
	struct ctx *ctx = &world->ctx;
	struct search_span spans[6];
	for (size_t i = 0; i < COUNT_OF(spans); i++) {
		spans[i] =
			(struct search_span){.room_nid = (int64_t)i + 1, .up_to = up_to, .horizon = up_to};
	}
	struct term_match *matches;
	struct search_ask asked = {.spans = spans,
		.span_count = rooms,
		.keys = keys,
		.key_count = COUNT_OF(keys),
		.has_url = -1,
		.is_by_rank = is_by_rank,
		.now_ms = 1000,
		.last_rank = last.rank,
		.last_position = last.place.position,
		.limit = HITS_MAX};
	terms_query(ctx->arena, str_of(query), 32, &matches, &asked.match_count);
	asked.matches = matches;
	struct found found;
	assert_int_equal(store_search(ctx, world->db, &asked, &found.hits, &found.n, &found.total),
		ERR_OK);
	return found;
}

static const struct search_hit from_the_first = {.place = {.position = INT64_MAX},
	.rank = INT64_MAX};

/* Positions found, as text. */
static const char *find(struct world *world, const char *query, int64_t up_to, size_t rooms,
	bool is_by_rank)
{
	struct ctx *ctx = &world->ctx;
	const struct found found = ask(world, query, up_to, rooms, is_by_rank, from_the_first);
	assert_int_equal(found.total, found.n);
	struct str all = STR("");
	for (size_t i = 0; i < found.n; i++) {
		all = str_printf(ctx->arena, "%.*s%s%d", STR_ARG(all), i == 0 ? "" : " ",
			(int)found.hits[i].place.position);
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

static void search__one_character__also_inside_of_words(void **state)
{
	struct world *world = *state;
	add(world, 1, 10, 10, "數學作業");
	add(world, 1, 20, 20, "上學");
	add(world, 1, 30, 30, "學 x");
	add(world, 1, 40, 40, "作文");
	assert_string_equal(find(world, "學", 100, 1, false), "30 20 10");
	assert_string_equal(find(world, "作", 100, 1, false), "40 10");
	assert_string_equal(find(world, "數學", 100, 1, false), "10");
	assert_string_equal(find(world, "\"學 x\"", 100, 1, false), "30");
}

/* Positions around the borders of the windows of all levels; and of edits of what is older than the stream. */
static void search__far_apart__found_by_recency(void **state)
{
	struct world *world = *state;
	static const int64_t places[] = {1, 8191, 8192, 8193, 65535, 65536, 524288, 4194303, 4194304,
		33554432, 33554433, 400000000000};
	struct str expected = STR("");
	for (size_t i = 0; i < COUNT_OF(places); i++) {
		add(world, (int64_t)(i % 6) + 1, places[i], places[i], "owl");
		expected = str_printf(world->ctx.arena, "%lld%s%.*s", (long long)places[i],
			i == 0 ? "" : " ", STR_ARG(expected));
	}
	struct str all = STR("");
	struct search_hit last = from_the_first;
	for (;;) {
		const struct found found = ask(world, "owl", 400000000000, 6, false, last);
		assert_int_equal(found.total, last.rank == INT64_MAX ? COUNT_OF(places) : 0);
		if (found.n == 0) {
			break;
		}
		last = found.hits[0];
		all = str_printf(world->ctx.arena, "%.*s%s%lld", STR_ARG(all), all.n == 0 ? "" : " ",
			(long long)last.place.position);
	}
	assert_string_equal(str_cstr(world->ctx.arena, all), str_cstr(world->ctx.arena, expected));
	add(world, 1, 20, -7, "heron");
	assert_string_equal(find(world, "heron", 100, 6, false), "-7");
}

/* The reader may see what came last only. */
static void search__edit_of_what_is_older_than_all_spans__found(void **state)
{
	struct world *world = *state;
	struct ctx *ctx = &world->ctx;
	static const int64_t keys[] = {SEARCH_BODY};
	const struct search_span span = {1, 5000000, 5000100, 5000100};
	add(world, 1, 7, 7, "kestrel");
	add(world, 1, 5000050, 7, "goshawk");
	for (int by_rank = 0; by_rank <= 1; by_rank++) {
		struct term_match *matches;
		struct search_ask asked = {.spans = &span,
			.span_count = 1,
			.keys = keys,
			.key_count = 1,
			.has_url = -1,
			.is_by_rank = by_rank,
			.last_rank = INT64_MAX,
			.last_position = INT64_MAX,
			.limit = HITS_MAX};
		terms_query(ctx->arena, STR("goshawk"), 32, &matches, &asked.match_count);
		asked.matches = matches;
		struct found found;
		assert_int_equal(store_search(ctx, world->db, &asked, &found.hits, &found.n, &found.total),
			ERR_OK);
		assert_int_equal(found.n, 1);
		assert_int_equal(found.total, 1);
		assert_int_equal(found.hits[0].place.position, 7);
		assert_int_equal(found.hits[0].text_position, 5000050);
	}
}

/* How many rows of the index's table were fetched so far: all its connections have to be gone. */
static long rows_fetched(struct world *world)
{
	db_destroy(world->db);
	world->db = NULL;
	PGconn *conn = PQconnectdb(str_cstr(world->ctx.arena, world_url));
	long fetched = -1;
	while (fetched < 0) {
		PGresult *result = PQexec(conn,
			"SELECT idx_tup_fetch + seq_tup_read FROM pg_stat_user_tables"
			" WHERE relname = 'search_texts' AND 1 = (SELECT count(*) FROM pg_stat_activity"
			" WHERE datname = current_database() AND backend_type = 'client backend')");
		assert_int_equal(PQresultStatus(result), PGRES_TUPLES_OK);
		fetched = PQntuples(result) == 1 ? strtol(PQgetvalue(result, 0, 0), NULL, 10) : -1;
		PQclear(result);
	}
	PQfinish(conn);
	world->db = world_connect(2);
	return fetched;
}

/* Of many matches the newest 1,000 are read, and the rest of their window: 8,192 positions. */
static void search__many_more_matches__no_more_rows_read(void **state)
{
	static const size_t numbers[] = {4000, 24000};
	const long most = 1000 + 8192 / STEP;
	struct world *world = *state;
	size_t n = 0;
	for (size_t i = 0; i < COUNT_OF(numbers); i++) {
		add_many(world, n, numbers[i], "common words");
		n = numbers[i];
		int64_t up_to = (int64_t)n * STEP;
		for (int by_rank = 0; by_rank <= 1; by_rank++) {
			long before = rows_fetched(world);
			const struct found found = ask(world, "common", up_to, 6, by_rank, from_the_first);
			assert_int_equal(found.n, HITS_MAX);
			if (!by_rank) {
				assert_int_equal(found.hits[0].place.position, up_to);
			}
			assert_in_range(found.total, n - n / 100, n + n / 100);
			assert_in_range(rows_fetched(world) - before, 1000, most);
		}
	}
}

#define FRESH(name) cmocka_unit_test_setup_teardown(name, set_up, world_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		FRESH(search__few_and_many_rooms__the_same_hits),
		FRESH(search__edits__newest_that_is_known),
		FRESH(search__the_same_change_twice__as_once),
		FRESH(search__one_character__also_inside_of_words),
		FRESH(search__far_apart__found_by_recency),
		FRESH(search__edit_of_what_is_older_than_all_spans__found),
		FRESH(search__many_more_matches__no_more_rows_read),
	};
	return cmocka_run_group_tests(tests, world_set_up_all, NULL);
}
