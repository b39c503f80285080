/*
 * Stopping: what is under way is answered, what does not end is answered for, nothing new is let in.
 */
#include "loopback.h"

#include <fcntl.h>

static struct gate arrived;
static struct gate released;
static struct arena *arena;
static struct http_server *server;
static pthread_t stopper;
static bool is_stopping; /* by the stopper, who is not joined yet */
static bool has_stopped;
static bool has_ended; /* what http_server_stop() said */

static enum err wait_for_release(struct call *call)
{
	gate_add(&arrived, 1);
	(void)gate_wait(&released, 1);
	/* All that it may look at must still be there. */
	struct json_out *out = reply_json(call, 200);
	json_out_object(out);
	json_out_key_str(out, "header", call_header(call, "X-Test"));
	json_out_key_str(out, "target", call_raw_target(call));
	json_out_end(out);
	return ERR_OK;
}

static enum err say_ok(struct call *call)
{
	return reply_empty(call);
}

static enum err say_much(struct call *call)
{
	return loopback_reply_mib(call, 32);
}

static const struct route rows[] = {
	{"wait", "GET", "/wait", AUTH_NONE, LANE_REMOTE, RATE_NONE, 0, wait_for_release},
	{"ok", "GET", "/ok", AUTH_NONE, LANE_INLINE, RATE_NONE, 0, say_ok},
	{"much", "GET", "/much", AUTH_NONE, LANE_INLINE, RATE_NONE, 0, say_much},
};

static int start_with(int64_t stop_timeout_ms)
{
	gate_init(&arrived);
	gate_init(&released);
	arena = arena_create();
	struct http_config config = loopback_config();
	config.stop_timeout_ms = stop_timeout_ms;
	has_stopped = false;
	server = loopback_start(&config, rows, COUNT_OF(rows), NULL);
	return 0;
}

static int start_patient(void **state)
{
	(void)state;
	return start_with(20000);
}

static int start_impatient(void **state)
{
	(void)state;
	return start_with(100);
}

static bool stop(void)
{
	has_stopped = true;
	has_ended = http_server_stop(server);
	return has_ended;
}

static void *stop_server(void *data)
{
	(void)data;
	(void)stop();
	return NULL;
}

static void begin_stop(void)
{
	is_stopping = true;
	stopper = thread_start("stopper", stop_server, NULL);
}

/* @return whether all had ended in time */
static bool join_stop(void)
{
	is_stopping = false;
	assert_int_equal(pthread_join(stopper, NULL), 0);
	return has_ended;
}

/* Also after a failed assertion, which is told only if this comes to its end. */
static int finish(void **state)
{
	(void)state;
	gate_add(&released, 1); /* http_server_destroy() waits for the handler */
	if (is_stopping) {
		(void)join_stop();
	}
	if (!has_stopped) {
		(void)stop();
	}
	http_server_destroy(server);
	arena_destroy(arena);
	return 0;
}

static int begin(const char *target)
{
	int fd = client_connect(http_server_port(server, 0));
	assert_true(client_request(fd, arena, "GET", target, "X-Test: here\r\n", NULL));
	return fd;
}

/* Connects until the server refuses; each try is an event of its own. */
static void wait_until_refused(uint16_t port)
{
	int fd = client_try_connect(port);
	while (fd >= 0) {
		(void)client_request(fd, arena, "GET", "/ok", "", NULL);
		(void)client_read(fd, arena);
		assert_int_equal(close(fd), 0);
		fd = client_try_connect(port);
	}
}

/* A connection from before learns from the answer to its next request that it was the last. */
static void assert_told(int fd)
{
	assert_true(client_request(fd, arena, "GET", "/ok", "", NULL));
	struct client_reply reply = client_read(fd, arena);
	assert_int_equal(reply.status, 503);
	assert_str_equal(reply_head(&reply, "connection"), "close");
}

static void stop__under_way__is_answered_and_new_ones_are_refused(void **state)
{
	(void)state;
	int idle = client_connect(http_server_port(server, 0));
	assert_true(client_request(idle, arena, "GET", "/ok", "", NULL));
	struct client_reply reply = client_read(idle, arena);
	assert_int_equal(reply.status, 200);
	int fd = begin("/wait");
	assert_true(gate_wait(&arrived, 1));
	begin_stop();
	wait_until_refused(http_server_port(server, 0));
	assert_told(idle);
	gate_add(&released, 1);
	reply = client_read(fd, arena);
	assert_int_equal(reply.status, 200);
	assert_str_equal(reply.body, "{\"header\":\"here\",\"target\":\"/wait\"}");
	assert_true(join_stop());
	assert_int_equal(close(fd) + close(idle), 0);
}

/* Its answer was made before, and does not say that it is the last. */
static void stop__while_an_answer_is_read__the_next_request_is_told(void **state)
{
	(void)state;
	int reading = begin("/much");
	char first;
	assert_int_equal(recv(reading, &first, 1, MSG_PEEK), 1);
	int fd = begin("/wait"); /* so long the stop lasts */
	assert_true(gate_wait(&arrived, 1));
	begin_stop();
	wait_until_refused(http_server_port(server, 0));
	struct client_reply reply = client_read(reading, arena);
	assert_int_equal(reply.status, 200);
	assert_null(reply_head(&reply, "connection").p);
	assert_told(reading);
	gate_add(&released, 1);
	assert_int_equal(client_read(fd, arena).status, 200);
	assert_true(join_stop());
	assert_int_equal(close(fd) + close(reading), 0);
}

static void stop__handler_does_not_end__503_for_it_and_for_the_queue(void **state)
{
	(void)state;
	int fds[4];
	for (size_t i = 0; i < COUNT_OF(fds); i++) {
		fds[i] = begin("/wait"); /* one runs, three wait in the queue */
	}
	assert_true(gate_wait(&arrived, 1));
	begin_stop();
	for (size_t i = 0; i < COUNT_OF(fds); i++) {
		/* One that was still on its way to the queue is cut off instead. */
		struct client_reply reply = client_read(fds[i], arena);
		assert_true(reply.status == 503 || reply.status == 0);
		assert_int_equal(close(fds[i]), 0);
	}
	assert_false(join_stop());
}

static void stop__nothing_under_way__at_once(void **state)
{
	(void)state;
	int64_t began_us = clock_mono_us();
	assert_true(stop());
	assert_true(clock_mono_us() - began_us < 5000000);
}

static void start__address_taken__conflict(void **state)
{
	(void)state;
	struct http_config config = loopback_config();
	char address[32];
	(void)snprintf(address, sizeof(address), "127.0.0.1:%u", http_server_port(server, 0));
	const struct http_listen listen[] = {{.kind = HTTP_LISTEN_PLAIN, .address = address}};
	config.listen = listen;
	struct http_server *second = http_server_create(&config);
	struct ctx ctx;
	ctx_init(&ctx, arena);
	assert_int_equal(http_server_start(second, &ctx), ERR_CONFLICT);
	assert_true(str_contains(ctx.fault.text, str_of(address)));
	http_server_destroy(second);
	assert_true(stop());
}

static void start__bad_configuration__input(void **state)
{
	(void)state;
	struct ctx ctx;
	ctx_init(&ctx, arena);
	struct http_config config = loopback_config();
	const struct http_listen bad[] = {{.kind = HTTP_LISTEN_PLAIN, .address = "nowhere"}};
	config.listen = bad;
	struct http_server *other = http_server_create(&config);
	assert_int_equal(http_server_start(other, &ctx), ERR_INPUT);
	http_server_destroy(other);

	const struct http_listen tls[] = {{.kind = HTTP_LISTEN_TLS, .address = "127.0.0.1:0"}};
	config.listen = tls;
	other = http_server_create(&config);
	assert_int_equal(http_server_start(other, &ctx), ERR_INPUT);
	http_server_destroy(other);

	config = loopback_config();
	const char *const proxies[] = {"school.example"};
	config.trusted_proxies = proxies;
	config.trusted_proxy_count = 1;
	other = http_server_create(&config);
	assert_int_equal(http_server_start(other, &ctx), ERR_INPUT);
	http_server_destroy(other);
	assert_true(stop());
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(function, start) cmocka_unit_test_setup_teardown(function, start, finish)
		TEST(stop__under_way__is_answered_and_new_ones_are_refused, start_patient),
		TEST(stop__while_an_answer_is_read__the_next_request_is_told, start_patient),
		TEST(stop__handler_does_not_end__503_for_it_and_for_the_queue, start_impatient),
		TEST(stop__nothing_under_way__at_once, start_patient),
		TEST(start__address_taken__conflict, start_patient),
		TEST(start__bad_configuration__input, start_patient),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
