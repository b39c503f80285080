/**
 * The same question to several servers, side by side.
 */
#ifndef BELFRY_FEDERATION_FED_GATHER_H
#define BELFRY_FEDERATION_FED_GATHER_H

#include "federation/fed_client.h"

/** How one of them ended. Lives in the ctx's arena. */
struct fed_gathered {
	enum err err;     /**< as of fed_ask(); LIMIT: the answer was too large */
	struct json json; /**< an object, when ERR_OK */
};

/**
 * Asks all of them, at most 128 at once, and waits until each has answered or its time is over (TIMEOUT; where the server was not even
 * found by then, half a second later; or there was no memory to read it, see read_turn.h); LANE_REMOTE. Answers are read on this thread.
 *
 * A call with a memo is parked meanwhile, unless those that are parked, or its caller's, take much memory already (memo_hold()): then its thread waits.
 * @param key       what is asked, within this request: a later run of it with the same requests gets the answers; empty only without a memo
 * @param requests  without a sink; `answer_ceiling_bytes` and `answer_max_values` are for each; the ctx's deadline counts too
 * @param out       out[i] belongs to requests[i]
 * Errors: DEFER (parked); SHUTDOWN
 */
MUST_CHECK enum err fed_gather(struct ctx *ctx, struct federation *federation, struct str key,
	const struct fed_request *requests, size_t count, struct fed_gathered *out);

#endif
