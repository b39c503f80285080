/**
 * Claiming one-time keys: /keys/claim.
 * Spec: client-server API, "One-time and fallback keys"
 */
#ifndef BELFRY_E2EE_KEY_CLAIMS_H
#define BELFRY_E2EE_KEY_CLAIMS_H

#include "e2ee/e2ee.h"

/** What was asked for and what was found. Lives in the arena. */
struct keys_claimed {
	const struct json *wanted; /**< object: user id → device id → algorithm */
	struct claimed_key *keys;  /**< in the order of the claim's triples */
	size_t key_n;
	struct key_claim *claim;
	bool has_asked_others;
	struct e2ee_remote_ask *remote;
	size_t remote_n;
};
enum { KEY_CLAIMS_HERE_ONLY = -1 };

/**
 * Takes one key for each device asked for: a one-time key, which nobody else gets, or the fallback key. Those of other servers are claimed there first, so that
 * a call that is parked meanwhile (http/memo.h) has taken nothing.
 * @param others_ms  how long that may take; KEY_CLAIMS_HERE_ONLY: nobody is asked, for it is another server that claims
 * Errors: INPUT M_INVALID_PARAM; STORE; DEFER (ctx_may_ask; parked); SHUTDOWN
 * Cost: one round trip for all local devices, which claims of one moment share.
 */
MUST_CHECK enum err key_claims_take(struct ctx *ctx, struct homeserver *hs,
	const struct json *wanted, int64_t others_ms, struct keys_claimed *out);
/** Writes the whole answer. */
void key_claims_write(const struct keys_claimed *claimed, struct json_out *out);

#endif
