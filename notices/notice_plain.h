/**
 * Others' texts as plain text of a bounded length: valid UTF-8 in, without control characters out. Pure.
 */
#ifndef BELFRY_NOTICES_NOTICE_PLAIN_H
#define BELFRY_NOTICES_NOTICE_PLAIN_H

#include "base/arena.h"
#include "base/str.h"

/** In one line; cut after `limit` bytes, with "…". In the arena. */
struct str notice_plain_line(struct arena *arena, struct str text, size_t limit);

/** Line by line, without spaces around them, and without empty ones; the same limit. In the arena. */
struct str notice_plain_lines(struct arena *arena, struct str text, size_t limit);

#endif
