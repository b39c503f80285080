/**
 * Servers without HTTP, each with a database of its own, and rooms of other servers that they come into.
 */
#ifndef BELFRY_TESTS_SIM_WORLD_H
#define BELFRY_TESTS_SIM_WORLD_H

#include "homeserver/room/room_accept.h"
#include "tests/support/room_graph.h"

enum { SERVERS = 2 };

struct server {
	struct homeserver hs;
	char *url;
};
extern struct server servers[SERVERS];

/** For cmocka's group. */
int world_set_up(void **state);
int world_tear_down(void **state);

/** A number that a server's database says, by room id; a wrong statement fails the test. */
int64_t ask_number(struct server *server, struct str room_id, const char *sql);

#define CREATOR "@a:a.example"
#define MODERATOR "@b:b.example"
#define MEMBER "@c:c.example"
#define OURS "@me:hs"

/** A room in which our user is joined; what is imported of it, and the graph from there on. */
struct world {
	struct arena *arena;
	struct room_builder builder;
	struct room_graph graph;
	struct room_import import;
	struct room_node *join;
};
void world_init(struct world *world, struct arena *arena, const char *version);
void world_fini(struct world *world);
/** What send_join would answer for a join behind a node. */
void world_import_at(struct world *world, struct room_node *node, struct room_node *join);

/** Adds an event that the rules allow. */
struct room_node *add(struct world *world, struct room_node *prev, const char *sender,
	const char *type, const char *state_key, const char *content);

struct room *import(struct ctx *ctx, struct server *server, struct world *world);
enum err try_accept(struct ctx *ctx, struct server *server, struct room *room,
	const struct event *event, struct room_outcome *out);
struct room_outcome accept_event(struct ctx *ctx, struct server *server, struct room *room,
	const struct event *event);
struct state_map current_state(struct ctx *ctx, struct server *server, struct room *room);
void assert_same_state(const struct state_map *got, const struct state_map *wanted);

#endif
