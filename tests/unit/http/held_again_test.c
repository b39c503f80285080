/*
 * What a request of a held connection leaves to the next one that comes with the same headers: who asks, and what its handler keeps on.
 */
#include "loopback.h"

#include "base/mem.h"
#include "http/call_state.h"

#include <unistd.h>

static struct arena *arena;
static struct http_server *server;

/* Who is known by their headers, if they have an Authorization: told once, and then kept with the connection. */
static _Atomic int asked_for, names;

static void release_name(void *name)
{
	mem_free(name);
	atomic_fetch_sub(&names, 1);
}

static enum err authenticate(void *self, struct call *call)
{
	(void)self;
	struct str header = call_header(call, "Authorization");
	const char *last = call_last_principal(call);
	if (call_principal(call) != NULL || header.p == NULL) {
		return ERR_OK; /* it has waited; or nobody */
	}
	if (last != NULL) {
		assert_true(str_equals(str_of(last), header));
		call_confirm_principal(call);
		return ERR_OK;
	}
	char *name = mem_alloc(header.n + 1);
	memcpy(name, header.p, header.n);
	atomic_fetch_add(&asked_for, 1);
	atomic_fetch_add(&names, 1);
	call_set_principal_of_headers(call, name, release_name);
	return ERR_OK;
}

/* Who asks. */
static enum err say_who(struct call *call)
{
	const char *name = call_principal(call);
	struct json_out *out = reply_json(call, 200);
	if (call_query(call, "worker").p != NULL) {
		TRY(ctx_may_wait(&call->ctx));
	}
	json_out_str(out, name != NULL ? str_of(name) : STR("nobody"));
	return ERR_OK;
}

/* Tells what the request before has left, and leaves its own query. */
static enum err leave(struct call *call)
{
	char *left = call_take_left(call);
	struct str own = call->state->request->query;
	struct json_out *out = reply_json(call, 200);
	json_out_str(out, left != NULL ? str_of(left) : STR("nothing"));
	if (left != NULL) {
		release_name(left);
	}
	char *kept = mem_alloc(own.n + 1);
	memcpy(kept, own.p, own.n);
	atomic_fetch_add(&names, 1);
	call_keep(call, kept, release_name);
	if (call_query(call, "leave").p != NULL) {
		call_keep_on(call);
	}
	return ERR_OK;
}

static const struct http_ports ports = {.authenticate = authenticate};

static const struct route rows[] = {
	{"who", "GET", "/who", AUTH_OPTIONAL, LANE_INLINE, RATE_NONE, 0, say_who},
	{"who_is", "GET", "/who/{name}", AUTH_OPTIONAL, LANE_INLINE, RATE_NONE, 0, say_who},
	{"leave", "GET", "/leave", AUTH_NONE, LANE_INLINE, RATE_NONE, 0, leave},
	{"leave_more", "GET", "/leave/more", AUTH_NONE, LANE_INLINE, RATE_NONE, 0, leave},
};

static int start(void **state)
{
	(void)state;
	arena = arena_create();
	struct http_config config = loopback_config();
	config.ports = &ports;
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

static void assert_who(int fd, const char *line, const char *headers, const char *expected)
{
	assert_true(
		client_send(fd, str_printf(arena, "GET %s HTTP/1.1\r\nHost: x\r\n%s\r\n", line, headers)));
	struct client_reply reply = client_read(fd, arena);
	assert_int_equal(reply.status, 200);
	assert_true(str_equals(reply.body, str_printf(arena, "\"%s\"", expected)));
}

/* A worker may have its request a moment longer than its connection is open. */
static void await_no_names(void)
{
	struct pollfd nothing = {.fd = -1};
	int64_t deadline_ms = clock_os_ms() + CLIENT_TIMEOUT_MS;
	while (atomic_load(&names) != 0 && clock_os_ms() < deadline_ms) {
		(void)poll(&nothing, 1, 2);
	}
	assert_int_equal(atomic_load(&names), 0);
}

/* The token is looked up again only where the headers are others, or another thread may still have the request. */
static void principal__of_the_same_headers__kept_with_the_connection(void **state)
{
	(void)state;
	int fd = client_connect(http_server_port(server, 0));
	int before = atomic_load(&asked_for);
	for (int i = 0; i < 3; i++) {
		assert_who(fd, "/who?a", "Authorization: Bearer a\r\n", "Bearer a");
		assert_who(fd, "/who", "Authorization: Bearer a\r\n", "Bearer a");
		assert_who(fd, "/who/me?b", "Authorization: Bearer a\r\n", "Bearer a");
		assert_who(fd, "/leave?other", "Authorization: Bearer a\r\n", "nothing");
		assert_int_equal(atomic_load(&asked_for), before + 2 * i + 1);
		assert_who(fd, "/who", "Authorization: Bearer b\r\n", "Bearer b");
		assert_who(fd, "/who?worker", "Authorization: Bearer b\r\n", "Bearer b");
		assert_who(fd, "/who", "", "nobody");
		assert_who(fd, "/who?worker", "", "nobody");
		assert_int_equal(atomic_load(&asked_for), before + 2 * i + 2);
	}
	int other = client_connect(http_server_port(server, 0));
	assert_who(other, "/who", "Authorization: Bearer a\r\n", "Bearer a");
	assert_int_equal(atomic_load(&asked_for), before + 7);
	assert_int_equal(close(fd), 0);
	assert_int_equal(close(other), 0);
	await_metric("belfry_http_connections", 0);
	await_no_names();
}

static void kept__by_one_request__found_by_the_next_of_its_path(void **state)
{
	(void)state;
	int fd = client_connect(http_server_port(server, 0));
	assert_who(fd, "/leave?leave=1", "", "nothing");
	assert_who(fd, "/leave?leave=2", "", "leave=1");
	assert_who(fd, "/leave/more?leave=3", "", "nothing");
	assert_who(fd, "/leave?leave=4", "", "leave=2");
	assert_who(fd, "/leave?5", "", "leave=4");
	assert_who(fd, "/leave?leave=6", "", "nothing");
	assert_who(fd, "/leave?leave=7", "Accept: */*\r\n", "nothing");
	assert_who(fd, "/leave?leave=8", "Accept: */*\r\n", "leave=7");
	assert_int_equal(close(fd), 0);
	await_metric("belfry_http_connections", 0);
	await_no_names();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(principal__of_the_same_headers__kept_with_the_connection,
			start, stop),
		cmocka_unit_test_setup_teardown(kept__by_one_request__found_by_the_next_of_its_path, start,
			stop),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
