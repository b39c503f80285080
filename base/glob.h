/**
 * Glob matching as Matrix knows it: `*` stands for any characters, `?` for exactly one, and nothing
 * else is special. Characters are code points. No pattern makes it slow: the work is at most
 * proportional to the length of the text times a small constant.
 * Spec: appendices, "Glob-style matching"
 */
#ifndef BELFRY_BASE_GLOB_H
#define BELFRY_BASE_GLOB_H

#include "base/str.h"

/** Longest run with `?` between two `*`, in characters; a longer one matches nothing. */
enum { GLOB_MAX_RUN = 256 };

/**
 * Whether the pattern matches the whole text.
 *
 * @param pattern, text  UTF-8
 * @param ignore_case    compare by Unicode simple case folding
 */
bool glob_match(struct str pattern, struct str text, bool ignore_case);

/**
 * Whether the pattern matches a part of the text that starts and ends at a word boundary: the start
 * or end of the text, or a place with a character other than A–Z a–z 0–9 and _ on either side. Case is
 * ignored. The empty pattern matches nothing.
 *
 * Spec: client-server, push notifications, "event_match" on content.body
 */
bool glob_match_word(struct str pattern, struct str text);

#endif
