/**
 * A page of the timeline for one reader: filled past events that the reader may not see or does not want, up to a bound.
 */
#ifndef BELFRY_HOMESERVER_TIMELINE_PAGE_FILL_H
#define BELFRY_HOMESERVER_TIMELINE_PAGE_FILL_H

#include "homeserver/room/rooms.h"
#include "matrix/filter.h"

struct page_query {
	struct room_viewer *viewer;
	struct str user_id;
	const struct event_filter *filter; /**< NULL: all */
	const struct str_set *ignored;     /**< users of whom only state is shown; NULL: none */
	int64_t after;                     /**< after < position <= up_to */
	int64_t up_to;
	/**
	 * In the order of history: all positions of the query and of the page are places, see room_timeline_shown(). Else in the order in
	 * which events came.
	 */
	bool is_history;
	int64_t came_up_to; /**< then: newest position that is shown, wherever its place is */
	bool is_backwards;
	size_t limit;
	size_t scan_limit; /**< events looked at, at the most */
	bool
		stops_at_gaps; /**< forwards: does not go on where history is missing; backwards none does */
	const struct timeline *first; /**< what it would read first; NULL: not read yet */
	bool shows_own_changes; /**< also memberships of the reader that history visibility hides */
};

struct page {
	struct stored_event **events; /**< in the order asked for */
	bool *
		childless; /**< of each: nothing relates to it that is bundled; false also where that is not known */
	size_t n;
	/**
	 * How far it got: backwards, everything after this position was looked at; forwards, everything up to it.
	 */
	int64_t reached;
	bool is_end; /**< everything within the bounds was looked at */
	bool
		is_at_gap; /**< it ends where others have events that this server lacks; then it is not at the end */
	int64_t before_gap;     /**< then: the position right before the event on the newer side */
	bool has_skipped;       /**< events were left out */
	bool has_skipped_state; /**< state events among them */
};

/**
 * Fills a page; the viewer covers its events afterwards. From memory when the recent timeline suffices, else a round trip for
 * each chunk. Errors: STORE
 */
MUST_CHECK enum err page_fill(struct ctx *ctx, struct homeserver *hs, struct room *room,
	const struct page_query *query, struct page *out);

/** Whether a filter lets events of a room pass at all. */
bool page_filter_allows_any(const struct event_filter *filter, struct str room_id);

#endif
