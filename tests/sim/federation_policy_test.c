/*
 * With which servers this one federates, as it changes while the server runs: what the log tells of a policy holds by then.
 */
#include "federation/outbox_inner.h"
#include "federation/policy.h"
#include "tests/sim/bare.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

/* cmocka's macro would replace base/ctx.h's function. */
#include <cmocka.h>
#undef fail

static struct federation federation;
static _Thread_local bool is_following;
static bool lets_in; /* as it was when the log told of a policy */
static int told;

/* Instead of the C library's: looks at what holds while a line of the log is written. */
ssize_t write(int fd, const void *bytes, size_t n)
{
	if (fd == STDERR_FILENO && is_following) {
		lets_in = fed_policy_allows(&federation, (struct server_name){STR("b.example")});
		told++;
	}
	return syscall(SYS_write, fd, bytes, n);
}

static void follow(struct ctx *ctx, const char *policy)
{
	assert_int_equal(fed_policy_set(ctx, federation.hs->db, str_of(policy)), ERR_OK);
	is_following = true;
	enum err err = fed_policy_follow(ctx, &federation);
	is_following = false;
	assert_int_equal(err, ERR_OK);
}

static void policy__told_by_the_log__holds_already(void **state)
{
	(void)state;
	struct homeserver hs;
	struct outbox outbox = {.federation = &federation};
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct ctx ctx;
	ctx_init(&ctx, arena);
	bare_start(&hs, bare_database(), &(struct settings){0}, NULL);
	federation = (struct federation){.hs = &hs, .policy = policy_create(), .outbox = &outbox};
	follow(&ctx, "open");
	assert_int_equal(told, 1);
	assert_true(lets_in);
	follow(&ctx, "closed");
	assert_int_equal(told, 2);
	assert_false(lets_in);
	policy_destroy(federation.policy);
	bare_stop(&hs);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(policy__told_by_the_log__holds_already),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
