/*
 * The predefined rules stand here as the specification prints them, as JSON, with one marker for
 * the user's id; a user's ruleset is made from them by the same reader that reads the user's own
 * rules. What is stored of a user is only what differs, so that a later version of the
 * specification can change the predefined rules without touching anybody's data.
 */
#include "matrix/push_default.h"

#define USER "<user>" /* cannot stand in a user id's JSON: replaced with its quotes */
#define NAME "<name>" /* the same with its local part */

struct default_rule {
	enum push_kind kind;
	struct str rule_id;
	const char *json;
};

// clang-format off
#define MATCH(key, pattern) "{\"kind\":\"event_match\",\"key\":\"" key "\",\"pattern\":\"" pattern "\"}"
#define MATCH_USER(key) "{\"kind\":\"event_match\",\"key\":\"" key "\",\"pattern\":" USER "}"
#define TWO_MEMBERS "{\"kind\":\"room_member_count\",\"is\":\"2\"}"
#define SOUND(name) "{\"set_tweak\":\"sound\",\"value\":\"" name "\"}"
#define HIGHLIGHT "{\"set_tweak\":\"highlight\"}"
#define RULE(conditions, actions) \
	"{\"enabled\":true,\"conditions\":[" conditions "],\"actions\":[" actions "]}"

static const struct default_rule default_rules[] = {
	{PUSH_OVERRIDE, STR_INIT(".m.rule.master"),
		"{\"enabled\":false,\"conditions\":[],\"actions\":[]}"},
	{PUSH_OVERRIDE, STR_INIT(".m.rule.suppress_notices"),
		RULE(MATCH("content.msgtype", "m.notice"), "")},
	{PUSH_OVERRIDE, STR_INIT(".m.rule.invite_for_me"),
		RULE(MATCH("type", "m.room.member") "," MATCH("content.membership", "invite") ","
			MATCH_USER("state_key"), "\"notify\"," SOUND("default"))},
	{PUSH_OVERRIDE, STR_INIT(".m.rule.member_event"), RULE(MATCH("type", "m.room.member"), "")},
	{PUSH_OVERRIDE, STR_INIT(".m.rule.is_user_mention"),
		RULE("{\"kind\":\"event_property_contains\",\"key\":\"content.m\\\\.mentions.user_ids\","
			"\"value\":" USER "}", "\"notify\"," SOUND("default") "," HIGHLIGHT)},
	{PUSH_OVERRIDE, STR_INIT(".m.rule.contains_display_name"),
		RULE("{\"kind\":\"contains_display_name\"}", "\"notify\"," SOUND("default") "," HIGHLIGHT)},
	{PUSH_OVERRIDE, STR_INIT(".m.rule.is_room_mention"),
		RULE("{\"kind\":\"event_property_is\",\"key\":\"content.m\\\\.mentions.room\",\"value\":true},"
			"{\"kind\":\"sender_notification_permission\",\"key\":\"room\"}",
			"\"notify\"," HIGHLIGHT)},
	{PUSH_OVERRIDE, STR_INIT(".m.rule.roomnotif"),
		RULE(MATCH("content.body", "@room") ","
			"{\"kind\":\"sender_notification_permission\",\"key\":\"room\"}",
			"\"notify\"," HIGHLIGHT)},
	{PUSH_OVERRIDE, STR_INIT(".m.rule.tombstone"),
		RULE(MATCH("type", "m.room.tombstone") "," MATCH("state_key", ""),
			"\"notify\"," HIGHLIGHT)},
	{PUSH_OVERRIDE, STR_INIT(".m.rule.reaction"), RULE(MATCH("type", "m.reaction"), "")},
	{PUSH_OVERRIDE, STR_INIT(".m.rule.room.server_acl"),
		RULE(MATCH("type", "m.room.server_acl") "," MATCH("state_key", ""), "")},
	{PUSH_OVERRIDE, STR_INIT(".m.rule.suppress_edits"),
		RULE("{\"kind\":\"event_property_is\",\"key\":\"content.m\\\\.relates_to.rel_type\","
			"\"value\":\"m.replace\"}", "")},
	{PUSH_CONTENT, STR_INIT(".m.rule.contains_user_name"),
		"{\"enabled\":true,\"pattern\":" NAME ",\"actions\":[\"notify\"," SOUND("default") ","
			HIGHLIGHT "]}"},
	{PUSH_UNDERRIDE, STR_INIT(".m.rule.call"),
		RULE(MATCH("type", "m.call.invite"), "\"notify\"," SOUND("ring"))},
	{PUSH_UNDERRIDE, STR_INIT(".m.rule.encrypted_room_one_to_one"),
		RULE(TWO_MEMBERS "," MATCH("type", "m.room.encrypted"),
			"\"notify\"," SOUND("default"))},
	{PUSH_UNDERRIDE, STR_INIT(".m.rule.room_one_to_one"),
		RULE(TWO_MEMBERS "," MATCH("type", "m.room.message"), "\"notify\"," SOUND("default"))},
	{PUSH_UNDERRIDE, STR_INIT(".m.rule.message"),
		RULE(MATCH("type", "m.room.message"), "\"notify\"")},
	{PUSH_UNDERRIDE, STR_INIT(".m.rule.encrypted"),
		RULE(MATCH("type", "m.room.encrypted"), "\"notify\"")},
};
// clang-format on

enum { RULE_TEXT_CEILING = 8192 };

/* Only where mentions are looked for in the text. */
static bool is_for_text(const struct default_rule *row)
{
	return str_equals(row->rule_id, STR(".m.rule.contains_display_name")) ||
		str_equals(row->rule_id, STR(".m.rule.roomnotif")) ||
		str_equals(row->rule_id, STR(".m.rule.contains_user_name"));
}

/* The rule's text with the user's id, or its local part, in place of the marker. */
static struct str rule_text(struct arena *arena, const char *text, struct user_id user)
{
	struct str left = str_of(text);
	struct buf buf CLEANUP(buf_fini);
	buf_init(&buf, RULE_TEXT_CEILING);
	struct str head;
	struct str tail;
	while (str_split(left, '<', &head, &tail)) {
		buf_add(&buf, head);
		bool is_name = str_starts_with(tail, str_slice(STR(NAME), 1, STR(NAME).n));
		json_escape(&buf, is_name ? user_id_localpart(user) : user.s);
		left = str_slice(tail, is_name ? STR(NAME).n - 1 : STR(USER).n - 1, tail.n);
	}
	buf_add(&buf, left);
	invariant(buf_ok(&buf));
	return str_dup(arena, buf_str(&buf));
}

static struct push_rule *make_rule(struct arena *arena, const struct default_rule *row,
	struct user_id user)
{
	struct json *json = ARENA_NEW(arena, struct json);
	enum json_error error = json_parse(arena, rule_text(arena, row->json, user), NULL, json, NULL);
	invariant(error == JSON_OK);
	struct push_rule *rule = push_rule_read(arena, row->kind, row->rule_id, json);
	rule->is_for_text = is_for_text(row);
	return rule;
}

static const struct json *find_change(const struct json *stored, struct str rule_id)
{
	const struct json *changes = json_at(stored, "defaults");
	for (size_t i = 0; json_is(changes, JSON_ARRAY) && i < changes->count; i++) {
		if (str_equals(json_get_str(&changes->items[i], STR("rule_id")), rule_id)) {
			return &changes->items[i];
		}
	}
	return NULL;
}

static void apply_change(struct arena *arena, struct push_rule *rule, const struct json *change)
{
	const struct json *enabled = json_at(change, "enabled");
	const struct json *actions = json_at(change, "actions");
	if (json_is(enabled, JSON_BOOL)) {
		push_rule_set_enabled(rule, enabled->boolean);
	}
	if (json_is(actions, JSON_ARRAY)) {
		push_rule_set_actions(arena, rule, actions);
	}
}

struct owner {
	struct user_id user;
	bool in_text;
	const struct json *stored;
};

static void add_defaults(struct arena *arena, struct push_ruleset *set, enum push_kind kind,
	const struct owner *owner, bool is_master)
{
	for (size_t i = 0; i < COUNT_OF(default_rules); i++) {
		const struct default_rule *row = &default_rules[i];
		if (row->kind != kind || str_equals(row->rule_id, STR(".m.rule.master")) != is_master ||
			(is_for_text(row) && !owner->in_text)) {
			continue;
		}
		struct push_rule *rule = make_rule(arena, row, owner->user);
		apply_change(arena, rule, find_change(owner->stored, row->rule_id));
		push_ruleset_append(arena, set, rule);
	}
}

static void add_own(struct arena *arena, struct push_ruleset *set, enum push_kind kind,
	const struct json *stored)
{
	const struct json *list = json_get(stored, push_kind_name(kind));
	for (size_t i = 0; json_is(list, JSON_ARRAY) && i < list->count; i++) {
		struct str rule_id = json_get_str(&list->items[i], STR("rule_id"));
		if (rule_id.n > 0 && rule_id.p[0] != '.') {
			push_ruleset_append(arena, set, push_rule_read(arena, kind, rule_id, &list->items[i]));
		}
	}
}

struct push_ruleset push_default_load(struct arena *arena, struct user_id user, bool in_text,
	const struct json *stored)
{
	const struct owner owner = {user, in_text, stored};
	struct push_ruleset set = {0};
	for (size_t i = 0; i < PUSH_KINDS; i++) {
		enum push_kind kind = (enum push_kind)i;
		add_defaults(arena, &set, kind, &owner, true);
		add_own(arena, &set, kind, stored);
		add_defaults(arena, &set, kind, &owner, false);
	}
	return set;
}

struct push_ruleset push_default_ruleset(struct arena *arena, struct user_id user, bool in_text)
{
	return push_default_load(arena, user, in_text, NULL);
}

static bool is_untouched(const struct push_rule *rule)
{
	return rule->is_default && !rule->is_enabled_changed && !rule->is_actions_changed;
}

bool push_default_is_unchanged(const struct push_ruleset *set)
{
	for (size_t kind = 0; kind < PUSH_KINDS; kind++) {
		for (size_t i = 0; i < set->count[kind]; i++) {
			if (!is_untouched(set->rules[kind][i])) {
				return false;
			}
		}
	}
	return true;
}

static void write_change(struct json_out *out, const struct push_rule *rule)
{
	json_out_object(out);
	json_out_key_str(out, "rule_id", rule->rule_id);
	if (rule->is_enabled_changed) {
		json_out_key_bool(out, "enabled", rule->is_enabled);
	}
	if (rule->is_actions_changed) {
		json_out_key_value(out, "actions", &rule->actions.json);
	}
	json_out_end(out);
}

/* The user's own rules of a kind, or (`own` false) the changes of predefined ones. */
static void write_some(struct json_out *out, const struct push_ruleset *set, size_t kind, bool own)
{
	for (size_t i = 0; i < set->count[kind]; i++) {
		const struct push_rule *rule = set->rules[kind][i];
		if (own && !rule->is_default) {
			push_rule_write(out, rule);
		}
		if (!own && rule->is_default && !is_untouched(rule)) {
			write_change(out, rule);
		}
	}
}

void push_default_store(struct json_out *out, const struct push_ruleset *set)
{
	json_out_object(out);
	for (size_t kind = 0; kind < PUSH_KINDS; kind++) {
		json_out_key(out, push_kind_name((enum push_kind)kind));
		json_out_array(out);
		write_some(out, set, kind, true);
		json_out_end(out);
	}
	json_out_key_array(out, "defaults");
	for (size_t kind = 0; kind < PUSH_KINDS; kind++) {
		write_some(out, set, kind, false);
	}
	json_out_end(out);
	json_out_end(out);
}

void push_default_write_account_data(struct json_out *out, const struct push_ruleset *set)
{
	json_out_object(out);
	json_out_key(out, STR("global"));
	push_ruleset_write(out, set);
	json_out_end(out);
}
