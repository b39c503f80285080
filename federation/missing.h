/**
 * What an event stands on and this server does not have: fetched from others, within limits, and taken in.
 *
 * First the events between what is known and the event (/get_missing_events). Where these do not reach what is known either, the state
 * before the oldest of them is fetched instead (/state_ids, and the events in it that are not known by /event, or all at once by
 * /state). Auth events come by /event_auth and /event. Who sent the event is asked first, then others who are in the room. Whatever is in an
 * answer beyond what was asked for is left aside.
 * Spec: server-server API, "Backfilling and retrieving missing events", "Retrieving events"
 */
#ifndef BELFRY_FEDERATION_MISSING_H
#define BELFRY_FEDERATION_MISSING_H

#include "federation/federation.h"
#include "homeserver/room/room_accept.h"

enum {
	MISSING_EVENTS = 20,           /**< that are asked for before an event, and taken in */
	MISSING_REQUESTS = 400,        /**< for one event, of all kinds */
	MISSING_STATE_MAX = 100000,    /**< events of a state and its auth chain */
	MISSING_LIMIT_MS = 60 * 1000,  /**< for one event, whoever is asked */
	MISSING_REQUEST_MS = 15 * 1000 /**< of one request */
};

/** An event that cannot be taken in as things are. */
struct missing_case {
	struct room *room;
	struct server_name origin; /**< who sent it */
	const struct event *event; /**< checked */
};

/**
 * Takes the event in after fetching what it needs. Waits for other servers.
 *
 * Errors: MISSING (nobody could help: later, perhaps); TIMEOUT; STORE; SHUTDOWN. What was fetched by then is kept.
 * Cost: one request where a few events were missed; one more, and one for each unknown event, where state has to be fetched.
 */
MUST_CHECK enum err missing_accept(struct ctx *ctx, struct federation *federation,
	const struct missing_case *missing, struct room_outcome *out);

#endif
