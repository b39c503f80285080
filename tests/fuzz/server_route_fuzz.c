/*
 * Server names and what servers say in /.well-known/matrix/server: a line with a name, one with headers, then a body.
 */
#include "base/arena.h"
#include "matrix/server_route.h"

static void walk(struct arena *arena, struct server_name name, struct str body)
{
	struct server_name delegated;
	struct server_route route = server_route_begin(arena, name);
	for (int steps = 0; route.step == ROUTE_WELL_KNOWN || route.step == ROUTE_SRV; steps++) {
		invariant(steps < 3 && route.subject.n > 0);
		if (route.step == ROUTE_WELL_KNOWN) {
			bool says = server_well_known_parse(arena, body, &delegated);
			server_route_well_known(&route, says ? &delegated : NULL);
		} else {
			server_route_srv(&route, NULL, 0);
		}
	}
	invariant(route.step == ROUTE_NONE || (route.target_count > 0 && route.targets[0].port != 0));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct str first;
	struct str second;
	struct str rest;
	struct server_name name;
	(void)str_split(str_from((const char *)data, size), '\n', &first, &rest);
	(void)str_split(rest, '\n', &second, &rest);
	if (server_name_parse(first, &name)) {
		walk(arena, name, rest);
	}
	int64_t seconds = server_well_known_lifetime_s(second, second, 1700000000);
	invariant(seconds >= WELL_KNOWN_LEAST_S && seconds <= WELL_KNOWN_MOST_S);
	return 0;
}
