/**
 * A new room as a list of events, in the order that createRoom asks for.
 * Spec: client-server API, createRoom
 */
#ifndef BELFRY_MATRIX_ROOM_PLAN_H
#define BELFRY_MATRIX_ROOM_PLAN_H

#include "base/json.h"
#include "matrix/field_error.h"
#include "matrix/id.h"
#include "matrix/room_preset.h"
#include "matrix/room_version.h"

/** What the client asked for; p == NULL and NULL stand for "not given". */
struct room_wish {
	const struct room_version *version;
	const struct room_preset *preset;
	struct user_id creator;
	struct str creator_displayname; /**< for the creator's membership event */
	struct str creator_avatar_url;
	struct str canonical_alias; /**< "#name:server", from room_alias_name */
	struct str name;
	struct str topic;
	const struct json *creation_content; /**< object */
	const struct json *initial_state;    /**< array */
	const struct json *power_override;   /**< power_level_content_override */
	const struct user_id *invites;
	size_t invite_count;
	bool is_direct;
};

/** One state event to be sent by the creator. */
struct room_plan_event {
	struct str type;
	struct str state_key;
	struct json content;
};

/**
 * The events, m.room.create first, then: the creator's join, power levels, canonical alias, the
 * preset's three, initial_state, name, topic, one invite for each invited user (`content` without
 * profile: the caller adds it). An event that a later part of the request replaces is left out.
 * Third-party invites are the caller's.
 *
 * @param out        in the arena; views the wish
 * @param out_error  written when it returns false: names the field of the request's body
 */
MUST_CHECK bool room_plan_make(struct arena *arena, const struct room_wish *wish,
	struct room_plan_event **out, size_t *out_count, struct field_error *out_error);

#endif
