/**
 * Borrowed views of bytes. A `struct str` does not own, is not NUL-terminated and may contain NUL.
 */
#ifndef BELFRY_BASE_STR_H
#define BELFRY_BASE_STR_H

#include "base/defs.h"

struct arena;

struct str {
	const char *p; /**< may be NULL when n is 0 */
	size_t n;      /**< bytes */
};

/** A view of a string literal (not of a pointer). */
#define STR(literal) ((struct str){"" literal, sizeof(literal) - 1})
/** The same for static initialisers. */
#define STR_INIT(literal) \
	{ \
		"" literal, sizeof(literal) - 1 \
	}
/** For printf: `"%.*s", STR_ARG(s)`. */
#define STR_ARG(s) ((int)(s).n), ((s).p != NULL ? (s).p : "")

/** View of a NUL-terminated string; NULL gives the empty view. */
struct str str_of(const char *text);

/** View of `n` bytes at `p`. */
struct str str_from(const char *p, size_t n);

/** Whether it has no bytes; p may be NULL or not. */
bool str_is_empty(struct str s);
/** Byte by byte. Empty ones are equal, whatever p is. Not for secrets: the time tells where they differ. */
bool str_equals(struct str a, struct str b);
/** ASCII letters compare without case. */
bool str_equals_nocase(struct str a, struct str b);
/** Byte order, shorter first when one is a prefix: <0, 0, >0. */
int str_compare(struct str a, struct str b);
bool str_starts_with(struct str s, struct str prefix);
bool str_ends_with(struct str s, struct str suffix);
bool str_contains(struct str s, struct str needle);

/** Index of the first byte `c`, or SIZE_MAX. */
size_t str_find_byte(struct str s, char c);
/** Whether it contains U+0000, which no database column takes. */
static inline bool str_has_nul(struct str s)
{
	return str_find_byte(s, '\0') != SIZE_MAX;
}
/** Index of the last byte `c`, or SIZE_MAX. */
size_t str_find_last_byte(struct str s, char c);

/** The part [from, to), both clamped to the length. */
struct str str_slice(struct str s, size_t from, size_t to);

/** Without ASCII white space at both ends. */
struct str str_trim(struct str s);

/**
 * Splits at the first `separator`: `*head` is what stands before, `*tail` what follows.
 * @return false when there is none: head is all, tail empty.
 */
bool str_split(struct str s, char separator, struct str *head, struct str *tail);

/**
 * Decimal integer with optional '-', no sign '+', no spaces, no leading zeros but "0" itself.
 * @return false when it is not that or lies outside [min, max]; then *out is unchanged.
 */
MUST_CHECK bool str_to_int(struct str s, int64_t min, int64_t max, int64_t *out);

/** Copy in the arena, followed by a NUL that is not counted. */
struct str str_dup(struct arena *arena, struct str s);

/**
 * The same text where the text that it may view was copied to: what lies in `from` as the same place of `to`, else a copy in the arena.
 * None (p == NULL) stays none.
 */
struct str str_dup_within(struct arena *arena, struct str s, struct str from, struct str to);

/** NUL-terminated copy in the arena. */
char *str_cstr(struct arena *arena, struct str s);

/** Copy on the heap, NUL-terminated; free `.p` with str_free(). */
struct str str_heap(struct str s);
/** Frees what str_heap() made. */
void str_free(struct str s);

/** ASCII lower case copy in the arena. */
struct str str_lower(struct arena *arena, struct str s);

/** Pieces one after the other, in the arena. */
struct str str_concat(struct arena *arena, const struct str *pieces, size_t count);

/** printf into the arena. */
struct str str_printf(struct arena *arena, const char *format, ...) PRINTF_LIKE(2, 3);

#endif
