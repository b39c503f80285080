/*
 * Error kinds, and how a failure is described in a context.
 */
#include "check.h"

#include "base/ctx.h"

static void table__every_kind__name_and_status(void **state)
{
	(void)state;
	assert_string_equal(err_name(ERR_OK), "OK");
	assert_string_equal(err_name(ERR_INTERNAL), "INTERNAL");
	assert_int_equal(err_http_status(ERR_DENIED), 403);
	assert_int_equal(err_http_status(ERR_LIMIT), 429);
	assert_true(err_is_transient(ERR_STORE));
	assert_false(err_is_transient(ERR_INPUT));
}

static void unanswered__of_each_kind__what_another_server_may_do_later(void **state)
{
	(void)state;
	for (enum err err = ERR_OK; err <= ERR_INTERNAL; err++) {
		bool is_so = err == ERR_REMOTE || err == ERR_TIMEOUT || err == ERR_LIMIT;
		assert_int_equal(err_is_unanswered(err), is_so);
	}
}

static void fail__described__text_for_client_only(void **state)
{
	(void)state;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct ctx ctx;
	ctx_init(&ctx, arena);
	assert_int_equal(ctx.fault.err, ERR_OK);
	assert_int_equal(fail(&ctx, ERR_DENIED, "M_FORBIDDEN", "no %s", "entry"), ERR_DENIED);
	assert_int_equal(ctx.fault.err, ERR_DENIED);
	assert_string_equal(ctx.fault.errcode, "M_FORBIDDEN");
	assert_text(ctx.fault.text, "no entry");
	assert_int_equal(ctx.fault.cause.n, 0);
	assert_int_equal(fail_status(&ctx, ERR_INPUT, 413, "M_TOO_LARGE", "%d", 1), ERR_INPUT);
	assert_int_equal(ctx.fault.http_status, 413);
}

static void fail_cause__details__for_the_log_only(void **state)
{
	(void)state;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct ctx ctx;
	ctx_init(&ctx, arena);
	assert_int_equal(fail_cause(&ctx, ERR_STORE, "disk %s", "/x"), ERR_STORE);
	assert_text(ctx.fault.cause, "disk /x");
	assert_false(str_contains(ctx.fault.text, STR("/x")));
	assert_int_equal(fail_cause(&ctx, ERR_INTERNAL, "why"), ERR_INTERNAL);
	assert_text(ctx.fault.text, "Internal error");
}

static void fail__very_long_text__cut(void **state)
{
	(void)state;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct ctx ctx;
	ctx_init(&ctx, arena);
	assert_int_equal(fail(&ctx, ERR_INPUT, NULL, "%0*d", 5000, 1), ERR_INPUT);
	assert_int_equal(ctx.fault.text.n, 511);
}

static void break_it(void *data)
{
	invariant(data != NULL);
}

static void invariant__broken__ends_process(void **state)
{
	(void)state;
	assert_true(ends_process(break_it, NULL));
	assert_false(ends_process(break_it, state));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(table__every_kind__name_and_status),
		cmocka_unit_test(unanswered__of_each_kind__what_another_server_may_do_later),
		cmocka_unit_test(fail__described__text_for_client_only),
		cmocka_unit_test(fail_cause__details__for_the_log_only),
		cmocka_unit_test(fail__very_long_text__cut),
		cmocka_unit_test(invariant__broken__ends_process),
	};
	return RUN_ALL(tests);
}
