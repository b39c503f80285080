/*
 * Requests of one caller beyond those that may be under way at once: they wait without a worker, and go on in turn.
 */
#include "loopback.h"

enum { CALLERS = 6 };

static struct gate running; /* handlers that have begun */
static struct gate opened;  /* how many of them may end */
static _Atomic int at_once;
static _Atomic int most_at_once;
static _Atomic int resumed;
static _Atomic int to_fail; /* so many of those that come again are not let in */
static struct arena *arena;

static enum err slow(struct call *call)
{
	int n = atomic_fetch_add(&at_once, 1) + 1;
	int most = atomic_load(&most_at_once);
	while (n > most && !atomic_compare_exchange_weak(&most_at_once, &most, n)) {
	}
	atomic_fetch_add(&resumed, call_is_resumed(call) ? 1 : 0);
	gate_add(&running, 1);
	(void)gate_wait(&opened, 1);
	atomic_fetch_sub(&at_once, 1);
	return reply_empty(call);
}

static enum err quick(struct call *call)
{
	return reply_empty(call);
}

static enum err authenticate(void *self, struct call *call)
{
	(void)self;
	static char user[] = "@a:hs";
	if (call_principal(call) == NULL) {
		call_set_principal(call, user, NULL);
		return ERR_OK;
	}
	return atomic_fetch_sub(&to_fail, 1) > 0
		? fail_status(&call->ctx, ERR_DENIED, 401, "M_UNKNOWN_TOKEN", "Unknown token")
		: ERR_OK;
}

static const struct http_ports ports = {.authenticate = authenticate};

static const struct route rows[] = {
	{"slow", "GET", "/slow", AUTH_USER, LANE_LOCAL, RATE_TRANSACTION, 0, slow},
	{"quick", "GET", "/quick", AUTH_NONE, LANE_LOCAL, RATE_READ, 0, quick},
};

static struct http_server *start(size_t limit, size_t waiting)
{
	gate_init(&running);
	gate_init(&opened);
	atomic_store(&most_at_once, 0);
	atomic_store(&to_fail, 0);
	arena = arena_create();
	struct http_config config = loopback_config();
	config.ports = &ports;
	config.rate_limits_enabled = true;
	config.rates[RATE_TRANSACTION] = (struct rate_class){.at_once = limit, .waiting = waiting};
	return loopback_start(&config, rows, COUNT_OF(rows), NULL);
}

static int ask(struct http_server *server)
{
	int fd = client_connect(http_server_port(server, 0));
	assert_true(client_request(fd, arena, "GET", "/slow", "", NULL));
	return fd;
}

static void all_wait__no_worker_is_taken__each_answered_in_the_end(void **state)
{
	(void)state;
	struct http_server *server = start(1, CALLERS);
	int fds[CALLERS];
	for (size_t i = 0; i < CALLERS; i++) {
		fds[i] = ask(server);
	}
	assert_true(gate_wait(&running, 1));
	/* There are three workers and six requests; others are served. */
	assert_int_equal(client_call(server, arena, "GET", "/quick", "", NULL).status, 200);
	gate_add(&opened, 1);
	for (size_t i = 0; i < CALLERS; i++) {
		assert_int_equal(client_read(fds[i], arena).status, 200);
		assert_int_equal(close(fds[i]), 0);
	}
	assert_int_equal(atomic_load(&most_at_once), 1);
	assert_int_equal(atomic_load(&resumed), 0); /* to a handler it is the first time */
	loopback_stop(server);
	arena_destroy(arena);
}

/* Of `count` requests one is refused while the first holds its place: the others wait by then. */
static void wait_for_refusal(const int *fds, size_t count)
{
	struct pollfd polled[CALLERS];
	for (size_t i = 0; i < count; i++) {
		polled[i] = (struct pollfd){.fd = fds[i], .events = POLLIN};
	}
	assert_int_equal(poll(polled, count, CLIENT_TIMEOUT_MS), 1);
}

static void too_many_wait__one_refused__the_others_answered(void **state)
{
	(void)state;
	struct http_server *server = start(1, 1);
	int fds[3];
	for (size_t i = 0; i < COUNT_OF(fds); i++) {
		fds[i] = ask(server);
	}
	wait_for_refusal(fds, COUNT_OF(fds));
	gate_add(&opened, 1);
	int refused = 0;
	for (size_t i = 0; i < COUNT_OF(fds); i++) {
		struct client_reply reply = client_read(fds[i], arena);
		if (reply.status == 429) {
			assert_errcode(reply, 429, "M_LIMIT_EXCEEDED");
			assert_true(str_contains(reply.body, STR("\"retry_after_ms\":")));
			assert_true(reply_head(&reply, "retry-after").n > 0);
			refused++;
		} else {
			assert_int_equal(reply.status, 200);
		}
		assert_int_equal(close(fds[i]), 0);
	}
	assert_int_equal(refused, 1);
	loopback_stop(server);
	arena_destroy(arena);
}

static void woken_one_fails_before_its_turn__next_has_it(void **state)
{
	(void)state;
	struct http_server *server = start(1, 2);
	int fds[4];
	for (size_t i = 0; i < COUNT_OF(fds); i++) {
		fds[i] = ask(server);
	}
	wait_for_refusal(fds, COUNT_OF(fds));
	atomic_store(&to_fail, 1);
	gate_add(&opened, 1);
	int refused = 0;
	int failed = 0;
	for (size_t i = 0; i < COUNT_OF(fds); i++) {
		/* Before its time is over, when it would be let in without being woken. */
		const struct timeval limit = {.tv_sec = CLIENT_TIMEOUT_S * 3 / 4};
		assert_int_equal(setsockopt(fds[i], SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)), 0);
		int status = client_read(fds[i], arena).status;
		refused += status == 429;
		failed += status == 401;
		assert_true(status == 429 || status == 401 || status == 200);
		assert_int_equal(close(fds[i]), 0);
	}
	assert_int_equal(refused, 1);
	assert_int_equal(failed, 1);
	loopback_stop(server);
	arena_destroy(arena);
}

static void stop__while_some_wait__all_answered(void **state)
{
	(void)state;
	struct http_server *server = start(1, CALLERS);
	int fds[CALLERS];
	for (size_t i = 0; i < CALLERS; i++) {
		fds[i] = ask(server);
	}
	assert_true(gate_wait(&running, 1));
	(void)http_server_stop(server);
	int answered = 0;
	for (size_t i = 0; i < CALLERS; i++) {
		int status = client_read(fds[i], arena).status;
		answered += status == 503;
		assert_true(status == 503 || status == 0); /* 0: not read before the stop */
		assert_int_equal(close(fds[i]), 0);
	}
	assert_true(answered > 0);
	gate_add(&opened, 1);
	http_server_destroy(server);
	arena_destroy(arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_wait__no_worker_is_taken__each_answered_in_the_end),
		cmocka_unit_test(too_many_wait__one_refused__the_others_answered),
		cmocka_unit_test(woken_one_fails_before_its_turn__next_has_it),
		cmocka_unit_test(stop__while_some_wait__all_answered),
	};
	return cmocka_run_group_tests_name("at_once", tests, NULL, NULL);
}
