/**
 * Inside of fed_client: an answer, before (fed_client.c) and after (fed_answer.c) it is understood.
 */
#ifndef BELFRY_FEDERATION_FED_CLIENT_INNER_H
#define BELFRY_FEDERATION_FED_CLIENT_INNER_H

#include "federation/fed_client.h"

/** An answer as it came; borrowed for the callback. */
struct raw_end {
	enum err err;
	bool
		is_over_budget; /**< then `err` is LIMIT: others hold so much that this one cannot be taken now */
	struct str cause;
	struct fetched answer;
	struct held_text *text; /**< of its body, when a call was parked */
	int64_t retry_after_ms;
};

/**
 * Reads what came back.
 * @param raw        its texts live as long as the arena is wanted
 * @param refusal    filled when the status is no 2xx
 * @param out_cause  of a failure, for the log
 * Errors: as fed_ask()
 */
MUST_CHECK enum err fed_answer_read(struct arena *arena, const struct fed_request *request,
	const struct raw_end *raw, struct fed_answer *answer, struct fed_refusal *refusal,
	struct str *out_cause);

/** Describes a failure for the client of this server that waits for it. @return `err`, or what the policy of this server says */
enum err fed_answer_describe(struct ctx *ctx, struct federation *federation,
	const struct fed_request *request, enum err err, const struct fed_refusal *refusal,
	struct str cause);

#endif
