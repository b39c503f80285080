/**
 * Sending message events and redactions for local users.
 * Spec: client-server API, "Sending events to a room", "Redactions"
 */
#ifndef BELFRY_HOMESERVER_ROOM_ROOM_SEND_H
#define BELFRY_HOMESERVER_ROOM_ROOM_SEND_H

#include "homeserver/room/rooms.h"
#include "storage/delayed_event.h"

/** When an event shall have been sent, as application services may say. Zeroed: now. */
struct event_stamp {
	bool is_given;
	int64_t ms; /**< since 1970 */
};

/**
 * Reads `ts` of a request; who is no application service is given the time as it is.
 * Errors: INPUT M_INVALID_PARAM (what no event can have)
 * Spec: application-service API, "Timestamp massaging"
 */
MUST_CHECK enum err event_stamp_read(struct call *call, struct event_stamp *out);

/** A request to send; texts are borrowed. */
struct send_request {
	const struct principal *who;
	struct str room_id;
	struct str type; /**< m.room.redaction for redactions */
	struct str txn_id;
	const struct json *content; /**< object */
	struct str redacts;         /**< event id from the path of /redact; p == NULL otherwise */
	struct event_stamp stamp;
	const struct delayed_key
		*delayed; /**< what it was until now; it has no txn_id then; NULL: it is sent at once */
};

/** Scope of a transaction id: the device, and everything in the path. @param kind  of requests: their ids are apart. In the arena */
struct str send_transaction_key(struct arena *arena, const char *kind,
	const struct send_request *request);

/** The event is what was to be sent later until now; borrows the key. */
void room_intent_delayed(struct room_intent *intent, const struct delayed_key *key);

/**
 * Sends one event; the same transaction id gives the same event id. Errors of what was delayed: also CONFLICT M_BAD_STATE, as room_add()
 * Errors: DENIED M_FORBIDDEN, M_USER_SUSPENDED; MISSING M_NOT_FOUND (what is redacted); INPUT M_DUPLICATE_ANNOTATION,
 * M_TOO_LARGE, M_BAD_JSON; STORE
 * @param out_event_id  in the ctx's arena
 */
MUST_CHECK enum err room_send(struct ctx *ctx, struct homeserver *hs,
	const struct send_request *request, struct str *out_event_id);

/** Errors: DENIED M_USER_SUSPENDED. */
MUST_CHECK enum err room_require_not_suspended(struct ctx *ctx, const struct principal *who);

#endif
