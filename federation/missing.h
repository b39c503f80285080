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
	/**
	 * Nobody could help often enough: if what it stands on still cannot be had, the event itself is taken in with the state that others
	 * have before it.
	 */
	bool is_last;
};

/**
 * Takes the event in after fetching what it needs. Waits for other servers.
 *
 * Errors: MISSING (nobody could help: later, perhaps); TIMEOUT; STORE; SHUTDOWN. What was fetched by then is kept.
 * Cost: one request where a few events were missed; one more, and one for each unknown event, where state has to be fetched.
 */
MUST_CHECK enum err missing_accept(struct ctx *ctx, struct federation *federation,
	const struct missing_case *missing, struct room_outcome *out);
/**
 * The same for a request: one with a memo is parked meanwhile (errand.h). What ends after the request is taken in all the same.
 * @param out  no event, and nothing that is missing
 * Errors: as missing_accept(); DEFER. Before the ctx's deadline, which is to be set.
 */
MUST_CHECK enum err missing_accept_parked(struct ctx *ctx, struct federation *federation,
	const struct missing_case *missing, struct room_outcome *out);

/**
 * An event by its id, checked: of the room, signed. Who is named is asked first.
 * Errors: MISSING (nobody has it); TIMEOUT; STORE; SHUTDOWN     Cost: a request for each server until one has it, 4 at the most
 */
MUST_CHECK enum err missing_event(struct ctx *ctx, struct federation *federation, struct room *room,
	struct server_name first, struct event_id id, const struct event **out);
/**
 * Fetches the auth events of an event and the state before it; all of it is known as outliers afterwards.
 * @param out  the state, in the ctx's arena; none for a create event
 * Errors: MISSING (nobody could help); TIMEOUT; STORE; SHUTDOWN
 * Cost: one request, and one for each of up to 100 events of it that are unknown, or one for all of it
 */
MUST_CHECK enum err missing_state(struct ctx *ctx, struct federation *federation,
	const struct missing_case *missing, const struct event_id **out, size_t *out_count);
/**
 * Fetches those auth events of some events that are unknown and not among them, with all theirs.
 * Errors: MISSING (some cannot be had: nothing was stored); TIMEOUT; STORE; SHUTDOWN     Cost: one round trip, a request for each
 */
MUST_CHECK enum err missing_auth(struct ctx *ctx, struct federation *federation, struct room *room,
	struct server_name first, const struct event *const *events, size_t count);

#endif
