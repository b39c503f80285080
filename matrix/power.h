/**
 * m.room.power_levels (and creators), read with each version's leniency.
 * Spec: client-server API, "m.room.power_levels"; rooms/v*, power level rules
 */
#ifndef BELFRY_MATRIX_POWER_H
#define BELFRY_MATRIX_POWER_H

#include "matrix/power_value.h"
#include "matrix/state_map.h"

/** What creators of version 12 have: more than any number. */
#define POWER_INFINITE INT64_MAX

enum power_action {
	POWER_BAN,    /**< default 50 */
	POWER_KICK,   /**< default 50 */
	POWER_REDACT, /**< default 50 */
	POWER_INVITE, /**< default 0 */
};

/**
 * What levels are read from, looked up once when several are needed. A level that is missing or no
 * level in this version counts as its default.
 */
struct power {
	const struct room_version *version;
	const struct event *create; /**< borrowed; NULL: none */
	const struct json *levels; /**< content of m.room.power_levels, borrowed; NULL: no such event */
};

/** Levels as two events give them; either may be NULL. */
struct power power_of_events(const struct room_version *version, const struct event *create,
	const struct event *power_levels);
/** Levels in force. */
struct power power_of_state(const struct room_version *version, const struct state_view *state);

/** The user's level; `user` need not be a valid user id. */
int64_t power_level_of(const struct power *power, struct str user);
/** Level needed for an action. */
int64_t power_level_for(const struct power *power, enum power_action action);
/** Level needed to send an event of that type. */
int64_t power_level_to_send(const struct power *power, struct str type, bool is_state);
/** Whether the create event makes the user a creator. */
bool power_names_creator(const struct power *power, struct str user);

/** The user's level, creators and the room without a power-levels event included. */
int64_t power_of_user(const struct room_version *version, const struct state_view *state,
	struct user_id user);
/** Level needed for an action. */
int64_t power_for_action(const struct room_version *version, const struct state_view *state,
	enum power_action action);
/** Level needed to send a state event of that type. */
int64_t power_for_state(const struct room_version *version, const struct state_view *state,
	struct str type);
/** `notifications[key]`, default 50 (push rules). */
int64_t power_for_notification(const struct room_version *version, const struct state_view *state,
	struct str key);
/** Whether the user is a creator (version 12: sender of create, additional_creators; before: creator). */
bool power_is_creator(const struct room_version *version, const struct state_view *state,
	struct user_id user);

#endif
