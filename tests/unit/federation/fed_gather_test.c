/*
 * Questions to several servers: two of one request are never taken for one another.
 */
#include "federation/fed_gather.h"
#include "tests/unit/base/check.h"

enum { EMPTY_MEMO = 4096 }; /* more than it takes */

/* Of a request that may be parked, and which would find the answers to another of its questions. */
static void ask_under_no_name(struct arena *arena)
{
	struct ctx ctx;
	ctx_init(&ctx, arena);
	ctx.memo = arena_alloc(arena, EMPTY_MEMO); /* not looked at */
	struct fed_gathered answer;
	(void)!fed_gather(&ctx, NULL, STR(""), NULL, 0, &answer);
}

static void question__without_name_where_there_is_a_memo__ends_the_process(void **state)
{
	(void)state;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	char said[1024] = {0};
	int ends[2];
	int status = 0;
	assert_int_equal(pipe(ends), 0);
	pid_t child = fork();
	if (child == 0) {
		(void)dup2(ends[1], STDERR_FILENO);
		ask_under_no_name(arena);
		_exit(0);
	}
	assert_int_equal(close(ends[1]), 0);
	(void)waitpid(child, &status, 0);
	assert_true(read(ends[0], said, sizeof(said) - 1) > 0);
	assert_true(WIFSIGNALED(status) && strstr(said, "invariant failed: ctx->memo == NULL") != NULL);
	assert_int_equal(close(ends[0]), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(question__without_name_where_there_is_a_memo__ends_the_process),
	};
	return RUN_ALL(tests);
}
