/**
 * A round over rows of which one has nothing to do with another: what fails with one does not end it for the rest, unless so many fail one after
 * the other that the database must be away.
 */
#ifndef BELFRY_NOTICES_NOTICE_ROUND_H
#define BELFRY_NOTICES_NOTICE_ROUND_H

#include "base/ctx.h"

/** Zeroed at its beginning. */
struct notice_round {
	enum err err; /**< the first failure; ERR_OK: none */
	int in_a_row; /**< failed since the last that succeeded */
};

/**
 * Notes how one went; a failure is logged, and the fault is cleared.
 * @param what  was done, for the log; static
 * @return      whether the next is to be done
 */
bool notice_round_note(struct ctx *ctx, struct notice_round *round, const char *what, enum err err);

#endif
