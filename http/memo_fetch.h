/**
 * Outgoing HTTP for a request that waits without its worker (http/memo.h).
 */
#ifndef BELFRY_HTTP_MEMO_FETCH_H
#define BELFRY_HTTP_MEMO_FETCH_H

#include "http/client.h"

/**
 * As http_client_fetch(), but with a memo the call is parked (DEFER) until the answer is there; whoever asks by the same key in a later run of it gets
 * that answer, and nothing is asked twice. Without a memo the thread waits.
 *
 * @param key  what is asked, within this request
 * @param fetch  without a sink
 * Errors: as http_client_fetch(); DEFER
 */
MUST_CHECK enum err memo_fetch(struct ctx *ctx, struct http_client *client, struct str key,
	const struct fetch *fetch, struct fetched *out);

#endif
