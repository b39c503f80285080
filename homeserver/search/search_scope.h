/**
 * Where a user may search: the parts of rooms' timelines that the user may see.
 */
#ifndef BELFRY_HOMESERVER_SEARCH_SEARCH_SCOPE_H
#define BELFRY_HOMESERVER_SEARCH_SEARCH_SCOPE_H

#include "homeserver/homeserver.h"
#include "storage/search.h"

/**
 * The spans of one room, oldest first, as memberships and history visibilities decide. Only of rooms in which the user ever was, and
 * nothing from behind the last leaving, also where history is world-readable.
 *
 * @param rows   of one room, oldest first
 * @param up_to  newest position that is asked for
 * @param out    room for count + 1 spans
 * @return       number of spans
 * Spec: client-server API, "Server Side Search", "Room History Visibility"
 */
size_t search_scope_spans(struct arena *arena, const struct search_scope_row *rows, size_t count,
	int64_t up_to, struct search_span *out);

/** Which rooms are asked about. */
struct search_scope_ask {
	struct str user_id;
	const struct event_filter *filter; /**< its `rooms` and `not_rooms` */
	struct str only_room;              /**< room id; p == NULL: all */
	int64_t up_to;
};
/** The spans of all rooms of the user, by room. One round trip, one more when the user is not loaded, and one where history is not for all
 * members of a room. Errors: STORE. */
MUST_CHECK enum err search_scope_load(struct ctx *ctx, struct homeserver *hs,
	const struct search_scope_ask *ask, struct search_span **out, size_t *out_count);

#endif
