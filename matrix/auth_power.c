/*
 * Rule 10: m.room.power_levels. The numbers beside the checks are those of version 12; auth_rule.c has
 * the other versions'. Old and new entries are sorted and merged, so that an event full of entries costs
 * n log n and not n². Values that are no level: refused in a new event wherever the text names them, and
 * refused as "above the sender's own level" where it does not; in the current event as if not there.
 */
#include "matrix/auth_rule.h"

#include <stdlib.h>

/* A key whose level differs between the current event and the new one. */
struct change {
	struct str key;
	bool has_old;
	int64_t old_level;
	bool has_new;
	bool is_new_readable; /* false: there is a new value, and it is no level */
	int64_t new_level;
};

struct changes {
	struct change *p;
	size_t n;
};

/* The decision and memory for it. */
struct power_case {
	const struct auth_case *c;
	struct arena *arena;
	const struct json *old_content;
	const struct json *new_content;
};

static struct verdict deny(const struct power_case *pc, enum auth_rule rule)
{
	return auth_deny(pc->c->event->version, rule);
}

static bool is_level(const struct power_case *pc, const struct json *value)
{
	int64_t level;
	return power_value_parse(pc->c->event->version, value, &level);
}

/* Whether the object's values are all levels; its keys are not looked at. */
static bool are_levels(const struct power_case *pc, const struct json *object)
{
	if (object->type != JSON_OBJECT) {
		return false;
	}
	for (size_t i = 0; i < object->count; i++) {
		if (!is_level(pc, &object->members[i].value)) {
			return false;
		}
	}
	return true;
}

/* 10.1 */
static bool levels_have_shape(const struct power_case *pc)
{
	for (size_t i = 0; i < COUNT_OF(power_level_names); i++) {
		const struct json *value = json_get(pc->new_content, power_level_names[i]);
		if (value != NULL && !is_level(pc, value)) {
			return false;
		}
	}
	return true;
}

/* 10.2 */
static bool maps_have_shape(const struct power_case *pc)
{
	const struct json *events = json_at(pc->new_content, "events");
	const struct json *notifications = json_at(pc->new_content, "notifications");
	return (events == NULL || are_levels(pc, events)) &&
		(notifications == NULL || are_levels(pc, notifications));
}

/* Versions that allow any number: whether one is beyond a double ("floats" in their text). */
static bool has_number_out_of_range(const struct power_case *pc, const struct json *object)
{
	if (!json_is(object, JSON_OBJECT)) {
		return false;
	}
	for (size_t i = 0; i < object->count; i++) {
		const struct json *value = &object->members[i].value;
		if (value->type == JSON_NUMBER && !is_level(pc, value)) {
			return true;
		}
	}
	return false;
}

static bool has_any_number_out_of_range(const struct power_case *pc)
{
	return has_number_out_of_range(pc, pc->new_content) ||
		has_number_out_of_range(pc, json_at(pc->new_content, "events")) ||
		has_number_out_of_range(pc, json_at(pc->new_content, "notifications"));
}

/* 10.3 */
static bool users_have_shape(const struct power_case *pc)
{
	if (!pc->c->event->version->strict_canonical_json && has_any_number_out_of_range(pc)) {
		return false;
	}
	const struct json *users = json_at(pc->new_content, "users");
	if (users == NULL) {
		return true;
	}
	if (!are_levels(pc, users)) {
		return false;
	}
	for (size_t i = 0; i < users->count; i++) {
		struct user_id user;
		if (!user_id_parse(users->members[i].key, &user)) {
			return false;
		}
	}
	return true;
}

/* The members of an object in the order of their keys; none when it is no object. */
static const struct json_member **sorted_members(struct arena *arena, const struct json *object,
	size_t *out_n)
{
	*out_n = json_is(object, JSON_OBJECT) ? object->count : 0;
	const struct json_member **sorted =
		ARENA_NEW_ARRAY(arena, const struct json_member *, *out_n + 1);
	for (size_t i = 0; i < *out_n; i++) {
		sorted[i] = &object->members[i];
	}
	qsort(sorted, *out_n, sizeof(struct json_member *), json_compare_keys);
	return sorted;
}

/* 10.4 */
static bool names_creator(const struct power_case *pc)
{
	size_t n;
	const struct json_member **users =
		sorted_members(pc->arena, json_at(pc->new_content, "users"), &n);
	const struct event *create = pc->c->power.create;
	struct json_member wanted = {.key = create->sender.s};
	const struct json_member *key = &wanted;
	if (bsearch(&key, users, n, sizeof(struct json_member *), json_compare_keys) != NULL) {
		return true;
	}
	const struct json *additional = json_at(create->content, "additional_creators");
	for (size_t i = 0; json_is(additional, JSON_ARRAY) && i < additional->count; i++) {
		wanted.key = json_text(&additional->items[i]);
		if (bsearch(&key, users, n, sizeof(struct json_member *), json_compare_keys) != NULL) {
			return true;
		}
	}
	return false;
}

/* Adds a key to the changes if its level differs; NULL values are absent ones. */
static void add_change(const struct power_case *pc, struct changes *changes, struct str key,
	const struct json *old_value, const struct json *new_value)
{
	const struct room_version *version = pc->c->event->version;
	struct change change = {.key = key, .has_new = new_value != NULL};
	change.has_old = power_value_parse(version, old_value, &change.old_level);
	change.is_new_readable = power_value_parse(version, new_value, &change.new_level);
	if (!change.has_old && !change.has_new) {
		return;
	}
	if (change.has_old && change.is_new_readable && change.old_level == change.new_level) {
		return;
	}
	changes->p[changes->n++] = change;
}

/* The differences between two objects, in the order of their keys. */
static struct changes changes_of(const struct power_case *pc, struct str name)
{
	size_t old_n;
	size_t new_n;
	const struct json_member **old_members =
		sorted_members(pc->arena, json_get(pc->old_content, name), &old_n);
	const struct json_member **new_members =
		sorted_members(pc->arena, json_get(pc->new_content, name), &new_n);
	struct changes changes = {
		.p = ARENA_NEW_ARRAY(pc->arena, struct change, old_n + new_n + 1),
	};
	size_t i = 0;
	size_t j = 0;
	while (i < old_n && j < new_n) {
		const int order = str_compare(old_members[i]->key, new_members[j]->key);
		if (order < 0) {
			add_change(pc, &changes, old_members[i]->key, &old_members[i]->value, NULL);
		} else if (order > 0) {
			add_change(pc, &changes, new_members[j]->key, NULL, &new_members[j]->value);
		} else {
			add_change(pc, &changes, new_members[j]->key, &old_members[i]->value,
				&new_members[j]->value);
		}
		i += order <= 0 ? 1 : 0;
		j += order >= 0 ? 1 : 0;
	}
	for (; i < old_n; i++) {
		add_change(pc, &changes, old_members[i]->key, &old_members[i]->value, NULL);
	}
	for (; j < new_n; j++) {
		add_change(pc, &changes, new_members[j]->key, NULL, &new_members[j]->value);
	}
	return changes;
}

/* 10.6 */
static struct changes level_changes(const struct power_case *pc)
{
	struct changes changes = {
		.p = ARENA_NEW_ARRAY(pc->arena, struct change, COUNT_OF(power_level_names)),
	};
	for (size_t i = 0; i < COUNT_OF(power_level_names); i++) {
		add_change(pc, &changes, power_level_names[i],
			json_get(pc->old_content, power_level_names[i]),
			json_get(pc->new_content, power_level_names[i]));
	}
	return changes;
}

static bool is_old_above(const struct power_case *pc, const struct change *change)
{
	return change->has_old && change->old_level > pc->c->sender_power;
}

static bool is_new_above(const struct power_case *pc, const struct change *change)
{
	return change->has_new && (!change->is_new_readable || change->new_level > pc->c->sender_power);
}

static bool any_above(const struct power_case *pc, struct changes changes,
	bool (*is_above)(const struct power_case *pc, const struct change *change))
{
	for (size_t i = 0; i < changes.n; i++) {
		if (is_above(pc, &changes.p[i])) {
			return true;
		}
	}
	return false;
}

/* 10.9, for one user */
static bool is_user_out_of_reach(const struct power_case *pc, const struct change *change)
{
	return change->has_old && change->old_level >= pc->c->sender_power &&
		!str_equals(change->key, pc->c->event->sender.s);
}

/* 10.6 */
static struct verdict check_levels(const struct power_case *pc)
{
	const struct changes changes = level_changes(pc);
	for (size_t i = 0; i < changes.n; i++) {
		if (is_old_above(pc, &changes.p[i])) { /* 10.6.1 */
			return deny(pc, AUTH_POWER_LEVEL_OLD);
		}
		if (is_new_above(pc, &changes.p[i])) { /* 10.6.2 */
			return deny(pc, AUTH_POWER_LEVEL_NEW);
		}
	}
	return verdict_allow();
}

/* 10.6 to 10.10: what changes against the current event. */
static struct verdict check_changes(const struct power_case *pc)
{
	const struct verdict levels = check_levels(pc); /* 10.6 */
	if (!levels.allowed) {
		return levels;
	}
	const struct changes events = changes_of(pc, STR("events"));
	const struct changes notifications = pc->c->event->version->limits_notifications_power
		? changes_of(pc, STR("notifications"))
		: (struct changes){0};
	if (any_above(pc, events, is_old_above) || any_above(pc, notifications, is_old_above)) {
		return deny(pc, AUTH_POWER_ENTRY_OLD); /* 10.7 */
	}
	if (any_above(pc, events, is_new_above) || any_above(pc, notifications, is_new_above)) {
		return deny(pc, AUTH_POWER_ENTRY_NEW); /* 10.8 */
	}
	const struct changes users = changes_of(pc, STR("users"));
	if (any_above(pc, users, is_user_out_of_reach)) { /* 10.9 */
		return deny(pc, AUTH_POWER_USER_OLD);
	}
	if (any_above(pc, users, is_new_above)) { /* 10.10 */
		return deny(pc, AUTH_POWER_USER_NEW);
	}
	return verdict_allow();
}

struct verdict auth_check_power_levels(const struct auth_case *c)
{
	const struct room_version *version = c->event->version;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	const struct power_case pc = {
		.c = c,
		.arena = arena,
		.old_content = c->power.levels,
		.new_content = c->event->content,
	};
	if (version->strict_power_levels && !levels_have_shape(&pc)) { /* 10.1 */
		return deny(&pc, AUTH_POWER_LEVELS_SHAPE);
	}
	if (version->strict_power_levels && !maps_have_shape(&pc)) { /* 10.2 */
		return deny(&pc, AUTH_POWER_MAPS_SHAPE);
	}
	if (!users_have_shape(&pc)) { /* 10.3 */
		return deny(&pc, AUTH_POWER_USERS_SHAPE);
	}
	if (version->privileged_creators && names_creator(&pc)) { /* 10.4 */
		return deny(&pc, AUTH_POWER_CREATORS);
	}
	if (pc.old_content == NULL) { /* 10.5 */
		return verdict_allow();
	}
	return check_changes(&pc); /* 10.6 to 10.11 */
}
