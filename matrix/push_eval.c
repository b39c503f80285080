/*
 * Rules are looked at in order; the first that is enabled and whose conditions all hold decides. An
 * event is seen as clients see it: type, sender, room_id, event_id, state_key, origin_server_ts,
 * redacts and content, nothing else.
 *
 * push_eval_generic() is the predefined rules written as code. It has to say what they say: a
 * property test compares the two on random events.
 */
#include "matrix/push_eval.h"

#include "base/casefold.h"
#include "base/glob.h"
#include "base/vec.h"
#include "matrix/power.h"
#include "matrix/str_set.h"

struct evaluation {
	struct arena *arena;
	const struct push_facts *facts;
	struct str display_name;
};

/* --- properties ------------------------------------------------------------------------------- */

static const struct json *text_value(struct str text, struct json *scratch)
{
	*scratch = json_string(text);
	return text.p != NULL ? scratch : NULL;
}

/* A property that is no part of `content`. */
static const struct json *top_value(const struct event *event, struct str name,
	struct json *scratch)
{
	if (str_equals(name, STR("type"))) {
		return text_value(event->type, scratch);
	}
	if (str_equals(name, STR("sender"))) {
		return text_value(event->sender.s, scratch);
	}
	if (str_equals(name, STR("room_id"))) {
		return text_value(event->room_id.s, scratch);
	}
	if (str_equals(name, STR("event_id"))) {
		return text_value(event->event_id.s, scratch);
	}
	if (str_equals(name, STR("redacts"))) {
		return text_value(event->redacts, scratch);
	}
	if (str_equals(name, STR("state_key")) && event->is_state) {
		*scratch = json_string(event->state_key);
		return scratch;
	}
	if (str_equals(name, STR("origin_server_ts"))) {
		*scratch = json_integer(event->origin_server_ts);
		return scratch;
	}
	return NULL;
}

static const struct json *property(const struct event *event, const struct property_path *path,
	struct json *scratch)
{
	if (str_equals(path->segments[0], STR("content"))) {
		return property_path_walk(event->content, path->segments + 1, path->count - 1);
	}
	return path->count == 1 ? top_value(event, path->segments[0], scratch) : NULL;
}

/* Both are plain values, of the range that conditions know. */
static bool same_value(const struct json *wanted, const struct json *found)
{
	if (wanted->type != found->type) {
		return false;
	}
	switch (wanted->type) {
	case JSON_NULL:
		return true;
	case JSON_BOOL:
		return wanted->boolean == found->boolean;
	case JSON_INT:
		return wanted->integer == found->integer;
	case JSON_STRING:
		return str_equals(json_text(wanted), json_text(found));
	case JSON_NUMBER:
	case JSON_ARRAY:
	case JSON_OBJECT:
		return false;
	}
	return false;
}

static bool contains_value(const struct json *wanted, const struct json *list)
{
	if (!json_is(list, JSON_ARRAY)) {
		return false;
	}
	for (size_t i = 0; i < list->count; i++) {
		if (same_value(wanted, &list->items[i])) {
			return true;
		}
	}
	return false;
}

/* --- display names ---------------------------------------------------------------------------- */

static bool is_word_byte(char c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
}

static struct str fold(struct arena *arena, struct str text)
{
	char *folded = arena_alloc(arena, casefold_room(text.n) + 1);
	return str_from(folded, casefold_text(text, folded));
}

/* For each prefix of the needle: how long its longest proper prefix is that is also its end. */
static size_t *border_lengths(struct arena *arena, struct str needle)
{
	size_t *border = ARENA_NEW_ARRAY(arena, size_t, needle.n + 1);
	size_t length = 0;
	for (size_t i = 1; i < needle.n; i++) {
		while (length > 0 && needle.p[i] != needle.p[length]) {
			length = border[length];
		}
		length += needle.p[i] == needle.p[length] ? 1 : 0;
		border[i + 1] = length;
	}
	return border;
}

/* As base/glob has it, so that both ways of finding words agree. */
static bool is_boundary(struct str text, size_t at)
{
	return at == 0 || at == text.n || !is_word_byte(text.p[at - 1]) || !is_word_byte(text.p[at]);
}

/*
 * Whether the name stands in the body as words of their own, in any case. Knuth, Morris and Pratt:
 * the name may be anything, and so may the body.
 */
static bool has_words(struct arena *arena, struct str body, struct str name)
{
	struct str text = fold(arena, body);
	struct str needle = fold(arena, name);
	if (needle.n == 0 || needle.n > text.n) {
		return false;
	}
	const size_t *border = border_lengths(arena, needle);
	size_t length = 0;
	for (size_t i = 0; i < text.n; i++) {
		while (length > 0 && (length == needle.n || text.p[i] != needle.p[length])) {
			length = border[length];
		}
		length += text.p[i] == needle.p[length] ? 1 : 0;
		if (length == needle.n && is_boundary(text, i + 1 - length) && is_boundary(text, i + 1)) {
			return true;
		}
	}
	return false;
}

/* --- conditions ------------------------------------------------------------------------------- */

static struct str body_of(const struct event *event)
{
	return json_get_str(event->content, STR("body"));
}

static bool event_matches(const struct push_condition *condition, const struct json *value)
{
	if (!json_is(value, JSON_STRING)) {
		return false;
	}
	return condition->is_body ? glob_match_word(condition->pattern, json_text(value))
							  : glob_match(condition->pattern, json_text(value), true);
}

static bool count_holds(const struct push_condition *condition, int64_t count)
{
	switch (condition->compare) {
	case PUSH_EQ:
		return count == condition->count;
	case PUSH_LT:
		return count < condition->count;
	case PUSH_GT:
		return count > condition->count;
	case PUSH_LE:
		return count <= condition->count;
	case PUSH_GE:
		return count >= condition->count;
	}
	return false;
}

static bool sender_may_notify(const struct push_facts *facts, struct str key)
{
	const struct event *event = facts->event;
	return power_of_user(event->version, facts->state, event->sender) >=
		power_for_notification(event->version, facts->state, key);
}

static bool condition_holds(const struct evaluation *e, const struct push_condition *condition)
{
	const struct event *event = e->facts->event;
	struct json scratch;
	switch (condition->kind) {
	case PUSH_NEVER:
		return false;
	case PUSH_EVENT_MATCH:
		return event_matches(condition, property(event, &condition->path, &scratch));
	case PUSH_EVENT_PROPERTY_IS: {
		const struct json *value = property(event, &condition->path, &scratch);
		return value != NULL && same_value(condition->value, value);
	}
	case PUSH_EVENT_PROPERTY_CONTAINS:
		return contains_value(condition->value, property(event, &condition->path, &scratch));
	case PUSH_CONTAINS_DISPLAY_NAME:
		return has_words(e->arena, body_of(event), e->display_name);
	case PUSH_ROOM_MEMBER_COUNT:
		return count_holds(condition, e->facts->member_count);
	case PUSH_SENDER_NOTIFICATION_PERMISSION:
		return sender_may_notify(e->facts, condition->key);
	}
	return false;
}

static bool conditions_hold(const struct evaluation *e, const struct push_rule *rule)
{
	for (size_t i = 0; i < rule->condition_count; i++) {
		if (!condition_holds(e, &rule->conditions[i])) {
			return false;
		}
	}
	return true;
}

static bool rule_matches(const struct evaluation *e, const struct push_rule *rule)
{
	const struct event *event = e->facts->event;
	if (rule->is_for_text && json_at(event->content, "m.mentions") != NULL) {
		return false;
	}
	switch (rule->kind) {
	case PUSH_OVERRIDE:
	case PUSH_UNDERRIDE:
		return conditions_hold(e, rule);
	case PUSH_CONTENT: {
		struct str body = body_of(event);
		return body.p != NULL && rule->pattern.p != NULL && glob_match_word(rule->pattern, body);
	}
	case PUSH_ROOM:
		return str_equals(rule->rule_id, event->room_id.s);
	case PUSH_SENDER:
		return str_equals(rule->rule_id, event->sender.s);
	}
	return false;
}

static struct push_result result_of(const struct push_rule *rule)
{
	struct push_result result = {.rule = rule, .notify = rule->actions.notify};
	if (result.notify) {
		result.highlight = rule->actions.highlight;
		result.sound = rule->actions.sound;
	}
	return result;
}

struct push_result push_eval(struct arena *arena, const struct push_ruleset *set,
	const struct push_facts *facts, struct user_id user, struct str display_name)
{
	struct evaluation e = {.arena = arena, .facts = facts, .display_name = display_name};
	if (str_equals(facts->event->sender.s, user.s)) {
		return (struct push_result){0};
	}
	for (size_t kind = 0; kind < PUSH_KINDS; kind++) {
		for (size_t i = 0; i < set->count[kind]; i++) {
			const struct push_rule *rule = set->rules[kind][i];
			if (rule->is_enabled && rule_matches(&e, rule)) {
				return result_of(rule);
			}
		}
	}
	return (struct push_result){0};
}

/* --- the predefined rules for everybody at once ----------------------------------------------- */

static bool has_high_byte(struct str text)
{
	for (size_t i = 0; i < text.n; i++) {
		if ((unsigned char)text.p[i] >= 0x80) {
			return true;
		}
	}
	return false;
}

/*
 * As event_match does it: whole, case ignored. The literals have no wildcards, and only what is not
 * ASCII can equal them in another way than by its letters.
 */
static bool is_text(struct str text, struct str literal)
{
	return text.p != NULL &&
		(str_equals_nocase(text, literal) ||
			(has_high_byte(text) && glob_match(literal, text, true)));
}

static bool has_empty_state_key(const struct event *event)
{
	return event->is_state && event->state_key.n == 0;
}

static bool mentions_room(const struct push_facts *facts, const struct json *mentions)
{
	const struct json *room = json_at(mentions, "room");
	return json_is(room, JSON_BOOL) && room->boolean && sender_may_notify(facts, STR("room"));
}

static void read_mentioned(struct arena *arena, const struct json *mentions,
	struct push_generic *out)
{
	const struct json *list = json_at(mentions, "user_ids");
	if (!json_is(list, JSON_ARRAY)) {
		return;
	}
	VEC(struct str) ids = {0};
	for (size_t i = 0; i < list->count; i++) {
		struct user_id id;
		if (list->items[i].type == JSON_STRING && user_id_parse(json_text(&list->items[i]), &id) &&
			!str_equals(id.s, out->sender.s)) {
			VEC_PUSH(arena, &ids, id.s);
		}
	}
	struct str_set unique = str_set_make(arena, ids.p, ids.n);
	struct user_id *users = ARENA_NEW_ARRAY(arena, struct user_id, unique.count + 1);
	for (size_t i = 0; i < unique.count; i++) {
		users[i].s = unique.items[i];
	}
	out->mentioned = users;
	out->mentioned_count = unique.count;
}

/* Rules that end the matter for everybody: room mention, tombstone, reaction, server_acl, edits. */
static bool decide_override(const struct push_facts *facts, const struct json *mentions,
	struct push_generic *out)
{
	const struct event *event = facts->event;
	if (mentions_room(facts, mentions) ||
		(has_empty_state_key(event) && is_text(event->type, STR("m.room.tombstone")))) {
		out->notify = true;
		out->highlight = true;
		return true;
	}
	const struct json *relates = json_at(event->content, "m.relates_to");
	return is_text(event->type, STR("m.reaction")) ||
		(has_empty_state_key(event) && is_text(event->type, STR("m.room.server_acl"))) ||
		str_equals(json_get_str(relates, STR("rel_type")), STR("m.replace"));
}

static void decide_underride(const struct push_facts *facts, struct push_generic *out)
{
	struct str type = facts->event->type;
	if (is_text(type, STR("m.call.invite"))) {
		out->notify = true;
		out->sound = STR("ring");
	} else if (is_text(type, STR("m.room.message")) || is_text(type, STR("m.room.encrypted"))) {
		out->notify = true;
		if (facts->member_count == 2) {
			out->sound = STR("default");
		}
	}
}

struct push_generic push_eval_generic(struct arena *arena, const struct push_facts *facts)
{
	const struct event *event = facts->event;
	struct push_generic generic = {.sender = event->sender};
	if (is_text(json_get_str(event->content, STR("msgtype")), STR("m.notice"))) {
		return generic;
	}
	if (is_text(event->type, STR("m.room.member"))) {
		struct str membership = json_get_str(event->content, STR("membership"));
		if (event->is_state && is_text(membership, STR("invite"))) {
			generic.invited = event->state_key;
		}
		return generic;
	}
	const struct json *mentions = json_at(event->content, "m.mentions");
	read_mentioned(arena, mentions, &generic);
	if (!decide_override(facts, mentions, &generic)) {
		decide_underride(facts, &generic);
	}
	return generic;
}

static bool is_mentioned(const struct push_generic *generic, struct user_id user)
{
	size_t low = 0;
	size_t high = generic->mentioned_count;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = str_compare(generic->mentioned[middle].s, user.s);
		if (order == 0) {
			return true;
		}
		low = order < 0 ? middle + 1 : low;
		high = order > 0 ? middle : high;
	}
	return false;
}

struct push_result push_generic_for(const struct push_generic *generic, struct user_id user)
{
	if (str_equals(user.s, generic->sender.s)) {
		return (struct push_result){0};
	}
	if (is_mentioned(generic, user)) {
		return (struct push_result){.notify = true, .highlight = true, .sound = STR("default")};
	}
	/* The rule for invites takes the user's id as a pattern. */
	if (generic->invited.p != NULL && glob_match(user.s, generic->invited, true)) {
		return (struct push_result){.notify = true, .sound = STR("default")};
	}
	return (struct push_result){.notify = generic->notify,
		.highlight = generic->highlight,
		.sound = generic->sound};
}
