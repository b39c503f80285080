/*
 * Power levels: every question is answered from the create event and the content of the power-levels
 * event, without copying or remembering anything. A value that is no level reads as if it were not
 * there; that it never gets in is the matter of auth_power.c.
 */
#include "matrix/power.h"

enum {
	LEVEL_OF_OLD_CREATOR = 100, /* before creators had infinite power, in a room without levels */
	DEFAULT_USERS = 0,
	DEFAULT_EVENTS = 0,
	DEFAULT_STATE = 50,
	DEFAULT_NOTIFICATION = 50,
};

static int64_t level_at(const struct power *power, const struct json *object, struct str key,
	int64_t otherwise)
{
	int64_t level = otherwise;
	if (!power_value_parse(power->version, json_get(object, key), &level)) {
		return otherwise;
	}
	return level;
}

static bool lists_creator(const struct json *additional, struct str user)
{
	if (!json_is(additional, JSON_ARRAY)) {
		return false;
	}
	for (size_t i = 0; i < additional->count; i++) {
		const struct json *item = &additional->items[i];
		if (item->type == JSON_STRING && str_equals(json_text(item), user)) {
			return true;
		}
	}
	return false;
}

struct power power_of_events(const struct room_version *version, const struct event *create,
	const struct event *power_levels)
{
	return (struct power){
		.version = version,
		.create = create,
		.levels = power_levels != NULL ? power_levels->content : NULL,
	};
}

struct power power_of_state(const struct room_version *version, const struct state_view *state)
{
	return power_of_events(version, state_view_get(state, STR("m.room.create"), STR("")),
		state_view_get(state, STR("m.room.power_levels"), STR("")));
}

bool power_names_creator(const struct power *power, struct str user)
{
	if (power->create == NULL) {
		return false;
	}
	if (!power->version->creator_is_sender) {
		const struct json *creator = json_at(power->create->content, "creator");
		return json_is(creator, JSON_STRING) && str_equals(json_text(creator), user);
	}
	if (str_equals(power->create->sender.s, user)) {
		return true;
	}
	return power->version->privileged_creators &&
		lists_creator(json_at(power->create->content, "additional_creators"), user);
}

int64_t power_level_of(const struct power *power, struct str user)
{
	if (power->version->privileged_creators && power_names_creator(power, user)) {
		return POWER_INFINITE;
	}
	if (power->levels == NULL) {
		return power_names_creator(power, user) ? LEVEL_OF_OLD_CREATOR : DEFAULT_USERS;
	}
	const int64_t users_default =
		level_at(power, power->levels, STR("users_default"), DEFAULT_USERS);
	return level_at(power, json_at(power->levels, "users"), user, users_default);
}

int64_t power_level_for(const struct power *power, enum power_action action)
{
	switch (action) {
	case POWER_BAN:
		return level_at(power, power->levels, STR("ban"), 50);
	case POWER_KICK:
		return level_at(power, power->levels, STR("kick"), 50);
	case POWER_REDACT:
		return level_at(power, power->levels, STR("redact"), 50);
	case POWER_INVITE:
		return level_at(power, power->levels, STR("invite"), 0);
	}
	return POWER_INFINITE;
}

int64_t power_level_to_send(const struct power *power, struct str type, bool is_state)
{
	int64_t otherwise;
	if (is_state) {
		otherwise = level_at(power, power->levels, STR("state_default"), DEFAULT_STATE);
	} else {
		otherwise = level_at(power, power->levels, STR("events_default"), DEFAULT_EVENTS);
	}
	return level_at(power, json_at(power->levels, "events"), type, otherwise);
}

int64_t power_of_user(const struct room_version *version, const struct state_view *state,
	struct user_id user)
{
	const struct power power = power_of_state(version, state);
	return power_level_of(&power, user.s);
}

int64_t power_for_action(const struct room_version *version, const struct state_view *state,
	enum power_action action)
{
	const struct power power = power_of_state(version, state);
	return power_level_for(&power, action);
}

int64_t power_for_state(const struct room_version *version, const struct state_view *state,
	struct str type)
{
	const struct power power = power_of_state(version, state);
	return power_level_to_send(&power, type, true);
}

int64_t power_for_notification(const struct room_version *version, const struct state_view *state,
	struct str key)
{
	const struct power power = power_of_state(version, state);
	return level_at(&power, json_at(power.levels, "notifications"), key, DEFAULT_NOTIFICATION);
}

bool power_is_creator(const struct room_version *version, const struct state_view *state,
	struct user_id user)
{
	const struct power power = power_of_state(version, state);
	return power_names_creator(&power, user.s);
}
