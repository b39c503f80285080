/*
 * Rooms of other servers that this one comes into, leaves, and comes back to, and lets others into, on a real PostgreSQL.
 */
#include "tests/sim/arrival.h"

/* --- coming into a room ------------------------------------------------------------------------------------------- */

static void import__new_room__state_and_join(void **state)
{
	(void)state;
	size_t count;
	const struct room_version *versions = room_versions_all(&count);
	for (size_t i = 0; i < count; i++) {
		struct scene scene;
		char version[8] = {0};
		memcpy(version, versions[i].id.p, versions[i].id.n);
		scene_begin(&scene, version);
		struct state_map now = current_state(&scene.ctx, scene.server, scene.room);
		assert_same_state(&now, &scene.world.join->state);
		assert_true(room_is_resident(scene.room));
		assert_int_equal(room_member_counts(scene.room).joined, 4);
		struct timeline timeline = timeline_of(&scene);
		assert_int_equal(timeline.n, 1);
		assert_true(
			str_equals(timeline.events[0]->event->event_id.s, scene.world.join->event->event_id.s));
		struct server_name *names;
		size_t name_count;
		assert_int_equal(room_servers(&scene.ctx, hs_at(&scene), scene.room, &names, &name_count),
			ERR_OK);
		assert_int_equal(name_count, 3);
		assert_true(str_equals(names[0].s, STR("a.example")));
		struct state_map before;
		assert_int_equal(room_state_around(&scene.ctx, hs_at(&scene), scene.room,
							 scene.world.join->event->event_id, false, &before),
			ERR_OK);
		assert_int_equal(before.n, scene.world.import.state_count);
		scene_end(&scene);
	}
}

static void import__while_resident__conflict(void **state)
{
	(void)state;
	struct scene scene;
	scene_begin(&scene, "10");
	struct room *room;
	assert_int_equal(rooms_import(&scene.ctx, hs_at(&scene), &scene.world.import, &room),
		ERR_CONFLICT);
	scene_end(&scene);
}

/* GHSA: a join's answer that leaves out what its state stands on, or the beginning. */
static void sec_5_7__truncated_join_answer__refused(void **state)
{
	(void)state;
	struct scene scene;
	scene_open(&scene, "10");
	struct room *room;
	struct room_import import = scene.world.import;
	const struct event **kept =
		ARENA_NEW_ARRAY(scene.arena, const struct event *, import.state_count);
	size_t n = 0;
	for (size_t i = 0; i < import.state_count; i++) {
		if (!event_is(import.state[i], STR("m.room.create"), STR(""))) {
			kept[n++] = import.state[i];
		}
	}
	import.state = kept;
	import.state_count = n;
	assert_int_equal(rooms_import(&scene.ctx, hs_at(&scene), &import, &room), ERR_DENIED);
	import.auth_count = 0;
	assert_int_equal(rooms_import(&scene.ctx, hs_at(&scene), &import, &room), ERR_DENIED);
	assert_int_equal(rooms_import(&scene.ctx, hs_at(&scene), &scene.world.import, &room), ERR_OK);
	assert_true(room_is_resident(room));
	scene_end(&scene);
}

static void outside__invite_then_join__state_whole(void **state)
{
	(void)state;
	struct scene scene;
	scene_open(&scene, "10");
	struct world *world = &scene.world;
	struct room_node *last = world->graph.nodes.p[world->graph.nodes.n - 2];
	struct room_node *invite =
		add(world, last, CREATOR, "m.room.member", OURS, "{'membership':'invite'}");
	const struct outside_membership outside = {.version = world->builder.version,
		.event = invite->event,
		.stripped = STR("[]")};
	assert_int_equal(rooms_set_outside(&scene.ctx, hs_at(&scene), &outside), ERR_OK);
	assert_int_equal(rooms_set_outside(&scene.ctx, hs_at(&scene), &outside), ERR_OK);
	assert_int_equal(rooms_get(&scene.ctx, hs_at(&scene), world->builder.room_id, &scene.room),
		ERR_OK);
	struct str membership;
	assert_int_equal(room_membership(&scene.ctx, hs_at(&scene), scene.room, STR(OURS), &membership),
		ERR_OK);
	assert_true(str_equals(membership, STR("invite")));
	assert_false(room_is_resident(scene.room));
	assert_int_equal(join_ours(&scene, STR(OURS)), ERR_DENIED);
	world_import_at(world, invite,
		add(world, invite, OURS, "m.room.member", OURS, "{'membership':'join'}"));
	scene.room = import(&scene.ctx, scene.server, world);
	struct state_map now = current_state(&scene.ctx, scene.server, scene.room);
	assert_same_state(&now, &world->join->state);
	assert_int_equal(rooms_set_outside(&scene.ctx, hs_at(&scene), &outside), ERR_CONFLICT);
	scene_end(&scene);
}

static void import__again_after_leaving__state_moves_on_and_gap(void **state)
{
	(void)state;
	struct scene scene;
	scene_begin(&scene, "10");
	struct world *world = &scene.world;
	struct room_node *leave =
		add(world, world->join, OURS, "m.room.member", OURS, "{'membership':'leave'}");
	assert_int_equal(take(&scene, leave->event).fate, EVENT_IN_TIMELINE);
	assert_false(room_is_resident(scene.room));
	struct stored_event *sent;
	assert_int_equal(send_ours(&scene, &sent), ERR_DENIED);
	assert_int_equal(join_ours(&scene, STR("@other:hs")), ERR_DENIED);
	struct room_node *node = add(world, leave, CREATOR, "m.room.topic", "", "{'topic':'missed'}");
	node = add(world, node, CREATOR, "m.room.member", MEMBER, "{'membership':'ban'}");
	struct room_node *missed = node = message(&scene, node, CREATOR);
	world_import_at(world, node,
		add(world, node, OURS, "m.room.member", OURS, "{'membership':'join'}"));
	scene.room = import(&scene.ctx, scene.server, world);
	struct state_map now = current_state(&scene.ctx, scene.server, scene.room);
	assert_same_state(&now, &world->join->state);
	struct room_gap gap;
	assert_int_equal(
		room_gap_find(&scene.ctx, hs_at(&scene), scene.room, ROOM_OUTLIERS, POSITION_NOW, &gap),
		ERR_OK);
	assert_int_equal(gap.below, room_last_position(scene.room));
	assert_int_equal(gap.prev_count, 1);
	assert_true(str_equals(gap.prevs[0].s, missed->event->event_id.s));
	int64_t bound;
	assert_int_equal(room_gap_bound(&scene.ctx, hs_at(&scene), scene.room, 0, POSITION_NOW, &bound),
		ERR_OK);
	assert_int_equal(bound, gap.below - 1);
	room_gap_postpone(&scene.ctx, hs_at(&scene), scene.room, &gap, false);
	assert_int_equal(room_gap_find(&scene.ctx, hs_at(&scene), scene.room, 100, POSITION_NOW, &gap),
		ERR_OK);
	assert_int_equal(gap.below, 0);
	assert_int_equal(take(&scene, message(&scene, world->join, CREATOR)->event).fate,
		EVENT_IN_TIMELINE);
	assert_int_equal(send_ours(&scene, &sent), ERR_OK);
	scene_end(&scene);
}

/* --- templates ------------------------------------------------------------------------------------------------------- */

static void template__of_a_join__unsigned(void **state)
{
	(void)state;
	struct scene scene;
	scene_begin(&scene, "10");
	struct json content = json_object(scene.arena, 1);
	content = json_with(scene.arena, &content, STR("membership"), json_string(STR("join")));
	const struct room_intent intent = {.sender = {STR("@d:d.example")},
		.type = STR("m.room.member"),
		.is_state = true,
		.state_key = STR("@d:d.example"),
		.content = &content};
	struct json made;
	assert_int_equal(room_template(&scene.ctx, hs_at(&scene), scene.room, &intent, &made), ERR_OK);
	assert_null(json_at(&made, "signatures"));
	assert_null(json_at(&made, "hashes"));
	assert_true(str_equals(json_text(&json_at(&made, "prev_events")->items[0]),
		scene.world.join->event->event_id.s));
	assert_int_equal(timeline_of(&scene).n, 1);
	scene_end(&scene);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(import__new_room__state_and_join),
		cmocka_unit_test(import__while_resident__conflict),
		cmocka_unit_test(sec_5_7__truncated_join_answer__refused),
		cmocka_unit_test(outside__invite_then_join__state_whole),
		cmocka_unit_test(import__again_after_leaving__state_moves_on_and_gap),
		cmocka_unit_test(template__of_a_join__unsigned),
	};
	return cmocka_run_group_tests(tests, world_set_up, world_tear_down);
}
