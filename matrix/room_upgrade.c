/*
 * The new room gets the levels of the old one, with two differences. Creators of versions that privilege them do not stand in
 * `users`; and where creators are ordinary users, the one who upgrades begins with the highest level named anywhere, since copying
 * needs it, and falls back to the own one at the end.
 */
#include "matrix/room_upgrade.h"

#include "base/vec.h"
#include "matrix/join_rule.h"
#include "matrix/json_make.h"
#include "matrix/power.h"

enum { LEVEL_ADMIN = 100, LEVEL_SILENT = 50 };

static const int64_t LEVEL_MAX = (INT64_C(1) << 53) - 1;

/* --- power levels ----------------------------------------------------------------------------------------- */

struct level_default {
	struct str key;
	int64_t level;
};

static const struct level_default level_defaults[] = {
	{STR_INIT("users_default"), 0},
	{STR_INIT("events_default"), 0},
	{STR_INIT("state_default"), 50},
	{STR_INIT("ban"), 50},
	{STR_INIT("kick"), 50},
	{STR_INIT("redact"), 50},
	{STR_INIT("invite"), 0},
};

static int64_t level_in(const struct upgrade_facts *facts, const struct json *content,
	struct str key, int64_t otherwise)
{
	int64_t level;
	if (!power_value_parse(facts->from, json_get(content, key), &level)) {
		level = otherwise;
	}
	return MIN_OF(MAX_OF(level, -LEVEL_MAX), LEVEL_MAX);
}

/* A map of levels as integers, which all versions take; what is no level is left out. */
static struct json plain_levels(struct arena *arena, const struct upgrade_facts *facts,
	const struct json *map, bool is_of_users)
{
	size_t count = json_is(map, JSON_OBJECT) ? map->count : 0;
	struct json plain = json_object(arena, count + 1);
	for (size_t i = 0; i < count; i++) {
		struct user_id user;
		int64_t level;
		struct str key = map->members[i].key;
		if ((!is_of_users || user_id_parse(key, &user)) &&
			power_value_parse(facts->from, &map->members[i].value, &level)) {
			level = MIN_OF(MAX_OF(level, -LEVEL_MAX), LEVEL_MAX);
			json_put(&plain, key, json_integer(level));
		}
	}
	return plain;
}

static int64_t highest_in(const struct json *map, int64_t least)
{
	int64_t highest = least;
	for (size_t i = 0; json_is(map, JSON_OBJECT) && i < map->count; i++) {
		const struct json *level = &map->members[i].value;
		if (level->type == JSON_INT && level->integer <= LEVEL_MAX) {
			highest = MAX_OF(highest, level->integer);
		}
	}
	return highest;
}

/* The highest level that a plain content names, at least an administrator's. */
static int64_t highest_level(const struct json *levels)
{
	int64_t highest = highest_in(levels, LEVEL_ADMIN);
	highest = highest_in(json_at(levels, "users"), highest);
	highest = highest_in(json_at(levels, "events"), highest);
	return highest_in(json_at(levels, "notifications"), highest);
}

/* The levels in force, in full. */
static struct json levels_in_force(struct arena *arena, const struct upgrade_facts *facts)
{
	const struct json *given = facts->power_levels != NULL ? facts->power_levels->content : NULL;
	struct json levels = json_object(arena, COUNT_OF(level_defaults) + 3);
	for (size_t i = 0; i < COUNT_OF(level_defaults); i++) {
		json_put(&levels, level_defaults[i].key,
			json_integer(level_in(facts, given, level_defaults[i].key, level_defaults[i].level)));
	}
	struct json users = plain_levels(arena, facts, json_at(given, "users"), true);
	if (given == NULL && !facts->from->privileged_creators) {
		struct str creator = facts->from->creator_is_sender
			? facts->create->sender.s
			: json_get_str(facts->create->content, STR("creator"));
		users = json_with(arena, &users, creator, json_integer(LEVEL_ADMIN));
	}
	json_put(&levels, STR("users"), users);
	json_put(&levels, STR("events"), plain_levels(arena, facts, json_at(given, "events"), false));
	if (json_at(given, "notifications") != NULL) {
		json_put(&levels, STR("notifications"),
			plain_levels(arena, facts, json_at(given, "notifications"), false));
	}
	return levels;
}

static struct json with_user(struct arena *arena, const struct json *levels, struct str user,
	int64_t level)
{
	struct json users = json_with(arena, json_at(levels, "users"), user, json_integer(level));
	return json_with(arena, levels, STR("users"), users);
}

/* Creators whose version gave them all power have the highest level where it does not. */
static struct json demote_creators(struct arena *arena, const struct upgrade_facts *facts,
	const struct json *levels)
{
	struct json highest = json_integer(highest_level(levels));
	const struct json *others = json_at(facts->create->content, "additional_creators");
	size_t count = json_is(others, JSON_ARRAY) ? others->count : 0;
	struct json creators = json_object(arena, count + 1);
	for (size_t i = 0; i < count; i++) {
		struct user_id id;
		if (others->items[i].type == JSON_STRING &&
			user_id_parse(json_text(&others->items[i]), &id)) {
			json_put(&creators, id.s, highest);
		}
	}
	json_put(&creators, facts->create->sender.s, highest);
	return json_with(arena, levels, STR("users"),
		json_merged(arena, json_at(levels, "users"), &creators));
}

/* Those who may not stand in `users` of the new room: the banned, and creators where those have all power without. */
static struct json without_power(struct arena *arena, const struct upgrade_facts *facts)
{
	const struct json *others = facts->to->privileged_creators ? facts->additional_creators : NULL;
	size_t count = others != NULL && others->type == JSON_ARRAY ? others->count : 0;
	struct json names = json_object(arena, facts->ban_count + count + 1);
	for (size_t i = 0; i < facts->ban_count; i++) {
		json_put(&names, facts->bans[i]->state_key, (struct json){0});
	}
	for (size_t i = 0; i < count; i++) {
		json_put(&names, json_text(&others->items[i]), (struct json){0});
	}
	if (facts->to->privileged_creators) {
		json_put(&names, facts->user.s, (struct json){0});
	}
	return names;
}

/*
 * Where creators are privileged, "the power level for sending m.room.tombstone events MUST explicitly be higher than state_default"
 * (POST /createRoom). One that is stays what the old room had, as Synapse copies it: nobody gains or loses by the upgrade. One that
 * is not is left out, and so becomes the level of new rooms.
 */
static struct json without_low_tombstone(struct arena *arena, const struct json *levels)
{
	const struct json *events = json_at(levels, "events");
	const struct json *level = json_at(events, "m.room.tombstone");
	if (level == NULL || level->integer > json_at(levels, "state_default")->integer) {
		return *levels;
	}
	struct json names = json_object(arena, 1);
	json_put(&names, STR("m.room.tombstone"), (struct json){0});
	return json_with(arena, levels, STR("events"), json_without_all(arena, events, &names));
}

static void plan_power(struct arena *arena, const struct upgrade_facts *facts,
	struct upgrade_plan *out)
{
	struct json levels = levels_in_force(arena, facts);
	struct json names = without_power(arena, facts);
	levels = json_with(arena, &levels, STR("users"),
		json_without_all(arena, json_at(&levels, "users"), &names));
	if (facts->to->privileged_creators) {
		out->power_begin = without_low_tombstone(arena, &levels);
		return;
	}
	if (facts->from->privileged_creators) {
		levels = demote_creators(arena, facts, &levels);
	}
	out->power_begin = with_user(arena, &levels, facts->user.s, highest_level(&levels));
	out->power_end = levels;
	out->has_power_end = !json_equals(&out->power_begin, &levels);
}

/* Talking and inviting in the old room takes more than an ordinary member has. */
static void plan_old_power(struct arena *arena, const struct upgrade_facts *facts,
	struct upgrade_plan *out)
{
	static const struct str raised[] = {STR_INIT("events_default"), STR_INIT("invite")};
	struct json levels =
		facts->power_levels != NULL ? *facts->power_levels->content : levels_in_force(arena, facts);
	int64_t users_default = level_in(facts, &levels, STR("users_default"), 0);
	int64_t least = MAX_OF(LEVEL_SILENT, MIN_OF(users_default, LEVEL_MAX - 1) + 1);
	for (size_t i = 0; i < COUNT_OF(raised); i++) {
		if (level_in(facts, &levels, raised[i], 0) < least) {
			levels = json_with(arena, &levels, raised[i], json_integer(least));
			out->has_old_power = true;
		}
	}
	out->old_power = levels;
}

/* --- state -------------------------------------------------------------------------------------------------- */

bool upgrade_transfers(struct str type, struct str state_key)
{
	static const struct str types[] = {STR_INIT("m.room.server_acl"), STR_INIT("m.room.encryption"),
		STR_INIT("m.room.name"), STR_INIT("m.room.avatar"), STR_INIT("m.room.topic"),
		STR_INIT("m.room.guest_access"), STR_INIT("m.room.history_visibility"),
		STR_INIT("m.room.join_rules"), STR_INIT("m.room.canonical_alias"),
		STR_INIT("m.room.policy")};
	if (str_equals(type, STR("m.space.child")) || str_equals(type, STR("m.space.parent"))) {
		return true;
	}
	for (size_t i = 0; state_key.n == 0 && i < COUNT_OF(types); i++) {
		if (str_equals(type, types[i])) {
			return true;
		}
	}
	return false;
}

static struct json initial_event(struct arena *arena, struct str type, struct str state_key,
	struct json content)
{
	struct json item = json_object(arena, 3);
	json_put(&item, STR("type"), json_string(type));
	json_put(&item, STR("state_key"), json_string(state_key));
	json_put(&item, STR("content"), content);
	return item;
}

static bool is_moved_alias(const struct upgrade_facts *facts, const struct json *value)
{
	for (size_t i = 0; json_is(value, JSON_STRING) && i < facts->alias_count; i++) {
		if (str_equals(facts->aliases[i], json_text(value))) {
			return true;
		}
	}
	return false;
}

/* Only the aliases that lead to the new room. @return false when none is left */
static bool moved_aliases(struct arena *arena, const struct upgrade_facts *facts,
	const struct json *content, struct json *out)
{
	*out = json_object(arena, 2);
	if (is_moved_alias(facts, json_at(content, "alias"))) {
		json_put(out, STR("alias"), *json_at(content, "alias"));
	}
	const struct json *others = json_at(content, "alt_aliases");
	VEC(struct json) kept = {0};
	for (size_t i = 0; json_is(others, JSON_ARRAY) && i < others->count; i++) {
		if (is_moved_alias(facts, &others->items[i])) {
			VEC_PUSH(arena, &kept, others->items[i]);
		}
	}
	if (kept.n > 0) {
		json_put(out, STR("alt_aliases"), json_array_of(kept.p, kept.n));
	}
	return out->count > 0;
}

/* A join rule that the new version does not know would let nobody in, not even the invited. */
static struct json known_join_rule(struct arena *arena, const struct upgrade_facts *facts,
	const struct event *event)
{
	if (join_rule_of(facts->to, event) != JOIN_RULE_OTHER) {
		return *event->content;
	}
	bool is_restricted = join_rule_is_restricted(join_rule_of(facts->from, event));
	return json_with(arena, event->content, STR("join_rule"),
		json_string(
			is_restricted && facts->to->allows_restricted ? STR("restricted") : STR("invite")));
}

/* A child or parent that was removed has no `via`. Only spaces have children. */
static bool is_space_link(const struct upgrade_facts *facts, const struct event *event)
{
	const struct json *via = json_at(event->content, "via");
	bool is_space = str_equals(json_get_str(facts->create->content, STR("type")), STR("m.space"));
	return json_is(via, JSON_ARRAY) && via->count > 0 &&
		(is_space || str_equals(event->type, STR("m.space.parent")));
}

/* @return false when it is left out */
static bool transferred(struct arena *arena, const struct upgrade_facts *facts,
	const struct event *event, struct json *out)
{
	*out = *event->content;
	if (str_equals(event->type, STR("m.room.canonical_alias"))) {
		return moved_aliases(arena, facts, event->content, out);
	}
	if (str_equals(event->type, STR("m.room.join_rules"))) {
		*out = known_join_rule(arena, facts, event);
	}
	bool is_link = str_equals(event->type, STR("m.space.child")) ||
		str_equals(event->type, STR("m.space.parent"));
	return !is_link || is_space_link(facts, event);
}

static void plan_state(struct arena *arena, const struct upgrade_facts *facts,
	struct upgrade_plan *out)
{
	VEC(struct json) items = {0};
	bool has_guest_access = false;
	for (size_t i = 0; i < facts->state_count; i++) {
		const struct event *event = facts->state[i];
		struct json content;
		if (!upgrade_transfers(event->type, event->state_key) ||
			!transferred(arena, facts, event, &content)) {
			continue;
		}
		has_guest_access = has_guest_access || str_equals(event->type, STR("m.room.guest_access"));
		if (str_equals(event->type, STR("m.room.canonical_alias"))) {
			out->old_alias = json_object(arena, 0);
			out->has_old_alias = true;
		}
		struct json item = initial_event(arena, event->type, event->state_key, content);
		VEC_PUSH(arena, &items, item);
	}
	if (!has_guest_access) {
		struct json item = initial_event(arena, STR("m.room.guest_access"), STR(""),
			json_object_of(arena, STR("guest_access"), json_string(STR("forbidden"))));
		VEC_PUSH(arena, &items, item);
	}
	out->initial_state = json_array_of(items.p, items.n);
}

static void plan_creation(struct arena *arena, const struct upgrade_facts *facts,
	struct upgrade_plan *out)
{
	struct json predecessor = json_object(arena, 2);
	json_put(&predecessor, STR("room_id"), json_string(facts->room_id));
	/* Deprecated since the id of such a room leaves no time for it; without it clients look for the tombstone, which is better. */
	if (!facts->to->room_id_is_create_hash) {
		json_put(&predecessor, STR("event_id"), json_string(facts->last_event_id));
	}
	struct json content = json_with(arena, facts->create->content, STR("predecessor"), predecessor);
	content = json_without(arena, &content, STR("additional_creators"));
	if (facts->to->privileged_creators && facts->additional_creators != NULL) {
		content =
			json_with(arena, &content, STR("additional_creators"), *facts->additional_creators);
	}
	out->creation_content = content;
}

void upgrade_plan_make(struct arena *arena, const struct upgrade_facts *facts,
	struct upgrade_plan *out)
{
	*out = (struct upgrade_plan){0};
	plan_creation(arena, facts, out);
	plan_state(arena, facts, out);
	plan_power(arena, facts, out);
	plan_old_power(arena, facts, out);
	out->tombstone = json_object_of(arena, STR("body"),
		json_string(STR("This room has been replaced. 此聊天室已被取代。")));
}
