/**
 * GET /sync: what is new for a user since a token, and waiting for it.
 *
 * A sync covers (since, now], where "now" is the writer's position when it began: what is committed later belongs to the
 * next one, even if it is in memory already. So nothing is lost and nothing comes twice.
 * Spec: client-server API, "Syncing"
 */
#ifndef BELFRY_HOMESERVER_SYNC_SYNC_H
#define BELFRY_HOMESERVER_SYNC_SYNC_H

#include "homeserver/timeline/timeline.h"

struct sync_request;

/**
 * What the client asked: parsed at the first run of a call, and kept with it while it waits.
 * Errors: INPUT M_INVALID_PARAM, M_BAD_JSON, M_NOT_JSON; STORE
 */
MUST_CHECK enum err sync_request_of(struct call *call, struct sync_request **out);

/** Answers, or parks the call until there is something or its time is over. Errors: STORE */
MUST_CHECK enum err sync_serve(struct call *call, struct sync_request *request);

/** Which member events each device has got already (lazy loading); bounded. */
struct lazy_members;
struct lazy_members *lazy_members_create(void);
void lazy_members_destroy(struct lazy_members *lazy);

/** What rooms show to all who wait in them, as it was written for the first of them; bounded. */
struct shown_rooms;
struct shown_rooms *shown_rooms_create(void);
/** NULL does nothing. */
void shown_rooms_destroy(struct shown_rooms *shown);

#endif
