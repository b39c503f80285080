/*
 * What becomes of single events of other servers, on a real PostgreSQL: judged, set aside, redacted.
 */
#include "tests/sim/arrival.h"

/* --- judging ------------------------------------------------------------------------------------------------------ */

static void accept__ordinary__shown_once(void **state)
{
	(void)state;
	struct scene scene;
	scene_begin(&scene, "11");
	struct room_node *one = message(&scene, scene.world.join, CREATOR);
	struct room_node *two = add(&scene.world, one, CREATOR, "m.room.topic", "", "{'topic':'t'}");
	assert_int_equal(take(&scene, one->event).fate, EVENT_IN_TIMELINE);
	assert_int_equal(take(&scene, two->event).fate, EVENT_IN_TIMELINE);
	struct room_outcome again = take(&scene, one->event);
	assert_true(again.was_known);
	assert_int_equal(again.fate, EVENT_IN_TIMELINE);
	assert_int_equal(timeline_of(&scene).n, 3);
	struct state_map now = current_state(&scene.ctx, scene.server, scene.room);
	assert_same_state(&now, &two->state);
	struct stored_event *sent;
	assert_int_equal(send_ours(&scene, &sent), ERR_OK);
	assert_true(str_equals(sent->event->prev_events[0].s, two->event->event_id.s));
	/* What costs nothing is stored as nothing. */
	assert_int_equal(
		ask_number(scene.server, scene.world.builder.room_id,
			"SELECT count(*) FROM event_states JOIN rooms USING (room_nid) WHERE room_id = $1"),
		0);
	scene_end(&scene);
}

static void accept__not_allowed__rejected_and_hidden(void **state)
{
	(void)state;
	struct scene scene;
	scene_begin(&scene, "10");
	const struct event *bad = forged(&scene, scene.world.join,
		(struct room_draft){.sender = MEMBER,
			.type = "m.room.topic",
			.state_key = "",
			.content = "{'topic':'mine'}"});
	assert_int_equal(take(&scene, bad).fate, EVENT_REJECTED);
	assert_int_equal(take(&scene, bad).fate, EVENT_REJECTED);
	assert_false(is_shown(&scene, bad));
	struct room_node node = {.event = bad, .state = scene.world.join->state};
	struct room_node *on_bad = message(&scene, &node, CREATOR);
	assert_int_equal(take(&scene, on_bad->event).fate, EVENT_IN_TIMELINE);
	struct state_map now = current_state(&scene.ctx, scene.server, scene.room);
	assert_same_state(&now, &scene.world.join->state);
	scene_end(&scene);
}

static void accept__no_longer_allowed__soft_failed(void **state)
{
	(void)state;
	struct scene scene;
	scene_begin(&scene, "10");
	struct world *world = &scene.world;
	struct room_node *ban =
		add(world, world->join, CREATOR, "m.room.member", MEMBER, "{'membership':'ban'}");
	struct room_node *late = message(&scene, world->join, MEMBER);
	assert_int_equal(take(&scene, ban->event).fate, EVENT_IN_TIMELINE);
	struct room_outcome outcome = take(&scene, late->event);
	assert_int_equal(outcome.fate, EVENT_SOFT_FAILED);
	assert_false(is_shown(&scene, late->event));
	assert_int_equal(extremities(&scene), 1);
	/* What stands on it is judged as if it were not. */
	struct room_node *on_late = message(&scene, late, CREATOR);
	assert_int_equal(take(&scene, on_late->event).fate, EVENT_IN_TIMELINE);
	assert_int_equal(extremities(&scene), 2);
	struct stored_event *sent;
	assert_int_equal(send_ours(&scene, &sent), ERR_OK);
	assert_int_equal(sent->event->prev_count, 2);
	assert_int_equal(extremities(&scene), 1);
	struct state_map now = current_state(&scene.ctx, scene.server, scene.room);
	assert_same_state(&now, &ban->state);
	scene_end(&scene);
}

static void sec_5_6__auth_event_of_another_room__rejected(void **state)
{
	(void)state;
	size_t count;
	const struct room_version *versions = room_versions_all(&count);
	for (size_t i = 0; i < count; i++) {
		char version[8] = {0};
		memcpy(version, versions[i].id.p, versions[i].id.n);
		struct scene other;
		struct scene scene;
		scene_begin(&other, version);
		scene_begin(&scene, version);
		struct room_builder *room = &scene.world.builder;
		const struct event *levels =
			state_map_get(&other.world.join->state, STR("m.room.power_levels"), STR(""));
		const struct event *create =
			state_map_get(&scene.world.join->state, STR("m.room.create"), STR(""));
		const struct event *member =
			state_map_get(&scene.world.join->state, STR("m.room.member"), STR(CREATOR));
		bool names_create = !room->version->room_id_is_create_hash;
		const struct event *auth[] = {levels, member, create};
		room->last = scene.world.join->event;
		const struct event *event = made_room_make(room,
			&(struct room_draft){.sender = CREATOR,
				.type = "m.room.message",
				.auth = auth,
				.auth_count = names_create ? 3 : 2,
				.has_auth = true});
		assert_int_equal(take(&scene, event).fate, EVENT_REJECTED);
		scene_end(&scene);
		scene_end(&other);
	}
}

static void accept__names_itself_or_begins_anew__rejected(void **state)
{
	(void)state;
	struct scene scene;
	scene_begin(&scene, "10");
	struct room_builder *room = &scene.world.builder;
	const struct event *create = made_room_make(room,
		&(struct room_draft){.sender = MEMBER,
			.type = "m.room.create",
			.state_key = "",
			.content = "{'room_version':'10','creator':'" MEMBER "'}",
			.has_no_prev = true,
			.has_auth = true});
	assert_int_equal(take(&scene, create).fate, EVENT_REJECTED);
	struct state_map now = current_state(&scene.ctx, scene.server, scene.room);
	assert_same_state(&now, &scene.world.join->state);
	scene_end(&scene);
}

static void sec_5_1__depth_at_its_end__rooms_go_on(void **state)
{
	(void)state;
	struct scene scene;
	scene_begin(&scene, "10");
	struct room_builder *room = &scene.world.builder;
	room->state = scene.world.join->state;
	room->last = scene.world.join->event;
	const struct event *deep = made_room_make(room,
		&(struct room_draft){.sender = CREATOR,
			.type = "m.room.message",
			.depth = ((int64_t)1 << 53) - 1});
	assert_int_equal(take(&scene, deep).fate, EVENT_IN_TIMELINE);
	for (int i = 0; i < 3; i++) {
		struct stored_event *sent;
		assert_int_equal(send_ours(&scene, &sent), ERR_OK);
		assert_int_equal(sent->event->depth, ((int64_t)1 << 53) - 1);
		assert_int_equal(sent->position, room_last_position(scene.room));
	}
	scene_end(&scene);
}

static void accept__thousands_of_forks__few_extremities(void **state)
{
	(void)state;
	struct scene scene;
	scene_begin(&scene, "10");
	for (int i = 0; i < 60; i++) {
		struct arena *arena CLEANUP(arena_cleanup) = arena_create();
		struct ctx ctx;
		ctx_init(&ctx, arena);
		struct room_node *fork = message(&scene, scene.world.join, MEMBER);
		struct room_outcome outcome = accept_event(&ctx, scene.server, scene.room, fork->event);
		assert_int_equal(outcome.fate, EVENT_IN_TIMELINE);
	}
	assert_int_equal(extremities(&scene), 20);
	/* Forks with states of their own are not left out: there may not be too many of them. */
	int kept = 0;
	for (int i = 0; i < 30; i++) {
		struct room_node *fork = add(&scene.world, scene.world.join, CREATOR, "org.example.x",
			arena_printf(scene.arena, "%d", i), "{}");
		kept += take(&scene, fork->event).fate == EVENT_IN_TIMELINE;
	}
	assert_in_range(kept, 10, 20);
	assert_in_range(extremities(&scene), 1, 20);
	struct state_map now = current_state(&scene.ctx, scene.server, scene.room);
	assert_int_equal(now.n, scene.world.join->state.n + (size_t)kept);
	struct stored_event *sent;
	assert_int_equal(send_ours(&scene, &sent), ERR_OK);
	assert_int_equal(extremities(&scene), 1);
	now = current_state(&scene.ctx, scene.server, scene.room);
	assert_int_equal(now.n, scene.world.join->state.n + (size_t)kept);
	scene_end(&scene);
}

/* Texts that no database column takes come in events of others all the same. */
static void accept__byte_zero_in_texts__stops_nothing(void **state)
{
	(void)state;
	struct scene scene;
	scene_begin(&scene, "10");
	struct room_node *node = scene.world.join;
	static const char *const contents[] = {
		"{'m.relates_to':{'rel_type':'m.thread','event_id':'$a\\u0000'}}",
		"{'m.relates_to':{'rel_type':'m.\\u0000','event_id':'$a'}}",
		"{'msgtype':'m.text','body':'\\u0000','m.mentions':{'user_ids':['@a\\u0000:hs','" OURS
		"']}}",
	};
	for (size_t i = 0; i < COUNT_OF(contents); i++) {
		node = add(&scene.world, node, CREATOR, "m.room.message", NULL, contents[i]);
		assert_int_equal(take(&scene, node->event).fate, EVENT_IN_TIMELINE);
	}
	assert_int_equal(
		ask_number(scene.server, scene.world.builder.room_id,
			"SELECT count(*) FROM mentions JOIN rooms USING (room_nid) WHERE room_id = $1"),
		1);
	scene_end(&scene);
}

/* --- redactions ---------------------------------------------------------------------------------------------------- */

static bool shows_secret(struct scene *scene, const struct event *event)
{
	struct stored_event *stored;
	assert_int_equal(room_event(&scene->ctx, hs_at(scene), scene->room, event->event_id.s, &stored),
		ERR_OK);
	return str_contains(stored->client_members, STR("secret"));
}

static const struct event *redaction(struct scene *scene, struct room_node *prev,
	const char *sender, const struct event *target)
{
	struct str id = target->event_id.s;
	bool is_inside = scene->world.builder.version->redacts_in_content;
	const struct room_draft draft = {
		.sender = sender,
		.type = "m.room.redaction",
		.redacts = str_cstr(scene->arena, id),
		.content = is_inside ? arena_printf(scene->arena, "{'redacts':'%.*s'}", STR_ARG(id)) : "{}",
	};
	struct room_node *node = room_graph_add(&scene->world.graph, &prev, 1, &draft);
	assert_non_null(node);
	return node->event;
}

static void sec_5_19__redaction_by_power_or_server__only(void **state)
{
	(void)state;
	static const char *const versions[] = {"3", "6", "10", "11", "12"};
	for (size_t i = 0; i < COUNT_OF(versions); i++) {
		struct scene scene;
		scene_begin(&scene, versions[i]);
		struct room_node *target = message(&scene, scene.world.join, CREATOR);
		(void)take(&scene, target->event);
		const struct event *foreign = redaction(&scene, target, MEMBER, target->event);
		/* "If the server would apply a redaction, the redaction event is also sent to clients." */
		assert_int_equal(take(&scene, foreign).fate, EVENT_SOFT_FAILED);
		assert_true(shows_secret(&scene, target->event));
		const struct event *powerful = redaction(&scene, target, MODERATOR, target->event);
		(void)take(&scene, powerful);
		assert_false(shows_secret(&scene, target->event));
		scene_end(&scene);
	}
}

/* What this server does not redact, clients are not told to redact, and the other way round. */
static void accept__redaction_from_before_its_sender_was_put_down__not_told(void **state)
{
	(void)state;
	struct scene scene;
	scene_begin(&scene, "10");
	struct room_node *target = message(&scene, scene.world.join, CREATOR);
	(void)take(&scene, target->event);
	struct room_node *levels = add(&scene.world, target, CREATOR, "m.room.power_levels", "",
		"{'users':{'" CREATOR "':100}}");
	assert_int_equal(take(&scene, levels->event).fate, EVENT_IN_TIMELINE);
	const struct event *late = redaction(&scene, target, MODERATOR, target->event);
	assert_int_equal(take(&scene, late).fate, EVENT_SOFT_FAILED);
	assert_true(shows_secret(&scene, target->event));
	scene_end(&scene);
}

static void accept__redaction_before_its_event__applied_when_it_comes(void **state)
{
	(void)state;
	static const char *const versions[] = {"1", "6", "11"};
	for (size_t i = 0; i < COUNT_OF(versions); i++) {
		struct scene scene;
		scene_begin(&scene, versions[i]);
		struct room_node *target = message(&scene, scene.world.join, CREATOR);
		const struct event *redacts = redaction(&scene, scene.world.join, CREATOR, target->event);
		(void)take(&scene, redacts);
		assert_int_equal(take(&scene, target->event).fate, EVENT_IN_TIMELINE);
		assert_false(shows_secret(&scene, target->event));
		rooms_forget(hs_at(&scene)->rooms);
		assert_int_equal(
			rooms_get(&scene.ctx, hs_at(&scene), scene.world.builder.room_id, &scene.room), ERR_OK);
		assert_false(shows_secret(&scene, target->event));
		scene_end(&scene);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(accept__ordinary__shown_once),
		cmocka_unit_test(accept__not_allowed__rejected_and_hidden),
		cmocka_unit_test(accept__no_longer_allowed__soft_failed),
		cmocka_unit_test(sec_5_6__auth_event_of_another_room__rejected),
		cmocka_unit_test(accept__names_itself_or_begins_anew__rejected),
		cmocka_unit_test(sec_5_1__depth_at_its_end__rooms_go_on),
		cmocka_unit_test(accept__thousands_of_forks__few_extremities),
		cmocka_unit_test(accept__byte_zero_in_texts__stops_nothing),
		cmocka_unit_test(sec_5_19__redaction_by_power_or_server__only),
		cmocka_unit_test(accept__redaction_from_before_its_sender_was_put_down__not_told),
		cmocka_unit_test(accept__redaction_before_its_event__applied_when_it_comes),
	};
	return cmocka_run_group_tests(tests, world_set_up, world_tear_down);
}
