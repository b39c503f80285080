/*
 * How the end of the thumbnail process is taken: scripts stand in its place, which end as it may.
 */
#include "tests/unit/base/check.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "homeserver/media/thumb_run.h"

static struct arena *arena;
static struct ctx ctx;

static int set_up(void **state)
{
	(void)state;
	arena = arena_create();
	ctx_init(&ctx, arena);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	arena_destroy(arena);
	return 0;
}

/* A program that does this. */
static const char *script(const char *does)
{
	char path[] = "/tmp/belfry-thumb-run-XXXXXX";
	int fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_true(dprintf(fd, "#!/bin/sh\n%s\n", does) > 0);
	assert_int_equal(fchmod(fd, 0700), 0);
	(void)close(fd);
	return str_cstr(arena, str_of(path));
}

static int empty_file(void)
{
	char path[] = "/tmp/belfry-thumb-run-XXXXXX";
	int fd = mkstemp(path);
	assert_true(fd >= 0);
	(void)unlink(path);
	return fd;
}

static enum err run(const char *does, enum thumbnail_status *out)
{
	struct thumb_run run = {
		.helper = script(does),
		.type = "image/png",
		.size = {.width = 32, .height = 32},
		.source_fd = empty_file(),
		.result_fd = empty_file(),
	};
	enum err err = thumb_run(&ctx, &run, out);
	(void)unlink(run.helper);
	(void)close(run.source_fd);
	(void)close(run.result_fd);
	return err;
}

static void run__ends_by_itself__its_status(void **state)
{
	(void)state;
	static const struct {
		const char *does;
		enum thumbnail_status status;
	} cases[] = {
		{"exit 0", THUMBNAIL_MADE},
		{"exit 10", THUMBNAIL_IMPOSSIBLE},
		{"exit 11", THUMBNAIL_TOO_LARGE},
		{"exit 12", THUMBNAIL_IS_ORIGINAL},
		{"exit 1", THUMBNAIL_IMPOSSIBLE},
		{"kill -SEGV $$", THUMBNAIL_IMPOSSIBLE},
		{"kill -XCPU $$", THUMBNAIL_IMPOSSIBLE},
		{"kill -SYS $$", THUMBNAIL_IMPOSSIBLE},
	};
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		enum thumbnail_status status = THUMBNAIL_BAD_CALL;
		print_message("%s\n", cases[i].does);
		assert_int_equal(run(cases[i].does, &status), ERR_OK);
		assert_int_equal(status, cases[i].status);
	}
}

static void run__machine_is_at_fault__failure_and_no_status(void **state)
{
	(void)state;
	static const char *const cases[] = {"kill -KILL $$", "exit 2"};
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		enum thumbnail_status status = THUMBNAIL_BAD_CALL;
		print_message("%s\n", cases[i]);
		assert_int_equal(run(cases[i], &status), ERR_STORE);
		assert_true(str_contains(ctx.fault.cause, STR("/tmp/belfry-thumb-run-")));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(run__ends_by_itself__its_status, set_up, tear_down),
		cmocka_unit_test_setup_teardown(run__machine_is_at_fault__failure_and_no_status, set_up,
			tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
