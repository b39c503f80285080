/**
 * Searching messages, room names and topics.
 * Spec: client-server API, "Server Side Search"
 */
#ifndef BELFRY_HOMESERVER_SEARCH_SEARCH_H
#define BELFRY_HOMESERVER_SEARCH_SEARCH_H

#include "homeserver/homeserver.h"
#include "matrix/filter.h"

/**
 * The stream consumer that fills the index. Another number makes it anew: for terms of another version (TERMS_VERSION), or when the index keeps
 * them in another way.
 */
#define SEARCH_CONSUMER "search_2"

/** A round of the consumer, see homeserver/consumer.h; moves its position itself. */
enum err search_index_run(struct ctx *ctx, struct homeserver *hs, void *self, int64_t after,
	int64_t up_to, int64_t *out_reached);

enum {
	SEARCH_TERM_MAX_BYTES = 1000,
	SEARCH_CONTEXT_DEFAULT = 5,
	SEARCH_CONTEXT_MAX = 20,
};

/** What results are grouped by. */
enum search_group { SEARCH_GROUP_NONE, SEARCH_GROUP_ROOM, SEARCH_GROUP_SENDER };

/** Where a search goes on: behind a result, at the time of the first page. */
struct search_token {
	int64_t up_to;  /**< position: what came later is not found */
	int64_t now_ms; /**< for the rank */
	int64_t last_rank;
	int64_t last_position;
	int64_t total;           /**< matches, as the first page told */
	enum search_group group; /**< goes on in one group only */
	struct str group_value;
};
/** Errors: INPUT M_INVALID_PARAM when it is none of ours. */
MUST_CHECK enum err search_token_read(struct ctx *ctx, const struct homeserver *hs, struct str text,
	struct search_token *out);
/** Its text, in the arena. */
struct str search_token_text(struct arena *arena, const struct search_token *token);

struct search_request {
	const struct principal *who;
	struct str term;
	const struct event_filter *filter;
	bool wants_key[4]; /**< by enum search_key */
	bool is_by_rank;
	bool has_token;
	struct search_token token;
	bool with_context;
	size_t context_before, context_after;
	bool with_profiles;
	bool with_state;
	bool by_room, by_sender; /**< groups that are wanted */
};

/**
 * Writes the answer: {"search_categories":{"room_events":{"count":…,"results":[…],…}}}. What was committed before is found, unless the index is far behind
 * or another process fills it.
 *
 * Cost: 2 round trips for the search; for each result up to 4 when its room or event is not in memory.
 * Errors: STORE. Nothing is written then.
 */
MUST_CHECK enum err search_events(struct ctx *ctx, struct homeserver *hs,
	const struct search_request *request, struct json_out *out);

#endif
