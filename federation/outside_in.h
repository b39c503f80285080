/**
 * Events of rooms in which this server is not, but users of it are invited or knock: that an invite was taken back, a knock turned away. And
 * of those in which it was for a moment, and thrown out before it got to know the members.
 * Spec: server-server API, "Inviting to a room", "Knocking upon a room"
 */
#ifndef BELFRY_FEDERATION_OUTSIDE_IN_H
#define BELFRY_FEDERATION_OUTSIDE_IN_H

#include "federation/federation.h"
#include "matrix/event.h"

struct room;

/**
 * Whether the event may end an invite or a knock of one of our users: it names it among its auth events. This server cannot judge it by the
 * room's rules, so an invite is taken back by who made it; a knock is turned away, and a ban told, by a server by which they are known: the
 * inviter's, or one of those whose events came along. At most one round trip.
 * Errors: STORE
 */
MUST_CHECK enum err outside_in_concerns(struct ctx *ctx, struct federation *federation,
	struct room *room, const struct event *event, bool *out);

/**
 * Whether the event ends the only join of one of our users in a partial room of which others say that we are not in it: it names the join
 * among its auth events, and is by somebody who has the power to ban or kick, as the state says, and is not known to be outside. That
 * the sender is in the room is all that cannot be told. From memory, or two round trips. Errors: STORE
 */
MUST_CHECK enum err outside_in_ends_join(struct ctx *ctx, struct federation *federation,
	struct room *room, const struct event *event, bool *out);

/**
 * Ends what it names, unless something else holds by now. Signatures were checked.
 * Errors: CONFLICT (this server is in the room by now); STORE; TIMEOUT
 */
MUST_CHECK enum err outside_in_take(struct ctx *ctx, struct federation *federation,
	const struct event *event);

#endif
