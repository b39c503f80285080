/*
 * Over the folded characters goes a small machine: it gathers the characters of a word, or those of a run, and closes either when
 * something else comes.
 */
#include "base/terms.h"

#include <string.h>

#include <libstemmer.h>

#include "base/arena.h"
#include "base/fold.h"
#include "base/utf8.h"
#include "base/vec.h"
#include "gen/late_stemmer.h"

enum { UNIT_BYTES = 32, FIND_TERMS_MAX = 20000 };

/* A character of a run, with its marks. */
struct unit {
	char text[UNIT_BYTES];
	size_t n;
	uint32_t start;
	uint32_t end;
};

struct splitting {
	struct arena *arena;
	struct sb_stemmer *stemmer;
	size_t max;
	VEC(struct term) terms;
	uint32_t position;
	bool is_glued; /* no separator since the last term */
	/* The word that is being gathered. */
	char word[TERM_MAX_BYTES];
	size_t word_n;
	bool is_ascii;
	struct term_span word_span;
	/* Of a run: the newest unit. */
	struct unit unit;
	bool has_unit;
};

static void add(struct splitting *splitting, struct str text, const struct term *kind)
{
	splitting->position++;
	if (splitting->terms.n >= splitting->max) {
		return;
	}
	struct term term = *kind;
	term.text = str_dup(splitting->arena, text);
	term.first_n = term.first_n != 0 ? term.first_n : (uint32_t)text.n;
	term.position = splitting->position;
	term.is_glued = splitting->is_glued;
	VEC_PUSH(splitting->arena, &splitting->terms, term);
	splitting->is_glued = true;
}

static void close_word(struct splitting *splitting)
{
	if (splitting->word_n == 0) {
		return;
	}
	struct str text = str_from(splitting->word, splitting->word_n);
	if (splitting->is_ascii && splitting->stemmer != NULL) {
		const sb_symbol *stem = sb_stemmer_stem(splitting->stemmer,
			(const sb_symbol *)splitting->word, (int)splitting->word_n);
		text = str_from((const char *)stem, (size_t)sb_stemmer_length(splitting->stemmer));
	}
	add(splitting, text,
		&(struct term){.start = splitting->word_span.start,
			.end = splitting->word_span.end,
			.first_end = splitting->word_span.end});
	splitting->word_n = 0;
}

static void close_run(struct splitting *splitting)
{
	if (splitting->has_unit) {
		const struct unit *unit = &splitting->unit;
		add(splitting, str_from(unit->text, unit->n),
			&(struct term){.start = unit->start,
				.end = unit->end,
				.first_end = unit->end,
				.is_gram = true,
				.is_single = true});
		splitting->has_unit = false;
	}
}

static void append_to_word(struct splitting *splitting, const struct fold_char *c)
{
	char bytes[4];
	size_t n = utf8_encode(c->code_point, bytes);
	if (splitting->word_n == 0) {
		splitting->is_ascii = true;
		splitting->word_span.start = c->start;
	}
	splitting->word_span.end = c->end;
	splitting->is_ascii = splitting->is_ascii && c->code_point < 0x80;
	if (splitting->word_n + n <= sizeof(splitting->word)) {
		memcpy(splitting->word + splitting->word_n, bytes, n);
		splitting->word_n += n;
	}
}

static void append_to_unit(struct unit *unit, const struct fold_char *c)
{
	char bytes[4];
	size_t n = utf8_encode(c->code_point, bytes);
	if (unit->n + n <= sizeof(unit->text)) {
		memcpy(unit->text + unit->n, bytes, n);
		unit->n += n;
	}
	unit->end = c->end;
}

static void begin_unit(struct splitting *splitting, const struct fold_char *c)
{
	struct unit unit = {.start = c->start};
	append_to_unit(&unit, c);
	splitting->unit = unit;
	splitting->has_unit = true;
}

static void add_pair(struct splitting *splitting, const struct unit *first,
	const struct unit *second)
{
	char text[2 * UNIT_BYTES];
	memcpy(text, first->text, first->n);
	memcpy(text + first->n, second->text, second->n);
	add(splitting, str_from(text, first->n + second->n),
		&(struct term){.start = first->start,
			.end = second->end,
			.first_n = (uint32_t)first->n,
			.first_end = first->end,
			.is_gram = true});
}

/* Reads one run, from its first character; @return the index behind it */
static size_t read_run(struct splitting *splitting, const struct fold_char *chars, size_t count,
	size_t at)
{
	begin_unit(splitting, &chars[at++]);
	for (;;) {
		while (at < count && chars[at].kind == FOLD_MARK) {
			append_to_unit(&splitting->unit, &chars[at++]);
		}
		if (at >= count || chars[at].kind != FOLD_GRAM) {
			break;
		}
		struct unit first = splitting->unit;
		begin_unit(splitting, &chars[at++]);
		while (at < count && chars[at].kind == FOLD_MARK) {
			append_to_unit(&splitting->unit, &chars[at++]);
		}
		add_pair(splitting, &first, &splitting->unit);
	}
	close_run(splitting);
	return at;
}

static bool joins_word(const struct fold_char *chars, size_t count, size_t at)
{
	return chars[at].kind == FOLD_WORD || chars[at].kind == FOLD_MARK ||
		(chars[at].kind == FOLD_QUOTE && at + 1 < count && chars[at + 1].kind == FOLD_WORD);
}

static size_t read_word(struct splitting *splitting, const struct fold_char *chars, size_t count,
	size_t at)
{
	for (; at < count && joins_word(chars, count, at); at++) {
		if (chars[at].kind != FOLD_QUOTE) {
			append_to_word(splitting, &chars[at]);
		}
	}
	close_word(splitting);
	return at;
}

static void split(struct arena *arena, struct sb_stemmer *stemmer, struct str text, size_t max,
	struct term **out, size_t *out_count)
{
	struct fold_char *chars;
	size_t count;
	fold_text(arena, text, &chars, &count);
	struct splitting splitting = {.arena = arena, .max = max, .stemmer = stemmer};
	for (size_t at = 0; at < count && splitting.terms.n < max;) {
		switch (chars[at].kind) {
		case FOLD_WORD:
			at = read_word(&splitting, chars, count, at);
			break;
		case FOLD_GRAM:
			at = read_run(&splitting, chars, count, at);
			break;
		default:
			splitting.is_glued = false;
			at++;
			break;
		}
	}
	*out = splitting.terms.p;
	*out_count = splitting.terms.n;
}

void terms_split(struct arena *arena, struct str text, size_t max, struct term **out,
	size_t *out_count)
{
	struct sb_stemmer *stemmer = sb_stemmer_new("english", NULL);
	invariant(stemmer != NULL);
	split(arena, stemmer, text, max, out, out_count);
	sb_stemmer_delete(stemmer);
}

void terms_split_names(struct arena *arena, struct str text, size_t max, struct term **out,
	size_t *out_count)
{
	split(arena, NULL, text, max, out, out_count);
}

/* --- what is looked for ---------------------------------------------------------------------------------------- */

static bool is_quote(uint32_t c)
{
	return c == '"' || c == 0x201c || c == 0x201d || c == 0x300c || c == 0x300d;
}

static size_t count_quotes(struct str text, size_t *at, size_t to)
{
	size_t n = 0;
	while (*at < to) {
		n += is_quote(utf8_next(text, at)) ? 1 : 0;
	}
	return n;
}

/* Whether a term is the last character of a run of several, which the pair before it has already. */
static bool is_in_pair(const struct term *terms, size_t at)
{
	return terms[at].is_single && terms[at].is_glued && at > 0 && terms[at - 1].is_gram &&
		!terms[at - 1].is_single;
}

void terms_query(struct arena *arena, struct str text, size_t max, struct term_match **out,
	size_t *out_count)
{
	struct term *terms;
	size_t count;
	terms_split(arena, text, max, &terms, &count);
	struct term_match *matches = ARENA_NEW_ARRAY(arena, struct term_match, count);
	size_t n = 0;
	size_t at = 0;
	size_t quotes = 0;
	uint32_t last_position = 0;
	for (size_t i = 0; i < count; i++) {
		size_t quotes_before = quotes;
		quotes += count_quotes(text, &at, terms[i].start);
		bool is_quoted = quotes == quotes_before && quotes % 2 == 1;
		if (is_in_pair(terms, i)) {
			continue;
		}
		bool is_bound = n > 0 && (terms[i].is_glued || is_quoted);
		matches[n++] = (struct term_match){
			.text = terms[i].text,
			.is_prefix = terms[i].is_single,
			.distance = is_bound ? terms[i].position - last_position : 0,
		};
		last_position = terms[i].position;
	}
	*out = matches;
	*out_count = n;
}

void terms_query_names(struct arena *arena, struct str text, size_t max, struct term_match **out,
	size_t *out_count)
{
	struct term *terms;
	size_t count;
	terms_split_names(arena, text, max, &terms, &count);
	struct term_match *matches = ARENA_NEW_ARRAY(arena, struct term_match, count);
	size_t n = 0;
	for (size_t i = 0; i < count; i++) {
		if (!is_in_pair(terms, i)) {
			matches[n++] = (struct term_match){.text = terms[i].text, .is_prefix = true};
		}
	}
	*out = matches;
	*out_count = n;
}

/* The part of a term that matches; false when none does. */
static bool find_match(const struct term *term, const struct term_match *matches, size_t count,
	struct term_span *out)
{
	for (size_t i = 0; i < count; i++) {
		if (str_equals(term->text, matches[i].text)) {
			*out = (struct term_span){term->start, term->end};
			return true;
		}
	}
	for (size_t i = 0; i < count; i++) {
		if (matches[i].is_prefix && term->is_gram && str_starts_with(term->text, matches[i].text)) {
			*out = (struct term_span){term->start, term->first_end};
			return true;
		}
	}
	return false;
}

void terms_find(struct arena *arena, struct str text, const struct term_match *matches,
	size_t match_count, size_t max, struct term_span **out, size_t *out_count)
{
	struct term *terms;
	size_t count;
	terms_split(arena, text, FIND_TERMS_MAX, &terms, &count);
	VEC(struct term_span) spans = {0};
	for (size_t i = 0; i < count; i++) {
		struct term_span span;
		if (!find_match(&terms[i], matches, match_count, &span)) {
			continue;
		}
		struct term_span *last = spans.n > 0 ? &spans.p[spans.n - 1] : NULL;
		if (last != NULL && span.start < last->end) {
			last->end = MAX_OF(last->end, span.end);
		} else if (spans.n < max) {
			VEC_PUSH(arena, &spans, span);
		} else {
			break;
		}
	}
	*out = spans.p;
	*out_count = spans.n;
}
