/*
 * Rule 1: m.room.create. The numbers beside the checks are those of version 12; auth_rule.c has the
 * other versions'.
 */
#include "matrix/auth_rule.h"

/* 1.2 */
static bool room_id_fits(const struct event *event)
{
	if (event->version->room_id_is_create_hash) {
		struct arena *arena CLEANUP(arena_cleanup) = arena_create();
		return json_at(event_json(arena, event), "room_id") == NULL;
	}
	struct server_name room_server;
	return room_id_server(event->room_id, &room_server) &&
		str_equals(room_server.s, user_id_server(event->sender).s);
}

/* 1.3 */
static bool room_version_is_known(const struct event *event)
{
	const struct json *id = json_at(event->content, "room_version");
	return id == NULL || (id->type == JSON_STRING && room_version_find(json_text(id)) != NULL);
}

/* 1.4 */
static bool creators_are_user_ids(const struct event *event)
{
	const struct json *creators = json_at(event->content, "additional_creators");
	if (creators == NULL) {
		return true;
	}
	if (creators->type != JSON_ARRAY) {
		return false;
	}
	for (size_t i = 0; i < creators->count; i++) {
		struct user_id creator;
		if (!user_id_parse(json_text(&creators->items[i]), &creator)) {
			return false;
		}
	}
	return true;
}

struct verdict auth_check_create(const struct event *event)
{
	const struct room_version *version = event->version;
	if (event->prev_count > 0) { /* 1.1 */
		return auth_deny(version, AUTH_CREATE_HAS_PREV);
	}
	if (!room_id_fits(event)) {
		return auth_deny(version, AUTH_CREATE_ROOM_ID);
	}
	if (!room_version_is_known(event)) {
		return auth_deny(version, AUTH_CREATE_VERSION);
	}
	if (!version->creator_is_sender && json_at(event->content, "creator") == NULL) {
		return auth_deny(version, AUTH_CREATE_NO_CREATOR); /* 1.4 up to version 10 */
	}
	if (version->privileged_creators && !creators_are_user_ids(event)) {
		return auth_deny(version, AUTH_CREATE_BAD_CREATORS);
	}
	return verdict_allow();
}
