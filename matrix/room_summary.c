/*
 * One short function for each type of state that tells something.
 */
#include "matrix/room_summary.h"

const struct str room_summary_types[ROOM_SUMMARY_TYPES] = {
	STR_INIT("m.room.create"),
	STR_INIT("m.room.name"),
	STR_INIT("m.room.topic"),
	STR_INIT("m.room.canonical_alias"),
	STR_INIT("m.room.avatar"),
	STR_INIT("m.room.join_rules"),
	STR_INIT("m.room.history_visibility"),
	STR_INIT("m.room.guest_access"),
	STR_INIT("m.room.encryption"),
};

void room_summary_init(struct room_summary *out)
{
	*out = (struct room_summary){.join_rule = STR("invite")};
}

/* A string member that says something. */
static struct str text_of(const struct json *content, const char *key)
{
	struct str text = json_get_str(content, str_of(key));
	return text.n > 0 && !str_has_nul(text) ? text : str_from(NULL, 0);
}

struct str room_topic_plain(const struct json *content)
{
	const struct json *texts = json_at(json_at(content, "m.topic"), "m.text");
	for (size_t i = 0; json_is(texts, JSON_ARRAY) && i < texts->count; i++) {
		const struct json *mimetype = json_at(&texts->items[i], "mimetype");
		bool is_plain = mimetype == NULL || str_equals(json_text(mimetype), STR("text/plain"));
		struct str body = text_of(&texts->items[i], "body");
		if (is_plain && body.p != NULL) {
			return body;
		}
	}
	return text_of(content, "topic");
}

static void take_join_rules(struct arena *arena, struct room_summary *summary,
	const struct json *content)
{
	struct str rule = text_of(content, "join_rule");
	const struct json *allow = json_at(content, "allow");
	summary->join_rule = rule.p != NULL ? rule : STR("invite");
	summary->allowed_count = 0;
	bool is_restricted = str_equals(summary->join_rule, STR("restricted")) ||
		str_equals(summary->join_rule, STR("knock_restricted"));
	if (!is_restricted || !json_is(allow, JSON_ARRAY)) {
		return;
	}
	struct str *ids = ARENA_NEW_ARRAY(arena, struct str, allow->count);
	for (size_t i = 0; i < allow->count; i++) {
		struct str kind = text_of(&allow->items[i], "type");
		struct room_id id;
		if (str_equals(kind, STR("m.room_membership")) &&
			room_id_parse(text_of(&allow->items[i], "room_id"), &id)) {
			ids[summary->allowed_count++] = id.s;
		}
	}
	summary->allowed_room_ids = ids;
}

static struct str valid_alias(struct str text)
{
	struct room_alias alias;
	return text.p != NULL && room_alias_parse(text, &alias) ? text : str_from(NULL, 0);
}

static struct str valid_mxc(struct str text)
{
	return str_starts_with(text, STR("mxc://")) ? text : str_from(NULL, 0);
}

void room_summary_take(struct arena *arena, struct room_summary *summary, struct str type,
	const struct json *content)
{
	if (str_equals(type, STR("m.room.create"))) {
		summary->room_type = text_of(content, "type");
	} else if (str_equals(type, STR("m.room.name"))) {
		summary->name = text_of(content, "name");
	} else if (str_equals(type, STR("m.room.topic"))) {
		summary->topic = room_topic_plain(content);
	} else if (str_equals(type, STR("m.room.canonical_alias"))) {
		summary->canonical_alias = valid_alias(text_of(content, "alias"));
	} else if (str_equals(type, STR("m.room.avatar"))) {
		summary->avatar_url = valid_mxc(text_of(content, "url"));
	} else if (str_equals(type, STR("m.room.join_rules"))) {
		take_join_rules(arena, summary, content);
	} else if (str_equals(type, STR("m.room.history_visibility"))) {
		summary->is_world_readable =
			str_equals(text_of(content, "history_visibility"), STR("world_readable"));
	} else if (str_equals(type, STR("m.room.guest_access"))) {
		summary->guest_can_join = str_equals(text_of(content, "guest_access"), STR("can_join"));
	} else if (str_equals(type, STR("m.room.encryption"))) {
		summary->encryption = text_of(content, "algorithm");
	}
}

/* --- of other servers ------------------------------------------------------------------------------------- */

static void read_allowed(struct arena *arena, const struct json *chunk, struct room_summary *out)
{
	const struct json *allowed = json_at(chunk, "allowed_room_ids");
	if (!json_is(allowed, JSON_ARRAY)) {
		return;
	}
	struct str *ids = ARENA_NEW_ARRAY(arena, struct str, allowed->count);
	for (size_t i = 0; i < allowed->count; i++) {
		struct room_id id;
		if (json_is(&allowed->items[i], JSON_STRING) &&
			room_id_parse(json_text(&allowed->items[i]), &id)) {
			ids[out->allowed_count++] = id.s;
		}
	}
	out->allowed_room_ids = ids;
}

bool room_summary_read(struct arena *arena, const struct json *chunk, struct room_told *out)
{
	*out = (struct room_told){0};
	if (!json_is(chunk, JSON_OBJECT) || !room_id_parse(text_of(chunk, "room_id"), &out->room_id)) {
		return false;
	}
	struct str join_rule = text_of(chunk, "join_rule");
	if (!json_get_int(chunk, STR("num_joined_members"), 0, INT32_MAX, &out->joined_members)) {
		out->joined_members = 0;
	}
	out->room_version = text_of(chunk, "room_version");
	out->content = (struct room_summary){
		.name = text_of(chunk, "name"),
		.topic = text_of(chunk, "topic"),
		.canonical_alias = valid_alias(text_of(chunk, "canonical_alias")),
		.avatar_url = valid_mxc(text_of(chunk, "avatar_url")),
		.join_rule =
			join_rule.p != NULL ? join_rule : STR("public"), /* as the specification says */
		.room_type = text_of(chunk, "room_type"),
		.encryption = text_of(chunk, "encryption"),
		.is_world_readable = json_get_bool(chunk, STR("world_readable"), false),
		.guest_can_join = json_get_bool(chunk, STR("guest_can_join"), false),
	};
	read_allowed(arena, chunk, &out->content);
	return true;
}

static void write_if_set(struct json_out *out, const char *key, struct str text)
{
	if (text.p != NULL) {
		json_out_key(out, str_of(key));
		json_out_str(out, text);
	}
}

void room_summary_write(const struct room_summary *summary, struct json_out *out)
{
	write_if_set(out, "name", summary->name);
	write_if_set(out, "topic", summary->topic);
	write_if_set(out, "canonical_alias", summary->canonical_alias);
	write_if_set(out, "avatar_url", summary->avatar_url);
	write_if_set(out, "join_rule", summary->join_rule);
	write_if_set(out, "room_type", summary->room_type);
	json_out_key_bool(out, "world_readable", summary->is_world_readable);
	json_out_key_bool(out, "guest_can_join", summary->guest_can_join);
}
