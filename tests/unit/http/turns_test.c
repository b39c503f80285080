/*
 * Turns of libmicrohttpd in which nothing happens.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#undef fail /* a macro of cmocka, a function of base/ctx.h */

#include "http/turns.h"

/* @return what the pauses before these turns last */
static int after(struct turns *turns, size_t count, bool is_wanted, bool has_happened)
{
	int sum_ms = 0;
	for (size_t i = 0; i < count; i++) {
		sum_ms += turns_pause_ms(turns, true);
		turns_note(turns, is_wanted, has_happened);
	}
	return sum_ms;
}

static void turns__in_vain__longer_pauses_while_a_body_comes_in_chunks(void **state)
{
	(void)state;
	struct turns turns = {0};
	assert_int_equal(after(&turns, 32, true, false), 0);
	assert_int_equal(turns_pause_ms(&turns, true), 1);
	assert_int_equal(turns_pause_ms(&turns, false), 0);
	assert_int_equal(after(&turns, 32, true, false), 1);
	assert_int_equal(turns_pause_ms(&turns, true), 2);
	assert_int_equal(after(&turns, (size_t)62 * 32, true, false), 63 * 64 / 2 - 1);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(turns_pause_ms(&turns, true), 64);
		assert_int_equal(after(&turns, 32, true, false), 64);
	}
}

/* A body that is read piece by piece, beside one that cannot be used: its next piece is waited for by nobody but the turn itself. */
static void turns__something_happens__no_pause_whatever_was_in_vain_before(void **state)
{
	(void)state;
	for (size_t in_vain = 0; in_vain < 70; in_vain++) {
		struct turns turns = {0};
		(void)after(&turns, in_vain, true, false);
		turns_note(&turns, true, true);
		assert_int_equal(after(&turns, 32, true, true), 0);
		assert_int_equal(after(&turns, 31, true, false), 0);
		turns_note(&turns, false, false);
		assert_int_equal(after(&turns, 31, true, false), 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(turns__in_vain__longer_pauses_while_a_body_comes_in_chunks),
		cmocka_unit_test(turns__something_happens__no_pause_whatever_was_in_vain_before),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
