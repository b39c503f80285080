/**
 * GET /events: the events after a token, of the user's rooms or of one that the user may read, and waiting for them.
 */
#ifndef BELFRY_HOMESERVER_INITIAL_SYNC_EVENT_STREAM_H
#define BELFRY_HOMESERVER_INITIAL_SYNC_EVENT_STREAM_H

#include "homeserver/timeline/timeline.h"

enum {
	EVENT_STREAM_MAX = 100,           /**< events of one answer */
	EVENT_STREAM_PEEK_EACH_MS = 1000, /**< how often a room is looked at for who is not in it */
};

/** Parsed at the first run of a call, and kept with it while it waits. */
struct event_stream_request {
	struct token from;        /**< as the client gave it, or the present */
	int64_t since;            /**< position; moves on while there is nothing to tell */
	int64_t deadline_mono_ms; /**< until when it may wait; 0: not at all */
};

/** Errors: INPUT M_INVALID_PARAM */
MUST_CHECK enum err event_stream_request_of(struct call *call, struct event_stream_request **out);

/**
 * Answers, or parks the call until there is something or its time is over.
 * @param room_id  p == NULL: the rooms of the user. Of a room that was joined after the token, what the user may see from
 * before the joining is told too.
 * Errors: DENIED M_FORBIDDEN when the user may not read that room; STORE
 * Cost: none without news, but for who reads without being in the room: up to 3 round trips a look.
 */
MUST_CHECK enum err event_stream_serve(struct call *call, struct event_stream_request *request,
	struct str room_id);

#endif
