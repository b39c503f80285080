/*
 * Memberships of our users in rooms in which this server is not, told in another order than they came about in, on a real PostgreSQL: what
 * came later in the room stays.
 */
#include "federation/handshake_rooms.h"
#include "federation/inbox_inner.h"
#include "federation/outside_in.h"
#include "tests/sim/arrival.h"
#include "tests/sim/bare.h"

/* A room of others that takes knocks; nothing is known of it here. */
static struct room_node *open_room(struct scene *scene)
{
	scene_open(scene, "10");
	struct room_graph *graph = &scene->world.graph;
	return add(&scene->world, graph->nodes.p[graph->nodes.n - 2], CREATOR, "m.room.join_rules", "",
		"{'join_rule':'knock'}");
}

/* The next membership of our user. */
static struct room_node *member(struct scene *scene, struct room_node *prev, const char *sender,
	const char *membership)
{
	return add(&scene->world, prev, sender, "m.room.member", OURS,
		arena_printf(scene->arena, "{'membership':'%s'}", membership));
}

static enum err tell(struct scene *scene, const struct room_node *node)
{
	const struct outside_membership what = {
		.version = scene->world.builder.version,
		.event = node->event,
		.stripped = STR("[{\"type\":\"m.room.create\",\"state_key\":\"\",\"content\":{},"
						"\"sender\":\"" CREATOR "\"}]"),
	};
	enum err err = rooms_set_outside(&scene->ctx, hs_at(scene), &what);
	assert_int_equal(
		rooms_get(&scene->ctx, hs_at(scene), scene->world.builder.room_id, &scene->room), ERR_OK);
	return err;
}

/* That an end that others made is believed, as it stands now. */
static void assert_concerns(struct scene *scene, const struct room_node *end)
{
	struct federation federation = {.hs = hs_at(scene)};
	bool concerns_us = false;
	assert_int_equal(
		outside_in_concerns(&scene->ctx, &federation, scene->room, end->event, &concerns_us),
		ERR_OK);
	assert_true(concerns_us);
}

static enum err end(struct scene *scene, const struct room_node *node)
{
	struct federation federation = {.hs = hs_at(scene)};
	return outside_in_take(&scene->ctx, &federation, node->event);
}

/* What holds, in memory and, read anew, in the database; and what the user's list of rooms says. */
static void assert_now(struct scene *scene, const struct room_node *node)
{
	struct stored_event *now;
	for (int i = 0; i < 2; i++) {
		assert_int_equal(
			rooms_get(&scene->ctx, hs_at(scene), scene->world.builder.room_id, &scene->room),
			ERR_OK);
		assert_int_equal(room_state_event(&scene->ctx, hs_at(scene), scene->room,
							 STR("m.room.member"), STR(OURS), POSITION_NOW, &now),
			ERR_OK);
		assert_non_null(now);
		assert_true(str_equals(now->event->event_id.s, node->event->event_id.s));
		rooms_forget(hs_at(scene)->rooms);
	}
	struct str membership = event_membership(node->event);
	assert_int_equal(ask_number(scene->server, scene->world.builder.room_id,
						 arena_printf(scene->arena,
							 "SELECT count(*) FROM members JOIN rooms USING (room_nid) WHERE "
							 "room_id = $1 AND user_id = '" OURS "' AND membership = '%.*s'",
							 STR_ARG(membership))),
		1);
}

static void knock__between_the_check_and_the_end_of_the_last__stays(void **state)
{
	(void)state;
	struct scene scene;
	struct room_node *first = member(&scene, open_room(&scene), OURS, "knock");
	struct room_node *refused = member(&scene, first, CREATOR, "leave");
	struct room_node *second = member(&scene, refused, OURS, "knock");
	assert_int_equal(tell(&scene, first), ERR_OK);
	assert_concerns(&scene, refused);
	assert_int_equal(tell(&scene, second), ERR_OK);
	assert_int_equal(end(&scene, refused), ERR_OK);
	assert_now(&scene, second);
	struct room_node *again = member(&scene, second, CREATOR, "leave");
	assert_concerns(&scene, again);
	assert_int_equal(end(&scene, again), ERR_OK);
	assert_now(&scene, again);
	scene_end(&scene);
}

static void invite__between_the_check_and_the_end_of_the_knock__stays(void **state)
{
	(void)state;
	struct scene scene;
	struct room_node *knock = member(&scene, open_room(&scene), OURS, "knock");
	struct room_node *refused = member(&scene, knock, CREATOR, "leave");
	struct room_node *invite = member(&scene, knock, MODERATOR, "invite"); /* beside it */
	assert_int_equal(tell(&scene, knock), ERR_OK);
	assert_concerns(&scene, refused);
	assert_int_equal(tell(&scene, invite), ERR_OK);
	assert_int_equal(end(&scene, refused), ERR_OK);
	assert_now(&scene, invite);
	scene_end(&scene);
}

static void knock__answered_after_its_invite__invited(void **state)
{
	(void)state;
	struct scene scene;
	struct room_node *knock = member(&scene, open_room(&scene), OURS, "knock");
	struct room_node *invite = member(&scene, knock, CREATOR, "invite");
	assert_int_equal(tell(&scene, invite), ERR_OK);
	assert_int_equal(tell(&scene, knock), ERR_OK);
	assert_now(&scene, invite);
	scene_end(&scene);
}

static void leave__answered_after_the_next_knock__knocks(void **state)
{
	(void)state;
	struct scene scene;
	struct room_node *first = member(&scene, open_room(&scene), OURS, "knock");
	struct room_node *leave = member(&scene, first, OURS, "leave");
	struct room_node *second = member(&scene, leave, OURS, "knock");
	assert_int_equal(tell(&scene, first), ERR_OK);
	assert_int_equal(tell(&scene, second), ERR_OK);
	assert_int_equal(tell(&scene, leave), ERR_OK);
	assert_now(&scene, second);
	scene_end(&scene);
}

static void invite__again_after_it_was_rejected__out(void **state)
{
	(void)state;
	struct scene scene;
	struct room_node *invite = member(&scene, open_room(&scene), CREATOR, "invite");
	struct room_node *leave = member(&scene, invite, OURS, "leave");
	assert_int_equal(tell(&scene, invite), ERR_OK);
	assert_int_equal(tell(&scene, leave), ERR_OK);
	assert_int_equal(tell(&scene, invite), ERR_OK);
	assert_now(&scene, leave);
	struct room_node *next = member(&scene, leave, CREATOR, "invite");
	assert_int_equal(tell(&scene, next), ERR_OK);
	assert_now(&scene, next);
	scene_end(&scene);
}

/* The join left the members out: only its own end is taken before they are known. */
static void partial_join__between_the_check_and_the_end_of_the_invite__stays(void **state)
{
	(void)state;
	struct scene scene;
	struct room_node *before = open_room(&scene);
	struct room_node *invite = member(&scene, before, CREATOR, "invite");
	struct room_node *taken_back = member(&scene, invite, CREATOR, "leave");
	struct room_node *join = member(&scene, invite, OURS, "join");
	assert_int_equal(tell(&scene, invite), ERR_OK);
	assert_concerns(&scene, taken_back);
	world_import_at(&scene.world, invite, join);
	scene.world.import.omits_members = true;
	scene.room = import(&scene.ctx, scene.server, &scene.world);
	assert_int_equal(end(&scene, taken_back), ERR_CONFLICT);
	assert_int_equal(tell(&scene, invite), ERR_CONFLICT);
	assert_int_equal(tell(&scene, member(&scene, before, OURS, "knock")), ERR_CONFLICT);
	assert_now(&scene, join);
	struct room_node *kick = member(&scene, join, CREATOR, "leave");
	assert_int_equal(end(&scene, kick), ERR_OK);
	assert_now(&scene, kick);
	scene_end(&scene);
}

static void join__answered_after_its_end__out(void **state)
{
	(void)state;
	struct scene scene;
	struct room_node *invite = member(&scene, open_room(&scene), CREATOR, "invite");
	struct room_node *join = member(&scene, invite, OURS, "join");
	world_import_at(&scene.world, invite, join);
	struct room_node *leave = member(&scene, join, OURS, "leave");
	assert_int_equal(tell(&scene, invite), ERR_OK);
	assert_int_equal(tell(&scene, leave), ERR_OK);
	struct room *room;
	assert_int_equal(rooms_import(&scene.ctx, hs_at(&scene), &scene.world.import, &room),
		ERR_DENIED);
	assert_now(&scene, leave);
	assert_false(room_is_resident(scene.room));
	scene_end(&scene);
}

/* As another process would, of which this one has not heard yet: the last membership comes from this event. */
static void make_last(struct scene *scene, const struct room_node *node)
{
	struct str id = node->event->event_id.s;
	bare_do(str_of(scene->server->url),
		arena_printf(scene->arena,
			"UPDATE states SET event_id = e.event_id, event_position = e.position FROM events e, "
			"rooms r WHERE e.event_id = '%.*s' AND r.room_id = '%.*s' AND states.room_nid = "
			"r.room_nid AND states.type = 'm.room.member' AND states.state_key = '" OURS
			"' AND states.to_position = 9223372036854775807",
			STR_ARG(id), STR_ARG(scene->world.builder.room_id)));
}

static void two_processes__the_other_was_first__judged_anew(void **state)
{
	(void)state;
	struct scene scene;
	struct room_node *first = member(&scene, open_room(&scene), OURS, "knock");
	struct room_node *refused = member(&scene, first, CREATOR, "leave");
	struct room_node *second = member(&scene, refused, OURS, "knock");
	struct room_node *invite = member(&scene, first, MODERATOR, "invite");
	assert_int_equal(tell(&scene, first), ERR_OK);
	assert_int_equal(tell(&scene, second), ERR_OK);
	const struct room_node *told[] = {refused, invite};
	const struct room_node *stays[] = {second, invite};
	for (size_t i = 0; i < COUNT_OF(told); i++) {
		make_last(&scene, first);
		rooms_forget(hs_at(&scene)->rooms);
		assert_now(&scene, first);
		(void)tell(&scene, first); /* and is in memory */
		make_last(&scene, second);
		assert_int_equal(tell(&scene, told[i]), ERR_OK);
		rooms_forget(hs_at(&scene)->rooms);
		assert_now(&scene, stays[i]);
	}
	scene_end(&scene);
}

static void two_processes__the_other_was_told_of_the_end_of_a_join__out(void **state)
{
	(void)state;
	struct scene scene;
	scene_begin(&scene, "10");
	struct room_node *left = member(&scene, scene.world.join, OURS, "leave");
	struct room_node *invite = member(&scene, left, CREATOR, "invite");
	struct room_node *join = member(&scene, invite, OURS, "join");
	assert_int_equal(take(&scene, left->event).fate, EVENT_IN_TIMELINE);
	assert_int_equal(tell(&scene, invite), ERR_OK);
	world_import_at(&scene.world, invite, join);
	struct room_node *leave = member(&scene, join, OURS, "leave");
	assert_int_equal(tell(&scene, leave), ERR_OK);
	make_last(&scene, invite);
	rooms_forget(hs_at(&scene)->rooms);
	struct stored_event *now; /* what is in memory from here on */
	struct room *room;
	assert_int_equal(rooms_get(&scene.ctx, hs_at(&scene), scene.world.builder.room_id, &room),
		ERR_OK);
	assert_int_equal(room_state_event(&scene.ctx, hs_at(&scene), room, STR("m.room.member"),
						 STR(OURS), POSITION_NOW, &now),
		ERR_OK);
	make_last(&scene, leave);
	assert_int_equal(rooms_import(&scene.ctx, hs_at(&scene), &scene.world.import, &room),
		ERR_DENIED);
	rooms_forget(hs_at(&scene)->rooms);
	assert_now(&scene, leave);
	assert_false(room_is_resident(scene.room));
	scene_end(&scene);
}

/* The handshake may end during the visit: what wakes the queue then counts only where the visit does not count as failed. */
static void inbox__handshake_under_way__the_queue_sleeps_until_it_is_woken(void **state)
{
	(void)state;
	struct scene scene;
	struct room_node *knock = member(&scene, open_room(&scene), OURS, "knock");
	struct room_id room_id;
	struct federation federation = {
		.hs = hs_at(&scene),
		.handshake_rooms = handshake_rooms_create(),
	};
	struct inbox inbox = {.federation = &federation};
	assert_true(room_id_parse(scene.world.builder.room_id, &room_id));
	assert_int_equal(tell(&scene, knock), ERR_OK);
	handshake_rooms_add(&federation, room_id.s, scene.world.builder.version,
		knock->event->event_id.s, true);
	assert_int_equal(inbox_visit(&scene.ctx, &inbox, room_id.s, INBOX_FAST), INBOX_VISIT_DONE);
	handshake_rooms_destroy(federation.handshake_rooms);
	scene_end(&scene);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(knock__between_the_check_and_the_end_of_the_last__stays),
		cmocka_unit_test(invite__between_the_check_and_the_end_of_the_knock__stays),
		cmocka_unit_test(knock__answered_after_its_invite__invited),
		cmocka_unit_test(leave__answered_after_the_next_knock__knocks),
		cmocka_unit_test(invite__again_after_it_was_rejected__out),
		cmocka_unit_test(partial_join__between_the_check_and_the_end_of_the_invite__stays),
		cmocka_unit_test(join__answered_after_its_end__out),
		cmocka_unit_test(two_processes__the_other_was_first__judged_anew),
		cmocka_unit_test(two_processes__the_other_was_told_of_the_end_of_a_join__out),
		cmocka_unit_test(inbox__handshake_under_way__the_queue_sleeps_until_it_is_woken),
	};
	return cmocka_run_group_tests(tests, world_set_up, world_tear_down);
}
