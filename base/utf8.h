/**
 * UTF-8: checking and encoding.
 */
#ifndef BELFRY_BASE_UTF8_H
#define BELFRY_BASE_UTF8_H

#include "base/str.h"

/** Whether all bytes form UTF-8 without surrogates, overlong forms and code points over U+10FFFF. */
bool utf8_is_valid(struct str s);

/**
 * Writes one code point (not a surrogate, ≤ 0x10FFFF).
 * @param out  room for 4 bytes
 * @return bytes written, 1 to 4
 */
size_t utf8_encode(uint32_t code_point, char *out);

/**
 * Reads one code point at *at and moves *at behind it; an invalid byte gives U+FFFD and moves by 1.
 * `*at` must be below s.n.
 */
uint32_t utf8_next(struct str s, size_t *at);

/** Number of code points of valid UTF-8. */
size_t utf8_length(struct str s);

#endif
