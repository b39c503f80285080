/**
 * Random graphs of events in a room, behind our user's join: forks, bans, changes of power, events that the rules refuse.
 */
#ifndef BELFRY_TESTS_SIM_DAG_H
#define BELFRY_TESTS_SIM_DAG_H

#include "tests/sim/world.h"

enum { DAG_EVENTS = 40 };

/** An event of the graph, also when its rules refuse it. */
struct made {
	struct room_node *node;
	size_t prev[3]; /**< indexes */
	size_t prev_count;
	bool is_refused;
};

struct dag {
	struct made list[DAG_EVENTS +
		2]; /**< each behind all that it stands on; the first is our user's join */
	size_t n;
};

void dag_make(struct dag *dag, struct world *world, uint64_t *seed);

#endif
