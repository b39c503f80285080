/*
 * Each step of "Resolving server names": what is asked, where it leads, which name the certificate must have.
 */
#include "tests/unit/base/check.h"

#include "matrix/server_route.h"

static struct arena *arena;

static int set_up(void **state)
{
	(void)state;
	arena = arena_create();
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	arena_destroy(arena);
	return 0;
}

/* What the outside says: NULL for no answer; SRV records as "host:port". */
struct way {
	const char *name;
	const char *well_known;
	const char *srv;
	const char *old_srv;
	const char *asked; /* all subjects, in order */
	const char *authority;
	const char *target;
};

static const struct way ways[] = {
	/* 1 */
	{"1.2.3.4", NULL, NULL, NULL, "", "1.2.3.4", "1.2.3.4:8448"},
	{"1.2.3.4:80", NULL, NULL, NULL, "", "1.2.3.4:80", "1.2.3.4:80"},
	{"[2001:db8::1]", NULL, NULL, NULL, "", "[2001:db8::1]", "2001:db8::1:8448"},
	{"[2001:db8::1]:80", NULL, NULL, NULL, "", "[2001:db8::1]:80", "2001:db8::1:80"},
	/* 2 */
	{"a.example:80", NULL, NULL, NULL, "", "a.example:80", "a.example:80"},
	{"localhost:8448", NULL, NULL, NULL, "", "localhost:8448", "localhost:8448"},
	/* 3.1 */
	{"a.example", "1.2.3.4", NULL, NULL, "a.example ", "1.2.3.4", "1.2.3.4:8448"},
	{"a.example", "[::1]:80", NULL, NULL, "a.example ", "[::1]:80", "::1:80"},
	/* 3.2 */
	{"a.example", "b.example:80", NULL, NULL, "a.example ", "b.example:80", "b.example:80"},
	/* 3.3 */
	{"a.example", "b.example", "c.example:81", NULL, "a.example _matrix-fed._tcp.b.example ",
		"b.example", "c.example:81"},
	/* 3.4 */
	{"a.example", "b.example", NULL, "c.example:82",
		"a.example _matrix-fed._tcp.b.example _matrix._tcp.b.example ", "b.example",
		"c.example:82"},
	/* 3.5 */
	{"a.example", "b.example", NULL, NULL,
		"a.example _matrix-fed._tcp.b.example _matrix._tcp.b.example ", "b.example",
		"b.example:8448"},
	/* 4 */
	{"a.example", NULL, "c.example:81", NULL, "a.example _matrix-fed._tcp.a.example ", "a.example",
		"c.example:81"},
	/* 5 */
	{"a.example", NULL, NULL, "c.example:82",
		"a.example _matrix-fed._tcp.a.example _matrix._tcp.a.example ", "a.example",
		"c.example:82"},
	/* 6 */
	{"a.example", NULL, NULL, NULL, "a.example _matrix-fed._tcp.a.example _matrix._tcp.a.example ",
		"a.example", "a.example:8448"},
	/* no addresses, though they look like some */
	{"1.2.3", NULL, NULL, NULL, "1.2.3 _matrix-fed._tcp.1.2.3 _matrix._tcp.1.2.3 ", "1.2.3",
		"1.2.3:8448"},
	{"1.2.3.256", "b.example:1", NULL, NULL, "1.2.3.256 ", "b.example:1", "b.example:1"},
	/* ports that are none */
	{"a.example:99999", NULL, NULL, NULL, "", NULL, NULL},
	{"a.example:0", NULL, NULL, NULL, "", NULL, NULL},
	{"a.example", "b.example:99999", "c.example:81", NULL, "a.example _matrix-fed._tcp.a.example ",
		"a.example", "c.example:81"},
	/* RFC 2782: no such service */
	{"a.example", NULL, ".:1", NULL, "a.example _matrix-fed._tcp.a.example ", NULL, NULL},
};

static size_t read_srv(const char *text, struct server_target *out)
{
	struct str host;
	struct str port;
	int64_t number;
	if (text == NULL) {
		return 0;
	}
	assert_true(str_split(str_of(text), ':', &host, &port));
	assert_true(str_to_int(port, 1, UINT16_MAX, &number));
	*out = (struct server_target){.host = host, .port = (uint16_t)number};
	return 1;
}

static void check_text(const struct way *way, struct str text, const char *wanted)
{
	if (!str_equals(text, str_of(wanted))) {
		fail_msg("%s: '%.*s' instead of '%s'", way->name, STR_ARG(text), wanted);
	}
}

static void walk(const struct way *way)
{
	struct server_name name;
	struct server_target record;
	struct str asked = STR("");
	assert_true(server_name_parse(str_of(way->name), &name));
	struct server_route route = server_route_begin(arena, name);
	while (route.step == ROUTE_WELL_KNOWN || route.step == ROUTE_SRV) {
		asked = str_printf(arena, "%.*s%.*s ", STR_ARG(asked), STR_ARG(route.subject));
		if (route.step == ROUTE_WELL_KNOWN) {
			struct server_name delegated;
			bool says = way->well_known != NULL;
			assert_true(!says || server_name_parse(str_of(way->well_known), &delegated));
			server_route_well_known(&route, says ? &delegated : NULL);
		} else {
			const char *srv = route.is_old_srv ? way->old_srv : way->srv;
			server_route_srv(&route, &record, read_srv(srv, &record));
		}
	}
	check_text(way, asked, way->asked);
	if (way->authority == NULL) {
		assert_int_equal(route.step, ROUTE_NONE);
		return;
	}
	assert_int_equal(route.step, ROUTE_FOUND);
	check_text(way, route.authority, way->authority);
	assert_int_equal(route.target_count, 1);
	check_text(way,
		str_printf(arena, "%.*s:%u", STR_ARG(route.targets[0].host),
			(unsigned)route.targets[0].port),
		way->target);
}

static void route__each_step__as_specified(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(ways); i++) {
		walk(&ways[i]);
	}
}

static void well_known__bodies__read_or_refused(void **state)
{
	(void)state;
	static const char *const bad[] = {"", "x", "null", "[]", "\"a.example\"", "{}",
		"{\"m.server\":1}", "{\"m.server\":\"\"}", "{\"m.server\":\"a b\"}",
		"{\"m.server\":\"https://a.example\"}", "{\"m.server\":\"a.example/x\"}",
		"{\"m.server\":\"a@b.example\"}", "{\"m.server\":\"a.example\\u0000\"}",
		"{\"m.server\":\"a.example:\"}", "{\"m.server\":\"a.example\",\"m.server\":\"b.example\"}"};
	struct server_name name;
	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		if (server_well_known_parse(arena, str_of(bad[i]), &name)) {
			fail_msg("%s", bad[i]);
		}
	}
	assert_true(server_well_known_parse(arena,
		STR(" {\"x\":[],\"m.server\":\"matrix.a.example:443\"}\n"), &name));
	assert_text(name.s, "matrix.a.example:443");
}

static void lifetime__headers__within_limits(void **state)
{
	(void)state;
	static const struct {
		const char *cache_control;
		const char *expires;
		int64_t seconds;
	} cases[] = {
		{NULL, NULL, WELL_KNOWN_DEFAULT_S},
		{"", NULL, WELL_KNOWN_DEFAULT_S},
		{"public", NULL, WELL_KNOWN_DEFAULT_S},
		{"max-age=7200", NULL, 7200},
		{"public, Max-Age=\"7200\" ,x", NULL, 7200},
		{"max-age=7200", "Thu, 01 Jan 1970 12:00:00 GMT", 7200},
		{"max-age=1", NULL, WELL_KNOWN_LEAST_S},
		{"max-age=99999999999999999999", NULL, WELL_KNOWN_MOST_S},
		{"max-age=-5", NULL, WELL_KNOWN_LEAST_S},
		{"max-age=x", NULL, WELL_KNOWN_LEAST_S},
		{"no-store", NULL, WELL_KNOWN_LEAST_S},
		{"max-age=7200, no-cache", NULL, WELL_KNOWN_LEAST_S},
		{NULL, "Thu, 01 Jan 1970 02:00:10 GMT", 7200},
		{NULL, "Wed, 31 Dec 1969 00:00:00 GMT", WELL_KNOWN_LEAST_S},
		{NULL, "0", WELL_KNOWN_LEAST_S},
		{NULL, "Fri, 31 Dec 9999 00:00:00 GMT", WELL_KNOWN_MOST_S},
	};
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		int64_t seconds = server_well_known_lifetime_s(str_of(cases[i].cache_control),
			str_of(cases[i].expires), 10);
		if (seconds != cases[i].seconds) {
			fail_msg("%zu: %lld", i, (long long)seconds);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(route__each_step__as_specified, set_up, tear_down),
		cmocka_unit_test_setup_teardown(well_known__bodies__read_or_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(lifetime__headers__within_limits, set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
