/**
 * Events of erased users, for those who could not see them before the erasure: the redacted form. Events in sections of
 * state are not touched: the state belongs to the room.
 * Spec: client-server API, POST /account/deactivate, `erase`
 */
#ifndef BELFRY_HOMESERVER_TIMELINE_EVENT_ERASED_H
#define BELFRY_HOMESERVER_TIMELINE_EVENT_ERASED_H

#include "homeserver/room/rooms.h"

/**
 * Puts the redacted form in the place of each event that is hidden so.
 *
 * @param viewer  who gets the events; NULL: nothing is hidden
 * @param events  may hold NULL; what is put in lives until the ctx's arena is reset
 * Errors: STORE     Cost: nothing where nobody is erased; else two round trips at most, where an erased user's event is older than
 * the viewer's membership.
 */
MUST_CHECK enum err erased_hide(struct ctx *ctx, struct homeserver *hs, struct room_viewer *viewer,
	struct stored_event **events, size_t count);

#endif
