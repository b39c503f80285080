/**
 * An event of a room, loaded once: parsed, with the text that clients get. Immutable after publication, counted.
 */
#ifndef BELFRY_HOMESERVER_ROOM_STORED_EVENT_H
#define BELFRY_HOMESERVER_ROOM_STORED_EVENT_H

#include "base/refc.h"
#include "homeserver/homeserver.h"
#include "matrix/event.h"
#include "storage/event.h"

struct stored_event {
	struct refc refc;
	struct arena *arena; /**< in which all of it lies */
	int64_t room_nid;
	int64_t position;          /**< stream position */
	const struct event *event; /**< the PDU; redacted form once redacted */
	int64_t replaces_position; /**< of the state event that it replaced; 0: none */
	struct str thread_root;    /**< event id; p == NULL outside threads */
	struct str txn_device;     /**< local device that sent it; p == NULL: unknown */
	struct str txn_id;
	int64_t notify_seq; /**< running count, see storage/event.h */
	int64_t highlight_seq;
	int64_t redacted_by; /**< position of the redaction; 0: not redacted; or EVENT_HELD_BACK */
	enum event_row_fate fate;
	/**
	 * What clients see, without braces, room_id and unsigned:
	 * `"content":{…},"event_id":"…","origin_server_ts":1,"sender":"…","state_key":"…","type":"…"`
	 */
	struct str client_members;
	size_t size_bytes; /**< for cache budgets */
};

/** Whether it is a redaction of which clients are not told, for what it redacts has not come yet. */
static inline bool stored_event_is_held(const struct stored_event *event)
{
	return event->redacted_by == EVENT_HELD_BACK;
}
static inline bool stored_event_is_redacted(const struct stored_event *event)
{
	return event->redacted_by != 0 && !stored_event_is_held(event);
}

/** From a stored row; one reference for the caller. */
struct stored_event *stored_event_create(const struct room_version *version, struct str room_id,
	const struct event_row *row);
void stored_event_ref(struct stored_event *event);
void stored_event_unref(struct stored_event *event);
/** Drops the reference when the arena is reset: what functions below return is handed over so. */
void stored_event_until_reset(struct arena *arena, struct stored_event *event);

#endif
