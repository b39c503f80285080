/*
 * What becomes of single events of other servers, on a real PostgreSQL: judged, set aside, redacted, met again, missing, fetched later;
 * and of rooms that this server comes into, leaves, and comes back to.
 */
#include "tests/sim/world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

/* cmocka's macro would replace base/ctx.h's function. */
#include <cmocka.h>
#undef fail

/* One test's room, at one server. */
struct scene {
	struct arena *arena;
	struct ctx ctx;
	struct server *server;
	struct world world;
	struct room *room;
};

static void scene_open(struct scene *scene, const char *version)
{
	*scene = (struct scene){.arena = arena_create(), .server = &servers[0]};
	ctx_init(&scene->ctx, scene->arena);
	world_init(&scene->world, scene->arena, version);
}

static void scene_begin(struct scene *scene, const char *version)
{
	scene_open(scene, version);
	scene->room = import(&scene->ctx, scene->server, &scene->world);
}

static void scene_end(struct scene *scene)
{
	world_fini(&scene->world);
	arena_destroy(scene->arena);
}

static struct homeserver *hs_at(struct scene *scene)
{
	return &scene->server->hs;
}

static struct room_outcome take(struct scene *scene, const struct event *event)
{
	return accept_event(&scene->ctx, scene->server, scene->room, event);
}

static struct room_node *message(struct scene *scene, struct room_node *prev, const char *sender)
{
	static int serial;
	return add(&scene->world, prev, sender, "m.room.message", NULL,
		arena_printf(scene->arena, "{'msgtype':'m.text','body':'secret %d'}", serial++));
}

/* An event that the rules need not allow, behind a node. */
static const struct event *forged(struct scene *scene, struct room_node *prev,
	struct room_draft draft)
{
	const struct event *event;
	(void)room_graph_try(&scene->world.graph, &prev, 1, &draft, &event);
	return event;
}

static struct timeline timeline_of(struct scene *scene)
{
	struct timeline timeline;
	assert_int_equal(room_timeline(&scene->ctx, hs_at(scene), scene->room, ROOM_OUTLIERS,
						 POSITION_NOW, true, 200, &timeline),
		ERR_OK);
	return timeline;
}

static bool is_shown(struct scene *scene, const struct event *event)
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

static enum event_fate fate_of(struct scene *scene, const struct event *event)
{
	struct known_event known;
	assert_int_equal(
		room_known_events(&scene->ctx, hs_at(scene), scene->room, &event->event_id, 1, &known),
		ERR_OK);
	return known.fate;
}

static int64_t extremities(struct scene *scene)
{
	return ask_number(scene->server, scene->world.builder.room_id,
		"SELECT json_array_length(extremities::json) FROM rooms WHERE room_id = $1");
}

static enum err send_ours(struct scene *scene, struct stored_event **out)
{
	struct json content = json_object(scene->arena, 1);
	const struct room_intent intent = {.sender = {STR(OURS)},
		.type = STR("m.room.message"),
		.content = &content};
	return room_add(&scene->ctx, hs_at(scene), scene->room, &intent, 1, out);
}

static enum err join_ours(struct scene *scene, struct str user)
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
	assert_true(str_equals(json_at(&made, "prev_events")->items[0].text,
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
		cmocka_unit_test(accept__unknown_prev__missing_then_gap),
		cmocka_unit_test(sec_5_7__given_state_with_less__undoes_nothing),
		cmocka_unit_test(history__fetched_later__before_what_is_known),
		cmocka_unit_test(history__judged_by_another_process_meanwhile__not_shown),
		cmocka_unit_test(template__of_a_join__unsigned),
	};
	return cmocka_run_group_tests(tests, world_set_up, world_tear_down);
}
