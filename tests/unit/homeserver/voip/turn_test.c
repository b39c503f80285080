/*
 * TURN credentials; the password is that of the draft's construction, computed by another program.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#undef fail /* a macro of cmocka, a function of base/ctx.h */

#include "homeserver/voip/turn.h"

static void turn__shared_secret__user_name_with_end_and_its_mac(void **state)
{
	(void)state;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	const struct turn_settings settings = {.shared_secret = STR("north"), .lifetime_ms = 86400000};
	struct turn_credentials out;
	turn_credentials_make(arena, &settings, STR("@lin:hs1"), INT64_C(1700000000999), &out);
	assert_true(str_equals(out.username, STR("1700086400:@lin:hs1")));
	assert_true(str_equals(out.password, STR("oya9xTlfjh57nMDWG3KgwYyOdRU=")));
	assert_int_equal(out.ttl_s, 86400);
}

static void turn__fixed_user__as_configured(void **state)
{
	(void)state;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	const struct turn_settings settings = {.username = STR("u"),
		.password = STR("p"),
		.lifetime_ms = 60000};
	struct turn_credentials out;
	turn_credentials_make(arena, &settings, STR("@lin:hs1"), 1, &out);
	assert_true(str_equals(out.username, STR("u")));
	assert_true(str_equals(out.password, STR("p")));
	assert_int_equal(out.ttl_s, 60);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(turn__shared_secret__user_name_with_end_and_its_mac),
		cmocka_unit_test(turn__fixed_user__as_configured),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
