/**
 * What the unit tests of base/ share: views compared with literals, and code that must end the process.
 */
#ifndef BELFRY_TESTS_UNIT_BASE_CHECK_H
#define BELFRY_TESTS_UNIT_BASE_CHECK_H

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
/* base/ctx.h has a function called fail(). */
#undef fail
#undef fail_msg
#define fail_msg(...) \
	do { \
		print_error(__VA_ARGS__); \
		print_error("\n"); \
		_fail(__FILE__, __LINE__); \
	} while (0)

#include "base/arena.h"
#include "base/str.h"

/** A view and a literal (which may contain NUL) hold the same bytes. */
#define assert_text(view, literal) \
	do { \
		struct str view_ = (view); \
		assert_int_equal(view_.n, sizeof(literal) - 1); \
		assert_memory_equal(view_.p != NULL ? view_.p : "", literal, sizeof(literal) - 1); \
	} while (0)

/** Runs a table of tests under the name of its file. */
#define RUN_ALL(tests) cmocka_run_group_tests_name(__FILE__, (tests), NULL, NULL)

/** Whether `run(data)` ends the process by abort(); what it prints is dropped. */
static inline bool ends_process(void (*run)(void *data), void *data)
{
	pid_t child = fork();
	if (child == 0) {
		(void)dup2(open("/dev/null", O_WRONLY), STDERR_FILENO);
		run(data);
		_exit(0);
	}
	int status = 0;
	(void)waitpid(child, &status, 0);
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

/** A small generator for random tests: the same numbers in every run (xorshift). */
static inline uint32_t next_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return (uint32_t)(*state >> 32);
}

#endif
