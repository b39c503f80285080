/*
 * The stars cut a pattern into runs. The first run must match at the start of the text, the last one
 * at its end, and those in between are found from left to right, the leftmost place being always as
 * good as any other: so nothing is ever tried twice. Runs without `?` are found with the
 * Knuth-Morris-Pratt automaton on the bytes (UTF-8 makes that the same as on characters); those with
 * `?` by comparing at each place, which is why their length is limited.
 */
#include "base/glob.h"

#include <string.h>

#include "base/casefold.h"
#include "base/mem.h"

enum { SMALL_BYTES = 512 };

/* A text folded into memory of its own. */
struct folded {
	char small[SMALL_BYTES];
	char *heap;
	struct str s;
};

static void folded_init(struct folded *folded, struct str text)
{
	size_t room = casefold_room(text.n);
	folded->heap = room > sizeof(folded->small) ? mem_alloc(room) : NULL;
	char *out = folded->heap != NULL ? folded->heap : folded->small;
	folded->s = str_from(out, casefold_text(text, out));
}

static void folded_fini(struct folded *folded)
{
	mem_free(folded->heap);
}

/* Where the character that starts at `at` ends: any byte and the continuation bytes behind it. */
static size_t next_char(struct str s, size_t at)
{
	at++;
	while (at < s.n && ((unsigned char)s.p[at] & 0xC0) == 0x80) {
		at++;
	}
	return at;
}

/*
 * Whether the run matches the text from `at`.
 * @param out_end  where it ends
 */
static bool run_matches(struct str run, struct str text, size_t at, size_t *out_end)
{
	for (size_t i = 0; i < run.n; i++) {
		if (at >= text.n) {
			return false;
		}
		if (run.p[i] == '?') {
			at = next_char(text, at);
		} else if (run.p[i] == text.p[at]) {
			at++;
		} else {
			return false;
		}
	}
	*out_end = at;
	return true;
}

static size_t char_count(struct str s)
{
	size_t n = 0;
	for (size_t at = 0; at < s.n; at = next_char(s, at)) {
		n++;
	}
	return n;
}

/* Where the last `count` characters start; SIZE_MAX when there are fewer. */
static size_t last_chars(struct str s, size_t count)
{
	size_t at = s.n;
	for (; count > 0; count--) {
		if (at == 0) {
			return SIZE_MAX;
		}
		at--;
		while (at > 0 && ((unsigned char)s.p[at] & 0xC0) == 0x80) {
			at--;
		}
	}
	return at;
}

static bool is_word_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

static bool is_boundary(struct str text, size_t at)
{
	return at == 0 || at == text.n || !is_word_char(text.p[at - 1]) || !is_word_char(text.p[at]);
}

/* What a place must be like for a run to count there. */
struct place {
	size_t from; /* earliest start */
	bool at_start_boundary;
	bool at_end_boundary;
};

static bool place_fits(const struct place *place, struct str text, size_t start, size_t end)
{
	return (!place->at_start_boundary || is_boundary(text, start)) &&
		(!place->at_end_boundary || is_boundary(text, end));
}

/* Leftmost fitting place of a run without '?'. */
static bool find_literal(struct str run, struct str text, const struct place *place,
	size_t *out_end)
{
	/* border[i]: length of the longest proper prefix of run[0..i] that is also its suffix */
	size_t small[64];
	size_t *border = run.n <= COUNT_OF(small) ? small : mem_alloc_array(run.n, sizeof(*border));
	border[0] = 0;
	for (size_t i = 1, k = 0; i < run.n; i++) {
		while (k > 0 && run.p[i] != run.p[k]) {
			k = border[k - 1];
		}
		k += run.p[i] == run.p[k];
		border[i] = k;
	}
	bool found = false;
	for (size_t at = place->from, k = 0; at < text.n && !found; at++) {
		while (k > 0 && (k == run.n || text.p[at] != run.p[k])) {
			k = border[k - 1];
		}
		k += text.p[at] == run.p[k];
		if (k == run.n && place_fits(place, text, at + 1 - k, at + 1)) {
			*out_end = at + 1;
			found = true;
		}
	}
	if (border != small) {
		mem_free(border);
	}
	return found;
}

/* Leftmost fitting place of a run with '?'. */
static bool find_pattern(struct str run, struct str text, const struct place *place,
	size_t *out_end)
{
	if (char_count(run) > GLOB_MAX_RUN) {
		return false;
	}
	for (size_t at = place->from; at < text.n; at = next_char(text, at)) {
		size_t end;
		if (run_matches(run, text, at, &end) && place_fits(place, text, at, end)) {
			*out_end = end;
			return true;
		}
	}
	return false;
}

static bool find_run(struct str run, struct str text, const struct place *place, size_t *out_end)
{
	invariant(run.n > 0);
	return str_find_byte(run, '?') == SIZE_MAX ? find_literal(run, text, place, out_end)
											   : find_pattern(run, text, place, out_end);
}

/* Takes the next run off the pattern. @return false when no star follows it: it is the last */
static bool next_run(struct str *pattern, struct str *out)
{
	return str_split(*pattern, '*', out, pattern);
}

static bool match_whole(struct str pattern, struct str text)
{
	struct str run;
	bool more = next_run(&pattern, &run);
	size_t at = 0;
	if (!run_matches(run, text, 0, &at)) {
		return false;
	}
	if (!more) {
		return at == text.n;
	}
	for (more = next_run(&pattern, &run); more; more = next_run(&pattern, &run)) {
		const struct place place = {.from = at};
		if (run.n > 0 && !find_run(run, text, &place, &at)) {
			return false;
		}
	}
	size_t last = last_chars(text, char_count(run));
	size_t end;
	return last != SIZE_MAX && last >= at && run_matches(run, text, last, &end) && end == text.n;
}

/*
 * A first run must start at a boundary and a last one end at one. Where a star stands at either end of
 * the pattern, the start or end of the text serves.
 */
static bool match_word(struct str pattern, struct str text)
{
	size_t at = 0;
	bool is_first = true;
	bool more = true;
	while (more) {
		struct str run;
		more = next_run(&pattern, &run);
		const struct place place = {.from = at,
			.at_start_boundary = is_first,
			.at_end_boundary = !more};
		is_first = false;
		if (run.n > 0 && !find_run(run, text, &place, &at)) {
			return false;
		}
	}
	return true;
}

bool glob_match(struct str pattern, struct str text, bool ignore_case)
{
	if (!ignore_case) {
		return match_whole(pattern, text);
	}
	struct folded folded_pattern CLEANUP(folded_fini);
	struct folded folded_text CLEANUP(folded_fini);
	folded_init(&folded_pattern, pattern);
	folded_init(&folded_text, text);
	return match_whole(folded_pattern.s, folded_text.s);
}

bool glob_match_word(struct str pattern, struct str text)
{
	if (pattern.n == 0) {
		return false;
	}
	struct folded folded_pattern CLEANUP(folded_fini);
	struct folded folded_text CLEANUP(folded_fini);
	folded_init(&folded_pattern, pattern);
	folded_init(&folded_text, text);
	return match_word(folded_pattern.s, folded_text.s);
}
