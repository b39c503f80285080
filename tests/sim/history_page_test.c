/*
 * A page of history, as another server gives it in answer to /backfill, on a real PostgreSQL: it costs as many round trips however many events it
 * has, and what it stored is not read back, unless another process was first.
 */
#include "base/metrics.h"
#include "homeserver/room/room_known.h"
#include "tests/sim/arrival.h"
#include "tests/sim/bare.h"

#include <stdlib.h>

enum { FEW = 4, MANY = 60 };

/* --- the page ------------------------------------------------------------------------------------------------------- */

/* What is before our join in a room: each of so many messages stands on the one before it, and on one that nobody gives; half of them redact. */
struct page {
	const struct event *events[MANY];
	size_t n;
	struct room_gap gap;
};

static void make_page(struct scene *scene, size_t count, struct page *out)
{
	struct world *world = &scene->world;
	struct room_node *node = world->graph.nodes.p[world->graph.nodes.n - 2];
	struct room_node *root = node;
	*out = (struct page){.n = count};
	for (size_t i = 0; i < count; i++) {
		struct room_node *prevs[] = {node, message(scene, root, MEMBER)};
		struct room_draft draft = {.sender = CREATOR, .type = "m.room.message", .content = "{}"};
		if (i % 2 == 1) {
			draft.type = "m.room.redaction";
			draft.content = arena_printf(scene->arena, "{'redacts':'%.*s'}",
				STR_ARG(i % 4 == 1 ? prevs[1]->event->event_id.s : node->event->event_id.s));
		}
		node = room_graph_add(&world->graph, prevs, COUNT_OF(prevs), &draft);
		assert_non_null(node);
		out->events[count - 1 - i] = node->event;
	}
	world_import_at(world, node,
		add(world, node, OURS, "m.room.member", OURS, "{'membership':'join'}"));
	scene->room = import(&scene->ctx, scene->server, world);
	assert_int_equal(room_gap_find(&scene->ctx, hs_at(scene), scene->room, ROOM_OUTLIERS,
						 POSITION_NOW, &out->gap),
		ERR_OK);
}

/* --- what it costs ---------------------------------------------------------------------------------------------------- */

static int64_t round_trips(void)
{
	static const struct str name = STR_INIT("\nbelfry_db_queries_total ");
	struct buf text CLEANUP(buf_fini);
	buf_init(&text, (size_t)1 << 20);
	metrics_write(&text);
	buf_add_byte(&text, '\0');
	assert_true(buf_ok(&text));
	const char *found = strstr(text.p, name.p);
	return found != NULL ? strtoll(found + name.n, NULL, 10) : 0;
}

static int64_t cost_of(size_t count)
{
	struct scene scene;
	struct page page;
	size_t added;
	scene_open(&scene, "11");
	make_page(&scene, count, &page);
	int64_t before = round_trips();
	assert_int_equal(room_accept_history(&scene.ctx, hs_at(&scene), scene.room, page.gap.below,
						 page.events, page.n, &added),
		ERR_OK);
	int64_t cost = round_trips() - before;
	assert_int_equal(added, count);
	assert_int_equal(timeline_of(&scene).n, count + 1);
	scene_end(&scene);
	return cost;
}

static void history__page_of_any_length__same_number_of_round_trips(void **state)
{
	(void)state;
	int64_t few = cost_of(FEW);
	assert_true(few > 0);
	assert_int_equal(cost_of(MANY), few);
}

/* --- what is known of it ---------------------------------------------------------------------------------------------- */

static void know(struct scene *scene, const struct page *page, struct known_event *out)
{
	struct room_outcome outcome;
	assert_int_equal(room_know_outliers(&scene->ctx, hs_at(scene), scene->room, page->events,
						 page->n, &outcome, out),
		ERR_OK);
}

static void outliers__first_here__known_as_they_were_given(void **state)
{
	(void)state;
	struct scene scene;
	struct page page;
	struct known_event told[MANY];
	scene_open(&scene, "11");
	make_page(&scene, FEW, &page);
	int64_t before = round_trips();
	know(&scene, &page, told);
	int64_t cost = round_trips() - before;
	assert_in_range(cost, 2, 3); /* a look, the rows; perhaps numbers for them */
	for (size_t i = 0; i < page.n; i++) {
		struct known_event stored;
		assert_ptr_equal(told[i].event, page.events[i]);
		assert_int_equal(room_known_events(&scene.ctx, hs_at(&scene), scene.room,
							 &page.events[i]->event_id, 1, &stored),
			ERR_OK);
		assert_int_equal(told[i].fate, EVENT_OUTLIER);
		assert_int_equal(stored.fate, EVENT_OUTLIER);
		assert_int_equal(told[i].position, stored.position);
	}
	scene_end(&scene);
}

/* Another process stores each event in the moment before this one does, further down, and redactions as rejected. */
static void outliers__another_process_first__known_as_it_stored_them(void **state)
{
	(void)state;
	struct scene scene;
	struct page page;
	struct known_event told[MANY];
	scene_open(&scene, "11");
	make_page(&scene, FEW, &page);
	const struct str url = str_of(scene.server->url);
	bare_do(url,
		"CREATE FUNCTION meet() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
		"new.position = new.position - 1000000; "
		"new.fate = CASE new.type WHEN 'm.room.redaction' THEN 3 ELSE 1 END; "
		"INSERT INTO events SELECT new.*; RETURN NULL; END $$; "
		"CREATE TRIGGER meet BEFORE INSERT ON events FOR EACH ROW WHEN (pg_trigger_depth() = 0) "
		"EXECUTE FUNCTION meet()");
	know(&scene, &page, told);
	bare_do(url, "DROP TRIGGER meet ON events; DROP FUNCTION meet()");
	for (size_t i = 0; i < page.n; i++) {
		struct known_event stored;
		bool is_redaction = str_equals(page.events[i]->type, STR("m.room.redaction"));
		assert_int_equal(room_known_events(&scene.ctx, hs_at(&scene), scene.room,
							 &page.events[i]->event_id, 1, &stored),
			ERR_OK);
		assert_int_equal(told[i].fate, is_redaction ? EVENT_REJECTED : EVENT_OUTLIER);
		assert_int_equal(told[i].position, stored.position);
	}
	scene_end(&scene);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(history__page_of_any_length__same_number_of_round_trips),
		cmocka_unit_test(outliers__first_here__known_as_they_were_given),
		cmocka_unit_test(outliers__another_process_first__known_as_it_stored_them),
	};
	return cmocka_run_group_tests(tests, world_set_up, world_tear_down);
}
