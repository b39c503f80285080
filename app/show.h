/**
 * How commands show what is stored.
 */
#ifndef BELFRY_APP_SHOW_H
#define BELFRY_APP_SHOW_H

#include <stdint.h>

#include "base/arena.h"
#include "base/str.h"

/** What others have written, without control characters for the terminal and what is no UTF-8: each is a space. In the arena. */
struct str show_text(struct arena *arena, struct str text);

/** "2026-11-26 10:36 UTC", in the arena; "-" for 0, which stands for never. @param at_ms  wall clock, milliseconds */
const char *show_time(struct arena *arena, int64_t at_ms);

#endif
