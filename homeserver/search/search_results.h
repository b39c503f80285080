/**
 * One page of what was found. Inner to search/.
 */
#ifndef BELFRY_HOMESERVER_SEARCH_SEARCH_RESULTS_H
#define BELFRY_HOMESERVER_SEARCH_SEARCH_RESULTS_H

#include "homeserver/search/search.h"
#include "homeserver/timeline/timeline.h"
#include "storage/search.h"

/** A room with results, and how the reader sees it. */
struct search_room {
	struct reading reading;
	struct search_room *next;
};

struct search_result {
	struct search_room *room;
	struct stored_event *event;
	int64_t rank;
	/** With its surroundings: the event, those before (newest first), those after; only the event when they are not wanted. */
	struct stored_event **events;
	size_t before_n, after_n;
	int64_t start, end; /**< positions of pagination tokens */
	struct event_batch *batch;
	struct stored_event **members; /**< member events of the senders, at the time of the result */
	size_t member_n;
};

struct search_results {
	struct search_token token; /**< of the first page: time and position */
	const struct term_match *matches;
	size_t match_count;
	int64_t total;             /**< about how many there are */
	struct search_room *rooms; /**< in the order in which they were met */
	struct search_result *list;
	size_t n;
	bool has_more;
	int64_t last_rank, last_position; /**< behind which the next page begins */
};

/** Finds a page, and all that its answer needs. Errors: STORE. */
MUST_CHECK enum err search_results_load(struct ctx *ctx, struct homeserver *hs,
	const struct search_request *request, struct search_results *out);

#endif
