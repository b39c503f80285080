/**
 * What the tests of other servers' events share: one room of theirs at one of our servers. All static: each test file is a program of its own.
 */
#ifndef BELFRY_TESTS_SIM_ARRIVAL_H
#define BELFRY_TESTS_SIM_ARRIVAL_H

#include "tests/sim/world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

/* cmocka's macro would replace base/ctx.h's function. */
#include <cmocka.h>
#undef fail

/** One test's room, at one server. */
struct scene {
	struct arena *arena;
	struct ctx ctx;
	struct server *server;
	struct world world;
	struct room *room;
};

/** Without the room. */
MAYBE_UNUSED static void scene_open(struct scene *scene, const char *version)
{
	*scene = (struct scene){.arena = arena_create(), .server = &servers[0]};
	ctx_init(&scene->ctx, scene->arena);
	world_init(&scene->world, scene->arena, version);
}

/** With the room, in which our user is. */
MAYBE_UNUSED static void scene_begin(struct scene *scene, const char *version)
{
	scene_open(scene, version);
	scene->room = import(&scene->ctx, scene->server, &scene->world);
}

MAYBE_UNUSED static void scene_end(struct scene *scene)
{
	world_fini(&scene->world);
	arena_destroy(scene->arena);
}

MAYBE_UNUSED static struct homeserver *hs_at(struct scene *scene)
{
	return &scene->server->hs;
}

/** Judges an event. */
MAYBE_UNUSED static struct room_outcome take(struct scene *scene, const struct event *event)
{
	return accept_event(&scene->ctx, scene->server, scene->room, event);
}

/** That the rules allow, behind a node. */
MAYBE_UNUSED static struct room_node *message(struct scene *scene, struct room_node *prev,
	const char *sender)
{
	static int serial;
	return add(&scene->world, prev, sender, "m.room.message", NULL,
		arena_printf(scene->arena, "{'msgtype':'m.text','body':'secret %d'}", serial++));
}

/** An event that the rules need not allow, behind a node. */
MAYBE_UNUSED static const struct event *forged(struct scene *scene, struct room_node *prev,
	struct room_draft draft)
{
	const struct event *event;
	(void)room_graph_try(&scene->world.graph, &prev, 1, &draft, &event);
	return event;
}

MAYBE_UNUSED static struct timeline timeline_of(struct scene *scene)
{
	struct timeline timeline;
	assert_int_equal(room_timeline(&scene->ctx, hs_at(scene), scene->room, ROOM_OUTLIERS,
						 POSITION_NOW, true, 200, &timeline),
		ERR_OK);
	return timeline;
}

/** Whether clients see it, by itself and in the timeline. */
MAYBE_UNUSED static bool is_shown(struct scene *scene, const struct event *event)
{
	struct stored_event *found;
	enum err err = room_event(&scene->ctx, hs_at(scene), scene->room, event->event_id.s, &found);
	assert_true(err == ERR_OK || err == ERR_MISSING);
	struct timeline timeline = timeline_of(scene);
	bool is_listed = false;
	for (size_t i = 0; i < timeline.n; i++) {
		is_listed =
			is_listed || str_equals(timeline.events[i]->event->event_id.s, event->event_id.s);
	}
	assert_int_equal(is_listed, err == ERR_OK);
	return is_listed;
}

MAYBE_UNUSED static enum event_fate fate_of(struct scene *scene, const struct event *event)
{
	struct known_event known;
	assert_int_equal(
		room_known_events(&scene->ctx, hs_at(scene), scene->room, &event->event_id, 1, &known),
		ERR_OK);
	return known.fate;
}

/** How many the room has. */
MAYBE_UNUSED static int64_t extremities(struct scene *scene)
{
	return ask_number(scene->server, scene->world.builder.room_id,
		"SELECT json_array_length(extremities::json) FROM rooms WHERE room_id = $1");
}

/** Our user says something. */
MAYBE_UNUSED static enum err send_ours(struct scene *scene, struct stored_event **out)
{
	struct json content = json_object(scene->arena, 1);
	const struct room_intent intent = {.sender = {STR(OURS)},
		.type = STR("m.room.message"),
		.content = &content};
	return room_add(&scene->ctx, hs_at(scene), scene->room, &intent, 1, out);
}

/** A user of ours joins. */
MAYBE_UNUSED static enum err join_ours(struct scene *scene, struct str user)
{
	struct json content = json_object(scene->arena, 1);
	content = json_with(scene->arena, &content, STR("membership"), json_string(STR("join")));
	const struct room_intent intent = {.sender = {user},
		.type = STR("m.room.member"),
		.is_state = true,
		.state_key = user,
		.content = &content};
	return room_add(&scene->ctx, hs_at(scene), scene->room, &intent, 1, NULL);
}

#endif
