/*
 * Loading when called: functions and variables by their names; what is not there ends the process. The loader's own function and the
 * waiting are this file's, so that a test sees when they are called.
 */
#include "check.h"

#include <dlfcn.h>
#include <sys/resource.h>
#include <time.h>

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

/* --- no file descriptor left -------------------------------------------------------------------------------------- */

static int given = -1; /* the process's last descriptor, which it gets when it waits */
static int waits, loads, loads_without_files;

void *dlopen(const char *name, int flags)
{
	static void *(*real)(const char *, int);
	if (real == NULL) {
		*(void **)&real = dlsym(RTLD_NEXT, "dlopen");
	}
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	loads++;
	loads_without_files += fd < 0;
	if (fd >= 0) {
		(void)close(fd);
	}
	return real(name, flags);
}

int nanosleep(const struct timespec *time, struct timespec *left)
{
	(void)time;
	(void)left;
	waits++;
	if (waits == 2) {
		(void)close(given);
	}
	return 0;
}

/* It would find out that it cannot open the system's list of libraries, and do without that list for good. */
static void find__no_descriptor_left__waits_and_the_loader_is_not_asked(void **state)
{
	(void)state;
	static const char *const names[] = {"cos"};
	void *found[1];
	struct rlimit files;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &files), 0);
	given = open("/dev/null", O_RDONLY | O_CLOEXEC);
	assert_true(given >= 0); /* and all below it are taken */
	const struct rlimit none = {.rlim_cur = (rlim_t)given + 1, .rlim_max = files.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	loads = 0;
	late_find("libm.so.6", names, COUNT_OF(names), found);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &files), 0);
	assert_int_equal(waits, 2);
	assert_int_equal(loads, 1);
	assert_int_equal(loads_without_files, 0);
	assert_non_null(found[0]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(find__library__its_functions_and_variables),
		cmocka_unit_test(find__not_there__ends_process),
		cmocka_unit_test(find__no_descriptor_left__waits_and_the_loader_is_not_asked),
	};
	return RUN_ALL(tests);
}
