/**
 * When libmicrohttpd gets its next turn: pauses where its turns are in vain. Inner to http/.
 *
 * It wants its turn at once while it sends a file to a client that is fast, or has more to read; but also for as long as a connection is open
 * whose bytes it can neither use nor keep (a chunk's length that fills its memory). Then nothing happens in its turns, one after the other,
 * and pauses come between them, as long as some body comes in chunks. Where something has happened, more of it may wait of which no event
 * tells (a body that it reads piece by piece): it gets its turns at once.
 */
#ifndef BELFRY_HTTP_TURNS_H
#define BELFRY_HTTP_TURNS_H

#include "base/defs.h"

/** Zeroed at first. One thread's. */
struct turns {
	size_t in_vain; /**< the last ones, one after the other, in which nothing happened */
};

/**
 * A turn is over.
 * @param is_wanted     at once
 * @param has_happened  something did, or had come before it
 */
void turns_note(struct turns *turns, bool is_wanted, bool has_happened);

/** How long to wait before a turn that is wanted at once, unless something comes. @param has_chunks  some body comes in chunks */
int turns_pause_ms(const struct turns *turns, bool has_chunks);

#endif
