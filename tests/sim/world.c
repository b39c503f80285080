/*
 * Servers and rooms of others for tests; see world.h.
 */
#include "tests/sim/world.h"

#include "base/mem.h"
#include "tests/sim/bare.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libpq-fe.h>

/* cmocka's macro would replace base/ctx.h's function. */
#include <cmocka.h>
#undef fail

/* --- servers without HTTP ------------------------------------------------------------------------------------ */

struct server servers[SERVERS];
static struct str first_url;
static int64_t rooms_made;

static void make_database(struct server *server, int number)
{
	char *first = mem_dup(first_url.p, first_url.n);
	PGconn *conn = PQconnectdb(first);
	char sql[64];
	(void)snprintf(sql, sizeof(sql), "CREATE DATABASE accept%d", number);
	PGresult *result = PQexec(conn, sql);
	assert_int_equal(PQresultStatus(result), PGRES_COMMAND_OK);
	PQclear(result);
	PQfinish(conn);
	mem_free(first);
	struct str head;
	struct str tail;
	assert_true(str_split(first_url, '?', &head, &tail));
	server->url = mem_alloc(first_url.n + 32);
	(void)snprintf(server->url, first_url.n + 32, "postgresql:///accept%d?%.*s", number,
		STR_ARG(tail));
	bare_migrate(str_of(server->url));
}

int world_set_up(void **state)
{
	(void)state;
	first_url = str_of(getenv("BELFRY_TEST_DATABASE_URL"));
	assert_true(first_url.n > 0);
	const struct settings settings = {.event_cache_bytes = (size_t)1 << 27, .set_aside_max = 1000};
	for (int i = 0; i < SERVERS; i++) {
		make_database(&servers[i], i);
		bare_start(&servers[i].hs, str_of(servers[i].url), &settings, NULL);
	}
	return 0;
}

int world_tear_down(void **state)
{
	(void)state;
	for (int i = 0; i < SERVERS; i++) {
		bare_stop(&servers[i].hs);
		mem_free(servers[i].url);
	}
	return 0;
}

int64_t ask_number(struct server *server, struct str room_id, const char *sql)
{
	return bare_ask(str_of(server->url), room_id, sql);
}

/* --- a room of another server ------------------------------------------------------------------------------------ */

struct room_node *add(struct world *world, struct room_node *prev, const char *sender,
	const char *type, const char *state_key, const char *content)
{
	const struct room_draft draft = {.sender = sender,
		.type = type,
		.state_key = state_key,
		.content = content};
	struct room_node *node = room_graph_add(&world->graph, &prev, prev != NULL ? 1 : 0, &draft);
	assert_non_null(node);
	return node;
}

void world_import_at(struct world *world, struct room_node *node, struct room_node *join)
{
	struct arena *arena = world->arena;
	world->join = join;
	size_t count = world->graph.nodes.n;
	const struct event **state = ARENA_NEW_ARRAY(arena, const struct event *, count);
	size_t n = 0;
	size_t at = 0;
	const struct event *event;
	while ((event = state_map_next(&node->state, &at)) != NULL) {
		state[n++] = event;
	}
	const struct event **all = ARENA_NEW_ARRAY(arena, const struct event *, count);
	size_t all_n = 0;
	for (size_t i = 0; i < count; i++) {
		const struct event *one = world->graph.nodes.p[i]->event;
		if (one->is_state && one != join->event) {
			all[all_n++] = one;
		}
	}
	world->import = (struct room_import){
		.version = world->builder.version,
		.room_id = {world->builder.room_id},
		.join = world->join->event,
		.state = state,
		.state_count = n,
		.auth = all,
		.auth_count = all_n,
	};
}

void world_init(struct world *world, struct arena *arena, const char *version)
{
	*world = (struct world){.arena = arena};
	made_room_builder_init(&world->builder, arena, version);
	struct room_builder *room = &world->builder;
	rooms_made++;
	room->ts += rooms_made * 1000000; /* other events than those of the last room */
	if (!room->version->room_id_is_create_hash) {
		room->room_id = str_printf(arena, "!room%lld:a.example", (long long)rooms_made);
	}
	/* Where senders choose the ids: not those of the last room. */
	for (int64_t i = 0;
		 i < rooms_made * 1000 && room->version->event_id_encoding == EVENT_ID_EXPLICIT; i++) {
		(void)map_set(&room->events, str_printf(arena, "$unused%lld:x", (long long)i), room);
	}
	room_graph_init(&world->graph, room);
	const char *create =
		arena_printf(arena, "{'room_version':'%s','creator':'" CREATOR "'}", version);
	struct room_node *node = add(world, NULL, CREATOR, "m.room.create", "", create);
	node = add(world, node, CREATOR, "m.room.member", CREATOR, "{'membership':'join'}");
	bool is_infinite = room->version->privileged_creators;
	node = add(world, node, CREATOR, "m.room.power_levels", "",
		is_infinite ? "{'users':{'" MODERATOR "':50,'" OURS "':50}}"
					: "{'users':{'" CREATOR "':100,'" MODERATOR "':50,'" OURS "':50}}");
	node = add(world, node, CREATOR, "m.room.join_rules", "", "{'join_rule':'public'}");
	node = add(world, node, MODERATOR, "m.room.member", MODERATOR, "{'membership':'join'}");
	node = add(world, node, MEMBER, "m.room.member", MEMBER, "{'membership':'join'}");
	world_import_at(world, node,
		add(world, node, OURS, "m.room.member", OURS, "{'membership':'join'}"));
}

void world_fini(struct world *world)
{
	made_room_builder_fini(&world->builder);
}

struct room *import(struct ctx *ctx, struct server *server, struct world *world)
{
	struct room *room = NULL;
	enum err err = rooms_import(ctx, &server->hs, &world->import, &room);
	if (err != ERR_OK) {
		print_error("%s: %.*s %.*s\n", err_name(err), STR_ARG(ctx->fault.text),
			STR_ARG(ctx->fault.cause));
	}
	assert_int_equal(err, ERR_OK);
	return room;
}

enum err try_accept(struct ctx *ctx, struct server *server, struct room *room,
	const struct event *event, struct room_outcome *out)
{
	const struct room_arrival arrival = {.event = event};
	return room_accept(ctx, &server->hs, room, &arrival, out);
}

struct room_outcome accept_event(struct ctx *ctx, struct server *server, struct room *room,
	const struct event *event)
{
	struct room_outcome outcome;
	enum err err = try_accept(ctx, server, room, event, &outcome);
	if (err != ERR_OK) {
		print_error("%s: %.*s %.*s\n", err_name(err), STR_ARG(ctx->fault.text),
			STR_ARG(ctx->fault.cause));
	}
	assert_int_equal(err, ERR_OK);
	return outcome;
}

struct state_map current_state(struct ctx *ctx, struct server *server, struct room *room)
{
	const struct state_query query = {0};
	struct state_item *items;
	size_t count;
	assert_int_equal(room_state_list(ctx, &server->hs, room, POSITION_NOW, &query, &items, &count),
		ERR_OK);
	struct state_map map;
	state_map_init(&map, ctx->arena);
	for (size_t i = 0; i < count; i++) {
		assert_null(state_map_put(&map, items[i].event->event));
	}
	return map;
}

static void print_difference(const struct state_map *a, const struct state_map *b, const char *what)
{
	size_t at = 0;
	const struct event *event;
	while ((event = state_map_next(a, &at)) != NULL) {
		const struct event *other = state_map_get(b, event->type, event->state_key);
		if (other == NULL || !str_equals(other->event_id.s, event->event_id.s)) {
			print_error("%s: %.*s %.*s: %.*s and %.*s\n", what, STR_ARG(event->type),
				STR_ARG(event->state_key), STR_ARG(event->event_id.s),
				STR_ARG(other != NULL ? other->event_id.s : STR("none")));
		}
	}
}

void assert_same_state(const struct state_map *got, const struct state_map *wanted)
{
	if (!room_states_equal(got, wanted)) {
		print_difference(got, wanted, "got");
		print_difference(wanted, got, "wanted");
	}
	assert_true(room_states_equal(got, wanted));
}
