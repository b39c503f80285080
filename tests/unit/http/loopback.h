/**
 * For the tests of http/: a server on a loopback port, a client of plain sockets, and gates on which
 * threads of a test wait for one another. All static: each test file is a program of its own.
 */
#ifndef BELFRY_TESTS_UNIT_HTTP_LOOPBACK_H
#define BELFRY_TESTS_UNIT_HTTP_LOOPBACK_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>
#undef fail /* a macro of cmocka, a function of base/ctx.h */

#include "base/clock.h"
#include "base/lock.h"
#include "base/log.h"
#include "base/metrics.h"
#include "http/server.h"

enum { CLIENT_TIMEOUT_S = 20, CLIENT_TIMEOUT_MS = 20000 };

/* --- metrics -------------------------------------------------------------------------------------------- */

/** What a metric without labels is now; 0 when it has not been counted yet. */
MAYBE_UNUSED static int64_t metric_now(const char *name)
{
	struct buf text;
	char line[128];
	buf_init(&text, 1 << 20);
	metrics_write(&text);
	buf_add_byte(&text, '\0');
	(void)snprintf(line, sizeof(line), "\n%s ", name);
	const char *found = strstr(text.p, line);
	int64_t count = found != NULL ? strtoll(found + strlen(line), NULL, 10) : 0;
	buf_fini(&text);
	return count;
}

/** Waits until it is `value`: a client may have its answer before the server's thread has counted the request as over. */
MAYBE_UNUSED static void await_metric(const char *name, int64_t value)
{
	struct pollfd nothing = {.fd = -1};
	int64_t deadline_ms = clock_os_ms() + CLIENT_TIMEOUT_MS;
	while (metric_now(name) != value && clock_os_ms() < deadline_ms) {
		(void)poll(&nothing, 1, 2); /* the server's threads give no event of it */
	}
	assert_int_equal(metric_now(name), value);
}

/* --- gates ---------------------------------------------------------------------------------------------- */

/** Counts events; threads wait until a number of them has happened. */
struct gate {
	struct lock lock;
	struct cond cond;
	int count;
};

MAYBE_UNUSED static void gate_init(struct gate *gate)
{
	lock_init(&gate->lock, RANK_LEAF);
	cond_init(&gate->cond);
	gate->count = 0;
}

MAYBE_UNUSED static void gate_add(struct gate *gate, int n)
{
	lock_take(&gate->lock);
	gate->count += n;
	cond_broadcast(&gate->cond);
	lock_give(&gate->lock);
}

/** Waits until `n` events have happened; false after 20 s. */
MAYBE_UNUSED static bool gate_wait(struct gate *gate, int n)
{
	int64_t deadline_ms = clock_os_ms() + CLIENT_TIMEOUT_MS;
	bool in_time = true;
	lock_take(&gate->lock);
	while (gate->count < n && in_time) {
		in_time = cond_wait_until(&gate->cond, &gate->lock, deadline_ms);
	}
	bool reached = gate->count >= n;
	lock_give(&gate->lock);
	return reached;
}

/* --- server --------------------------------------------------------------------------------------------- */

static const struct http_listen loopback_listen[] = {
	{.kind = HTTP_LISTEN_PLAIN, .address = "127.0.0.1:0"}};

/** Few threads, one plain listener. */
MAYBE_UNUSED static struct http_config loopback_config(void)
{
	return (struct http_config){.listen = loopback_listen,
		.listen_count = 1,
		.local = {.workers = 3},
		.slow = {.workers = 1},
		.remote = {.workers = 1}};
}

MAYBE_UNUSED static struct http_server *loopback_start(const struct http_config *config,
	const struct route *rows, size_t count, void *service)
{
	struct http_server *server = http_server_create(config);
	const struct route_table table = {.rows = rows, .count = count, .service = service};
	http_server_add_table(server, &table);
	struct arena *arena = arena_create();
	struct ctx ctx;
	ctx_init(&ctx, arena);
	enum err err = http_server_start(server, &ctx);
	if (err != ERR_OK) {
		print_error("start: %.*s\n", STR_ARG(ctx.fault.text));
	}
	assert_int_equal(err, ERR_OK);
	arena_destroy(arena);
	return server;
}

MAYBE_UNUSED static void loopback_stop(struct http_server *server)
{
	assert_true(http_server_stop(server));
	http_server_destroy(server);
}

/* --- client --------------------------------------------------------------------------------------------- */

/** @return -1 when the connection is refused */
MAYBE_UNUSED static int client_try_connect(uint16_t port)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(fd >= 0);
	struct timeval timeout = {.tv_sec = CLIENT_TIMEOUT_S};
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout)), 0);
	int on = 1;
	assert_int_equal(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)), 0);
	struct sockaddr_in where = {.sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)}};
	if (connect(fd, (struct sockaddr *)&where, sizeof(where)) != 0) {
		assert_int_equal(close(fd), 0);
		return -1;
	}
	return fd;
}

MAYBE_UNUSED static int client_connect(uint16_t port)
{
	int fd = client_try_connect(port);
	assert_true(fd >= 0);
	return fd;
}

/** @return false when the other side has closed */
MAYBE_UNUSED static bool client_send(int fd, struct str bytes)
{
	while (bytes.n > 0) {
		ssize_t n = send(fd, bytes.p, bytes.n, MSG_NOSIGNAL);
		if (n <= 0) {
			return false;
		}
		bytes = str_slice(bytes, (size_t)n, bytes.n);
	}
	return true;
}

struct client_reply {
	int status; /**< 0: closed without an answer */
	struct str head;
	struct str body;
};

/** Value of a header in the answer's head; p == NULL when absent. */
MAYBE_UNUSED static struct str reply_head(const struct client_reply *reply, const char *name)
{
	struct str rest = reply->head;
	while (rest.n > 0) {
		struct str line;
		struct str tail;
		(void)str_split(rest, '\n', &line, &tail);
		rest = tail;
		struct str key;
		struct str value;
		if (str_split(line, ':', &key, &value) && str_equals_nocase(key, str_of(name))) {
			return str_trim(value);
		}
	}
	return (struct str){0};
}

/** Reads one answer byte by byte up to its body; `is_head` when the request was a HEAD. */
MAYBE_UNUSED static struct client_reply client_read_as(int fd, struct arena *arena, bool is_head)
{
	struct client_reply reply = {0};
	struct buf head;
	buf_init(&head, 65536);
	char c = 0;
	while (!str_ends_with(buf_str(&head), STR("\r\n\r\n")) && recv(fd, &c, 1, 0) == 1) {
		buf_add_byte(&head, c);
	}
	reply.head = str_dup(arena, buf_str(&head));
	buf_fini(&head);
	if (!str_ends_with(reply.head, STR("\r\n\r\n")) || reply.head.n < 12) {
		return (struct client_reply){0};
	}
	int64_t status = 0;
	assert_true(str_to_int(str_slice(reply.head, 9, 12), 100, 999, &status));
	reply.status = (int)status;
	int64_t n = 0;
	struct str length = reply_head(&reply, "content-length");
	if (length.p != NULL && !is_head) {
		assert_true(str_to_int(length, 0, 1 << 30, &n));
	}
	char *body = arena_alloc(arena, (size_t)n + 1);
	size_t got = 0;
	while (got < (size_t)n) {
		ssize_t more = recv(fd, body + got, (size_t)n - got, 0);
		assert_true(more > 0);
		got += (size_t)more;
	}
	reply.body = str_from(body, got);
	return reply;
}

MAYBE_UNUSED static struct client_reply client_read(int fd, struct arena *arena)
{
	return client_read_as(fd, arena, false);
}

/** Sends head and body (Content-Length added when the body is not NULL) on an open connection. */
MAYBE_UNUSED static bool client_request(int fd, struct arena *arena, const char *method,
	const char *target, const char *headers, const char *body)
{
	struct str length =
		body != NULL ? str_printf(arena, "Content-Length: %zu\r\n", strlen(body)) : STR("");
	return client_send(fd,
		str_printf(arena, "%s %s HTTP/1.1\r\nHost: test\r\n%.*s%s\r\n%s", method, target,
			STR_ARG(length), headers, body != NULL ? body : ""));
}

/** One request on a connection of its own. */
MAYBE_UNUSED static struct client_reply client_call(struct http_server *server, struct arena *arena,
	const char *method, const char *target, const char *headers, const char *body)
{
	int fd = client_connect(http_server_port(server, 0));
	(void)client_request(fd, arena, method, target, headers, body);
	struct client_reply reply = client_read_as(fd, arena, strcmp(method, "HEAD") == 0);
	assert_int_equal(close(fd), 0);
	return reply;
}

/** Replies so many MiB, from 32 on far more than socket buffers take; of large pieces without escapes, so that it is made in no time. */
MAYBE_UNUSED static enum err loopback_reply_mib(struct call *call, int count)
{
	enum { PIECE = 1 << 20 };
	struct json_out *out = reply_json(call, 200);
	json_out_array(out);
	char *filler = arena_alloc(call->ctx.arena, PIECE);
	memset(filler, 'x', PIECE);
	for (int i = 0; i < count; i++) {
		json_out_str(out, str_from(filler, PIECE));
	}
	json_out_end(out);
	return ERR_OK;
}

/** A connection that libmicrohttpd has: it got a request there that is not plain (http/head.h). */
MAYBE_UNUSED static int client_connect_library(const struct http_server *server,
	struct arena *arena, const char *target)
{
	int fd = client_connect(http_server_port(server, 0));
	assert_true(client_request(fd, arena, "GET", target, "Cookie: a=b\r\n", NULL));
	assert_true(client_read(fd, arena).status > 0);
	return fd;
}

/** Whether the other side closes; waits for it. */
MAYBE_UNUSED static bool client_sees_close(int fd)
{
	char c = 0;
	ssize_t n = 1;
	while (n == 1) {
		n = recv(fd, &c, 1, 0);
	}
	return n == 0 || (n < 0 && errno == ECONNRESET);
}

#define assert_str_equal(actual, expected) \
	do { \
		struct str actual_ = (actual); \
		char text_[2048]; \
		(void)snprintf(text_, sizeof(text_), "%.*s", STR_ARG(actual_)); \
		assert_string_equal(text_, (expected)); \
	} while (0)

#define assert_errcode(reply, status_, errcode_) \
	do { \
		assert_int_equal((reply).status, (status_)); \
		assert_true(str_contains((reply).body, STR("\"errcode\":\"" errcode_ "\""))); \
	} while (0)

#endif
