/*
 * search.json: texts in four languages, and which of them each query finds. Here by the terms alone; tests/http/test_search.py asks a server.
 */
#include "tests/vectors/spec_vectors.h"

#include "base/terms.h"

enum { TERMS_MAX = 1000, MATCHES_MAX = 32 };

struct indexed {
	struct str name;
	struct term *terms;
	size_t count;
};

static bool matches_at(const struct indexed *text, const struct term_match *match,
	uint32_t position)
{
	for (size_t i = 0; i < text->count; i++) {
		bool is_same = match->is_prefix ? str_starts_with(text->terms[i].text, match->text)
										: str_equals(text->terms[i].text, match->text);
		if (is_same && (position == 0 || text->terms[i].position == position)) {
			return true;
		}
	}
	return false;
}

/* The matches from `at` on that are bound to it, anywhere in the text. */
static bool finds_phrase(const struct indexed *text, const struct term_match *matches, size_t count,
	size_t at)
{
	for (uint32_t start = 1; start <= text->count; start++) {
		uint32_t position = start;
		bool found = matches_at(text, &matches[at], position);
		for (size_t i = at + 1; found && i < count && matches[i].distance > 0; i++) {
			position += matches[i].distance;
			found = matches_at(text, &matches[i], position);
		}
		if (found) {
			return true;
		}
	}
	return false;
}

static bool finds(const struct indexed *text, const struct term_match *matches, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (matches[i].distance == 0 && !finds_phrase(text, matches, count, i)) {
			return false;
		}
	}
	return count > 0;
}

static bool is_expected(const struct json *names, struct str name)
{
	for (size_t i = 0; i < names->count; i++) {
		if (str_equals(json_text(&names->items[i]), name)) {
			return true;
		}
	}
	return false;
}

static size_t check_query(struct arena *arena, const struct json *query,
	const struct indexed *texts, size_t count)
{
	struct term_match *matches;
	size_t match_count;
	struct str words = json_text(&query->items[0]);
	terms_query(arena, words, MATCHES_MAX, &matches, &match_count);
	size_t wrong = 0;
	for (size_t i = 0; i < count; i++) {
		bool found = finds(&texts[i], matches, match_count);
		if (found != is_expected(&query->items[1], texts[i].name)) {
			print_error("%.*s: %.*s is %s\n", STR_ARG(words), STR_ARG(texts[i].name),
				found ? "found" : "not found");
			wrong++;
		}
	}
	return wrong;
}

static void search__every_query__finds_what_it_should(void **state)
{
	(void)state;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	const struct json *file = vectors_read(arena, "search.json");
	const struct json *named = vectors_get(file, "texts");
	const struct json *queries = vectors_get(file, "queries");
	struct indexed *texts = ARENA_NEW_ARRAY(arena, struct indexed, named->count);
	for (size_t i = 0; i < named->count; i++) {
		texts[i].name = named->members[i].key;
		terms_split(arena, json_text(&named->members[i].value), TERMS_MAX, &texts[i].terms,
			&texts[i].count);
	}
	assert_true(queries->count >= 200);
	size_t wrong = 0;
	for (size_t i = 0; i < queries->count; i++) {
		wrong += check_query(arena, &queries->items[i], texts, named->count);
	}
	assert_int_equal(wrong, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(search__every_query__finds_what_it_should),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
