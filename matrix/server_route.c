/*
 * The numbers are those of the steps in the specification. Whether the server delegates or not, what follows is the same for
 * the host that it is about: steps 3.3 to 3.5 are 4 to 6.
 */
#include "matrix/server_route.h"

#include <time.h>

#include "base/json.h"

enum { DEFAULT_PORT = 8448 };

/* An address, which is connected to as it stands; names consist of other things too. */
static bool is_literal(struct str host)
{
	if (str_starts_with(host, STR("["))) {
		return true;
	}
	struct str rest = host;
	struct str part;
	size_t parts = 0;
	bool goes_on = true;
	while (goes_on) {
		int64_t value;
		goes_on = str_split(rest, '.', &part, &rest);
		if (!str_to_int(part, 0, 255, &value)) {
			return false;
		}
		parts++;
	}
	return parts == 4;
}

static struct str without_brackets(struct str host)
{
	return str_starts_with(host, STR("[")) ? str_slice(host, 1, host.n - 1) : host;
}

static void find(struct server_route *route, struct str authority, struct str host, int port)
{
	struct server_target *target = ARENA_NEW(route->arena, struct server_target);
	*target = (struct server_target){
		.host = without_brackets(host),
		.port = (uint16_t)(port >= 0 ? port : DEFAULT_PORT),
	};
	route->step = ROUTE_FOUND;
	route->authority = authority;
	route->targets = target;
	route->target_count = 1;
}

/* The grammar lets five digits through. */
static bool is_port(int port)
{
	return port < 0 || (port > 0 && port <= UINT16_MAX);
}

static void ask_srv(struct server_route *route, bool is_old)
{
	route->step = ROUTE_SRV;
	route->is_old_srv = is_old;
	route->subject = str_printf(route->arena, "_%s._tcp.%.*s", is_old ? "matrix" : "matrix-fed",
		STR_ARG(route->host));
}

struct server_route server_route_begin(struct arena *arena, struct server_name server)
{
	struct server_route route = {.arena = arena, .host = server_name_host(server)};
	int port = server_name_port(server);
	if (!is_port(port)) {
		route.step = ROUTE_NONE;
		return route;
	}
	if (is_literal(route.host) || port >= 0) { /* 1, 2 */
		find(&route, server.s, route.host, port);
		return route;
	}
	route.step = ROUTE_WELL_KNOWN; /* 3 */
	route.subject = route.host;
	return route;
}

void server_route_well_known(struct server_route *route, const struct server_name *delegated)
{
	invariant(route->step == ROUTE_WELL_KNOWN);
	if (delegated == NULL || !is_port(server_name_port(*delegated))) {
		ask_srv(route, false); /* 4 */
		return;
	}
	route->host = server_name_host(*delegated);
	int port = server_name_port(*delegated);
	if (is_literal(route->host) || port >= 0) { /* 3.1, 3.2 */
		find(route, delegated->s, route->host, port);
		return;
	}
	ask_srv(route, false); /* 3.3 */
}

void server_route_srv(struct server_route *route, const struct server_target *records, size_t count)
{
	invariant(route->step == ROUTE_SRV);
	if (count == 0) {
		if (!route->is_old_srv) {
			ask_srv(route, true); /* 3.4, 5 */
		} else {
			find(route, route->host, route->host, -1); /* 3.5, 6 */
		}
		return;
	}
	bool is_none = records[0].host.n == 0 || str_equals(records[0].host, STR("."));
	route->step = is_none ? ROUTE_NONE : ROUTE_FOUND;
	route->authority = route->host;
	route->targets = records;
	route->target_count = count;
}

/* --- what a server says of itself ------------------------------------------------------------------------ */

bool server_well_known_parse(struct arena *arena, struct str body, struct server_name *out)
{
	struct json json;
	if (json_parse(arena, body, NULL, &json, NULL) != JSON_OK) {
		return false;
	}
	struct str name = json_get_str(&json, STR("m.server"));
	return name.p != NULL && server_name_parse(name, out);
}

/* Seconds of `max-age`; 0 for what forbids keeping; -1 when nothing is said. */
static int64_t max_age(struct str cache_control)
{
	int64_t found = -1;
	bool goes_on = cache_control.n > 0;
	struct str rest = cache_control;
	while (goes_on) {
		struct str item;
		struct str name;
		struct str value;
		goes_on = str_split(rest, ',', &item, &rest);
		bool has_value = str_split(str_trim(item), '=', &name, &value);
		if (str_equals_nocase(name, STR("no-store")) || str_equals_nocase(name, STR("no-cache"))) {
			return 0;
		}
		if (!has_value || !str_equals_nocase(name, STR("max-age"))) {
			continue;
		}
		if (value.n >= 2 && str_starts_with(value, STR("\"")) && str_ends_with(value, STR("\""))) {
			value = str_slice(value, 1, value.n - 1);
		}
		/* RFC 9111, 1.2.2: a larger one counts as the largest. */
		int64_t seconds = INT32_MAX;
		bool is_number = value.n > 0;
		for (size_t i = 0; i < value.n; i++) {
			is_number = is_number && value.p[i] >= '0' && value.p[i] <= '9';
		}
		found = !is_number ? 0 : str_to_int(value, 0, INT32_MAX, &seconds) ? seconds : INT32_MAX;
	}
	return found;
}

/* Seconds since 1970 of "Thu, 26 Nov 2026 01:02:03 GMT"; -1 for anything else, which means the past. */
static int64_t http_date(struct arena *arena, struct str text)
{
	struct tm fields = {0};
	const char *end = strptime(str_cstr(arena, text), "%a, %d %b %Y %H:%M:%S GMT", &fields);
	return end != NULL && *end == '\0' ? (int64_t)timegm(&fields) : -1;
}

int64_t server_well_known_lifetime_s(struct str cache_control, struct str expires, int64_t now_s)
{
	int64_t seconds = max_age(cache_control);
	if (seconds < 0 && expires.p != NULL) {
		struct arena *arena CLEANUP(arena_cleanup) = arena_create();
		seconds = MAX_OF(http_date(arena, expires) - now_s, (int64_t)0);
	}
	if (seconds < 0) {
		return WELL_KNOWN_DEFAULT_S;
	}
	return MIN_OF(MAX_OF(seconds, (int64_t)WELL_KNOWN_LEAST_S), (int64_t)WELL_KNOWN_MOST_S);
}
