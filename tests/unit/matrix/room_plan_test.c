/*
 * New rooms: order of events, presets, version 12's creators, power levels under overrides.
 */
#include "tests/unit/matrix/sample.h"

#include "matrix/errcode.h"
#include "matrix/room_plan.h"

struct planned {
	struct room_plan_event *events;
	size_t count;
};

static struct room_wish wish_of(const char *version, const char *preset)
{
	return (struct room_wish){.version = room_version_find(str_of(version)),
		.preset = room_preset_find(str_of(preset)),
		.creator = sample_user("@me:hs1")};
}

static struct planned make(struct arena *arena, const struct room_wish *wish)
{
	struct planned planned;
	struct field_error error;
	if (!room_plan_make(arena, wish, &planned.events, &planned.count, &error)) {
		fail_msg("%.*s %s", STR_ARG(error.field), error.text);
	}
	return planned;
}

static const struct room_plan_event *find(const struct planned *planned, const char *type,
	const char *state_key)
{
	for (size_t i = 0; i < planned->count; i++) {
		if (str_equals(planned->events[i].type, str_of(type)) &&
			str_equals(planned->events[i].state_key, str_of(state_key))) {
			return &planned->events[i];
		}
	}
	return NULL;
}

static void assert_content(struct arena *arena, const struct planned *planned, const char *type,
	const char *state_key, const char *expected)
{
	const struct room_plan_event *event = find(planned, type, state_key);
	if (event == NULL) {
		fail_msg("no %s %s", type, state_key);
	}
	sample_assert_equal(arena, &event->content, expected);
}

static void plan__everything_given__order_of_the_specification(void **state)
{
	(void)state;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	const struct user_id invites[] = {sample_user("@a:hs1"), sample_user("@b:hs2")};
	struct room_wish wish = wish_of("10", "private_chat");
	wish.creator_displayname = STR("Me");
	wish.creator_avatar_url = STR("mxc://a/b");
	wish.canonical_alias = STR("#pub:hs1");
	wish.name = STR("The pub");
	wish.topic = STR("Happy hour");
	wish.creation_content =
		sample_json(arena, "{'m.federate':false,'creator':'@evil:hs','room_version':'99'}");
	wish.initial_state = sample_json(arena,
		"[{'type':'m.room.encryption','content':{'algorithm':'x'}},"
		"{'type':'org.x','state_key':'k','content':{}}]");
	wish.invites = invites;
	wish.invite_count = COUNT_OF(invites);
	wish.is_direct = true;
	struct planned planned = make(arena, &wish);
	static const char *const order[] = {"m.room.create", "m.room.member", "m.room.power_levels",
		"m.room.canonical_alias", "m.room.join_rules", "m.room.history_visibility",
		"m.room.guest_access", "m.room.encryption", "org.x", "m.room.name", "m.room.topic",
		"m.room.member", "m.room.member"};
	assert_int_equal(planned.count, COUNT_OF(order));
	for (size_t i = 0; i < COUNT_OF(order); i++) {
		assert_string_equal(str_cstr(arena, planned.events[i].type), order[i]);
	}
	assert_content(arena, &planned, "m.room.create", "",
		"{'m.federate':false,'room_version':'10','creator':'@me:hs1'}");
	assert_content(arena, &planned, "m.room.member", "@me:hs1",
		"{'membership':'join','displayname':'Me','avatar_url':'mxc://a/b'}");
	assert_content(arena, &planned, "m.room.canonical_alias", "", "{'alias':'#pub:hs1'}");
	assert_content(arena, &planned, "m.room.name", "", "{'name':'The pub'}");
	assert_content(arena, &planned, "m.room.topic", "",
		"{'topic':'Happy hour','m.topic':{'m.text':[{'body':'Happy hour',"
		"'mimetype':'text/plain'}]}}");
	assert_content(arena, &planned, "m.room.member", "@b:hs2",
		"{'membership':'invite','is_direct':true}");
}

static void presets__each__state_of_the_table(void **state)
{
	(void)state;
	static const struct {
		const char *preset, *join_rule, *visibility, *guests;
	} rows[] = {
		{"private_chat", "invite", "shared", "can_join"},
		{"trusted_private_chat", "invite", "shared", "can_join"},
		{"public_chat", "public", "shared", NULL}, /* forbidden, as without an event */
	};
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct room_wish wish = wish_of("11", rows[i].preset);
		struct planned planned = make(arena, &wish);
		assert_content(arena, &planned, "m.room.join_rules", "",
			arena_printf(arena, "{'join_rule':'%s'}", rows[i].join_rule));
		assert_content(arena, &planned, "m.room.history_visibility", "",
			arena_printf(arena, "{'history_visibility':'%s'}", rows[i].visibility));
		bool has_guests = false;
		for (size_t k = 0; k < planned.count; k++) {
			has_guests =
				has_guests || str_equals(planned.events[k].type, STR("m.room.guest_access"));
		}
		assert_int_equal(has_guests, rows[i].guests != NULL);
		if (has_guests) {
			assert_content(arena, &planned, "m.room.guest_access", "",
				arena_printf(arena, "{'guest_access':'%s'}", rows[i].guests));
		}
	}
	assert_null(room_preset_find(STR("public")));
	assert_text(room_preset_default(true)->name, "public_chat");
	assert_text(room_preset_default(false)->name, "private_chat");
}

static void create__by_version__creator_and_additional_creators(void **state)
{
	(void)state;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct room_wish wish = wish_of("11", "private_chat");
	wish.creation_content = sample_json(arena, "{'creator':'@x:y','additional_creators':7}");
	struct planned planned = make(arena, &wish);
	assert_content(arena, &planned, "m.room.create", "",
		"{'additional_creators':7,'room_version':'11'}");

	const struct user_id invites[] = {sample_user("@a:hs1"), sample_user("@me:hs1"),
		sample_user("@b:hs1"), sample_user("@a:hs1")};
	wish = wish_of("12", "trusted_private_chat");
	wish.invites = invites;
	wish.invite_count = COUNT_OF(invites);
	wish.creation_content =
		sample_json(arena, "{'additional_creators':['@b:hs1','@c:hs1','@b:hs1']}");
	planned = make(arena, &wish);
	assert_content(arena, &planned, "m.room.create", "",
		"{'room_version':'12','additional_creators':['@b:hs1','@c:hs1','@a:hs1']}");
	size_t invited = 0;
	for (size_t i = 2; i < planned.count; i++) {
		invited += str_equals(planned.events[i].type, STR("m.room.member")) ? 1 : 0;
	}
	assert_int_equal(invited, 2);

	wish = wish_of("12", "private_chat");
	wish.invites = invites;
	wish.invite_count = COUNT_OF(invites);
	planned = make(arena, &wish);
	assert_content(arena, &planned, "m.room.create", "", "{'room_version':'12'}");
}

static const struct json *power(const struct planned *planned)
{
	return &find(planned, "m.room.power_levels", "")->content;
}

static void power__versions__creator_and_tombstone(void **state)
{
	(void)state;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	const struct user_id invites[] = {sample_user("@a:hs1"), sample_user("@b:hs1")};
	struct room_wish wish = wish_of("11", "trusted_private_chat");
	wish.invites = invites;
	wish.invite_count = COUNT_OF(invites);
	struct planned planned = make(arena, &wish);
	sample_assert_equal(arena, json_at(power(&planned), "users"),
		"{'@me:hs1':100,'@a:hs1':100,'@b:hs1':100}");
	const struct json *events = json_at(power(&planned), "events");
	assert_int_equal(json_at(events, "m.room.tombstone")->integer, 100);
	assert_int_equal(json_at(power(&planned), "invite")->integer, 0);

	wish.version = room_version_find(STR("12"));
	planned = make(arena, &wish);
	sample_assert_equal(arena, json_at(power(&planned), "users"), "{}");
	events = json_at(power(&planned), "events");
	assert_int_equal(json_at(events, "m.room.tombstone")->integer, 150);

	wish = wish_of("12", "public_chat");
	planned = make(arena, &wish);
	assert_int_equal(json_at(power(&planned), "invite")->integer, 50);
	assert_int_equal(json_at(power(&planned), "state_default")->integer, 50);
	assert_int_equal(json_at(power(&planned), "events_default")->integer, 0);
}

static int64_t tombstone_level(struct arena *arena, const char *override)
{
	struct room_wish wish = wish_of("12", "private_chat");
	wish.power_override = sample_json(arena, override);
	struct planned planned = make(arena, &wish);
	const struct json *level = json_at(json_at(power(&planned), "events"), "m.room.tombstone");
	return level != NULL ? level->integer : -1;
}

static void power__override__replaces_members(void **state)
{
	(void)state;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct room_wish wish = wish_of("11", "private_chat");
	wish.power_override = sample_json(arena,
		"{'users':{'@me:hs1':100,'@x:y':50},'events':{'a':1},'org.x':[1],'invite':7}");
	struct planned planned = make(arena, &wish);
	sample_assert_equal(arena, power(&planned),
		"{'users':{'@me:hs1':100,'@x:y':50},'users_default':0,'events':{'a':1},"
		"'events_default':0,'state_default':50,'ban':50,'kick':50,'redact':50,'invite':7,"
		"'org.x':[1]}");

	assert_int_equal(tombstone_level(arena, "{}"), 150);
	assert_int_equal(tombstone_level(arena, "{'events':{}}"), 150);
	assert_int_equal(tombstone_level(arena, "{'events':{'m.room.tombstone':60}}"), 60);
	assert_int_equal(tombstone_level(arena, "{'state_default':150}"), 200);
	assert_int_equal(tombstone_level(arena, "{'state_default':300,'events':{'m.room.name':1}}"),
		350);
	assert_int_equal(tombstone_level(arena, "{'events':[]}"), -1);
}

struct refused {
	const char *member; /* c: creation_content, s: initial_state, p: power override */
	const char *json;
	const char *field;
	const char *errcode;
};

static void plan__malformed__refused_with_the_field(void **state)
{
	(void)state;
	static const struct refused rows[] = {
		{"c", "[]", "creation_content", M_BAD_JSON},
		{"c", "{'additional_creators':'@a:b'}", "creation_content.additional_creators", M_BAD_JSON},
		{"c", "{'additional_creators':['a']}", "creation_content.additional_creators", M_BAD_JSON},
		{"c", "{'additional_creators':[1]}", "creation_content.additional_creators", M_BAD_JSON},
		{"s", "{}", "initial_state", M_BAD_JSON},
		{"s", "[1]", "initial_state[0]", M_BAD_JSON},
		{"s", "[{'type':'a','content':{}},{'content':{}}]", "initial_state[1].type", M_BAD_JSON},
		{"s", "[{'type':'a'}]", "initial_state[0].content", M_BAD_JSON},
		{"s", "[{'type':'a','content':[]}]", "initial_state[0].content", M_BAD_JSON},
		{"s", "[{'type':'a','content':{},'state_key':1}]", "initial_state[0].state_key",
			M_BAD_JSON},
		{"s", "[{'type':'m.room.create','content':{}}]", "initial_state[0].type",
			M_INVALID_ROOM_STATE},
		{"s", "[{'type':'m.room.power_levels','content':{'ban':'50'}}]", "initial_state[0].content",
			M_BAD_JSON},
		{"p", "[]", "power_level_content_override", M_BAD_JSON},
		{"p", "{'events':{'m.room.name':'50'}}", "power_level_content_override", M_BAD_JSON},
		{"p", "{'users':{'@me:hs1':100}}", "power_level_content_override.users",
			M_INVALID_ROOM_STATE},
		{"p", "{'users':{'@b:hs1':100}}", "power_level_content_override.users",
			M_INVALID_ROOM_STATE},
	};
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		const struct json *json = sample_json(arena, rows[i].json);
		struct room_wish wish = wish_of("12", "private_chat");
		wish.creation_content = sample_json(arena, "{'additional_creators':['@b:hs1']}");
		wish.creation_content = rows[i].member[0] == 'c' ? json : wish.creation_content;
		wish.initial_state = rows[i].member[0] == 's' ? json : NULL;
		wish.power_override = rows[i].member[0] == 'p' ? json : NULL;
		struct planned planned;
		struct field_error error;
		if (room_plan_make(arena, &wish, &planned.events, &planned.count, &error)) {
			fail_msg("accepted: %s", rows[i].json);
		}
		assert_string_equal(str_cstr(arena, error.field), rows[i].field);
		assert_string_equal(error.errcode, rows[i].errcode);
	}
}

static void plan__initial_state__beats_preset_and_yields_to_name(void **state)
{
	(void)state;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct room_wish wish = wish_of("11", "public_chat");
	wish.name = STR("real");
	wish.initial_state = sample_json(arena,
		"[{'type':'m.room.join_rules','content':{'join_rule':'knock'}},"
		"{'type':'m.room.guest_access','state_key':'x','content':{}},"
		"{'type':'m.room.name','content':{'name':'lost'}},"
		"{'type':'m.room.topic','content':{'topic':'kept'}}]");
	struct planned planned = make(arena, &wish);
	assert_content(arena, &planned, "m.room.join_rules", "", "{'join_rule':'knock'}");
	assert_content(arena, &planned, "m.room.name", "", "{'name':'real'}");
	assert_content(arena, &planned, "m.room.topic", "", "{'topic':'kept'}");
	assert_int_equal(planned.count, 8);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(plan__everything_given__order_of_the_specification),
		cmocka_unit_test(presets__each__state_of_the_table),
		cmocka_unit_test(create__by_version__creator_and_additional_creators),
		cmocka_unit_test(power__versions__creator_and_tombstone),
		cmocka_unit_test(power__override__replaces_members),
		cmocka_unit_test(plan__malformed__refused_with_the_field),
		cmocka_unit_test(plan__initial_state__beats_preset_and_yields_to_name),
	};
	return RUN_ALL(tests);
}
