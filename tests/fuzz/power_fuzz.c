/*
 * Contents of m.room.power_levels. The first byte is the room version, the rest a JSON array of up to two
 * contents: what is in force, and what shall replace it. Nothing may crash; a level stays within its
 * bounds; whoever is below a creator can never write a level above their own.
 */
#include <stddef.h>
#include <stdint.h>

#include "matrix/auth.h"
#include "matrix/power.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct json member_join = {.type = JSON_OBJECT,
	.count = 1,
	.members = &(struct json_member){.key = STR_INIT("membership"),
		.value = {.type = JSON_STRING, .text_p = "join", .text_n = 4}}};
static const struct json create_content = {.type = JSON_OBJECT,
	.count = 2,
	.members = (struct json_member[]){
		{.key = STR_INIT("creator"), .value = {.type = JSON_STRING, .text_p = "@a:a", .text_n = 4}},
		{.key = STR_INIT("additional_creators"),
			.value = {.type = JSON_ARRAY,
				.count = 1,
				.items = &(struct json){.type = JSON_STRING, .text_p = "@c:c", .text_n = 4}}}}};

/* A state event of "@b:b" unless changed. */
static struct event event_of(const struct room_version *version, const char *type,
	const char *state_key, const struct json *content)
{
	return (struct event){
		.version = version,
		.event_id = {STR("$create")},
		.room_id = {STR("!create")},
		.sender = {STR("@b:b")},
		.type = str_of(type),
		.is_state = true,
		.state_key = str_of(state_key),
		.content = content,
		.tree = content,
	};
}

static void check_bounds(const struct power *power)
{
	static const struct str users[] = {STR_INIT("@a:a"), STR_INIT("@b:b"), STR_INIT("@c:c")};
	for (size_t i = 0; i < COUNT_OF(users); i++) {
		const int64_t level = power_level_of(power, users[i]);
		invariant(level != INT64_MIN);
		invariant(level != POWER_INFINITE || power_names_creator(power, users[i]));
	}
	for (int action = POWER_BAN; action <= POWER_INVITE; action++) {
		invariant(power_level_for(power, (enum power_action)action) < POWER_INFINITE);
	}
	invariant(power_level_to_send(power, STR("m.room.name"), true) < POWER_INFINITE);
	invariant(power_level_to_send(power, STR("m.room.message"), false) < POWER_INFINITE);
}

/* "@b:b" may have raised nobody above themselves. */
static void check_no_escalation(const struct power *before, const struct power *after)
{
	const int64_t own = power_level_of(before, STR("@b:b"));
	const struct json *users = json_at(after->levels, "users");
	for (size_t i = 0; json_is(users, JSON_OBJECT) && i < users->count; i++) {
		const struct str user = users->members[i].key;
		const int64_t level = power_level_of(after, user);
		const struct json *old = json_get(json_at(before->levels, "users"), user);
		int64_t old_level;
		if (before->levels != NULL && level > own && !power_names_creator(after, user)) {
			invariant(power_value_parse(before->version, old, &old_level) && old_level == level);
		}
	}
}

static void run(struct arena *arena, const struct room_version *version, struct str text)
{
	struct json contents;
	if (json_parse(arena, text, NULL, &contents, NULL) != JSON_OK || contents.type != JSON_ARRAY ||
		contents.count == 0 || contents.items[0].type != JSON_OBJECT) {
		return;
	}
	const struct json *next = &contents.items[contents.count - 1];
	struct event create = event_of(version, "m.room.create", "", &create_content);
	create.sender.s = STR("@a:a");
	const struct event member = event_of(version, "m.room.member", "@b:b", &member_join);
	const struct event levels = event_of(version, "m.room.power_levels", "", &contents.items[0]);
	struct state_map map;
	state_map_init(&map, arena);
	(void)state_map_put(&map, &create);
	(void)state_map_put(&map, &member);
	if (contents.count > 1) {
		(void)state_map_put(&map, &levels);
	}
	const struct state_view view = state_map_view(&map);
	const struct power before = power_of_state(version, &view);
	check_bounds(&before);
	if (next->type != JSON_OBJECT) {
		return;
	}
	const struct event change = event_of(version, "m.room.power_levels", "", next);
	const struct power after = power_of_events(version, &create, &change);
	check_bounds(&after);
	const struct verdict verdict = auth_check(&change, &view);
	invariant(verdict.allowed == (verdict.rule == NULL));
	if (verdict.allowed) {
		check_no_escalation(&before, &after);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 2) {
		return 0;
	}
	size_t count;
	const struct room_version *versions = room_versions_all(&count);
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	run(arena, &versions[data[0] % count], str_from((const char *)data + 1, size - 1));
	return 0;
}
