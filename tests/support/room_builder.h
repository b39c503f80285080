/**
 * Makes events and rooms for tests, without real hashes and signatures: JSON text is assembled and goes
 * through event_parse() like any other, so that tests see what the server would see.
 *
 * In all JSON given here ' stands for ", so that it can be read.
 */
#ifndef BELFRY_TESTS_SUPPORT_ROOM_BUILDER_H
#define BELFRY_TESTS_SUPPORT_ROOM_BUILDER_H

#include "base/map.h"
#include "matrix/resolve.h"

/** A room under construction. All members may be read; `state`, `last` and `ts` may be changed. */
struct room_builder {
	struct arena *arena;
	const struct room_version *version;
	struct str
		room_id; /**< versions up to 11: "!room:a.example"; later: empty until there is a create event */
	struct state_map state;   /**< after the last event that was applied */
	const struct event *last; /**< next event's prev_events; NULL: none */
	int64_t ts;               /**< of the next event; counts up */
	struct map events;        /**< id → event, every event made */
	size_t fetches;           /**< calls of the source's `get` */
};

/** What to make. Zero means the usual. */
struct room_draft {
	const char *sender;
	const char *type;
	const char *state_key; /**< NULL: no state event */
	const char *content;   /**< NULL: {} */
	const char *redacts;
	const char *room_id;             /**< another than the room's */
	const char *signatures;          /**< object; NULL: one of the sender's server */
	int64_t ts;                      /**< 0: the room's, counting up */
	int64_t depth;                   /**< 0: one more than `last` */
	const struct event *const *prev; /**< used when prev_count > 0; else `last` */
	size_t prev_count;
	bool has_no_prev;
	const struct event *const *auth; /**< used when has_auth; else selected from `state` */
	size_t auth_count;
	bool has_auth;
};

/** @param version  "1" … "12" */
void made_room_builder_init(struct room_builder *room, struct arena *arena, const char *version);
void made_room_builder_fini(struct room_builder *room);

/** The version as a number. */
int made_room_builder_version(const struct room_builder *room);

/** JSON text with ' for ", parsed. Ends the process when it is wrong. */
struct json *made_room_json(struct arena *arena, const char *text);

/** The PDU as event_parse() takes it. */
struct json *made_room_draft_json(struct room_builder *room, const struct room_draft *draft);
/** A parsed event that is not applied. Ends the process when event_parse() refuses it. */
struct event *made_room_make(struct room_builder *room, const struct room_draft *draft);
/** Makes it part of the room: `state` and `last`. A create event gives the room its id. */
void made_room_apply(struct room_builder *room, const struct event *event);
/** made_room_make(), an authorisation check that has to allow it, made_room_apply(). */
const struct event *made_room_add(struct room_builder *room, const struct room_draft *draft);

/** Short forms of made_room_add(). */
const struct event *made_room_add_create(struct room_builder *room, const char *creator,
	const char *more_content);
const struct event *made_room_add_member(struct room_builder *room, const char *sender,
	const char *user, const char *membership);
const struct event *made_room_add_state(struct room_builder *room, const char *sender,
	const char *type, const char *content);

/** Everything made so far; counts its fetches in `fetches`. Nothing is rejected. */
struct event_source made_room_source(struct room_builder *room);
/** A map of the events; each must be a state event. */
struct state_map made_room_state_of(struct room_builder *room, const struct event *const *events,
	size_t n);
/** A copy of the current state. */
struct state_map made_room_state_copy(struct room_builder *room);

#endif
