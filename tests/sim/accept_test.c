/*
 * Events of other servers on a real PostgreSQL: rooms of every version with random forks are taken in by two servers, each in an order of
 * its own; at the end both have the state that resolving from scratch gives, and know the state after every event.
 */
#include "base/clock.h"
#include "base/lock.h"
#include "base/mem.h"
#include "homeserver/room/room_accept.h"
#include "homeserver/user/users.h"
#include "storage/schema.h"
#include "tests/support/room_graph.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <libpq-fe.h>

/* cmocka's macro would replace base/ctx.h's function. */
#include <cmocka.h>
#undef fail

enum { SERVERS = 2, DAG_EVENTS = 40, FLOOD = 60 };

/* --- servers without HTTP ------------------------------------------------------------------------------------ */

struct server {
	struct homeserver hs;
	char *url;
};

static struct server servers[SERVERS];
static struct str first_url;
static int64_t rooms_made;

static void on_published(void *self, int64_t position)
{
	(void)position;
	users_published(((const struct homeserver *)self)->users);
}

static void start(struct server *server)
{
	struct homeserver *hs = &server->hs;
	struct str url = str_of(server->url);
	*hs = (struct homeserver){.clock = clock_os(), .rng = rng_os()};
	hs->settings.event_cache_bytes = (size_t)1 << 22;
	const unsigned char seed[32] = {1, 2, 3};
	hs->signer = (struct event_signer){.server = {STR("hs")},
		.key_id = STR("ed25519:1"),
		.key = ed25519_key_create(seed)};
	hs->db = db_create(&(struct db_config){.url = url,
		.pool_size = 8,
		.statement_timeout_ms = 5000,
		.acquire_timeout_ms = 5000});
	hs->rooms = rooms_create(hs);
	hs->users = users_create(hs);
	hs->writer = writer_create(&(struct writer_config){.url = url,
		.queue_limit = 1000,
		.group_limit = 16,
		.published = on_published,
		.self = hs});
	assert_non_null(hs->writer);
}

static void stop(struct server *server)
{
	struct homeserver *hs = &server->hs;
	writer_destroy(hs->writer);
	users_destroy(hs->users);
	rooms_destroy(hs->rooms);
	db_destroy(hs->db);
	ed25519_key_destroy((struct ed25519_key *)(uintptr_t)hs->signer.key);
}

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
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct str head;
	struct str tail;
	assert_true(str_split(first_url, '?', &head, &tail));
	server->url = mem_alloc(first_url.n + 32);
	(void)snprintf(server->url, first_url.n + 32, "postgresql:///accept%d?%.*s", number,
		STR_ARG(tail));
	struct ctx ctx;
	ctx_init(&ctx, arena);
	assert_int_equal(schema_update(&ctx, str_of(server->url)), ERR_OK);
}

static int set_up(void **state)
{
	(void)state;
	first_url = str_of(getenv("BELFRY_TEST_DATABASE_URL"));
	assert_true(first_url.n > 0);
	for (int i = 0; i < SERVERS; i++) {
		make_database(&servers[i], i);
		start(&servers[i]);
	}
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	for (int i = 0; i < SERVERS; i++) {
		stop(&servers[i]);
		mem_free(servers[i].url);
	}
	return 0;
}

static int64_t ask_number(struct server *server, struct str room_id, const char *sql)
{
	char *id = mem_dup(room_id.p, room_id.n);
	PGconn *conn = PQconnectdb(server->url);
	const char *const values[] = {id};
	PGresult *result = PQexecParams(conn, sql, 1, NULL, values, NULL, NULL, 0);
	if (PQresultStatus(result) != PGRES_TUPLES_OK) {
		print_error("%s\n", PQresultErrorMessage(result));
	}
	assert_int_equal(PQresultStatus(result), PGRES_TUPLES_OK);
	int64_t number = strtoll(PQgetvalue(result, 0, 0), NULL, 10);
	PQclear(result);
	PQfinish(conn);
	mem_free(id);
	return number;
}

/* --- a room of another server ------------------------------------------------------------------------------------ */

#define CREATOR "@a:a.example"
#define MODERATOR "@b:b.example"
#define MEMBER "@c:c.example"
#define OURS "@me:hs"

/* A room in which our user is joined; what is imported of it, and the graph from there on. */
struct world {
	struct arena *arena;
	struct room_builder builder;
	struct room_graph graph;
	struct room_import import;
	struct room_node *join;
};

static struct room_node *add(struct world *world, struct room_node *prev, const char *sender,
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

static void world_init(struct world *world, struct arena *arena, const char *version)
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
	size_t count = world->graph.nodes.n;
	const struct event **state = ARENA_NEW_ARRAY(arena, const struct event *, count);
	size_t n = 0;
	size_t at = 0;
	const struct event *event;
	while ((event = state_map_next(&node->state, &at)) != NULL) {
		state[n++] = event;
	}
	const struct event **all = ARENA_NEW_ARRAY(arena, const struct event *, count);
	for (size_t i = 0; i < count; i++) {
		all[i] = world->graph.nodes.p[i]->event;
	}
	world->join = add(world, node, OURS, "m.room.member", OURS, "{'membership':'join'}");
	world->import = (struct room_import){
		.version = room->version,
		.room_id = {room->room_id},
		.join = world->join->event,
		.state = state,
		.state_count = n,
		.auth = all,
		.auth_count = count,
	};
}

static void world_fini(struct world *world)
{
	made_room_builder_fini(&world->builder);
}

static struct room *import(struct ctx *ctx, struct server *server, struct world *world)
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

static enum err try_accept(struct ctx *ctx, struct server *server, struct room *room,
	const struct event *event, struct room_outcome *out)
{
	const struct room_arrival arrival = {.event = event};
	return room_accept(ctx, &server->hs, room, &arrival, out);
}

static struct room_outcome accept_event(struct ctx *ctx, struct server *server, struct room *room,
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

static struct state_map current_state(struct ctx *ctx, struct server *server, struct room *room)
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

static void assert_same_state(const struct state_map *got, const struct state_map *wanted)
{
	if (!room_states_equal(got, wanted)) {
		print_difference(got, wanted, "got");
		print_difference(wanted, got, "wanted");
	}
	assert_true(room_states_equal(got, wanted));
}

/* --- random graphs ------------------------------------------------------------------------------------------------- */

/* An event of the graph, also when its rules refuse it. */
struct made {
	struct room_node *node;
	size_t prev[3]; /* indexes */
	size_t prev_count;
	bool is_refused;
};

struct dag {
	struct made list[DAG_EVENTS + 2];
	size_t n;
};

static struct room_draft random_draft(uint64_t *seed, struct arena *arena, size_t serial)
{
	static const char *const users[] = {CREATOR, MODERATOR, MEMBER, OURS};
	const char *sender = users[room_random(seed, COUNT_OF(users))];
	const char *target = users[1 + room_random(seed, COUNT_OF(users) - 1)];
	switch (room_random(seed, 8)) {
	case 0:
		return (struct room_draft){.sender = sender,
			.type = "m.room.topic",
			.state_key = "",
			.content = arena_printf(arena, "{'topic':'%zu'}", serial)};
	case 1:
		return (struct room_draft){.sender = sender,
			.type = "m.room.name",
			.state_key = "",
			.content = arena_printf(arena, "{'name':'%zu'}", serial)};
	case 2:
		return (struct room_draft){.sender = sender,
			.type = "m.room.member",
			.state_key = sender,
			.content = arena_printf(arena, "{'membership':'%s','n':%zu}",
				room_random(seed, 3) == 0 ? "leave" : "join", serial)};
	case 3:
		return (struct room_draft){.sender = sender,
			.type = "m.room.member",
			.state_key = target,
			.content = arena_printf(arena, "{'membership':'%s','n':%zu}",
				room_random(seed, 2) == 0 ? "ban" : "leave", serial)};
	case 4:
		return (struct room_draft){.sender = sender,
			.type = "m.room.power_levels",
			.state_key = "",
			.content =
				arena_printf(arena, "{'users':{%s'" MODERATOR "':%zu,'" OURS "':50},'n':%zu}",
					room_random(seed, 2) == 0 ? "'" CREATOR "':100," : "",
					room_random(seed, 2) * 50, serial)};
	case 5:
		return (struct room_draft){.sender = sender,
			.type = "m.room.join_rules",
			.state_key = "",
			.content = arena_printf(arena, "{'join_rule':'%s','n':%zu}",
				room_random(seed, 2) == 0 ? "invite" : "public", serial)};
	default:
		return (struct room_draft){.sender = sender,
			.type = "m.room.message",
			.content = arena_printf(arena, "{'body':'%zu'}", serial)};
	}
}

/* Adds an event behind others; what is refused stays as an event after which nothing has changed. */
static void grow(struct world *world, struct dag *dag, const size_t *prev, size_t prev_count,
	const struct room_draft *draft)
{
	struct made *made = &dag->list[dag->n];
	struct room_node *nodes[DAG_EVENTS + 2];
	for (size_t i = 0; i < prev_count; i++) {
		nodes[i] = dag->list[prev[i]].node;
	}
	const struct event *event;
	made->node = room_graph_try(&world->graph, nodes, prev_count, draft, &event);
	if (made->node == NULL) {
		made->is_refused = true;
		made->node = ARENA_NEW(world->arena, struct room_node);
		made->node->event = event;
		made->node->state = room_graph_resolve(&world->graph, nodes, prev_count);
	}
	made->prev_count = MIN_OF(prev_count, COUNT_OF(made->prev));
	for (size_t i = 0; i < made->prev_count; i++) {
		made->prev[i] = prev[i];
	}
	dag->n++;
}

static void make_dag(struct world *world, struct dag *dag, uint64_t *seed)
{
	*dag = (struct dag){.n = 1};
	dag->list[0].node = world->join;
	for (size_t i = 1; i <= DAG_EVENTS; i++) {
		size_t prev[3];
		size_t prev_count = 1 + room_random(seed, 3);
		size_t window = MIN_OF(i, (size_t)6);
		size_t n = 0;
		for (size_t k = 0; k < prev_count; k++) {
			size_t one = i - 1 - room_random(seed, window);
			bool is_new = true;
			for (size_t p = 0; p < n; p++) {
				is_new = is_new && prev[p] != one;
			}
			if (is_new) {
				prev[n++] = one;
			}
		}
		struct room_draft draft = random_draft(seed, world->arena, i);
		grow(world, dag, prev, n, &draft);
	}
}

/* The events that nothing stands on, as prev of one that merges them. Its verdict is the rules'. */
static struct room_node *merge(struct world *world, const struct dag *dag, bool *out_is_refused)
{
	struct room_node *heads[DAG_EVENTS + 2];
	size_t n = 0;
	for (size_t i = 0; i < dag->n; i++) {
		bool is_head = true;
		for (size_t k = i + 1; k < dag->n; k++) {
			for (size_t p = 0; p < dag->list[k].prev_count; p++) {
				is_head = is_head && dag->list[k].prev[p] != i;
			}
		}
		if (is_head && n < EVENT_MAX_PREV_EVENTS) {
			heads[n++] = dag->list[i].node;
		}
	}
	const struct room_draft draft = {.sender = CREATOR,
		.type = "org.example.merge",
		.content = "{}"};
	struct room_node *node = room_graph_add(&world->graph, heads, n, &draft);
	*out_is_refused = node == NULL;
	return node;
}

/* Takes all in, each once what it stands on is there. */
static void accept_in_random_order(struct server *server, struct world *world,
	const struct dag *dag, uint64_t *seed)
{
	bool done[DAG_EVENTS + 2] = {true};
	for (size_t left = dag->n - 1; left > 0;) {
		size_t i = 1 + room_random(seed, dag->n - 1);
		const struct made *made = &dag->list[i];
		bool is_ready = !done[i];
		for (size_t p = 0; p < made->prev_count; p++) {
			is_ready = is_ready && done[made->prev[p]];
		}
		if (!is_ready) {
			continue;
		}
		struct arena *arena CLEANUP(arena_cleanup) = arena_create();
		struct ctx ctx;
		ctx_init(&ctx, arena);
		struct room *room;
		assert_int_equal(rooms_get(&ctx, &server->hs, world->builder.room_id, &room), ERR_OK);
		struct room_outcome outcome = accept_event(&ctx, server, room, made->node->event);
		assert_false(outcome.was_known);
		if (made->is_refused != (outcome.fate == EVENT_REJECTED)) {
			print_error("event %zu: refused %d, fate %d, %s\n", i, made->is_refused, outcome.fate,
				outcome.verdict.allowed ? "" : outcome.verdict.text);
		}
		assert_int_equal(made->is_refused, outcome.fate == EVENT_REJECTED);
		struct state_map after;
		assert_int_equal(
			room_state_around(&ctx, &server->hs, room, made->node->event->event_id, true, &after),
			ERR_OK);
		assert_same_state(&after, &made->node->state);
		done[i] = true;
		left--;
	}
}

/* All the states are still told when everything is in, and after a restart. */
static void check_all_states(struct server *server, struct world *world, const struct dag *dag)
{
	for (size_t i = 1; i < dag->n; i++) {
		struct arena *arena CLEANUP(arena_cleanup) = arena_create();
		struct ctx ctx;
		ctx_init(&ctx, arena);
		struct room *room;
		assert_int_equal(rooms_get(&ctx, &server->hs, world->builder.room_id, &room), ERR_OK);
		struct state_map after;
		assert_int_equal(room_state_around(&ctx, &server->hs, room,
							 dag->list[i].node->event->event_id, true, &after),
			ERR_OK);
		assert_same_state(&after, &dag->list[i].node->state);
	}
}

static void check_intervals(struct server *server, struct str room_id)
{
	static const char *const nothing[] = {
		"SELECT count(*) FROM (SELECT *, lead(from_position) OVER "
		"(PARTITION BY type, state_key ORDER BY from_position) AS next "
		"FROM states JOIN rooms USING (room_nid) WHERE room_id = $1) AS s WHERE to_position > next",
		"SELECT count(*) FROM states s JOIN rooms r USING (room_nid) LEFT JOIN events e ON e.room_nid = s.room_nid AND "
		"e.position = s.event_position WHERE room_id = $1 AND e.event_id IS DISTINCT FROM s.event_id",
		"SELECT count(*) FROM members m JOIN rooms USING (room_nid) WHERE room_id = $1 AND membership <> "
		"coalesce((SELECT s.membership FROM states s WHERE s.room_nid = m.room_nid AND type = 'm.room.member' AND "
		"state_key = m.user_id AND to_position = 9223372036854775807), 'leave')",
		"SELECT count(*) FROM rooms WHERE room_id = $1 AND json_array_length(extremities::json) > 20",
	};
	for (size_t i = 0; i < COUNT_OF(nothing); i++) {
		int64_t found = ask_number(server, room_id, nothing[i]);
		if (found != 0) {
			print_error("%lld rows: %s\n", (long long)found, nothing[i]);
		}
		assert_int_equal(found, 0);
	}
}

static void check_converges(const char *version, uint64_t seed)
{
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct world world;
	struct dag dag;
	world_init(&world, arena, version);
	make_dag(&world, &dag, &seed);
	bool is_refused;
	struct room_node *end = merge(&world, &dag, &is_refused);
	for (int i = 0; i < SERVERS; i++) {
		struct server *server = &servers[i];
		struct arena *own CLEANUP(arena_cleanup) = arena_create();
		struct ctx ctx;
		ctx_init(&ctx, own);
		struct room *room = import(&ctx, server, &world);
		accept_in_random_order(server, &world, &dag, &seed);
		rooms_forget(server->hs.rooms);
		assert_int_equal(rooms_get(&ctx, &server->hs, world.builder.room_id, &room), ERR_OK);
		check_all_states(server, &world, &dag);
		if (!is_refused) {
			struct room_outcome outcome = accept_event(&ctx, server, room, end->event);
			assert_true(outcome.fate == EVENT_IN_TIMELINE || outcome.fate == EVENT_SOFT_FAILED);
			struct state_map now = current_state(&ctx, server, room);
			if (outcome.fate == EVENT_IN_TIMELINE) {
				assert_same_state(&now, &end->state);
			}
		}
		check_intervals(server, world.builder.room_id);
	}
	world_fini(&world);
}

static void converge(const char *version)
{
	const char *text = getenv("BELFRY_TEST_SEED");
	uint64_t first = text != NULL ? strtoull(text, NULL, 10) : 1;
	for (uint64_t seed = first; seed < first + 3; seed++) {
		print_message("version %s seed %llu\n", version, (unsigned long long)seed);
		check_converges(version, seed * 7919);
	}
}

static void accept__random_forks__same_state_everywhere(void **state)
{
	(void)state;
	size_t count;
	const struct room_version *versions = room_versions_all(&count);
	for (size_t i = 0; i < count; i++) {
		char text[8] = {0};
		memcpy(text, versions[i].id.p, MIN_OF(versions[i].id.n, sizeof(text) - 1));
		converge(text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(accept__random_forks__same_state_everywhere),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
