/**
 * What users report to the administrators: the face of the domain.
 * Spec: client-server API, "Reporting Content"
 *
 * The answer never tells whether a room, an event or a user exists to whom may not know it.
 */
#ifndef BELFRY_HOMESERVER_REPORT_REPORTS_H
#define BELFRY_HOMESERVER_REPORT_REPORTS_H

#include "homeserver/room/rooms.h"

enum { REPORT_REASON_MAX_BYTES = 4096 };

/**
 * Reports an event of a room that the user is joined to and that the user can see. Stored durably when it returns.
 * Errors: MISSING M_NOT_FOUND (not joined, unknown or hidden: all the same); INPUT M_TOO_LARGE (reason); STORE
 * @param reason  p == NULL: none
 */
MUST_CHECK enum err report_event(struct ctx *ctx, struct homeserver *hs,
	const struct principal *who, struct str room_id, struct str event_id, struct str reason);

/** Reports a room, joined or not. Nothing happens, and nothing is told, when this server does not know it. */
MUST_CHECK enum err report_room(struct ctx *ctx, struct homeserver *hs, const struct principal *who,
	struct str room_id, struct str reason);

/** Reports a user. Nothing happens, and nothing is told, when it is one of this server's who does not exist. */
MUST_CHECK enum err report_user(struct ctx *ctx, struct homeserver *hs, const struct principal *who,
	struct str user_id, struct str reason);

#endif
