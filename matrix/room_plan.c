/*
 * One function for each numbered step of createRoom's description, called in that order. What a
 * later step would replace at once (a preset's join rule that initial_state sets too, a name in
 * initial_state beside `name`) is not sent at all: the result is the same room with fewer events.
 */
#include "matrix/room_plan.h"

#include "base/vec.h"
#include "matrix/errcode.h"
#include "matrix/json_make.h"
#include "matrix/power_template.h"
#include "matrix/power_value.h"
#include "matrix/str_set.h"

struct plan {
	struct arena *arena;
	const struct room_wish *wish;
	struct field_error *error;
	VEC(struct room_plan_event) events;
	VEC(struct room_plan_event) initial; /* initial_state, checked */
	struct str_set initial_types;        /* those of it with an empty state key */
	struct str *invitees; /* each once, in the order of the request, without the creator */
	size_t invitee_count;
	const struct str *creators; /* additional_creators, where the version has them */
	size_t creator_count;
};

static void add(struct plan *plan, struct str type, struct str state_key, struct json content)
{
	struct room_plan_event event = {.type = type, .state_key = state_key, .content = content};
	VEC_PUSH(plan->arena, &plan->events, event);
}

static void add_one(struct plan *plan, struct str type, struct str key, struct str value)
{
	add(plan, type, STR(""), json_object_of(plan->arena, key, json_string(value)));
}

static bool initial_error(struct plan *plan, size_t index, const char *member, const char *text)
{
	struct str field = str_printf(plan->arena, "initial_state[%zu]%s", index, member);
	return field_fail(plan->error, M_BAD_JSON, field, text);
}

static bool read_initial_item(struct plan *plan, const struct json *item, size_t index)
{
	if (item->type != JSON_OBJECT) {
		return initial_error(plan, index, "", "must be an object");
	}
	const struct json *type = json_at(item, "type");
	const struct json *state_key = json_at(item, "state_key");
	const struct json *content = json_at(item, "content");
	if (!json_is(type, JSON_STRING)) {
		return initial_error(plan, index, ".type", "must be a string");
	}
	if (state_key != NULL && state_key->type != JSON_STRING) {
		return initial_error(plan, index, ".state_key", "must be a string");
	}
	if (!json_is(content, JSON_OBJECT)) {
		return initial_error(plan, index, ".content", "must be an object");
	}
	if (str_equals(json_text(type), STR("m.room.create"))) {
		(void)initial_error(plan, index, ".type",
			"must not be m.room.create: use creation_content");
		plan->error->errcode = M_INVALID_ROOM_STATE;
		return false;
	}
	struct room_plan_event event = {.type = json_text(type),
		.state_key = state_key != NULL ? json_text(state_key) : STR(""),
		.content = *content};
	if (str_equals(event.type, STR("m.room.power_levels")) && str_is_empty(event.state_key) &&
		!power_levels_are_plain(content)) {
		return initial_error(plan, index, ".content", "must have integers for levels");
	}
	VEC_PUSH(plan->arena, &plan->initial, event);
	return true;
}

static bool read_initial_state(struct plan *plan)
{
	const struct json *list = plan->wish->initial_state;
	if (list == NULL) {
		return true;
	}
	if (list->type != JSON_ARRAY) {
		return field_fail(plan->error, M_BAD_JSON, STR("initial_state"), "must be an array");
	}
	for (size_t i = 0; i < list->count; i++) {
		if (!read_initial_item(plan, &list->items[i], i)) {
			return false;
		}
	}
	VEC(struct str) types = {0};
	for (size_t i = 0; i < plan->initial.n; i++) {
		if (str_is_empty(plan->initial.p[i].state_key)) {
			VEC_PUSH(plan->arena, &types, plan->initial.p[i].type);
		}
	}
	plan->initial_types = str_set_make(plan->arena, types.p, types.n);
	return true;
}

/* Each text once, in order of first appearance, without `left_out`. */
static struct str *unique_in_order(struct arena *arena, const struct str *texts, size_t count,
	struct str left_out, size_t *out_count)
{
	struct str_set all = str_set_make(arena, texts, count);
	bool *is_taken = ARENA_NEW_ARRAY(arena, bool, all.count + 1);
	struct str *unique = ARENA_NEW_ARRAY(arena, struct str, count + 1);
	size_t n = 0;
	for (size_t i = 0; i < count; i++) {
		size_t at = str_set_index(&all, texts[i]);
		if (!is_taken[at] && !str_equals(texts[i], left_out)) {
			is_taken[at] = true;
			unique[n++] = texts[i];
		}
	}
	*out_count = n;
	return unique;
}

static void read_invites(struct plan *plan)
{
	const struct room_wish *wish = plan->wish;
	struct str *ids = ARENA_NEW_ARRAY(plan->arena, struct str, wish->invite_count + 1);
	for (size_t i = 0; i < wish->invite_count; i++) {
		ids[i] = wish->invites[i].s;
	}
	plan->invitees = unique_in_order(plan->arena, ids, wish->invite_count, wish->creator.s,
		&plan->invitee_count);
}

static bool creators_error(struct plan *plan)
{
	return field_fail(plan->error, M_BAD_JSON, STR("creation_content.additional_creators"),
		"must be an array of user ids");
}

/*
 * additional_creators of the request and, for a trusted chat, the invitees; only where the version
 * has them.
 */
static bool read_creators(struct plan *plan)
{
	const struct room_wish *wish = plan->wish;
	if (!wish->version->privileged_creators) {
		return true;
	}
	VEC(struct str) ids = {0};
	const struct json *given = json_at(wish->creation_content, "additional_creators");
	if (given != NULL && given->type != JSON_ARRAY) {
		return creators_error(plan);
	}
	for (size_t i = 0; given != NULL && i < given->count; i++) {
		struct user_id id;
		if (given->items[i].type != JSON_STRING ||
			!user_id_parse(json_text(&given->items[i]), &id)) {
			return creators_error(plan);
		}
		VEC_PUSH(plan->arena, &ids, id.s);
	}
	for (size_t i = 0; wish->preset->invitees_are_equals && i < plan->invitee_count; i++) {
		VEC_PUSH(plan->arena, &ids, plan->invitees[i]);
	}
	plan->creators =
		unique_in_order(plan->arena, ids.p, ids.n, wish->creator.s, &plan->creator_count);
	return true;
}

static struct json creators_json(struct plan *plan)
{
	struct json *items = ARENA_NEW_ARRAY(plan->arena, struct json, plan->creator_count);
	for (size_t i = 0; i < plan->creator_count; i++) {
		items[i] = json_string(plan->creators[i]);
	}
	return json_array_of(items, plan->creator_count);
}

static bool is_servers_key(struct str key, const struct room_version *version)
{
	return str_equals(key, STR("creator")) || str_equals(key, STR("room_version")) ||
		(version->privileged_creators && str_equals(key, STR("additional_creators")));
}

/* Step 1. */
static bool plan_create(struct plan *plan)
{
	const struct room_wish *wish = plan->wish;
	const struct json *given = wish->creation_content;
	if (given != NULL && given->type != JSON_OBJECT) {
		return field_fail(plan->error, M_BAD_JSON, STR("creation_content"), "must be an object");
	}
	if (!read_creators(plan)) {
		return false;
	}
	struct json content = json_object(plan->arena, (given != NULL ? given->count : 0) + 3);
	for (size_t i = 0; given != NULL && i < given->count; i++) {
		if (!is_servers_key(given->members[i].key, wish->version)) {
			json_put(&content, given->members[i].key, given->members[i].value);
		}
	}
	json_put(&content, STR("room_version"), json_string(wish->version->id));
	if (!wish->version->creator_is_sender) {
		json_put(&content, STR("creator"), json_string(wish->creator.s));
	}
	if (plan->creator_count > 0) {
		json_put(&content, STR("additional_creators"), creators_json(plan));
	}
	add(plan, STR("m.room.create"), STR(""), content);
	return true;
}

/* Step 2. */
static void plan_join(struct plan *plan)
{
	const struct room_wish *wish = plan->wish;
	struct json content = json_object(plan->arena, 3);
	json_put(&content, STR("membership"), json_string(STR("join")));
	if (wish->creator_displayname.p != NULL) {
		json_put(&content, STR("displayname"), json_string(wish->creator_displayname));
	}
	if (wish->creator_avatar_url.p != NULL) {
		json_put(&content, STR("avatar_url"), json_string(wish->creator_avatar_url));
	}
	add(plan, STR("m.room.member"), wish->creator.s, content);
}

/* Step 3. */
static bool plan_power(struct plan *plan)
{
	const struct room_wish *wish = plan->wish;
	struct power_template template = {.version = wish->version,
		.creator = wish->creator,
		.invite_level = wish->preset->invite_level,
		.override = wish->power_override,
		.creators = plan->creators,
		.creator_count = plan->creator_count};
	if (wish->preset->invitees_are_equals) {
		template.equals = plan->invitees;
		template.equal_count = plan->invitee_count;
	}
	struct json content;
	if (!power_template_make(plan->arena, &template, &content, plan->error)) {
		return false;
	}
	add(plan, STR("m.room.power_levels"), STR(""), content);
	return true;
}

/* Step 5. */
static void plan_preset(struct plan *plan)
{
	const struct room_preset *preset = plan->wish->preset;
	const struct {
		struct str type;
		struct str key;
		struct str value;
	} rows[] = {
		{STR_INIT("m.room.join_rules"), STR_INIT("join_rule"), preset->join_rule},
		{STR_INIT("m.room.history_visibility"), STR_INIT("history_visibility"),
			preset->history_visibility},
		{STR_INIT("m.room.guest_access"), STR_INIT("guest_access"), preset->guest_access},
	};
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		/* What holds without an event needs none. */
		bool is_default = str_equals(rows[i].value, STR("forbidden"));
		if (!is_default && !str_set_has(&plan->initial_types, rows[i].type)) {
			add_one(plan, rows[i].type, rows[i].key, rows[i].value);
		}
	}
}

/* Step 6. */
static void plan_initial_state(struct plan *plan)
{
	for (size_t i = 0; i < plan->initial.n; i++) {
		const struct room_plan_event *event = &plan->initial.p[i];
		bool is_replaced = str_is_empty(event->state_key) &&
			((plan->wish->name.p != NULL && str_equals(event->type, STR("m.room.name"))) ||
				(plan->wish->topic.p != NULL && str_equals(event->type, STR("m.room.topic"))));
		if (!is_replaced) {
			add(plan, event->type, event->state_key, event->content);
		}
	}
}

/* {"topic": …, "m.topic": {"m.text": [{"body": …, "mimetype": "text/plain"}]}} */
static struct json topic_content(struct arena *arena, struct str topic)
{
	struct json *text = ARENA_NEW(arena, struct json);
	*text = json_object(arena, 2);
	json_put(text, STR("body"), json_string(topic));
	json_put(text, STR("mimetype"), json_string(STR("text/plain")));
	struct json block = json_object_of(arena, STR("m.text"), json_array_of(text, 1));
	struct json content = json_object(arena, 2);
	json_put(&content, STR("topic"), json_string(topic));
	json_put(&content, STR("m.topic"), block);
	return content;
}

/* Step 7. */
static void plan_name_and_topic(struct plan *plan)
{
	const struct room_wish *wish = plan->wish;
	if (wish->name.p != NULL) {
		add_one(plan, STR("m.room.name"), STR("name"), wish->name);
	}
	if (wish->topic.p != NULL) {
		add(plan, STR("m.room.topic"), STR(""), topic_content(plan->arena, wish->topic));
	}
}

/* Step 8. */
static void plan_invites(struct plan *plan)
{
	for (size_t i = 0; i < plan->invitee_count; i++) {
		struct json content = json_object(plan->arena, 2);
		json_put(&content, STR("membership"), json_string(STR("invite")));
		if (plan->wish->is_direct) {
			json_put(&content, STR("is_direct"), json_boolean(true));
		}
		add(plan, STR("m.room.member"), plan->invitees[i], content);
	}
}

bool room_plan_make(struct arena *arena, const struct room_wish *wish, struct room_plan_event **out,
	size_t *out_count, struct field_error *out_error)
{
	struct plan plan = {.arena = arena, .wish = wish, .error = out_error};
	read_invites(&plan);
	if (!read_initial_state(&plan) || !plan_create(&plan)) {
		return false;
	}
	plan_join(&plan);
	if (!plan_power(&plan)) {
		return false;
	}
	if (wish->canonical_alias.p != NULL) { /* step 4 */
		add_one(&plan, STR("m.room.canonical_alias"), STR("alias"), wish->canonical_alias);
	}
	plan_preset(&plan);
	plan_initial_state(&plan);
	plan_name_and_topic(&plan);
	plan_invites(&plan);
	*out = plan.events.p;
	*out_count = plan.events.n;
	return true;
}
