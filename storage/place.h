/**
 * Where history shows events: at their position, but for those that came after what stands on them (docs/federation.md, "The order
 * across gaps"). Places and positions are numbers of one row: no two events of a room have the same one.
 */
#ifndef BELFRY_STORAGE_PLACE_H
#define BELFRY_STORAGE_PLACE_H

#include "storage/event.h"

/** Events with after < place <= up_to, in that order. One round trip. @param out_places  one for each */
MUST_CHECK enum err store_events_shown(struct ctx *ctx, struct db *db,
	const struct event_span *span, struct event_row **out, int64_t **out_places, size_t *out_count);

struct event_place {
	int64_t position;
	int64_t place;
};
/** Which of these positions are shown elsewhere, in no order. One round trip. */
MUST_CHECK enum err store_places_of(struct ctx *ctx, struct db *db, int64_t room_nid,
	const int64_t *positions, size_t count, struct event_place **out, size_t *out_count);

/** Some events, and all that they stand on as long as it is shown at `place` or above it, and the first ones below it. */
struct places_behind {
	int64_t room_nid;
	const struct str *event_ids;
	size_t count;
	int64_t place;
	int64_t limit;
};
/** In no order. One round trip, whose cost grows with what is found. */
MUST_CHECK enum err store_places_behind(struct ctx *ctx, struct db *db,
	const struct places_behind *ask, struct event_place **out, size_t *out_count);

/** The event at a position is shown there from now on. */
void store_place_set(struct write *write, int64_t room_nid, struct db_value position,
	int64_t place);
/** Gaps follow the event at which they are to its new place. */
void store_gap_move(struct write *write, int64_t room_nid, int64_t from_place, int64_t to_place);

#endif
