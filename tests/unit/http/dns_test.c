/*
 * The order of SRV records, and detours. What name servers say is tested from outside (tests/http/test_fed_discovery.py).
 */
#include "tests/unit/base/check.h"

#include "http/detour.h"
#include "http/dns.h"

static void order__priorities__lowest_first(void **state)
{
	(void)state;
	struct rng rng = rng_os();
	for (int i = 0; i < 100; i++) {
		struct dns_srv records[] = {{.priority = 20, .port = 1},
			{.priority = 10, .port = 2, .weight = 0}, {.priority = 30, .port = 3},
			{.priority = 10, .port = 4, .weight = 65535}};
		dns_srv_order(records, COUNT_OF(records), &rng);
		assert_int_equal(records[0].priority, 10);
		assert_int_equal(records[1].priority, 10);
		assert_int_not_equal(records[0].port, records[1].port);
		assert_int_equal(records[2].port, 1);
		assert_int_equal(records[3].port, 3);
	}
}

static void order__weights__are_chances(void **state)
{
	(void)state;
	struct rng rng = rng_os();
	int heavy_first = 0;
	int none_first = 0;
	enum { DRAWS = 4000 };
	for (int i = 0; i < DRAWS; i++) {
		struct dns_srv records[] = {{.port = 1, .weight = 10}, {.port = 2, .weight = 30},
			{.port = 3, .weight = 0}};
		dns_srv_order(records, COUNT_OF(records), &rng);
		heavy_first += records[0].port == 2;
		none_first += records[0].port == 3;
	}
	/* Three of four; by chance outside of these less than once in a billion runs. */
	assert_in_range(heavy_first, DRAWS * 70 / 100, DRAWS * 80 / 100);
	assert_in_range(none_first, 0, DRAWS / 100);
}

static void detour__texts__read_or_refused(void **state)
{
	(void)state;
	struct detour detour;
	assert_true(detour_parse(STR("a.example:443=10.0.0.5:8443"), &detour));
	assert_text(detour.host, "a.example");
	assert_int_equal(detour.port, 443);
	assert_text(detour.to_host, "10.0.0.5");
	assert_int_equal(detour.to_port, 8443);
	assert_true(detour_parse(STR("[::1]:443=[::2]:8443"), &detour));
	assert_text(detour.host, "::1");
	assert_text(detour.to_host, "::2");
	static const char *const bad[] = {"", "a:1", "a:1=b", "a=b:1", ":1=b:1", "a:0=b:1",
		"a:1=b:65536", "::1:443=b:1", "a:1=:1"};
	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		assert_false(detour_parse(str_of(bad[i]), &detour));
	}
	struct detour list[] = {{STR("a.example"), 1, STR("b"), 2}};
	assert_ptr_equal(detour_find(list, 1, STR("A.Example"), 1), &list[0]);
	assert_null(detour_find(list, 1, STR("a.example"), 2));
	assert_null(detour_find(list, 1, STR("aa.example"), 1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(order__priorities__lowest_first),
		cmocka_unit_test(order__weights__are_chances),
		cmocka_unit_test(detour__texts__read_or_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
