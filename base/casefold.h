/**
 * Unicode simple case folding (CaseFolding.txt, statuses C and S).
 */
#ifndef BELFRY_BASE_CASEFOLD_H
#define BELFRY_BASE_CASEFOLD_H

#include "base/str.h"

/** The folded code point; itself when it has no case. */
uint32_t casefold(uint32_t code_point);

/** Most bytes that casefold_text() writes for `size_bytes` of text. */
size_t casefold_room(size_t size_bytes);

/**
 * Folds a text; bytes that are no UTF-8 stay as they are.
 *
 * @param out  room for casefold_room(text.n) bytes
 * @return     bytes written
 */
size_t casefold_text(struct str text, char *out);

#endif
