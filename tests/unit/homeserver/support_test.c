/*
 * Contacts as they are written in the configuration.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#undef fail /* a macro of cmocka, a function of base/ctx.h */

#include "homeserver/support.h"

static void contact__good_ones__read(void **state)
{
	(void)state;
	struct support_contact contact;
	assert_true(support_contact_parse(STR("m.role.admin @admin:school.example"), &contact));
	assert_true(str_equals(contact.matrix_id, STR("@admin:school.example")));
	assert_null(contact.email.p);
	assert_true(support_contact_parse(STR(" m.role.security  x@y.z   @a:b "), &contact));
	assert_true(str_equals(contact.role, STR("m.role.security")));
	assert_true(str_equals(contact.email, STR("x@y.z")));
	assert_true(str_equals(contact.matrix_id, STR("@a:b")));
	assert_true(support_contact_parse(STR("org.example.headmaster x@y.z"), &contact));
}

static void contact__others__refused(void **state)
{
	(void)state;
	static const char *const texts[] = {"", "m.role.admin", "@a:b", "x@y.z", "m.role.boss x@y.z",
		"admin x@y.z", "m.role.admin @nobody", "m.role.admin x@", "m.role.admin @a:b @c:d",
		"m.role.admin x@y.z u@v.w", "m.role.admin phone"};
	struct support_contact contact;
	for (size_t i = 0; i < COUNT_OF(texts); i++) {
		assert_false(support_contact_parse(str_of(texts[i]), &contact));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(contact__good_ones__read),
		cmocka_unit_test(contact__others__refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
