/**
 * Events that clients give to be sent later: a member of a meeting whose program ends without a word is taken out of it so.
 *
 * Where the proposal has changed since clients that are in use were made, both are understood; docs/decisions/0009-delayed-events.md
 * says what is done, and what is not.
 * Spec: MSC4140, "Cancellable delayed events"
 */
#ifndef BELFRY_HOMESERVER_ROOM_ROOM_DELAYED_H
#define BELFRY_HOMESERVER_ROOM_ROOM_DELAYED_H

#include "homeserver/room/room_send.h"

/** What is to be sent later. */
struct delayed_wish {
	const struct principal *who;
	struct str room_id;
	struct str type;
	struct str state_key; /**< p == NULL: it is no state */
	struct str txn_id;    /**< p == NULL: none, of requests for state */
	const struct json *content;
	struct event_stamp stamp;
	int64_t delay_ms; /**< from 1 */
};

/**
 * Keeps an event to be sent later; the same transaction id gives the same delay id. Whether it is allowed is asked when it is sent.
 *
 * @param out_delay_id  in the ctx's arena
 * Errors: DENIED M_FORBIDDEN (not in the room; none may be put off), M_USER_SUSPENDED; INPUT M_UNKNOWN with M_MAX_DELAY_EXCEEDED (too long),
 * M_TOO_LARGE, M_BAD_JSON, M_INVALID_PARAM; LIMIT M_LIMIT_EXCEEDED (too many); STORE
 */
MUST_CHECK enum err room_delay(struct ctx *ctx, struct homeserver *hs,
	const struct delayed_wish *wish, struct str *out_delay_id);

/* Errors of those that name one: MISSING M_NOT_FOUND (also one that was sent or cancelled); STORE. */

/** One of a user's. @param out  borrowed from the arena */
MUST_CHECK enum err room_delayed_find(struct ctx *ctx, struct homeserver *hs, struct str user_id,
	struct str delay_id, struct delayed_event_row *out);
/** Puts one off again, by its delay. Cost: one round trip, which changes one row. */
MUST_CHECK enum err room_delayed_restart(struct ctx *ctx, struct homeserver *hs,
	struct str delay_id);
/** It will not be sent. */
MUST_CHECK enum err room_delayed_cancel(struct ctx *ctx, struct homeserver *hs,
	struct str delay_id);
/** Sends it now. When it cannot be sent, it stays. Errors: also as room_send() and room_state_put(). */
MUST_CHECK enum err room_delayed_send(struct ctx *ctx, struct homeserver *hs, struct str delay_id);

/**
 * Sends what was found, in its sender's name, if it is still that.
 * Errors: CONFLICT (it is another by now, or none); as room_send() and room_state_put()
 */
MUST_CHECK enum err room_delayed_deliver(struct ctx *ctx, struct homeserver *hs,
	const struct delayed_event_row *row);

/* --- what sends them when they are due (room_delayed_job.c) --- */

struct room_delayed *room_delayed_create(struct homeserver *hs);
/** Once all services are there. */
void room_delayed_start(struct room_delayed *delayed);
/** One is due then; here and at other processes. Any thread. */
void room_delayed_tell(struct homeserver *hs, int64_t due_at_ms);
/** What some process has said so: a line of NEWS_DELAYED. Writer's thread. */
void room_delayed_heard(struct room_delayed *delayed, struct str line);
/** NULL does nothing, as with room_delayed_destroy(). */
void room_delayed_stop(struct room_delayed *delayed);
void room_delayed_destroy(struct room_delayed *delayed);

#endif
