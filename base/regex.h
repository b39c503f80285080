/**
 * Regular expressions of others (application services), by PCRE2. UTF-8 throughout.
 *
 * An expression matches from the start of a text, and need not reach its end: as other homeservers have it. No expression is
 * slow: what takes too many steps matches nothing.
 */
#ifndef BELFRY_BASE_REGEX_H
#define BELFRY_BASE_REGEX_H

#include "base/arena.h"
#include "base/str.h"

/** Longest expression, in bytes. */
enum { REGEX_MAX_BYTES = 4096 };

/** Compiled; immutable, any thread. */
struct regex;

/**
 * @param out_problem  why it is none ("missing closing parenthesis at 5"); in the arena or static
 * @return  in the arena; NULL when it is no expression
 */
struct regex *regex_create(struct arena *arena, struct str pattern, const char **out_problem);

/** Whether the text begins with what the expression stands for. A text that is no UTF-8 matches nothing. */
bool regex_matches_start(const struct regex *regex, struct str text);

#endif
