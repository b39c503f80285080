/*
 * The defaults are those that clients know from other homeservers: moderators (50) for what
 * describes the room, administrators (100) for what governs it. The override replaces whole members
 * of the content, as the specification says ("applied on top").
 */
#include "matrix/power_template.h"

#include "matrix/errcode.h"
#include "matrix/json_make.h"
#include "matrix/power_value.h"
#include "matrix/str_set.h"

enum {
	LEVEL_MODERATOR = 50,
	LEVEL_ADMIN = 100,
	LEVEL_TOMBSTONE = 150, /* where creators are privileged */
};

static const int64_t LEVEL_MAX = (INT64_C(1) << 53) - 1;

struct event_level {
	struct str type;
	int64_t level;
};

static const struct event_level event_levels[] = {
	{STR_INIT("m.room.name"), LEVEL_MODERATOR},
	{STR_INIT("m.room.avatar"), LEVEL_MODERATOR},
	{STR_INIT("m.room.canonical_alias"), LEVEL_MODERATOR},
	{STR_INIT("m.room.power_levels"), LEVEL_ADMIN},
	{STR_INIT("m.room.history_visibility"), LEVEL_ADMIN},
	{STR_INIT("m.room.encryption"), LEVEL_ADMIN},
	{STR_INIT("m.room.server_acl"), LEVEL_ADMIN},
};

static struct json default_events(struct arena *arena, const struct room_version *version)
{
	struct json events = json_object(arena, COUNT_OF(event_levels) + 1);
	for (size_t i = 0; i < COUNT_OF(event_levels); i++) {
		json_put(&events, event_levels[i].type, json_integer(event_levels[i].level));
	}
	json_put(&events, STR("m.room.tombstone"),
		json_integer(version->privileged_creators ? LEVEL_TOMBSTONE : LEVEL_ADMIN));
	return events;
}

static struct json default_users(struct arena *arena, const struct power_template *template)
{
	if (template->version->privileged_creators) {
		return json_object(arena, 0);
	}
	struct json users = json_object(arena, template->equal_count + 1);
	json_put(&users, template->creator.s, json_integer(LEVEL_ADMIN));
	for (size_t i = 0; i < template->equal_count; i++) {
		json_put(&users, template->equals[i], json_integer(LEVEL_ADMIN));
	}
	return users;
}

static struct json default_content(struct arena *arena, const struct power_template *template)
{
	struct json content = json_object(arena, 9);
	json_put(&content, STR("users"), default_users(arena, template));
	json_put(&content, STR("users_default"), json_integer(0));
	json_put(&content, STR("events"), default_events(arena, template->version));
	json_put(&content, STR("events_default"), json_integer(0));
	json_put(&content, STR("state_default"), json_integer(LEVEL_MODERATOR));
	json_put(&content, STR("ban"), json_integer(LEVEL_MODERATOR));
	json_put(&content, STR("kick"), json_integer(LEVEL_MODERATOR));
	json_put(&content, STR("redact"), json_integer(LEVEL_MODERATOR));
	json_put(&content, STR("invite"), json_integer(template->invite_level));
	return content;
}

/* Both lists stand for members of one small object; copied once, not once a member. */
static struct json overlay(struct arena *arena, const struct json *base, const struct json *top)
{
	struct json merged = json_object(arena, base->count + top->count);
	for (size_t i = 0; i < base->count; i++) {
		const struct json *replaced = json_get(top, base->members[i].key);
		json_put(&merged, base->members[i].key,
			replaced != NULL ? *replaced : base->members[i].value);
	}
	for (size_t i = 0; i < top->count; i++) {
		if (json_get(base, top->members[i].key) == NULL) {
			json_put(&merged, top->members[i].key, top->members[i].value);
		}
	}
	return merged;
}

/* Tombstones stay above state_default, whatever the override says about both. */
static struct json keep_tombstone(struct arena *arena, const struct json *content)
{
	const struct json *events = json_at(content, "events");
	if (!json_is(events, JSON_OBJECT)) {
		return *content;
	}
	int64_t level = LEVEL_TOMBSTONE;
	int64_t state_default;
	if (json_get_int(content, STR("state_default"), LEVEL_TOMBSTONE, LEVEL_MAX, &state_default)) {
		level = MIN_OF(state_default, LEVEL_MAX - LEVEL_MODERATOR) + LEVEL_MODERATOR;
	}
	struct json raised = json_with(arena, events, STR("m.room.tombstone"), json_integer(level));
	return json_with(arena, content, STR("events"), raised);
}

static bool check_creators(struct arena *arena, const struct power_template *template,
	const struct json *content, struct field_error *out_error)
{
	const struct json *users = json_at(content, "users");
	struct str_set creators = str_set_make(arena, template->creators, template->creator_count);
	for (size_t i = 0; json_is(users, JSON_OBJECT) && i < users->count; i++) {
		struct str user = users->members[i].key;
		if (str_equals(user, template->creator.s) || str_set_has(&creators, user)) {
			return field_fail(out_error, M_INVALID_ROOM_STATE,
				STR("power_level_content_override.users"),
				"must not name creators of the room: they have more power than any level");
		}
	}
	return true;
}

bool power_template_make(struct arena *arena, const struct power_template *template,
	struct json *out, struct field_error *out_error)
{
	struct json content = default_content(arena, template);
	const struct json *override = template->override;
	if (override != NULL) {
		if (override->type != JSON_OBJECT) {
			return field_fail(out_error, M_BAD_JSON, STR("power_level_content_override"),
				"must be an object");
		}
		if (!power_levels_are_plain(override)) {
			return field_fail(out_error, M_BAD_JSON, STR("power_level_content_override"),
				"must have integers for levels");
		}
		content = overlay(arena, &content, override);
	}
	if (template->version->privileged_creators) {
		if (!check_creators(arena, template, &content, out_error)) {
			return false;
		}
		const struct json *given = override != NULL ? json_at(override, "events") : NULL;
		if (json_at(given, "m.room.tombstone") == NULL) {
			content = keep_tombstone(arena, &content);
		}
	}
	*out = content;
	return true;
}
