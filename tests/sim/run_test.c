/*
 * Runs of events of another server that are taken in with as few commits as may be: what comes of them is what would have come of one
 * after the other.
 */
#include "tests/sim/world.h"

#include "base/lock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

/* cmocka's macro would replace base/ctx.h's function. */
#include <cmocka.h>
#undef fail

enum { MOST = 40, SENDERS = 2 };

/* A room at one server, and events on their way to it. */
struct scene {
	struct arena *arena;
	struct ctx ctx;
	struct world world;
	struct room *room;
	struct room_node *last;
	const struct event *events[MOST];
	size_t n;
	struct room_outcome outcomes[MOST];
};

static void scene_begin(struct scene *scene)
{
	*scene = (struct scene){.arena = arena_create()};
	ctx_init(&scene->ctx, scene->arena);
	world_init(&scene->world, scene->arena, "11");
	scene->room = import(&scene->ctx, &servers[0], &scene->world);
	scene->last = scene->world.join;
}

static void scene_end(struct scene *scene)
{
	world_fini(&scene->world);
	arena_destroy(scene->arena);
}

/* Behind the last one. */
static const struct event *say(struct scene *scene, const char *type, const char *state_key,
	const char *content)
{
	scene->last = add(&scene->world, scene->last, CREATOR, type, state_key, content);
	scene->events[scene->n++] = scene->last->event;
	return scene->last->event;
}

static const struct event *talk(struct scene *scene)
{
	return say(scene, "m.room.message", NULL,
		arena_printf(scene->arena, "{'msgtype':'m.text','body':'secret %zu'}", scene->n));
}

static enum err take(struct scene *scene, size_t *out_done)
{
	return room_accept_run(&scene->ctx, &servers[0].hs, scene->room, scene->events, scene->n,
		scene->outcomes, out_done);
}

static void take_all(struct scene *scene)
{
	size_t done;
	assert_int_equal(take(scene, &done), ERR_OK);
	assert_int_equal(done, scene->n);
}

static struct stored_event *find(struct scene *scene, const struct event *event)
{
	struct stored_event *stored;
	assert_int_equal(
		room_event(&scene->ctx, &servers[0].hs, scene->room, event->event_id.s, &stored), ERR_OK);
	return stored;
}

static int64_t number(struct scene *scene, const char *sql)
{
	return ask_number(&servers[0], scene->world.builder.room_id, sql);
}

#define IN_TIMELINE \
	"SELECT count(*) FROM events JOIN rooms USING (room_nid) WHERE room_id = $1 AND position > 0"

static void run__messages_and_state__in_order_and_one_extremity(void **state)
{
	(void)state;
	struct scene scene;
	scene_begin(&scene);
	for (int i = 0; i < 10; i++) {
		(void)talk(&scene);
		if (i % 4 == 3) {
			(void)say(&scene, "m.room.topic", "", arena_printf(scene.arena, "{'topic':'%d'}", i));
		}
	}
	take_all(&scene);
	int64_t before = 0;
	for (size_t i = 0; i < scene.n; i++) {
		assert_int_equal(scene.outcomes[i].fate, EVENT_IN_TIMELINE);
		int64_t position = find(&scene, scene.events[i])->position;
		assert_true(position > before);
		before = position;
	}
	struct state_map now = current_state(&scene.ctx, &servers[0], scene.room);
	assert_same_state(&now, &scene.last->state);
	assert_int_equal(number(&scene, IN_TIMELINE), 1 + (int64_t)scene.n);
	assert_int_equal(
		number(&scene, "SELECT json_array_length(extremities::json) FROM rooms WHERE room_id = $1"),
		1);
	/* Ordinary events are stored without a difference, as if each had come alone. */
	assert_int_equal(
		number(&scene,
			"SELECT count(*) FROM event_states JOIN rooms USING (room_nid) WHERE room_id = $1"),
		0);
	assert_int_equal(
		number(&scene,
			"SELECT count(*) FROM room_gaps JOIN rooms USING (room_nid) WHERE room_id = $1"),
		1);           /* before the join */
	take_all(&scene); /* again */
	for (size_t i = 0; i < scene.n; i++) {
		assert_true(scene.outcomes[i].was_known);
	}
	assert_int_equal(number(&scene, IN_TIMELINE), 1 + (int64_t)scene.n);
	scene_end(&scene);
}

static void run__redaction_of_an_event_on_its_way__applied(void **state)
{
	(void)state;
	struct scene scene;
	scene_begin(&scene);
	(void)talk(&scene);
	const struct event *target = talk(&scene);
	(void)talk(&scene);
	const struct room_draft draft = {
		.sender = CREATOR,
		.type = "m.room.redaction",
		.content = arena_printf(scene.arena, "{'redacts':'%.*s'}", STR_ARG(target->event_id.s)),
	};
	scene.last = room_graph_add(&scene.world.graph, &scene.last, 1, &draft);
	scene.events[scene.n++] = scene.last->event;
	(void)talk(&scene);
	take_all(&scene);
	assert_false(str_contains(find(&scene, target)->client_members, STR("secret")));
	assert_true(str_contains(find(&scene, scene.events[0])->client_members, STR("secret")));
	scene_end(&scene);
}

static void run__thread_begins_in_it__all_of_it_belongs_to_the_root(void **state)
{
	(void)state;
	struct scene scene;
	scene_begin(&scene);
	struct str root = talk(&scene)->event_id.s;
	struct str reply = say(&scene, "m.room.message", NULL,
		arena_printf(scene.arena,
			"{'body':'x','m.relates_to':{'rel_type':'m.thread','event_id':'%.*s'}}", STR_ARG(root)))
						   ->event_id.s;
	(void)say(&scene, "m.reaction", NULL,
		arena_printf(scene.arena,
			"{'m.relates_to':{'rel_type':'m.annotation','key':'+','event_id':'%.*s'}}",
			STR_ARG(reply)));
	take_all(&scene);
	for (size_t i = 1; i < scene.n; i++) {
		assert_true(str_equals(find(&scene, scene.events[i])->thread_root, root));
	}
	scene_end(&scene);
}

static void run__one_twice_and_one_not_allowed__others_unharmed(void **state)
{
	(void)state;
	struct scene scene;
	scene_begin(&scene);
	(void)talk(&scene);
	const struct event *twice = talk(&scene);
	scene.events[scene.n++] = twice;
	const struct room_draft draft = {.sender = "@nobody:b.example",
		.type = "m.room.message",
		.content = "{}"};
	(void)room_graph_try(&scene.world.graph, &scene.last, 1, &draft, &scene.events[scene.n++]);
	(void)talk(&scene);
	take_all(&scene);
	assert_true(scene.outcomes[2].was_known);
	assert_int_equal(scene.outcomes[3].fate, EVENT_REJECTED);
	assert_int_equal(scene.outcomes[4].fate, EVENT_IN_TIMELINE);
	assert_int_equal(number(&scene, IN_TIMELINE), 1 + 3);
	scene_end(&scene);
}

static void run__fork_from_one_on_its_way__taken_in(void **state)
{
	(void)state;
	struct scene scene;
	scene_begin(&scene);
	struct room_node *point;
	(void)talk(&scene);
	point = scene.last;
	(void)talk(&scene);
	(void)talk(&scene);
	struct room_node *head = scene.last;
	scene.last = point;
	(void)say(&scene, "m.room.topic", "", "{'topic':'beside'}");
	struct room_node *ends[] = {head, scene.last};
	const struct room_draft draft = {.sender = CREATOR, .type = "m.room.message", .content = "{}"};
	scene.last = room_graph_add(&scene.world.graph, ends, 2, &draft);
	scene.events[scene.n++] = scene.last->event;
	take_all(&scene);
	for (size_t i = 0; i < scene.n; i++) {
		assert_int_equal(scene.outcomes[i].fate, EVENT_IN_TIMELINE);
	}
	struct state_map now = current_state(&scene.ctx, &servers[0], scene.room);
	assert_same_state(&now, &scene.last->state);
	scene_end(&scene);
}

static void run__one_is_missing__told_and_what_came_before_is_kept(void **state)
{
	(void)state;
	struct scene scene;
	scene_begin(&scene);
	(void)talk(&scene);
	(void)talk(&scene);
	const struct event *lost = talk(&scene);
	scene.n--;
	(void)talk(&scene);
	(void)talk(&scene);
	size_t done;
	assert_int_equal(take(&scene, &done), ERR_MISSING);
	assert_int_equal(done, 2);
	assert_int_equal(scene.outcomes[2].missing_prev_count, 1);
	assert_true(str_equals(scene.outcomes[2].missing_prev[0].s, lost->event_id.s));
	assert_int_equal(number(&scene, IN_TIMELINE), 1 + 2);
	scene_end(&scene);
}

/* --- at the same time ------------------------------------------------------------------------------------------------ */

static void *take_again(void *data)
{
	const struct scene *scene = data;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct ctx ctx;
	ctx_init(&ctx, arena);
	struct room *room;
	struct room_outcome outcomes[MOST];
	size_t done;
	assert_int_equal(rooms_get(&ctx, &servers[0].hs, scene->world.builder.room_id, &room), ERR_OK);
	assert_int_equal(
		room_accept_run(&ctx, &servers[0].hs, room, scene->events, scene->n, outcomes, &done),
		ERR_OK);
	assert_int_equal(done, scene->n);
	for (size_t i = 0; i < done; i++) {
		assert_int_equal(outcomes[i].fate, EVENT_IN_TIMELINE);
	}
	return NULL;
}

static void *send_ours(void *data)
{
	const struct scene *scene = data;
	for (int i = 0; i < MOST; i++) {
		struct arena *arena CLEANUP(arena_cleanup) = arena_create();
		struct ctx ctx;
		ctx_init(&ctx, arena);
		struct room *room;
		struct json content = json_object(arena, 1);
		const struct room_intent intent = {.sender = {STR(OURS)},
			.type = STR("m.room.message"),
			.content = &content};
		assert_int_equal(rooms_get(&ctx, &servers[0].hs, scene->world.builder.room_id, &room),
			ERR_OK);
		assert_int_equal(room_add(&ctx, &servers[0].hs, room, &intent, 1, NULL), ERR_OK);
	}
	return NULL;
}

/* What the database did not have a moment ago has come by the other thread: the commit fails, and is done again. */
static void run__the_same_twice_at_once__each_event_once(void **state)
{
	(void)state;
	for (int round = 0; round < 5; round++) {
		struct scene scene;
		scene_begin(&scene);
		while (scene.n < MOST) {
			(void)talk(&scene);
			if (scene.n % 10 == 5) {
				(void)say(&scene, "m.room.topic", "",
					arena_printf(scene.arena, "{'topic':'%zu'}", scene.n));
			}
		}
		pthread_t threads[SENDERS];
		for (size_t i = 0; i < COUNT_OF(threads); i++) {
			threads[i] = thread_start("taker", take_again, &scene);
		}
		for (size_t i = 0; i < COUNT_OF(threads); i++) {
			assert_int_equal(pthread_join(threads[i], NULL), 0);
		}
		assert_int_equal(number(&scene, IN_TIMELINE), 1 + (int64_t)scene.n);
		assert_int_equal(number(&scene, "SELECT event_seq FROM rooms WHERE room_id = $1"),
			1 + (int64_t)scene.n);
		struct state_map now = current_state(&scene.ctx, &servers[0], scene.room);
		assert_same_state(&now, &scene.last->state);
		scene_end(&scene);
	}
}

static void run__while_ours_are_sent__all_kept(void **state)
{
	(void)state;
	struct scene scene;
	scene_begin(&scene);
	while (scene.n < MOST) {
		(void)talk(&scene);
		if (scene.n % 10 == 5) {
			(void)say(&scene, "m.room.topic", "",
				arena_printf(scene.arena, "{'topic':'%zu'}", scene.n));
		}
	}
	pthread_t sender = thread_start("sender", send_ours, &scene);
	take_all(&scene);
	assert_int_equal(pthread_join(sender, NULL), 0);
	assert_int_equal(number(&scene, IN_TIMELINE), 1 + (int64_t)scene.n + MOST);
	assert_int_equal(number(&scene, "SELECT event_seq FROM rooms WHERE room_id = $1"),
		1 + (int64_t)scene.n + MOST);
	struct state_map now = current_state(&scene.ctx, &servers[0], scene.room);
	assert_same_state(&now, &scene.last->state);
	rooms_forget(servers[0].hs.rooms);
	assert_int_equal(
		rooms_get(&scene.ctx, &servers[0].hs, scene.world.builder.room_id, &scene.room), ERR_OK);
	now = current_state(&scene.ctx, &servers[0], scene.room);
	assert_same_state(&now, &scene.last->state);
	scene_end(&scene);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(run__messages_and_state__in_order_and_one_extremity),
		cmocka_unit_test(run__redaction_of_an_event_on_its_way__applied),
		cmocka_unit_test(run__thread_begins_in_it__all_of_it_belongs_to_the_root),
		cmocka_unit_test(run__one_twice_and_one_not_allowed__others_unharmed),
		cmocka_unit_test(run__fork_from_one_on_its_way__taken_in),
		cmocka_unit_test(run__one_is_missing__told_and_what_came_before_is_kept),
		cmocka_unit_test(run__the_same_twice_at_once__each_event_once),
		cmocka_unit_test(run__while_ours_are_sent__all_kept),
	};
	return cmocka_run_group_tests(tests, world_set_up, world_tear_down);
}
