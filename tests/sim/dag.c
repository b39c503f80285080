/*
 * Random graphs of events; see dag.h.
 */
#include "tests/sim/dag.h"

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
static void grow(struct dag *dag, struct world *world, const size_t *prev, size_t prev_count,
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

void dag_make(struct dag *dag, struct world *world, uint64_t *seed)
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
		grow(dag, world, prev, n, &draft);
	}
}
