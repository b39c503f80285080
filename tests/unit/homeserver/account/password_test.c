/*
 * Password policy, and checks that answer alike for those who are not here.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#undef fail /* a macro of cmocka, a function of base/ctx.h */

#include "homeserver/account/password.h"

static const struct settings settings = {.password_min_length = 4,
	.argon2_memory_kib = 64,
	.argon2_iterations = 1};

static void policy__lengths__in_characters(void **state)
{
	(void)state;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct ctx ctx;
	ctx_init(&ctx, arena);
	assert_int_equal(password_check_policy(&ctx, &settings, STR("four")), ERR_OK);
	assert_int_equal(password_check_policy(&ctx, &settings, STR("abc")), ERR_INPUT);
	assert_string_equal(ctx.fault.errcode, M_WEAK_PASSWORD);
	/* three characters of two bytes each */
	assert_int_equal(password_check_policy(&ctx, &settings, STR("\xC3\xA4\xC3\xA4\xC3\xA4")),
		ERR_INPUT);
	char text[PASSWORD_MAX_BYTES + 1];
	memset(text, 'x', sizeof(text));
	assert_int_equal(password_check_policy(&ctx, &settings, str_from(text, PASSWORD_MAX_BYTES)),
		ERR_OK);
	assert_int_equal(password_check_policy(&ctx, &settings, str_from(text, sizeof(text))),
		ERR_INPUT);
	assert_string_equal(ctx.fault.errcode, M_INVALID_PARAM);
}

static void policy__no_length_asked__still_not_empty(void **state)
{
	(void)state;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct ctx ctx;
	ctx_init(&ctx, arena);
	struct settings lenient = settings;
	lenient.password_min_length = 0;
	assert_int_equal(password_check_policy(&ctx, &lenient, STR("")), ERR_INPUT);
	assert_int_equal(password_check_policy(&ctx, &lenient, STR("x")), ERR_OK);
}

static void password__right_wrong_nobody__told_apart(void **state)
{
	(void)state;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct ctx ctx;
	ctx_init(&ctx, arena);
	struct account_row account = {.password_hash = password_make_hash(&ctx, &settings, STR("pw"))};
	assert_true(password_is_right(&ctx, &settings, &account, STR("pw")));
	assert_false(password_is_right(&ctx, &settings, &account, STR("pW")));
	assert_false(password_is_right(&ctx, &settings, &account, STR("")));
	assert_false(password_is_right(&ctx, &settings, NULL, STR("pw")));
	account.password_hash = (struct str){0};
	assert_false(password_is_right(&ctx, &settings, &account, STR("pw")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(policy__lengths__in_characters),
		cmocka_unit_test(policy__no_length_asked__still_not_empty),
		cmocka_unit_test(password__right_wrong_nobody__told_apart),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
