/*
 * Redaction as tables: which keys of the event stay, and which keys of `content` by event type. What a
 * version changed is chosen by the fields of its row.
 */
#include "matrix/redact.h"

static const struct str top_level[] = {STR_INIT("auth_events"), STR_INIT("content"),
	STR_INIT("depth"), STR_INIT("event_id"), STR_INIT("hashes"), STR_INIT("origin_server_ts"),
	STR_INIT("prev_events"), STR_INIT("room_id"), STR_INIT("sender"), STR_INIT("signatures"),
	STR_INIT("state_key"), STR_INIT("type")};
/* Kept as well before redaction_keeps_updated. */
static const struct str top_level_old[] = {STR_INIT("membership"), STR_INIT("origin"),
	STR_INIT("prev_state")};

static const struct str power_levels[] = {STR_INIT("ban"), STR_INIT("events"),
	STR_INIT("events_default"), STR_INIT("kick"), STR_INIT("redact"), STR_INIT("state_default"),
	STR_INIT("users"), STR_INIT("users_default")};

static bool is_one_of(struct str key, const struct str *list, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (str_equals(list[i], key)) {
			return true;
		}
	}
	return false;
}

/* Whether a key of the content stays; one function for each event type that keeps any. */
typedef bool keeps_key(const struct room_version *version, struct str key);

static bool create_keeps(const struct room_version *version, struct str key)
{
	return version->redaction_keeps_updated || str_equals(key, STR("creator"));
}

static bool member_keeps(const struct room_version *version, struct str key)
{
	return str_equals(key, STR("membership")) ||
		(version->redaction_keeps_authorised_via &&
			str_equals(key, STR("join_authorised_via_users_server"))) ||
		(version->redaction_keeps_updated && str_equals(key, STR("third_party_invite")));
}

static bool join_rules_keeps(const struct room_version *version, struct str key)
{
	return str_equals(key, STR("join_rule")) ||
		(version->redaction_keeps_join_allow && str_equals(key, STR("allow")));
}

static bool power_levels_keeps(const struct room_version *version, struct str key)
{
	return is_one_of(key, power_levels, COUNT_OF(power_levels)) ||
		(version->redaction_keeps_updated && str_equals(key, STR("invite")));
}

static bool history_visibility_keeps(const struct room_version *version, struct str key)
{
	(void)version;
	return str_equals(key, STR("history_visibility"));
}

static bool aliases_keeps(const struct room_version *version, struct str key)
{
	return version->redaction_keeps_aliases && str_equals(key, STR("aliases"));
}

static bool redaction_keeps(const struct room_version *version, struct str key)
{
	return version->redaction_keeps_updated && str_equals(key, STR("redacts"));
}

static const struct {
	struct str type;
	keeps_key *keeps;
} content_rules[] = {
	{STR_INIT("m.room.member"), member_keeps},
	{STR_INIT("m.room.create"), create_keeps},
	{STR_INIT("m.room.join_rules"), join_rules_keeps},
	{STR_INIT("m.room.power_levels"), power_levels_keeps},
	{STR_INIT("m.room.history_visibility"), history_visibility_keeps},
	{STR_INIT("m.room.aliases"), aliases_keeps},
	{STR_INIT("m.room.redaction"), redaction_keeps},
};

static keeps_key *content_rule(struct str type)
{
	for (size_t i = 0; i < COUNT_OF(content_rules); i++) {
		if (str_equals(content_rules[i].type, type)) {
			return content_rules[i].keeps;
		}
	}
	return NULL;
}

/* Of third_party_invite only `signed` stays. An object without it stays as {}, as other servers have it. */
static struct json redact_third_party_invite(struct arena *arena, const struct json *invite)
{
	struct json copy = json_object(arena, 1);
	const struct json *signed_part = json_at(invite, "signed");
	return signed_part == NULL ? copy : json_with(arena, &copy, STR("signed"), *signed_part);
}

static struct json redact_content(struct arena *arena, const struct room_version *version,
	const struct json *content, keeps_key *keeps)
{
	struct json copy = json_object(arena, 0);
	if (keeps == NULL || content->type != JSON_OBJECT) {
		return copy;
	}
	copy = json_object(arena, content->count);
	for (size_t i = 0; i < content->count; i++) {
		const struct json_member *member = &content->members[i];
		if (!keeps(version, member->key)) {
			continue;
		}
		struct json value = member->value;
		if (keeps == member_keeps && str_equals(member->key, STR("third_party_invite"))) {
			if (value.type != JSON_OBJECT) {
				continue;
			}
			value = redact_third_party_invite(arena, &value);
		}
		copy.members[copy.count++] = (struct json_member){.key = member->key, .value = value};
	}
	return copy;
}

struct json redact_event(struct arena *arena, const struct room_version *version,
	const struct json *event)
{
	size_t given = event->type == JSON_OBJECT ? event->count : 0;
	struct json copy = json_object(arena, given);
	keeps_key *keeps = content_rule(json_get_str(event, STR("type")));
	for (size_t i = 0; i < given; i++) {
		const struct json_member *member = &event->members[i];
		if (!is_one_of(member->key, top_level, COUNT_OF(top_level)) &&
			(version->redaction_keeps_updated ||
				!is_one_of(member->key, top_level_old, COUNT_OF(top_level_old)))) {
			continue;
		}
		struct json value = member->value;
		if (str_equals(member->key, STR("content"))) {
			value = redact_content(arena, version, &value, keeps);
		}
		copy.members[copy.count++] = (struct json_member){.key = member->key, .value = value};
	}
	return copy;
}
