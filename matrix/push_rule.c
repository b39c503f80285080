/*
 * Two ways lead from JSON to a rule. Reading is lenient: a condition that is malformed becomes one
 * that never matches, an action that is malformed does nothing. Checking is strict and is done
 * once, when a client makes the rule. Both walk the same members, so that what was accepted means
 * what it says.
 */
#include "matrix/push_rule.h"

#include <string.h>

#include "base/vec.h"
#include "matrix/errcode.h"

static const int64_t INT_MAX_EXACT = (INT64_C(1) << 53) - 1;

static const struct str kind_names[PUSH_KINDS] = {
	[PUSH_OVERRIDE] = STR_INIT("override"),
	[PUSH_CONTENT] = STR_INIT("content"),
	[PUSH_ROOM] = STR_INIT("room"),
	[PUSH_SENDER] = STR_INIT("sender"),
	[PUSH_UNDERRIDE] = STR_INIT("underride"),
};

bool push_kind_parse(struct str name, enum push_kind *out)
{
	for (size_t i = 0; i < PUSH_KINDS; i++) {
		if (str_equals(kind_names[i], name)) {
			*out = (enum push_kind)i;
			return true;
		}
	}
	return false;
}

struct str push_kind_name(enum push_kind kind)
{
	return kind_names[kind];
}

static bool has_conditions(enum push_kind kind)
{
	return kind == PUSH_OVERRIDE || kind == PUSH_UNDERRIDE;
}

/* --- conditions ------------------------------------------------------------------------------- */

struct condition_row {
	struct str name;
	enum push_condition_kind kind;
	const char *text_members[2]; /* members that have to be strings */
	bool has_value;
};

static const struct condition_row condition_rows[] = {
	{STR_INIT("event_match"), PUSH_EVENT_MATCH, {"key", "pattern"}, false},
	{STR_INIT("event_property_is"), PUSH_EVENT_PROPERTY_IS, {"key", NULL}, true},
	{STR_INIT("event_property_contains"), PUSH_EVENT_PROPERTY_CONTAINS, {"key", NULL}, true},
	{STR_INIT("contains_display_name"), PUSH_CONTAINS_DISPLAY_NAME, {NULL, NULL}, false},
	{STR_INIT("room_member_count"), PUSH_ROOM_MEMBER_COUNT, {"is", NULL}, false},
	{STR_INIT("sender_notification_permission"), PUSH_SENDER_NOTIFICATION_PERMISSION, {"key", NULL},
		false},
};

static const struct condition_row *find_condition_row(struct str name)
{
	for (size_t i = 0; i < COUNT_OF(condition_rows); i++) {
		if (str_equals(condition_rows[i].name, name)) {
			return &condition_rows[i];
		}
	}
	return NULL;
}

static bool is_plain_value(const struct json *value)
{
	switch (value->type) {
	case JSON_NULL:
	case JSON_BOOL:
	case JSON_STRING:
		return true;
	case JSON_INT:
		return value->integer >= -INT_MAX_EXACT && value->integer <= INT_MAX_EXACT;
	case JSON_NUMBER:
	case JSON_ARRAY:
	case JSON_OBJECT:
		return false;
	}
	return false;
}

/* "2", "==2", "<=10", … */
static bool parse_member_count(struct str text, enum push_compare *out_compare, int64_t *out)
{
	static const struct {
		struct str sign;
		enum push_compare compare;
	} signs[] = {
		{STR_INIT("=="), PUSH_EQ},
		{STR_INIT("<="), PUSH_LE},
		{STR_INIT(">="), PUSH_GE},
		{STR_INIT("<"), PUSH_LT},
		{STR_INIT(">"), PUSH_GT},
	};
	*out_compare = PUSH_EQ;
	for (size_t i = 0; i < COUNT_OF(signs); i++) {
		if (str_starts_with(text, signs[i].sign)) {
			*out_compare = signs[i].compare;
			text = str_slice(text, signs[i].sign.n, text.n);
			break;
		}
	}
	return str_to_int(text, 0, INT_MAX_EXACT, out);
}

/* What is wrong with a condition of a known kind; NULL when nothing. */
static const char *condition_problem(const struct condition_row *row, const struct json *condition)
{
	for (size_t i = 0; i < COUNT_OF(row->text_members); i++) {
		const char *name = row->text_members[i];
		if (name != NULL && !json_is(json_get(condition, str_of(name)), JSON_STRING)) {
			return "lacks a member of its kind, or has one that is no string";
		}
	}
	if (row->has_value) {
		const struct json *value = json_at(condition, "value");
		if (value == NULL || !is_plain_value(value)) {
			return "needs a value that is a string, an integer, a boolean or null";
		}
	}
	enum push_compare compare;
	int64_t count;
	if (row->kind == PUSH_ROOM_MEMBER_COUNT &&
		!parse_member_count(json_get_str(condition, STR("is")), &compare, &count)) {
		return "needs `is` to be a number, with ==, <, >, <= or >= before it";
	}
	return NULL;
}

static bool is_body_path(const struct property_path *path)
{
	return path->count == 2 && str_equals(path->segments[0], STR("content")) &&
		str_equals(path->segments[1], STR("body"));
}

static struct push_condition read_condition(struct arena *arena, const struct json *condition)
{
	struct push_condition result = {.kind = PUSH_NEVER};
	const struct condition_row *row = find_condition_row(json_get_str(condition, STR("kind")));
	if (row == NULL || condition_problem(row, condition) != NULL) {
		return result;
	}
	result.kind = row->kind;
	result.key = json_get_str(condition, STR("key"));
	result.pattern = json_get_str(condition, STR("pattern"));
	result.value = json_at(condition, "value");
	if (row->kind == PUSH_EVENT_MATCH || row->has_value) {
		result.path = property_path_parse(arena, result.key);
		result.is_body = is_body_path(&result.path);
	}
	if (row->kind == PUSH_ROOM_MEMBER_COUNT) {
		bool is_count =
			parse_member_count(json_get_str(condition, STR("is")), &result.compare, &result.count);
		invariant(is_count);
	}
	return result;
}

static void read_conditions(struct arena *arena, struct push_rule *rule, const struct json *list)
{
	if (!has_conditions(rule->kind) || !json_is(list, JSON_ARRAY)) {
		return;
	}
	struct push_condition *conditions =
		ARENA_NEW_ARRAY(arena, struct push_condition, list->count + 1);
	for (size_t i = 0; i < list->count; i++) {
		conditions[i] = read_condition(arena, &list->items[i]);
	}
	rule->conditions_json = list;
	rule->conditions = conditions;
	rule->condition_count = list->count;
}

static bool check_conditions(struct arena *arena, const struct json *list,
	struct field_error *out_error)
{
	if (list == NULL) {
		return true;
	}
	if (list->type != JSON_ARRAY) {
		return field_fail(out_error, M_BAD_JSON, STR("conditions"), "must be an array");
	}
	for (size_t i = 0; i < list->count; i++) {
		const struct json *condition = &list->items[i];
		struct str field = str_printf(arena, "conditions[%zu]", i);
		if (condition->type != JSON_OBJECT) {
			return field_fail(out_error, M_BAD_JSON, field, "must be an object");
		}
		if (!json_is(json_at(condition, "kind"), JSON_STRING)) {
			return field_fail(out_error, M_INVALID_PARAM, field, "needs a kind");
		}
		const struct condition_row *row = find_condition_row(json_get_str(condition, STR("kind")));
		const char *problem = row != NULL ? condition_problem(row, condition) : NULL;
		if (problem != NULL) {
			return field_fail(out_error, M_INVALID_PARAM, field, problem);
		}
	}
	return true;
}

/* --- actions ---------------------------------------------------------------------------------- */

static struct str tweak_name(const struct json *action)
{
	return json_get_str(action, STR("set_tweak"));
}

static void apply_tweak(struct push_actions *actions, const struct push_tweak *tweak)
{
	if (str_equals(tweak->name, STR("highlight"))) {
		actions->highlight =
			tweak->value == NULL || (tweak->value->type == JSON_BOOL && tweak->value->boolean);
	}
	if (str_equals(tweak->name, STR("sound"))) {
		const struct json *value = tweak->value;
		bool is_text = value != NULL && value->type == JSON_STRING;
		actions->sound = is_text ? json_text(value) : str_from(NULL, 0);
	}
}

/* dont_notify and coalesce are kept as given and do nothing. */
static struct push_actions read_actions(struct arena *arena, const struct json *list)
{
	struct push_actions actions = {.json = {.type = JSON_ARRAY}};
	if (!json_is(list, JSON_ARRAY)) {
		return actions;
	}
	actions.json = *list;
	struct push_tweak *tweaks = ARENA_NEW_ARRAY(arena, struct push_tweak, list->count + 1);
	for (size_t i = 0; i < list->count; i++) {
		const struct json *action = &list->items[i];
		if (action->type == JSON_STRING && str_equals(json_text(action), STR("notify"))) {
			actions.notify = true;
		}
		if (tweak_name(action).p != NULL) {
			struct push_tweak *tweak = &tweaks[actions.tweak_count++];
			*tweak =
				(struct push_tweak){.name = tweak_name(action), .value = json_at(action, "value")};
			apply_tweak(&actions, tweak);
		}
	}
	actions.tweaks = tweaks;
	return actions;
}

bool push_actions_check(const struct json *actions, struct field_error *out_error)
{
	static const struct str known[] = {STR_INIT("notify"), STR_INIT("dont_notify"),
		STR_INIT("coalesce")};
	struct str field = STR("actions");
	if (actions == NULL) {
		return field_fail(out_error, M_MISSING_PARAM, field, "is missing");
	}
	if (actions->type != JSON_ARRAY) {
		return field_fail(out_error, M_BAD_JSON, field, "must be an array");
	}
	if (json_raw(actions).n > PUSH_MAX_RULE_BYTES) {
		return field_fail(out_error, M_TOO_LARGE, field, "is too long");
	}
	for (size_t i = 0; i < actions->count; i++) {
		const struct json *action = &actions->items[i];
		bool is_known = tweak_name(action).p != NULL;
		for (size_t k = 0; k < COUNT_OF(known) && action->type == JSON_STRING; k++) {
			is_known = is_known || str_equals(json_text(action), known[k]);
		}
		if (!is_known) {
			return field_fail(out_error, M_INVALID_PARAM, field,
				"must contain only \"notify\" and objects with set_tweak");
		}
	}
	return true;
}

void push_rule_set_actions(struct arena *arena, struct push_rule *rule, const struct json *actions)
{
	rule->actions = read_actions(arena, actions);
	rule->is_actions_changed = true;
}

void push_rule_set_enabled(struct push_rule *rule, bool is_enabled)
{
	rule->is_enabled = is_enabled;
	rule->is_enabled_changed = true;
}

/* --- rules ------------------------------------------------------------------------------------ */

struct push_rule *push_rule_read(struct arena *arena, enum push_kind kind, struct str rule_id,
	const struct json *json)
{
	struct push_rule *rule = ARENA_NEW(arena, struct push_rule);
	rule->kind = kind;
	rule->rule_id = rule_id;
	rule->is_default = str_starts_with(rule_id, STR("."));
	rule->is_enabled = json_get_bool(json, STR("enabled"), true);
	read_conditions(arena, rule, json_at(json, "conditions"));
	rule->actions = read_actions(arena, json_at(json, "actions"));
	if (kind == PUSH_CONTENT) {
		rule->pattern = json_get_str(json, STR("pattern"));
	}
	return rule;
}

static bool check_rule_id(struct str rule_id, struct field_error *out_error)
{
	struct str field = STR("ruleId");
	if (rule_id.n == 0) {
		return field_fail(out_error, M_INVALID_PARAM, field, "must not be empty");
	}
	if (rule_id.p[0] == '.') {
		return field_fail(out_error, M_INVALID_PARAM, field,
			"must not start with a dot: such ids are for predefined rules");
	}
	if (str_find_byte(rule_id, '/') != SIZE_MAX || str_find_byte(rule_id, '\\') != SIZE_MAX) {
		return field_fail(out_error, M_INVALID_PARAM, field,
			"must not contain slashes or backslashes");
	}
	if (str_find_byte(rule_id, '\0') != SIZE_MAX) {
		return field_fail(out_error, M_INVALID_PARAM, field, "must not contain NUL");
	}
	return true;
}

static bool check_size(struct str rule_id, const struct json *body, struct field_error *out_error)
{
	size_t size = rule_id.n;
	static const char *const members[] = {"conditions", "actions", "pattern"};
	for (size_t i = 0; i < COUNT_OF(members); i++) {
		const struct json *member = json_get(body, str_of(members[i]));
		size += member != NULL ? json_raw(member).n : 0;
	}
	if (size > PUSH_MAX_RULE_BYTES) {
		return field_fail(out_error, M_TOO_LARGE, STR("rule"), "is longer than 1024 bytes");
	}
	return true;
}

bool push_rule_make(struct arena *arena, enum push_kind kind, struct str rule_id,
	const struct json *body, struct push_rule **out, struct field_error *out_error)
{
	if (!check_rule_id(rule_id, out_error)) {
		return false;
	}
	if (body->type != JSON_OBJECT) {
		return field_fail(out_error, M_BAD_JSON, STR("body"), "must be an object");
	}
	if (!check_size(rule_id, body, out_error) ||
		!push_actions_check(json_at(body, "actions"), out_error)) {
		return false;
	}
	if (has_conditions(kind) && !check_conditions(arena, json_at(body, "conditions"), out_error)) {
		return false;
	}
	const struct json *pattern = json_at(body, "pattern");
	if (kind == PUSH_CONTENT && !json_is(pattern, JSON_STRING)) {
		return field_fail(out_error, pattern == NULL ? M_MISSING_PARAM : M_BAD_JSON, STR("pattern"),
			"must be a string");
	}
	struct push_rule *rule = push_rule_read(arena, kind, rule_id, body);
	rule->is_enabled = true;
	*out = rule;
	return true;
}

void push_rule_write(struct json_out *out, const struct push_rule *rule)
{
	json_out_object(out);
	json_out_key_value(out, "actions", &rule->actions.json);
	if (has_conditions(rule->kind)) {
		if (rule->conditions_json != NULL) {
			json_out_key_value(out, "conditions", rule->conditions_json);
		} else {
			json_out_key_raw(out, "conditions", STR("[]"));
		}
	}
	json_out_key_bool(out, "default", rule->is_default);
	json_out_key_bool(out, "enabled", rule->is_enabled);
	if (rule->pattern.p != NULL) {
		json_out_key_str(out, "pattern", rule->pattern);
	}
	json_out_key_str(out, "rule_id", rule->rule_id);
	json_out_end(out);
}

/* --- rulesets --------------------------------------------------------------------------------- */

static size_t index_of(const struct push_ruleset *set, enum push_kind kind, struct str rule_id)
{
	for (size_t i = 0; i < set->count[kind]; i++) {
		if (str_equals(set->rules[kind][i]->rule_id, rule_id)) {
			return i;
		}
	}
	return SIZE_MAX;
}

struct push_rule *push_ruleset_find(const struct push_ruleset *set, enum push_kind kind,
	struct str rule_id)
{
	size_t at = index_of(set, kind, rule_id);
	return at != SIZE_MAX ? set->rules[kind][at] : NULL;
}

static size_t count_own(const struct push_ruleset *set)
{
	size_t n = 0;
	for (size_t kind = 0; kind < PUSH_KINDS; kind++) {
		for (size_t i = 0; i < set->count[kind]; i++) {
			n += set->rules[kind][i]->is_default ? 0 : 1;
		}
	}
	return n;
}

/* The user's own rules stand behind .m.rule.master and before the other predefined ones. */
static size_t first_own_place(const struct push_ruleset *set, enum push_kind kind)
{
	struct push_rule *const *rules = set->rules[kind];
	bool has_master = set->count[kind] > 0 && str_equals(rules[0]->rule_id, STR(".m.rule.master"));
	return has_master ? 1 : 0;
}

static void take_out(struct push_ruleset *set, enum push_kind kind, size_t at)
{
	struct push_rule **rules = set->rules[kind];
	set->count[kind]--;
	memmove(rules + at, rules + at + 1, (set->count[kind] - at) * sizeof(*rules));
}

static void insert(struct arena *arena, struct push_ruleset *set, struct push_rule *rule, size_t at)
{
	enum push_kind kind = rule->kind;
	size_t count = set->count[kind];
	if (count == set->capacity[kind]) {
		set->rules[kind] =
			vec_grow(arena, set->rules[kind], sizeof(*set->rules[kind]), &set->capacity[kind]);
	}
	struct push_rule **rules = set->rules[kind];
	memmove(rules + at + 1, rules + at, (count - at) * sizeof(*rules));
	rules[at] = rule;
	set->count[kind] = count + 1;
}

void push_ruleset_append(struct arena *arena, struct push_ruleset *set, struct push_rule *rule)
{
	insert(arena, set, rule, set->count[rule->kind]);
}

enum push_put push_ruleset_put(struct arena *arena, struct push_ruleset *set,
	struct push_rule *rule, struct str before, struct str after)
{
	enum push_kind kind = rule->kind;
	size_t known = index_of(set, kind, rule->rule_id);
	struct str neighbour = before.p != NULL ? before : after;
	if (neighbour.p != NULL) {
		const struct push_rule *found = push_ruleset_find(set, kind, neighbour);
		if (found == NULL || found->is_default) {
			return PUSH_PUT_NO_NEIGHBOUR;
		}
	}
	if (known == SIZE_MAX && count_own(set) >= PUSH_MAX_RULES) {
		return PUSH_PUT_FULL;
	}
	if (known != SIZE_MAX) {
		rule->is_enabled = set->rules[kind][known]->is_enabled;
		if (neighbour.p == NULL || str_equals(neighbour, rule->rule_id)) {
			set->rules[kind][known] = rule;
			return PUSH_PUT_DONE;
		}
		take_out(set, kind, known);
	}
	size_t at = first_own_place(set, kind);
	if (neighbour.p != NULL) {
		at = index_of(set, kind, neighbour) + (before.p != NULL ? 0 : 1);
	}
	insert(arena, set, rule, at);
	return PUSH_PUT_DONE;
}

bool push_ruleset_remove(struct push_ruleset *set, enum push_kind kind, struct str rule_id)
{
	size_t at = index_of(set, kind, rule_id);
	if (at == SIZE_MAX || set->rules[kind][at]->is_default) {
		return false;
	}
	take_out(set, kind, at);
	return true;
}

void push_ruleset_write(struct json_out *out, const struct push_ruleset *set)
{
	json_out_object(out);
	for (size_t kind = 0; kind < PUSH_KINDS; kind++) {
		json_out_key(out, kind_names[kind]);
		json_out_array(out);
		for (size_t i = 0; i < set->count[kind]; i++) {
			push_rule_write(out, set->rules[kind][i]);
		}
		json_out_end(out);
	}
	json_out_end(out);
}
