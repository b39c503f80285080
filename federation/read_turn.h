/**
 * Turns to read what other servers answered. A tree of JSON takes several times its text and lasts as long as who reads it, so the trees of all large
 * answers together have a ceiling: who comes with another waits until one is given up. One alone is read however large it is.
 */
#ifndef BELFRY_FEDERATION_READ_TURN_H
#define BELFRY_FEDERATION_READ_TURN_H

#include "federation/federation.h"

struct read_turns;

/** @param all_bytes  of all trees and their texts; a caller (memo_caller()) has a share of it, see http/budget.h */
struct read_turns *read_turns_create(size_t all_bytes);
/** Nobody waits with a thread any more, or begins to. NULL does nothing. */
void read_turns_stop(struct read_turns *turns);
/** Nothing is read any more. NULL does nothing. */
void read_turns_destroy(struct read_turns *turns);

/** What an answer takes at most while it is read. @param max_values  as many as its tree may have */
size_t read_turn_bytes(size_t text_bytes, size_t max_values);

/**
 * Waits for its turn to read an answer; what that takes is counted until the ctx's arena is reset.
 *
 * @param key    of the answer in the memo of a call, which is parked meanwhile and finds it there. Empty: the thread waits
 * @param bytes  read_turn_bytes()
 * Errors: TIMEOUT (there was no room in all the time, no fault text); DEFER (parked); SHUTDOWN
 */
MUST_CHECK enum err read_turn_take(struct ctx *ctx, struct federation *federation, struct str key,
	size_t bytes);

#endif
