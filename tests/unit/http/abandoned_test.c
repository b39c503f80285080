/*
 * Requests whose clients are gone by the time a worker has come to them.
 */
#include "loopback.h"

static struct gate busy, released;
static atomic_int runs;
static struct arena *arena;
static struct http_server *server;

static enum err hold(struct call *call)
{
	gate_add(&busy, 1);
	assert_true(gate_wait(&released, 1));
	return reply_empty(call);
}

static enum err work(struct call *call)
{
	TRY(ctx_may_wait(&call->ctx));
	atomic_fetch_add(&runs, 1);
	return reply_empty(call);
}

static const struct route rows[] = {
	{"hold", "POST", "/hold", AUTH_NONE, LANE_LOCAL, RATE_NONE, 0, hold},
	{"local", "GET", "/local", AUTH_NONE, LANE_LOCAL, RATE_NONE, 0, work},
	{"inline", "GET", "/inline", AUTH_NONE, LANE_INLINE, RATE_NONE, 0, work},
	{"post", "POST", "/local", AUTH_NONE, LANE_LOCAL, RATE_NONE, 0, work},
};

static int start(void **state)
{
	(void)state;
	gate_init(&busy);
	gate_init(&released);
	atomic_store(&runs, 0);
	arena = arena_create();
	struct http_config config = loopback_config();
	config.local.workers = 1;
	config.io_threads = 1;
	server = loopback_start(&config, rows, COUNT_OF(rows), NULL);
	return 0;
}

static int stop(void **state)
{
	(void)state;
	loopback_stop(server);
	arena_destroy(arena);
	return 0;
}

/* Waits until it stands behind `before` others. */
static int ask(const char *method, const char *target, int before)
{
	int fd = client_connect(http_server_port(server, 0));
	assert_true(client_request(fd, arena, method, target, "", method[0] == 'P' ? "{}" : NULL));
	await_metric("belfry_http_lane_waiting{lane=\"local\"}", before + 1);
	return fd;
}

static void requests__whose_clients_have_gone__only_what_was_promised_is_done(void **state)
{
	(void)state;
	int holder = client_connect(http_server_port(server, 0));
	assert_true(client_request(holder, arena, "POST", "/hold", "", "{}"));
	assert_true(gate_wait(&busy, 1));
	int gone[] = {ask("GET", "/local", 0), ask("GET", "/inline", 1), ask("POST", "/local", 2)};
	int stays[] = {ask("GET", "/local", 3), ask("GET", "/inline", 4)};
	for (size_t i = 0; i < COUNT_OF(gone); i++) {
		assert_int_equal(close(gone[i]), 0);
	}
	struct pollfd nothing = {.fd = -1};
	(void)poll(&nothing, 1, 1100); /* they have waited for long */
	gate_add(&released, 1);
	assert_int_equal(client_read(holder, arena).status, 200);
	for (size_t i = 0; i < COUNT_OF(stays); i++) {
		assert_int_equal(client_read(stays[i], arena).status, 200);
		assert_int_equal(close(stays[i]), 0);
	}
	assert_int_equal(atomic_load(&runs), 3);
	assert_int_equal(close(holder), 0);
	await_metric("belfry_http_connections", 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			requests__whose_clients_have_gone__only_what_was_promised_is_done, start, stop),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
