/*
 * Any text is split into terms whose spans lie in it and whose texts can stand in an index; a text finds itself.
 */
#include "base/terms.h"

#include "base/arena.h"
#include "base/utf8.h"

enum { MAX_TERMS = 5000 };

static void check_terms(struct str text, const struct term *terms, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		invariant(terms[i].start < terms[i].end && terms[i].end <= text.n);
		invariant(terms[i].first_end > terms[i].start && terms[i].first_end <= terms[i].end);
		invariant(terms[i].first_n > 0 && terms[i].first_n <= terms[i].text.n);
		invariant(terms[i].position == i + 1);
		invariant(terms[i].text.n > 0 && utf8_is_valid(terms[i].text));
		invariant(
			!str_contains(terms[i].text, STR("'")) && !str_contains(terms[i].text, STR("\\")));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct str text = str_from((const char *)data, size);
	struct term *terms;
	size_t count;
	terms_split(arena, text, MAX_TERMS, &terms, &count);
	check_terms(text, terms, count);
	struct term_match *matches;
	size_t match_count;
	terms_query(arena, text, MAX_TERMS, &matches, &match_count);
	invariant(match_count <= count && (match_count > 0) == (count > 0));
	struct term_span *spans;
	size_t span_count;
	terms_find(arena, text, matches, match_count, MAX_TERMS, &spans, &span_count);
	invariant((span_count > 0) == (count > 0));
	return 0;
}
