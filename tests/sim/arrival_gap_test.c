/*
 * What is missing when an event of another server comes, on a real PostgreSQL: the gap before it, the state that is given for it, history that is fetched later.
 */
#include "tests/sim/arrival.h"

/* --- what is missing ------------------------------------------------------------------------------------------------ */

static void accept__unknown_prev__missing_then_gap(void **state)
{
	(void)state;
	struct scene scene;
	scene_begin(&scene, "10");
	struct world *world = &scene.world;
	struct room_node *lost =
		add(world, world->join, CREATOR, "m.room.topic", "", "{'topic':'lost'}");
	struct room_node *late = message(&scene, lost, CREATOR);
	struct room_outcome outcome;
	assert_int_equal(try_accept(&scene.ctx, scene.server, scene.room, late->event, &outcome),
		ERR_MISSING);
	assert_int_equal(outcome.missing_prev_count, 1);
	assert_true(str_equals(outcome.missing_prev[0].s, lost->event->event_id.s));
	assert_false(is_shown(&scene, late->event));
	/* The state before it, as another server says. */
	struct room_outcome kept;
	assert_int_equal(
		room_accept_outliers(&scene.ctx, hs_at(&scene), scene.room, &lost->event, 1, &kept),
		ERR_OK);
	assert_int_equal(fate_of(&scene, lost->event), EVENT_OUTLIER);
	struct event_id ids[16];
	size_t n = 0;
	size_t at = 0;
	const struct event *event;
	while ((event = state_map_next(&lost->state, &at)) != NULL) {
		ids[n++] = event->event_id;
	}
	const struct room_arrival arrival = {.event = late->event,
		.state_before = ids,
		.state_before_count = n};
	assert_int_equal(room_accept(&scene.ctx, hs_at(&scene), scene.room, &arrival, &outcome),
		ERR_OK);
	assert_int_equal(outcome.fate, EVENT_IN_TIMELINE);
	struct state_map now = current_state(&scene.ctx, scene.server, scene.room);
	assert_same_state(&now, &late->state);
	struct room_gap gap;
	assert_int_equal(
		room_gap_find(&scene.ctx, hs_at(&scene), scene.room, ROOM_OUTLIERS, POSITION_NOW, &gap),
		ERR_OK);
	assert_int_equal(gap.below, room_last_position(scene.room));
	/* It comes after all: told, and others stand on it already. */
	assert_int_equal(take(&scene, lost->event).fate, EVENT_IN_TIMELINE);
	assert_true(is_shown(&scene, lost->event));
	assert_int_equal(
		room_gap_find(&scene.ctx, hs_at(&scene), scene.room, gap.below - 1, gap.below, &gap),
		ERR_OK);
	assert_int_equal(gap.below, 0);
	now = current_state(&scene.ctx, scene.server, scene.room);
	assert_same_state(&now, &late->state);
	scene_end(&scene);
}

/* CVE class: a server that answers with less state than there is. */
static void sec_5_7__given_state_with_less__undoes_nothing(void **state)
{
	(void)state;
	struct scene scene;
	scene_begin(&scene, "10");
	struct world *world = &scene.world;
	struct room_node *topic =
		add(world, world->join, CREATOR, "m.room.topic", "", "{'topic':'stays'}");
	assert_int_equal(take(&scene, topic->event).fate, EVENT_IN_TIMELINE);
	struct room_node *unknown = message(&scene, topic, CREATOR);
	struct room_node *both[] = {topic, unknown};
	const struct room_draft draft = {.sender = CREATOR, .type = "m.room.message", .content = "{}"};
	struct room_node *event = room_graph_add(&world->graph, both, 2, &draft);
	struct event_id ids[16];
	size_t n = 0;
	for (size_t i = 0; i < world->import.state_count; i++) {
		ids[n++] = world->import.state[i]->event_id;
	}
	const struct room_arrival arrival = {.event = event->event,
		.state_before = ids,
		.state_before_count = n};
	struct room_outcome outcome;
	assert_int_equal(room_accept(&scene.ctx, hs_at(&scene), scene.room, &arrival, &outcome),
		ERR_OK);
	assert_int_equal(outcome.fate, EVENT_IN_TIMELINE);
	struct state_map now = current_state(&scene.ctx, scene.server, scene.room);
	assert_same_state(&now, &topic->state);
	scene_end(&scene);
}

static void history__fetched_later__before_what_is_known(void **state)
{
	(void)state;
	struct scene scene;
	scene_open(&scene, "10");
	struct world *world = &scene.world;
	struct room_node *node = world->graph.nodes.p[world->graph.nodes.n - 2];
	struct room_node *first = node =
		add(world, node, CREATOR, "m.room.topic", "", "{'topic':'one'}");
	struct room_node *between = node = message(&scene, node, CREATOR);
	struct room_node *second = node =
		add(world, node, CREATOR, "m.room.topic", "", "{'topic':'two'}");
	struct room_node *last = node = message(&scene, node, MEMBER);
	world_import_at(world, node,
		add(world, node, OURS, "m.room.member", OURS, "{'membership':'join'}"));
	scene.room = import(&scene.ctx, scene.server, world);
	struct room_gap gap;
	assert_int_equal(
		room_gap_find(&scene.ctx, hs_at(&scene), scene.room, ROOM_OUTLIERS, POSITION_NOW, &gap),
		ERR_OK);
	struct room_node *unrelated = message(&scene, world->join, CREATOR);
	const struct event *batch[] = {between->event, unrelated->event, last->event, second->event};
	size_t added;
	assert_int_equal(room_accept_history(&scene.ctx, hs_at(&scene), scene.room, gap.below, batch,
						 COUNT_OF(batch), &added),
		ERR_OK);
	assert_int_equal(added, 3);
	assert_false(is_shown(&scene, unrelated->event));
	struct timeline timeline = timeline_of(&scene);
	const struct event *wanted[] = {world->join->event, last->event, second->event, between->event};
	assert_int_equal(timeline.n, COUNT_OF(wanted));
	for (size_t i = 0; i < timeline.n; i++) {
		assert_true(str_equals(timeline.events[i]->event->event_id.s, wanted[i]->event_id.s));
	}
	assert_int_equal(timeline.events[1]->position, -1);
	struct stored_event *topic;
	assert_int_equal(room_state_event(&scene.ctx, hs_at(&scene), scene.room, STR("m.room.topic"),
						 STR(""), timeline.events[1]->position, &topic),
		ERR_OK);
	assert_true(str_equals(topic->event->event_id.s, second->event->event_id.s));
	assert_true(is_shown(&scene, second->event));
	assert_int_equal(
		room_gap_find(&scene.ctx, hs_at(&scene), scene.room, ROOM_OUTLIERS, POSITION_NOW, &gap),
		ERR_OK);
	assert_int_equal(gap.below, timeline.events[3]->position);
	const struct event *older[] = {first->event};
	assert_int_equal(
		room_accept_history(&scene.ctx, hs_at(&scene), scene.room, gap.below, older, 1, &added),
		ERR_OK);
	assert_int_equal(added, 1);
	assert_int_equal(room_state_event(&scene.ctx, hs_at(&scene), scene.room, STR("m.room.topic"),
						 STR(""), gap.below, &topic),
		ERR_OK);
	assert_true(str_equals(topic->event->event_id.s, first->event->event_id.s));
	struct state_map now = current_state(&scene.ctx, scene.server, scene.room);
	assert_same_state(&now, &world->join->state);
	rooms_forget(hs_at(&scene)->rooms);
	assert_int_equal(rooms_get(&scene.ctx, hs_at(&scene), world->builder.room_id, &scene.room),
		ERR_OK);
	now = current_state(&scene.ctx, scene.server, scene.room);
	assert_same_state(&now, &world->join->state);
	assert_int_equal(take(&scene, message(&scene, world->join, CREATOR)->event).fate,
		EVENT_IN_TIMELINE);
	scene_end(&scene);
}

/* What one process has in memory as an outlier, another one has judged: it is looked up anew, and not shown. */
static void history__judged_by_another_process_meanwhile__not_shown(void **state)
{
	(void)state;
	struct scene scene;
	scene_open(&scene, "10");
	struct world *world = &scene.world;
	struct room_node *node = world->graph.nodes.p[world->graph.nodes.n - 2];
	struct room_node *topic = add(world, node, CREATOR, "m.room.topic", "", "{'topic':'one'}");
	struct room_node *last = message(&scene, topic, CREATOR);
	world_import_at(world, last,
		add(world, last, OURS, "m.room.member", OURS, "{'membership':'join'}"));
	scene.room = import(&scene.ctx, scene.server, world);
	struct room_gap gap;
	assert_int_equal(
		room_gap_find(&scene.ctx, hs_at(&scene), scene.room, ROOM_OUTLIERS, POSITION_NOW, &gap),
		ERR_OK);
	struct known_event known;
	const struct event *batch[] = {last->event, topic->event};
	struct room_outcome outcome;
	assert_int_equal(room_accept_outliers(&scene.ctx, hs_at(&scene), scene.room, batch,
						 COUNT_OF(batch), &outcome),
		ERR_OK);
	assert_int_equal(room_known_events(&scene.ctx, hs_at(&scene), scene.room,
						 &topic->event->event_id, 1, &known),
		ERR_OK);
	assert_int_equal(known.fate, EVENT_OUTLIER);
	assert_int_equal(
		ask_number(scene.server, world->builder.room_id,
			"UPDATE events e SET fate = 2 FROM rooms r WHERE r.room_id = $1 AND e.room_nid = r.room_nid "
			"AND e.type = 'm.room.topic' AND e.fate = 1 AND e.json LIKE '%\"one\"%' RETURNING e.fate"),
		2);
	size_t added;
	assert_int_equal(room_accept_history(&scene.ctx, hs_at(&scene), scene.room, gap.below, batch,
						 COUNT_OF(batch), &added),
		ERR_OK);
	assert_int_equal(added, 1);
	assert_true(is_shown(&scene, last->event));
	assert_false(is_shown(&scene, topic->event));
	scene_end(&scene);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(accept__unknown_prev__missing_then_gap),
		cmocka_unit_test(sec_5_7__given_state_with_less__undoes_nothing),
		cmocka_unit_test(history__fetched_later__before_what_is_known),
		cmocka_unit_test(history__judged_by_another_process_meanwhile__not_shown),
	};
	return cmocka_run_group_tests(tests, world_set_up, world_tear_down);
}
