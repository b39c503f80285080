/*
 * Join rules as data: a rule counts only where the room version knows it, so that an old room with a
 * new word in it stays closed.
 */
#include "matrix/join_rule.h"

enum join_rule join_rule_of(const struct room_version *version, const struct event *event)
{
	if (event == NULL || json_at(event->content, "join_rule") == NULL) {
		return JOIN_RULE_INVITE;
	}
	const struct str text = json_get_str(event->content, STR("join_rule"));
	if (str_equals(text, STR("invite"))) {
		return JOIN_RULE_INVITE;
	}
	if (str_equals(text, STR("public"))) {
		return JOIN_RULE_PUBLIC;
	}
	if (str_equals(text, STR("knock")) && version->allows_knocking) {
		return JOIN_RULE_KNOCK;
	}
	if (str_equals(text, STR("restricted")) && version->allows_restricted) {
		return JOIN_RULE_RESTRICTED;
	}
	if (str_equals(text, STR("knock_restricted")) && version->allows_knock_restricted) {
		return JOIN_RULE_KNOCK_RESTRICTED;
	}
	return JOIN_RULE_OTHER;
}

enum join_rule join_rule_from_state(const struct room_version *version,
	const struct state_view *state)
{
	return join_rule_of(version, state_view_get(state, STR("m.room.join_rules"), STR("")));
}

bool join_rule_is_restricted(enum join_rule rule)
{
	return rule == JOIN_RULE_RESTRICTED || rule == JOIN_RULE_KNOCK_RESTRICTED;
}

bool join_rule_takes_knocks(enum join_rule rule)
{
	return rule == JOIN_RULE_KNOCK || rule == JOIN_RULE_KNOCK_RESTRICTED;
}

size_t join_rule_allowed_rooms(struct arena *arena, const struct event *event, struct room_id **out)
{
	const struct json *allow = event != NULL ? json_at(event->content, "allow") : NULL;
	if (allow == NULL || allow->type != JSON_ARRAY) {
		*out = NULL;
		return 0;
	}
	struct room_id *rooms = ARENA_NEW_ARRAY(arena, struct room_id, allow->count);
	size_t n = 0;
	for (size_t i = 0; i < allow->count; i++) {
		const struct json *condition = &allow->items[i];
		if (!str_equals(json_get_str(condition, STR("type")), STR("m.room_membership"))) {
			continue;
		}
		if (room_id_parse(json_get_str(condition, STR("room_id")), &rooms[n])) {
			n++;
		}
	}
	*out = rooms;
	return n;
}
