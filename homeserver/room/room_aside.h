/**
 * The ceiling of what is kept of a room outside of its timeline: rejected and soft-failed events, of which any server in the room can make
 * as many as it likes, and outliers that came with them. Inner to room/, but for
 * room_aside_limit().
 *
 * What came with our joins is the ground and stays. Of the rest stays what is needed: what is the room's state at any time (the table of
 * states tells), what is noted as held, and all on which these rest. Everything else may be given up, for whoever comes upon it again
 * fetches it again, and judges it again.
 */
#ifndef BELFRY_HOMESERVER_ROOM_ROOM_ASIDE_H
#define BELFRY_HOMESERVER_ROOM_ROOM_ASIDE_H

#include "homeserver/room/room_acceptance.h"

/** Its columns; U+0000, which the database takes nowhere, is '?' in them: whatever has it is rejected, and not found by them. */
struct event_columns room_aside_columns(struct arena *arena, const struct event *event);
/** So many were kept outside of the timeline. */
void room_aside_note(struct room *room, size_t count, size_t bytes);
/** Events come into the timeline: of what they name as auth events, that which is outside of it is held. Errors: STORE.  Cost: one round trip */
MUST_CHECK enum err room_aside_hold_auth(struct ctx *ctx, struct homeserver *hs, struct room *room,
	const struct event *const *events, size_t count);
/**
 * The same of one, with what its stored difference names. The caller has the turn. Errors: STORE
 * Cost: none if its auth events are in the timeline or the current state, else one round trip
 */
MUST_CHECK enum err room_aside_hold(const struct acceptance *a);

/*
 * Between these nothing is given up: what an outlier that is being stored rests on stays there. Who has the turn need not ask, for
 * whatever is given up is so with the turn.
 */
void room_aside_begin(struct room *room);
void room_aside_end(struct room *room);

#endif
