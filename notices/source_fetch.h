/**
 * Asks a source of notices for what it has. Which addresses may be reached is the outgoing client's business (http/client.h), as it is
 * for previews of links.
 */
#ifndef BELFRY_NOTICES_SOURCE_FETCH_H
#define BELFRY_NOTICES_SOURCE_FETCH_H

#include "http/client.h"

enum { SOURCE_URL_MAX_BYTES = 2048 };

/** What was taken last, and what is there now. */
struct source_answer {
	struct str etag, modified; /**< p == NULL: none; when asked: of what is there already */
	bool is_unchanged;         /**< since then: no body */
	struct str body;
};

/**
 * Asks for what has changed.
 * @param timeout_ms  for the whole answer
 * @param answer      in and out; in the ctx's arena
 * Errors: their texts are for people and say what to do. INPUT (too large, refused by the server, no URL); DENIED (an address that may not
 * be reached); REMOTE; TIMEOUT; SHUTDOWN
 */
MUST_CHECK enum err source_fetch(struct ctx *ctx, struct http_client *client, struct str url,
	int64_t timeout_ms, struct source_answer *answer);

#endif
