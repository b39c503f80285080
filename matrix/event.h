/**
 * A PDU: parsed once, typed fields, raw text kept. Immutable. Lies in the arena that was given.
 * Spec: server-server API, "PDUs"; rooms/v*, "Event format"
 */
#ifndef BELFRY_MATRIX_EVENT_H
#define BELFRY_MATRIX_EVENT_H

#include "base/arena.h"
#include "base/json.h"
#include "matrix/id.h"
#include "matrix/room_version.h"
#include "matrix/verdict.h"

enum {
	EVENT_MAX_BYTES = 65536, /**< of the canonical JSON, signatures included */
	EVENT_MAX_PREV_EVENTS = 20,
	EVENT_MAX_AUTH_EVENTS = 10,
	EVENT_MAX_KEY_BYTES =
		255, /**< of type and state_key; code points in what others send of versions ≤ 10 */
	/**
	 * Levels of arrays and objects, the event itself included. Whoever parses a text that carries events
	 * of others (a transaction, a state response) allows far more, so that one event over the limit is
	 * refused alone and not with everything around it.
	 */
	EVENT_MAX_NESTING = 100,
};

struct event {
	const struct room_version *version;
	struct event_id event_id; /**< as sent (versions 1, 2) or computed */
	struct room_id room_id;   /**< of a version 12 create event: computed */
	struct user_id sender;
	struct str type;
	bool is_state;
	struct str state_key;     /**< valid when is_state */
	int64_t origin_server_ts; /**< milliseconds */
	int64_t depth;
	const struct event_id *prev_events;
	size_t prev_count;
	const struct event_id *auth_events;
	size_t auth_count;
	/** Of m.room.redaction: from top level or content, as the version says; p == NULL: none. */
	struct str redacts;
	const struct json *content; /**< object */
	const struct json *tree;    /**< the PDU, see event_json(); NULL: not kept */
	/** The PDU as canonical JSON text, without `unsigned` and (versions ≥ 3) without event_id. */
	struct str raw;
};

/**
 * Builds the view from a parsed PDU, and checks shape and sizes ("event_limits"): required keys and their types,
 * id grammars, counts, byte limits, nesting, strict canonical JSON where the version has it. Computes the event id
 * (and the room id of a version 12 create event). Checks neither hash nor signatures.
 *
 * @param json  `event_id` and `unsigned` in it are ignored from version 3 on (unsigned always)
 * @param out   in the arena; views json
 * @return      not allowed: "event.<key>" names what is missing or malformed; "event.size…" what is too large;
 *              "event.canonical", "event.nesting", "event.shape"
 */
MUST_CHECK struct verdict event_parse(struct arena *arena, const struct room_version *version,
	const struct json *json, struct event **out);

/**
 * event_parse() of what comes as history, of which previous and auth events are not counted: there are some with more, which
 * were accepted once.
 * Spec: server-server API, GET /backfill
 */
MUST_CHECK struct verdict event_parse_history(struct arena *arena,
	const struct room_version *version, const struct json *json, struct event **out);

/**
 * The id that a PDU has, whatever else is wrong with it: to tell who sent it what became of it.
 * @return false when it can have none: no object, or none of the version's ids in it
 */
MUST_CHECK bool event_id_find(struct arena *arena, const struct room_version *version,
	const struct json *json, struct event_id *out);

/**
 * Parses text that this server stored (trusted): no checks of shape.
 * @param raw                as event->raw was; viewed, so it lives as long as the result
 * @param event_id, room_id  as stored beside it (so that nothing is hashed); viewed
 */
struct event *event_load(struct arena *arena, const struct room_version *version, struct str raw,
	struct event_id event_id, struct room_id room_id);

/**
 * A copy that lies in the arena as a whole and takes little of it: no tree of the PDU but its content's, as few ask for the rest.
 *
 * @param event  as event_load() gave it
 */
struct event *event_compact(struct arena *arena, const struct event *event);

/** The PDU, object; the same keys as in `raw`. Cost: nothing, or for a compact event a parse into the arena. */
const struct json *event_json(struct arena *arena, const struct event *event);

/**
 * The greatest depth of an event: 2^63-1, from version 6 on 2^53-1. What stands on an event so deep has it, too.
 * Spec: rooms/v1, rooms/v6, "Event format"
 */
int64_t event_depth_max(const struct room_version *version);

/** Whether it is a state event of that type and state key. */
bool event_is(const struct event *event, struct str type, struct str state_key);

/** Whether it names the other one among its auth events. */
bool event_stands_on(const struct event *event, const struct event *other);

/** `membership` of an m.room.member event's content; empty when absent. */
struct str event_membership(const struct event *event);

#endif
