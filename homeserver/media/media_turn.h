/**
 * Work that is done once even when many ask for it at the same time, and only so much of it at once. Who has no turn is parked
 * (media_park) with media_turns.wake_key, and looks again when somebody has ended.
 */
#ifndef BELFRY_HOMESERVER_MEDIA_MEDIA_TURN_H
#define BELFRY_HOMESERVER_MEDIA_MEDIA_TURN_H

#include "base/lock.h"
#include "http/call.h"

/** One turn; lives with the request that has it. */
struct media_turn {
	struct media_turn *next;
	struct str key;  /**< what is worked on; borrowed until the end */
	struct str user; /**< for whom (else an address), borrowed likewise; empty: for nobody */
};

struct media_turns {
	size_t limit;
	size_t share; /* of one user */
	struct str wake_key;
	struct lock lock; /**< RANK_LEAF; guards the list */
	struct media_turn *first;
	size_t count;
};

/**
 * @param share     how many of the turns a user has at most: who asks for what never comes does not keep others waiting
 * @param wake_key  static
 */
void media_turns_init(struct media_turns *turns, size_t limit, size_t share, struct str wake_key);
void media_turns_fini(struct media_turns *turns);

/**
 * Takes a turn, or parks the request until there is news: then the handler returns at once, and runs again.
 * Errors: TIMEOUT when none was free for `timeout_ms`
 */
MUST_CHECK enum err media_turn_await(struct call *call, struct media_turns *turns,
	struct media_turn *turn, int64_t timeout_ms, bool *out_is_parked);

/** Takes a turn if there is one. */
MUST_CHECK bool media_turn_try(struct media_turns *turns, struct media_turn *turn);

struct media;
/** Gives the turn back, and wakes who waits for one. */
void media_turn_end(struct media *media, struct media_turns *turns, struct media_turn *turn);

#endif
