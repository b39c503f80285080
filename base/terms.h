/**
 * Terms of a text, for an index and for what is looked up in it: words in scripts that put spaces between them (English ones
 * without their endings), and pairs of neighbouring characters in scripts that do not. One text may mix all of them.
 *
 * A run of characters abc gives the terms ab, bc, c: each character begins one term, so a single character is found by the terms
 * that begin with it, and a longer run by its pairs, one behind the other.
 */
#ifndef BELFRY_BASE_TERMS_H
#define BELFRY_BASE_TERMS_H

#include "base/str.h"

/** Terms of other versions are not comparable: an index has to be made anew. */
#define TERMS_VERSION 1

enum { TERM_MAX_BYTES = 96 };

struct term {
	struct str
		text; /**< folded; letters, digits and marks only, so no quotes and no backslashes; in the arena */
	uint32_t position; /**< 1, 2, …: place among the text's words and characters */
	uint32_t start;    /**< bytes of the text that it comes from: start ≤ … < end */
	uint32_t end;
	uint32_t first_n; /**< of a pair: bytes of `text` that are its first character; else = text.n */
	uint32_t first_end; /**< of a pair: end of its first character; else = end */
	bool is_gram;       /**< a pair of characters, or the last character of a run */
	bool is_single;     /**< only one character: the last one of a run */
	bool is_glued;      /**< nothing but a change of script is between it and the term before */
};

/**
 * Splits a text.
 *
 * @param max  terms at the most; the rest of the text is left out
 * @param out  in the arena, in order of positions
 * Cost: O(text)
 */
void terms_split(struct arena *arena, struct str text, size_t max, struct term **out,
	size_t *out_count);

/** The same for names of people and rooms: no word loses an ending, so that the beginning of a word finds it. */
void terms_split_names(struct arena *arena, struct str text, size_t max, struct term **out,
	size_t *out_count);

/** One part of what is looked for. */
struct term_match {
	struct str text;
	bool is_prefix;    /**< every term that begins so */
	uint32_t distance; /**< so many positions behind the match before it; 0: anywhere */
};

/**
 * What somebody looks for, as matches that all have to be found. Runs of characters, what is written together, and what stands in
 * double quotes ("…", “…”, 「…」) has to be found in that order, without anything between.
 *
 * @param max  matches at the most; the rest of the text is left out
 * @param out  in the arena; nothing when the text has no word
 */
void terms_query(struct arena *arena, struct str text, size_t max, struct term_match **out,
	size_t *out_count);

/** What somebody types to find a name: every word and pair of characters may be the beginning of one. */
void terms_query_names(struct arena *arena, struct str text, size_t max, struct term_match **out,
	size_t *out_count);

/** A place in a text. */
struct term_span {
	uint32_t start;
	uint32_t end;
};

/**
 * Where a text matches: spans of the text in order, neighbouring pairs of characters as one.
 * @param max  spans at the most
 */
void terms_find(struct arena *arena, struct str text, const struct term_match *matches,
	size_t match_count, size_t max, struct term_span **out, size_t *out_count);

#endif
