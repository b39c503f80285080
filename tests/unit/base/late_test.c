/*
 * Loading when called: functions and variables by their names; what is not there ends the process.
 */
#include "check.h"

#include "base/defs.h"
#include "base/late.h"

static void find__library__its_functions_and_variables(void **state)
{
	(void)state;
	static const char *const names[] = {"cos", "signgam"};
	struct {
		double (*cosine)(double angle);
		int *sign;
	} found = {0};
	late_find("libm.so.6", names, COUNT_OF(names), &found);
	assert_non_null(found.cosine);
	assert_true(found.cosine(0.0) > 0.99);
	assert_non_null(found.sign);
}

static void find_no_library(void *data)
{
	static const char *const names[] = {"cos"};
	late_find("libbelfry-none.so.1", names, COUNT_OF(names), data);
}

static void find_no_function(void *data)
{
	static const char *const names[] = {"cos", "no_such_function"};
	late_find("libm.so.6", names, COUNT_OF(names), data);
}

static void find__not_there__ends_process(void **state)
{
	(void)state;
	void *found[2];
	assert_true(ends_process(find_no_library, found));
	assert_true(ends_process(find_no_function, found));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(find__library__its_functions_and_variables),
		cmocka_unit_test(find__not_there__ends_process),
	};
	return RUN_ALL(tests);
}
