/*
 * The ceiling of what a room sets aside, on a real PostgreSQL: what is given up may come again, what others rest on stays.
 */
#include "storage/graph.h"
#include "tests/sim/world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

/* cmocka's macro would replace base/ctx.h's function. */
#include <cmocka.h>
#undef fail

enum {
	CEILING = 20,
	STATE_MAX = 12,
	LOOKS = CEILING / 10 + 1,
	MOST = CEILING + STATE_MAX + LOOKS,
	MANY = 100
};

/* A room from which the moderator was banned: whatever they still send from before that is soft-failed. */
struct scene {
	struct arena *arena;
	struct ctx ctx;
	struct server *server;
	struct world world;
	struct room *room;
	struct room_node *ban;
};

static enum event_fate take_event(struct scene *scene, const struct event *event)
{
	enum event_fate fate = accept_event(&scene->ctx, scene->server, scene->room, event).fate;
	assert_int_equal(room_aside_limit(&scene->ctx, &scene->server->hs, scene->room), ERR_OK);
	return fate;
}

static enum event_fate take(struct scene *scene, const struct room_node *node)
{
	return take_event(scene, node->event);
}

static void scene_begin(struct scene *scene)
{
	*scene = (struct scene){.arena = arena_create(), .server = &servers[0]};
	ctx_init(&scene->ctx, scene->arena);
	world_init(&scene->world, scene->arena, "10");
	scene->server->hs.settings.set_aside_max = CEILING;
	scene->room = import(&scene->ctx, scene->server, &scene->world);
	scene->ban = add(&scene->world, scene->world.join, CREATOR, "m.room.member", MODERATOR,
		"{'membership':'ban'}");
	assert_int_equal(take(scene, scene->ban), EVENT_IN_TIMELINE);
}

static void scene_end(struct scene *scene)
{
	scene->server->hs.settings.set_aside_max = 1000;
	world_fini(&scene->world);
	arena_destroy(scene->arena);
}

static struct room_node *message(struct scene *scene, struct room_node *prev, const char *sender)
{
	static int serial;
	return add(&scene->world, prev, sender, "m.room.message", NULL,
		arena_printf(scene->arena, "{'body':'%d'}", serial++));
}

static enum event_fate fate_of(struct scene *scene, const struct room_node *node)
{
	struct known_event known;
	assert_int_equal(room_known_events(&scene->ctx, &scene->server->hs, scene->room,
						 &node->event->event_id, 1, &known),
		ERR_OK);
	return known.fate;
}

static int64_t kept(struct scene *scene)
{
	return ask_number(scene->server, scene->world.builder.room_id,
		"SELECT count(*) FROM events JOIN rooms USING (room_nid) WHERE room_id = $1 AND fate IN (2, 3)");
}

static int64_t kept_states(struct scene *scene)
{
	return ask_number(scene->server, scene->world.builder.room_id,
		"SELECT count(*) FROM event_states JOIN rooms USING (room_nid) WHERE room_id = $1 AND position < 0");
}

/* The banned moderator says much. @param is_chain  one after the other, until all of it was given up. @return the first one */
static struct room_node *flood(struct scene *scene, bool is_chain)
{
	struct room_node *first = NULL;
	struct room_node *prev = scene->world.join;
	for (int i = 0; i < MANY; i++) {
		struct room_node *node = message(scene, prev, MODERATOR);
		assert_int_equal(take(scene, node), EVENT_SOFT_FAILED);
		assert_in_range(kept(scene), 1, MOST + 2);
		first = first != NULL ? first : node;
		prev = is_chain && fate_of(scene, node) != EVENT_UNKNOWN ? node : scene->world.join;
	}
	return first;
}

static void set_aside__messages_without_end__ceiling_and_may_come_again(void **state)
{
	(void)state;
	struct scene scene;
	scene_begin(&scene);
	struct room_node *first = flood(&scene, false);
	assert_int_equal(kept(&scene), kept_states(&scene));
	assert_int_equal(fate_of(&scene, first), EVENT_UNKNOWN);
	struct room_node *on_first = message(&scene, first, CREATOR);
	struct room_outcome outcome;
	assert_int_equal(try_accept(&scene.ctx, scene.server, scene.room, on_first->event, &outcome),
		ERR_MISSING);
	assert_int_equal(outcome.missing_prev_count, 1);
	assert_int_equal(take(&scene, first), EVENT_SOFT_FAILED);
	assert_int_equal(take(&scene, on_first), EVENT_IN_TIMELINE);
	struct state_map now = current_state(&scene.ctx, scene.server, scene.room);
	assert_same_state(&now, &scene.ban->state);
	scene_end(&scene);
}

static void set_aside__rejected_without_end__ceiling(void **state)
{
	(void)state;
	struct scene scene;
	scene_begin(&scene);
	for (int i = 0; i < MANY; i++) {
		const struct event *event;
		struct room_draft draft = {.sender = MEMBER,
			.type = "m.room.topic",
			.state_key = "",
			.content = arena_printf(scene.arena, "{'topic':'%d'}", i)};
		(void)room_graph_try(&scene.world.graph, &scene.ban, 1, &draft, &event);
		assert_int_equal(take_event(&scene, event), EVENT_REJECTED);
	}
	assert_in_range(kept(&scene), 1, MOST);
	scene_end(&scene);
}

/* Each stands on those before it, so that their states name one another. */
static void set_aside__chain_of_state__goes_and_the_room_goes_on(void **state)
{
	(void)state;
	struct scene scene;
	scene_begin(&scene);
	struct room_node *node = scene.world.join;
	for (int i = 0; i < MANY; i++) {
		node = add(&scene.world, node, MODERATOR, "m.room.topic", "",
			arena_printf(scene.arena, "{'topic':'%d'}", i));
		if (i % 10 == 9) {
			/* What it stood on is gone: it would be fetched. Here the moderator begins anew. */
			node = add(&scene.world, scene.world.join, MODERATOR, "m.room.topic", "",
				arena_printf(scene.arena, "{'topic':'anew %d'}", i));
		}
		struct room_outcome outcome;
		enum err err = try_accept(&scene.ctx, scene.server, scene.room, node->event, &outcome);
		assert_int_equal(room_aside_limit(&scene.ctx, &scene.server->hs, scene.room), ERR_OK);
		assert_true(err == ERR_MISSING || (err == ERR_OK && outcome.fate == EVENT_SOFT_FAILED));
		assert_in_range(kept(&scene), 0, MOST);
	}
	assert_int_equal(take(&scene, message(&scene, scene.ban, CREATOR)), EVENT_IN_TIMELINE);
	struct state_map now = current_state(&scene.ctx, scene.server, scene.room);
	assert_same_state(&now, &scene.ban->state);
	scene_end(&scene);
}

static void set_aside__others_rest_on_it__stays(void **state)
{
	(void)state;
	struct scene scene;
	scene_begin(&scene);
	struct room_node *topic = add(&scene.world, scene.world.join, MODERATOR, "m.room.topic", "",
		"{'topic':'before the ban'}");
	struct room_node *under = message(&scene, topic, MODERATOR);
	struct room_node *name = add(&scene.world, under, MODERATOR, "m.room.name", "", "{'name':'n'}");
	assert_int_equal(take(&scene, topic), EVENT_SOFT_FAILED);
	assert_int_equal(take(&scene, under), EVENT_SOFT_FAILED);
	assert_int_equal(take(&scene, name), EVENT_SOFT_FAILED);
	/* The state after this one has both. */
	struct room_node *fork = message(&scene, name, CREATOR);
	assert_int_equal(take(&scene, fork), EVENT_IN_TIMELINE);
	(void)flood(&scene, true);
	assert_int_equal(fate_of(&scene, topic), EVENT_SOFT_FAILED);
	assert_int_equal(fate_of(&scene, name), EVENT_SOFT_FAILED);
	assert_int_equal(fate_of(&scene, under), EVENT_UNKNOWN);
	struct state_map after;
	assert_int_equal(room_state_around(&scene.ctx, &scene.server->hs, scene.room,
						 fork->event->event_id, true, &after),
		ERR_OK);
	assert_same_state(&after, &fork->state);
	struct room_node *on_fork = message(&scene, fork, CREATOR);
	assert_int_equal(take(&scene, on_fork), EVENT_IN_TIMELINE);
	assert_int_equal(room_state_around(&scene.ctx, &scene.server->hs, scene.room,
						 on_fork->event->event_id, true, &after),
		ERR_OK);
	assert_same_state(&after, &fork->state);
	scene_end(&scene);
}

/* Outliers that nothing came of have the same ceiling; what rests on them in the timeline holds them. */
static void outliers__without_end__ceiling_but_what_others_rest_on(void **state)
{
	(void)state;
	struct scene scene;
	scene_begin(&scene);
	struct room_node *join = scene.ban;
	struct room_node *named = add(&scene.world, scene.ban, MEMBER, "m.room.member", MEMBER,
		"{'membership':'join','displayname':'named'}");
	struct room_outcome outcome;
	assert_int_equal(
		room_accept_outliers(&scene.ctx, &scene.server->hs, scene.room, &named->event, 1, &outcome),
		ERR_OK);
	/* It stands beside the event that it names. */
	const struct event *auth[] = {
		state_map_get(&named->state, STR("m.room.create"), STR("")),
		state_map_get(&named->state, STR("m.room.power_levels"), STR("")),
		named->event,
	};
	scene.world.builder.last = scene.ban->event;
	const struct event *message_event = made_room_make(&scene.world.builder,
		&(struct room_draft){.sender = MEMBER,
			.type = "m.room.message",
			.content = "{'body':'named'}",
			.auth = auth,
			.auth_count = COUNT_OF(auth),
			.has_auth = true});
	assert_int_equal(take_event(&scene, message_event), EVENT_IN_TIMELINE);
	struct room_node *first = NULL;
	for (int i = 0; i < MANY; i++) {
		struct room_node *node = add(&scene.world, join, MEMBER, "m.room.member", MEMBER,
			arena_printf(scene.arena, "{'membership':'join','displayname':'%d'}", i));
		assert_int_equal(room_accept_outliers(&scene.ctx, &scene.server->hs, scene.room,
							 &node->event, 1, &outcome),
			ERR_OK);
		first = first != NULL ? first : node;
	}
	(void)flood(&scene, false);
	assert_int_equal(fate_of(&scene, named), EVENT_OUTLIER);
	assert_int_equal(fate_of(&scene, first), EVENT_UNKNOWN);
	assert_in_range(
		ask_number(scene.server, scene.world.builder.room_id,
			"SELECT count(*) FROM events JOIN rooms USING (room_nid) WHERE room_id = $1 "
			"AND fate > 0 AND position < ground_position"),
		1, MOST + 1);
	scene_end(&scene);
}

static void set_aside__another_process_joined_since__ceiling(void **state)
{
	(void)state;
	struct scene scene;
	scene_begin(&scene);
	int64_t ground = ask_number(scene.server, scene.world.builder.room_id,
		"UPDATE rooms SET ground_position = -1152921504606846976 - 1000 * nextval('outlier_blocks') WHERE room_id = $1 "
		"RETURNING ground_position");
	assert_true(ground < ROOM_OUTLIERS);
	rooms_forget(scene.server->hs.rooms);
	(void)flood(&scene, false);
	scene_end(&scene);
}

static void set_aside__was_an_outlier__ceiling_too(void **state)
{
	(void)state;
	struct scene scene;
	scene_begin(&scene);
	struct room_node *topic = add(&scene.world, scene.world.join, MODERATOR, "m.room.topic", "",
		"{'topic':'known before'}");
	struct room_outcome outcome;
	assert_int_equal(
		room_accept_outliers(&scene.ctx, &scene.server->hs, scene.room, &topic->event, 1, &outcome),
		ERR_OK);
	assert_int_equal(take(&scene, topic), EVENT_SOFT_FAILED);
	(void)flood(&scene, false);
	assert_int_equal(fate_of(&scene, topic), EVENT_UNKNOWN);
	scene_end(&scene);
}

/* A server walked to them a moment before: its answer goes on without what nobody can tell any more. */
static void set_aside__given_up_meanwhile__open_to_nobody_and_no_error(void **state)
{
	(void)state;
	struct scene scene;
	scene_begin(&scene);
	struct room_node *first = flood(&scene, false);
	struct room_node *last = message(&scene, scene.world.join, MODERATOR);
	assert_int_equal(take(&scene, last), EVENT_SOFT_FAILED);
	assert_int_equal(fate_of(&scene, first), EVENT_UNKNOWN);
	const struct event_id ids[] = {first->event->event_id, last->event->event_id,
		scene.ban->event->event_id, first->event->event_id};
	bool is_open[COUNT_OF(ids)] = {true, false, false, true};
	assert_int_equal(
		room_were_open_at(&scene.ctx, &scene.server->hs, scene.room, ids, COUNT_OF(ids), is_open),
		ERR_OK);
	assert_true(!is_open[0] && is_open[1] && is_open[2] && !is_open[3]);
	scene_end(&scene);
}

/* A clock that tells the time so often; the next time the event is given up before. */
struct late_moment {
	struct scene *scene;
	int64_t position;
	int left; /* -1: none of it */
	int asked;
};

static int64_t tell_time(void *self)
{
	struct late_moment *moment = self;
	struct scene *scene = moment->scene;
	if (moment->asked++ == moment->left) {
		assert_int_equal(store_events_aside_forget(&scene->ctx, scene->server->hs.db,
							 room_nid(scene->room), &moment->position, 1),
			ERR_OK);
	}
	return clock_os_ms();
}

/* The turn is taken with a look at the clock: what was found before that is gone by then. */
static void set_aside__given_up_before_the_turn__open_to_nobody(void **state)
{
	(void)state;
	struct scene scene;
	scene_begin(&scene);
	struct homeserver *hs = &scene.server->hs;
	const struct clock clock = hs->clock;
	struct room_node *last = message(&scene, scene.world.join, MODERATOR);
	const struct event_id id = last->event->event_id;
	assert_int_equal(take(&scene, last), EVENT_SOFT_FAILED);
	struct known_event known;
	struct late_moment moment = {.scene = &scene, .left = -1};
	bool is_open = false;
	hs->clock.mono_ms = tell_time;
	hs->clock.self = &moment;
	assert_int_equal(room_known_events(&scene.ctx, hs, scene.room, &id, 1, &known), ERR_OK);
	moment =
		(struct late_moment){.scene = &scene, .position = known.position, .left = moment.asked};
	assert_int_equal(room_were_open_at(&scene.ctx, hs, scene.room, &id, 1, &is_open), ERR_OK);
	hs->clock = clock;
	assert_true(moment.asked > moment.left);
	assert_int_equal(kept(&scene), 0);
	assert_false(is_open);
	scene_end(&scene);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(set_aside__messages_without_end__ceiling_and_may_come_again),
		cmocka_unit_test(set_aside__rejected_without_end__ceiling),
		cmocka_unit_test(set_aside__chain_of_state__goes_and_the_room_goes_on),
		cmocka_unit_test(set_aside__others_rest_on_it__stays),
		cmocka_unit_test(set_aside__another_process_joined_since__ceiling),
		cmocka_unit_test(set_aside__was_an_outlier__ceiling_too),
		cmocka_unit_test(set_aside__given_up_meanwhile__open_to_nobody_and_no_error),
		cmocka_unit_test(set_aside__given_up_before_the_turn__open_to_nobody),
		cmocka_unit_test(outliers__without_end__ceiling_but_what_others_rest_on),
	};
	return cmocka_run_group_tests(tests, world_set_up, world_tear_down);
}
