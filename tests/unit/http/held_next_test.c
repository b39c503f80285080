/*
 * The requests of a held connection, as each is from its beginning: the plain ones are read without libmicrohttpd, all others by it, and none differs
 * from what it would have been on a connection that libmicrohttpd has.
 */
#include "loopback.h"

#include "http/call_state.h"

#include <dirent.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { TIMES = 600, MANY = 2000, CEILING = 16 * 1024, SMALL_BODY = 100 };

static struct gate parked;
static struct lock lock; /* guards the next two */
static struct park *parks[MANY];
static size_t park_count;
static struct arena *arena;
static struct http_server *server;

/* All that a handler may see of its request. */
static enum err echo(struct call *call)
{
	const struct request *request = call->state->request;
	struct json_out *out = reply_json(call, 200);
	json_out_object(out);
	json_out_key_str(out, "method", request->method);
	json_out_key_str(out, "target", request->target);
	json_out_key_str(out, "path", request->path);
	json_out_key_str(out, "query", request->query);
	json_out_key_str(out, "address", request->address);
	json_out_key_str(out, "body", buf_str(&request->body));
	json_out_key(out, STR("headers"));
	json_out_array(out);
	for (size_t i = 0; i < request->header_count; i++) {
		json_out_str(out, request->headers[i].name);
		json_out_str(out, request->headers[i].value);
	}
	json_out_end(out);
	json_out_end(out);
	return ERR_OK;
}

static enum err wait_once(struct call *call)
{
	if (call_is_resumed(call) || call_is_stopping(call)) {
		return echo(call);
	}
	if (call_query(call, "worker").p != NULL) {
		TRY(ctx_may_wait(&call->ctx));
	}
	struct park *park = call_park(call, clock_os_ms() + 100000);
	lock_take(&lock);
	parks[park_count++] = park;
	lock_give(&lock);
	gate_add(&parked, 1);
	return ERR_OK;
}

/* As much as no socket takes. */
static enum err say_much(struct call *call)
{
	struct json_out *out = reply_json(call, 200);
	json_out_array(out);
	for (int i = 0; i < 400000; i++) {
		json_out_str(out, STR("as much as a socket does not take at once, and more than that"));
	}
	json_out_end(out);
	return ERR_OK;
}

static const struct route rows[] = {
	{"wait", "GET", "/wait", AUTH_NONE, LANE_INLINE, RATE_NONE, 0, wait_once},
	{"echo", "GET", "/echo", AUTH_NONE, LANE_INLINE, RATE_NONE, 0, echo},
	{"much", "GET", "/much", AUTH_NONE, LANE_INLINE, RATE_NONE, 0, say_much},
	{"local", "GET", "/local", AUTH_NONE, LANE_LOCAL, RATE_NONE, 0, echo},
	{"post", "POST", "/echo", AUTH_NONE, LANE_INLINE, RATE_NONE, 0, echo},
	{"postLocal", "POST", "/local", AUTH_NONE, LANE_LOCAL, RATE_NONE, 0, echo},
	{"putLocal", "PUT", "/local", AUTH_NONE, LANE_LOCAL, RATE_NONE, 0, echo},
	{"postMuch", "POST", "/much", AUTH_NONE, LANE_LOCAL, RATE_NONE, 0, say_much},
	{"postSmall", "POST", "/small", AUTH_NONE, LANE_LOCAL, RATE_NONE, SMALL_BODY, echo},
};

static int start(void **state)
{
	(void)state;
	static const char *const proxies[] = {"127.0.0.0/8"};
	gate_init(&parked);
	lock_init(&lock, RANK_LEAF);
	park_count = 0;
	arena = arena_create();
	struct http_config config = loopback_config();
	config.trusted_proxies = proxies;
	config.trusted_proxy_count = 1;
	config.idle_timeout_ms = *state != NULL ? 1000 : 0;
	config.send_timeout_ms = *state != NULL ? 400 : 0; /* so often deadlines are looked at */
	server = loopback_start(&config, rows, COUNT_OF(rows), NULL);
	return 0;
}

static int stop(void **state)
{
	(void)state;
	loopback_stop(server);
	for (size_t i = 0; i < park_count; i++) {
		park_unref(parks[i]);
	}
	arena_destroy(arena);
	return 0;
}

/* How many requests were read without libmicrohttpd. */
static int64_t read_here(void)
{
	return metric_now("belfry_http_held_requests_total");
}

static void await_connections(int64_t count)
{
	await_metric("belfry_http_connections", count);
}

static void wake_last(void)
{
	lock_take(&lock);
	struct park *park = parks[park_count - 1];
	lock_give(&lock);
	park_wake(park);
}

static int waited_so_far(void)
{
	LOCK_SCOPE(&lock);
	return (int)park_count;
}

static void ask(int fd, const char *target)
{
	assert_true(client_request(fd, arena, "GET", target, "", NULL));
}

static void assert_target(int fd, const char *target)
{
	struct client_reply reply = client_read(fd, arena);
	assert_int_equal(reply.status, 200);
	assert_true(str_contains(reply.body, str_printf(arena, "\"target\":\"%s\"", target)));
}

/* Waits once and is answered. */
static void wait_on(int fd, const char *target)
{
	int before = waited_so_far();
	ask(fd, target);
	assert_true(gate_wait(&parked, before + 1));
	wake_last();
	assert_target(fd, target);
}

/* A connection that is held and idle. */
static int held_connection(void)
{
	int fd = client_connect(http_server_port(server, 0));
	wait_on(fd, "/wait?first");
	return fd;
}

static void request__plain__read_here_again_and_again(void **state)
{
	(void)state;
	int64_t first = read_here();
	int fd = held_connection();
	int64_t before = read_here();
	assert_int_equal(before, first + 1);
	for (int i = 1; i <= 20; i++) {
		wait_on(fd, i % 2 == 0 ? "/wait?next&worker" : "/wait?next");
		ask(fd, "/echo?at=once");
		assert_target(fd, "/echo?at=once");
		assert_int_equal(read_here(), before + (int64_t)2 * i);
	}
	await_metric("belfry_http_held", 0);
	assert_int_equal(close(fd), 0);
	await_connections(0);
}

static void request__of_another_kind__read_by_libmicrohttpd_and_held_again(void **state)
{
	(void)state;
	static const struct str others[] = {
		STR_INIT("GET /local HTTP/1.1\r\nHost: x\r\n\r\n"),
		STR_INIT("POST /echo HTTP/1.1\r\nHost: x\r\nCookie: a=b\r\nContent-Length: 2\r\n\r\n{}"),
		STR_INIT("GET /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"),
		STR_INIT("GET /echo HTTP/1.1\r\nHost: x\r\nCookie: a=b\r\n\r\n"),
		STR_INIT("GET /none HTTP/1.1\r\nHost: x\r\n\r\n"),
	};
	int fd = held_connection();
	int64_t before = read_here();
	for (size_t i = 0; i < COUNT_OF(others); i++) {
		assert_true(client_send(fd, others[i]));
		assert_int_equal(client_read(fd, arena).status, i + 1 < COUNT_OF(others) ? 200 : 404);
		assert_int_equal(read_here(), before + (int64_t)i);
		wait_on(fd, "/wait?held-again"); /* by libmicrohttpd */
		wait_on(fd, "/wait?held-still");
		assert_int_equal(read_here(), before + (int64_t)i + 1);
	}
	assert_int_equal(close(fd), 0);
}

static void send_body(int fd, const char *method, const char *target, size_t bytes)
{
	char *body = arena_alloc(arena, bytes + 1);
	memset(body, 'x', bytes);
	assert_true(client_request(fd, arena, method, target, "", body));
}

static void assert_body(int fd, size_t bytes)
{
	struct client_reply reply = client_read(fd, arena);
	assert_int_equal(reply.status, 200);
	size_t n = 0;
	for (size_t i = 0; i < reply.body.n; i++) {
		n += reply.body.p[i] == 'x';
	}
	assert_int_equal(n, bytes);
}

/* What comes in one piece: on the I/O thread, and on a worker, which sends the answer. */
static void request__with_its_body__read_here_again_and_again(void **state)
{
	(void)state;
	static const char *const methods[] = {"POST", "POST", "PUT"};
	static const char *const targets[] = {"/echo", "/local", "/local"};
	int fd = client_connect(http_server_port(server, 0));
	int64_t before = read_here();
	for (size_t i = 0; i < 30; i++) {
		send_body(fd, methods[i % 3], targets[i % 3], i % 10 * 1000);
		assert_body(fd, i % 10 * 1000);
		assert_int_equal(read_here(), before + (int64_t)i + 1);
	}
	ask(fd, "/echo?still");
	assert_target(fd, "/echo?still");
	assert_int_equal(read_here(), before + 31);
	await_metric("belfry_http_held", 0);
	assert_int_equal(close(fd), 0);
	await_connections(0);
}

/* Behind the same headers as before, but for what would be its body: that is no request without one. */
static void request__with_the_headers_of_one_with_a_body__judged_anew(void **state)
{
	(void)state;
	int fd = client_connect(http_server_port(server, 0));
	assert_true(client_request(fd, arena, "POST", "/local", "", "x"));
	assert_body(fd, 1);
	int64_t before = read_here();
	assert_true(
		client_send(fd, STR("GET /echo HTTP/1.1\r\nHost: test\r\nContent-Length: 1\r\n\r\n")));
	assert_true(client_send(fd, STR("x")));
	ask(fd, "/echo?behind");
	assert_body(fd, 0);
	assert_target(fd, "/echo?behind");
	assert_int_equal(read_here(), before);
	assert_int_equal(close(fd), 0);
}

static void body__in_pieces_or_large__read_as_ever(void **state)
{
	(void)state;
	enum { LARGE = 200 * 1024 };
	int fd = client_connect(http_server_port(server, 0));
	assert_true(
		client_send(fd, STR("POST /local HTTP/1.1\r\nHost: test\r\nContent-Length: 2\r\n\r\nx")));
	assert_true(client_send(fd, STR("x")));
	assert_body(fd, 2);
	assert_int_equal(close(fd), 0);
	int64_t before = read_here();
	fd = client_connect(http_server_port(server, 0));
	send_body(fd, "POST", "/local", LARGE);
	assert_body(fd, LARGE);
	assert_int_equal(close(fd), 0);
	fd = client_connect(http_server_port(server, 0));
	send_body(fd, "POST", "/small", SMALL_BODY + 1);
	struct client_reply reply = client_read(fd, arena);
	assert_errcode(reply, 413, "M_TOO_LARGE");
	assert_int_equal(read_here(), before);
	assert_int_equal(close(fd), 0);
	await_connections(0);
}

static void answer_of_a_worker__not_taken_at_once__sent_whole_and_served_on(void **state)
{
	(void)state;
	int fd = client_connect(http_server_port(server, 0));
	for (int i = 0; i < 3; i++) {
		assert_true(client_request(fd, arena, "POST", "/much", "", "{}"));
		char first;
		assert_int_equal(recv(fd, &first, 1, MSG_PEEK), 1);
		struct client_reply reply = client_read(fd, arena);
		assert_true(str_ends_with(reply.body, STR("more than that\"]")));
	}
	send_body(fd, "POST", "/local", 7);
	assert_body(fd, 7);
	/* And one that nobody reads to its end. */
	assert_true(client_request(fd, arena, "POST", "/much", "", "{}"));
	char first;
	assert_int_equal(recv(fd, &first, 1, MSG_PEEK), 1);
	assert_int_equal(close(fd), 0);
	await_connections(0);
}

static void requests__in_pieces_or_together__all_answered_in_order(void **state)
{
	(void)state;
	struct str two =
		STR("GET /echo?1 HTTP/1.1\r\nHost: x\r\n\r\nGET /echo?2 HTTP/1.1\r\nHost: x\r\n\r\n");
	for (size_t n = 0; n <= two.n; n += 3) {
		int fd = held_connection();
		assert_true(client_send(fd, str_slice(two, 0, n)));
		if (n >= two.n / 2) {
			assert_target(fd, "/echo?1");
		}
		assert_true(client_send(fd, str_slice(two, n, two.n)));
		if (n < two.n / 2) {
			assert_target(fd, "/echo?1");
		}
		assert_target(fd, "/echo?2");
		assert_int_equal(close(fd), 0);
	}
	await_connections(0);
}

static void request__that_comes_while_another_waits__answered_after_it(void **state)
{
	(void)state;
	int fd = held_connection();
	for (int i = 0; i < 10; i++) {
		int64_t before = read_here();
		int waiting = waited_so_far();
		ask(fd, "/wait?a");
		assert_true(gate_wait(&parked, waiting + 1));
		ask(fd, "/echo?b");
		wake_last();
		assert_target(fd, "/wait?a");
		assert_target(fd, "/echo?b");
		assert_int_equal(read_here(), before + 2);
	}
	assert_int_equal(close(fd), 0);
}

static void answer__not_taken_at_once__sent_whole_and_served_on(void **state)
{
	(void)state;
	int fd = held_connection();
	int64_t before = read_here();
	ask(fd, "/much");
	char first;
	assert_int_equal(recv(fd, &first, 1, MSG_PEEK), 1);
	ask(fd, "/echo?behind");
	struct client_reply reply = client_read(fd, arena);
	assert_true(str_ends_with(reply.body, STR("more than that\"]")));
	assert_target(fd, "/echo?behind");
	wait_on(fd, "/wait?after");
	assert_int_equal(read_here(), before + 3);
	assert_int_equal(close(fd), 0);
}

static void client__gone_between_while_waiting_or_reading__connection_ends(void **state)
{
	(void)state;
	for (int i = 0; i < 24; i++) {
		int fd = held_connection();
		int waiting = waited_so_far();
		if (i % 4 == 1) {
			ask(fd, "/wait?gone");
			assert_true(gate_wait(&parked, waiting + 1));
		} else if (i % 4 == 2) {
			ask(fd, "/much");
			char first;
			assert_int_equal(recv(fd, &first, 1, 0), 1);
		} else if (i % 4 == 3) {
			assert_true(client_send(fd, STR("GET /echo HT")));
		}
		struct linger reset = {.l_onoff = i % 8 < 4, .l_linger = 0};
		assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset)), 0);
		assert_int_equal(close(fd), 0);
		if (i % 4 == 1) {
			wake_last();
		}
		await_connections(0);
	}
	assert_int_equal(metric_now("belfry_http_held"), 0);
}

/* How many files are in an epoll. */
static int count_watched(void)
{
	DIR *folder = opendir("/proc/self/fdinfo");
	assert_non_null(folder);
	int count = 0;
	for (struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder)) {
		char path[64];
		char line[256];
		(void)snprintf(path, sizeof(path), "/proc/self/fdinfo/%.20s", entry->d_name);
		FILE *file = entry->d_name[0] != '.' ? fopen(path, "r") : NULL;
		while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
			count += str_starts_with(str_of(line), STR("tfd:"));
		}
		if (file != NULL) {
			assert_int_equal(fclose(file), 0);
		}
	}
	assert_int_equal(closedir(folder), 0);
	return count;
}

/*
 * Another descriptor of the server's end of a connection. The kernel is asked without the C library, where ThreadSanitizer would take it
 * for a race that a descriptor of another thread is used.
 */
static int copy_other_end(int fd)
{
	struct sockaddr_in own = {0};
	struct sockaddr_in peer = {0};
	socklen_t own_size = sizeof(own);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&own, &own_size), 0);
	for (int other = 3; other < 1024; other++) {
		socklen_t size = sizeof(peer);
		if (syscall(SYS_getpeername, other, &peer, &size) == 0 && peer.sin_port == own.sin_port) {
			return (int)syscall(SYS_dup, other);
		}
	}
	return -1;
}

/* As while a child begins, which has all files until its program is loaded. */
static void connection__ended_and_open_elsewhere__nothing_is_heard_of_it(void **state)
{
	(void)state;
	int without = count_watched();
	int fd = held_connection();
	int copy = copy_other_end(fd);
	assert_true(copy >= 0);
	assert_int_equal(count_watched(), without + 1);
	assert_int_equal(shutdown(fd, SHUT_WR), 0);
	await_connections(0);
	assert_int_equal(count_watched(), without);
	assert_int_equal(close(copy), 0);
	assert_int_equal(close(fd), 0);
}

/* The end of its sending comes with the request, or behind it. */
static void client__sends_no_more__answered_and_closed(void **state)
{
	(void)state;
	for (int i = 0; i < 40; i++) {
		int fd = held_connection();
		int on = 1;
		assert_int_equal(setsockopt(fd, IPPROTO_TCP, TCP_CORK, &on, sizeof(on)), 0);
		ask(fd, i % 2 == 0 ? "/echo?last" : "/much");
		assert_int_equal(shutdown(fd, SHUT_WR), 0);
		assert_int_equal(client_read(fd, arena).status, 200);
		assert_true(client_sees_close(fd));
		assert_int_equal(close(fd), 0);
	}
	await_connections(0);
}

static void connection__idle_too_long__closed_and_not_counted_as_slow(void **state)
{
	(void)state;
	int64_t slow = metric_now("belfry_http_connections_too_slow_total");
	int fd = held_connection();
	assert_true(client_sees_close(fd));
	assert_int_equal(close(fd), 0);
	await_connections(0);
	assert_int_equal(metric_now("belfry_http_connections_too_slow_total"), slow);
}

static void stop__while_idle_or_waiting__closed_or_answered(void **state)
{
	int fds[20];
	for (size_t i = 0; i < COUNT_OF(fds); i++) {
		fds[i] = held_connection();
		if (i % 2 == 0) {
			int waiting = waited_so_far();
			ask(fds[i], "/wait?stopped");
			assert_true(gate_wait(&parked, waiting + 1));
		}
	}
	loopback_stop(server);
	for (size_t i = 0; i < COUNT_OF(fds); i++) {
		if (i % 2 == 0) {
			assert_target(fds[i], "/wait?stopped");
		}
		assert_true(client_sees_close(fds[i]));
		assert_int_equal(close(fds[i]), 0);
	}
	assert_int_equal(metric_now("belfry_http_connections"), 0);
	assert_int_equal(metric_now("belfry_http_held"), 0);
	for (size_t i = 0; i < park_count; i++) {
		park_unref(parks[i]);
	}
	arena_destroy(arena);
	(void)start(state);
}

/* --- the same bytes on both kinds of connection ------------------------------------------------------------ */

static const char *const lines[] = {"Host: test\r\n", "Authorization: Bearer abc\r\n",
	"Accept:*/*\r\n", "X-Forwarded-For:  10.1.2.3, 127.0.0.1\r\n", "connection: keep-alive\r\n",
	"Content-Length: 0\r\n", "Content-Length: 3\r\n", "Transfer-Encoding: chunked\r\n",
	"Connection: close\r\n", "Cookie: a=b; c=d\r\n", "Host: other\r\n", "Empty:\r\n",
	"Trailing: x  \r\n", " folded\r\n", "Tab:\tx\r\n", "No colon\r\n", "Space : x\r\n",
	"Ctl: \x01\r\n", "High: \xC3\xA9\r\n", "\r\n", "GET /echo?behind HTTP/1.1\r\n",
	"Expect: 100-continue\r\n", "User-Agent: Mozilla/5.0 (X11; Linux x86_64)\r\n"};
static const char *const firsts[] = {"GET /echo?a=%20b&c HTTP/1.1\r\n", "GET /echo HTTP/1.1\r\n",
	"GET /local?x HTTP/1.1\r\n", "HEAD /echo HTTP/1.1\r\n", "GET //echo HTTP/1.1\r\n",
	"GET /echo/ HTTP/1.1\r\n", "GET /ec%68o?b#c HTTP/1.1\r\n", "GET /echo HTTP/1.0\r\n",
	"GET http://h/echo?d HTTP/1.1\r\n", "GET  /echo  HTTP/1.1\r\n", "GET /echo?%zz HTTP/1.1\r\n",
	"GET /%00 HTTP/1.1\r\n", "OPTIONS /echo HTTP/1.1\r\n", "POST /echo HTTP/1.1\r\n",
	"POST /local?c HTTP/1.1\r\n", "PUT /local HTTP/1.1\r\n", "PUT /echo HTTP/1.1\r\n",
	"POST /none HTTP/1.1\r\n"};

static uint32_t dice = 20261127;

static uint32_t roll(uint32_t sides)
{
	dice = dice * 1664525 + 1013904223;
	return (dice >> 8) % sides;
}

/* A request, mostly right. */
static struct str random_request(void)
{
	static const char bytes[] = "\r\n \t:;&?=/%aZ\x7F\x80";
	struct buf text;
	buf_init(&text, 1 << 16);
	buf_add(&text, str_of(firsts[roll(2) == 0 ? roll(2) : roll(COUNT_OF(firsts))]));
	buf_add(&text, str_of(lines[0]));
	for (uint32_t i = roll(6); i > 0; i--) {
		buf_add(&text, str_of(lines[roll(3) > 0 ? 1 + roll(4) : roll(COUNT_OF(lines))]));
	}
	buf_add_lit(&text, "\r\n");
	if (str_contains(buf_str(&text), STR("Length: 3")) ? roll(4) > 0 : roll(9) == 0) {
		buf_add_lit(&text, "a\nb");
	}
	if (roll(3) == 0) {
		text.p[roll((uint32_t)text.n)] = bytes[roll(sizeof(bytes))];
	}
	struct str head = str_dup(arena, buf_str(&text));
	buf_fini(&text);
	return head;
}

/* The answer, but for its date. */
static struct str answer_on(int fd, struct str bytes)
{
	assert_true(client_send(fd, bytes));
	struct client_reply reply = client_read(fd, arena);
	assert_true(reply.status > 0);
	struct str answer = str_printf(arena, "%.*s%.*s", STR_ARG(reply.head), STR_ARG(reply.body));
	struct str date = reply_head(&reply, "date");
	memset((char *)answer.p + (date.p - reply.head.p), '-', date.n);
	return answer;
}

/* Whether the head is plain; its answer is the same on both kinds of connection then. */
static bool is_same_if_plain(struct str bytes)
{
	struct head head;
	if (!head_read(bytes, CEILING, &head)) {
		return false; /* libmicrohttpd reads it, and may wait for more */
	}
	int fds[] = {client_connect_library(server, arena, "/echo"), held_connection()};
	struct str direct = answer_on(fds[0], bytes);
	struct str held = answer_on(fds[1], bytes);
	assert_true(str_equals(answer_on(fds[1], bytes), held)); /* now with the head that it has */
	assert_int_equal(close(fds[0]), 0);
	assert_int_equal(close(fds[1]), 0);
	if (!str_equals(direct, held)) {
		print_error("%.*s\n--- direct\n%.*s\n--- held\n%.*s\n", STR_ARG(bytes), STR_ARG(direct),
			STR_ARG(held));
	}
	assert_true(str_equals(direct, held));
	return true;
}

static void request__on_a_held_connection__as_on_any_other(void **state)
{
	(void)state;
	int64_t before = read_here();
	int plain = 0;
	for (int i = 0; i < TIMES; i++) {
		plain += is_same_if_plain(random_request());
	}
	assert_true(plain > TIMES / 5 && plain < TIMES);
	assert_true(read_here() - before > plain);
}

/* Where both have their limits: what is read here libmicrohttpd takes too. */
static void request__of_any_size__as_on_any_other(void **state)
{
	(void)state;
	static const char *const repeated[] = {"x", "x&", "A: b\r\n"};
	int plain = 0;
	for (size_t kind = 0; kind < COUNT_OF(repeated); kind++) {
		for (size_t n = 1; n < CEILING; n += 1 + n / 8) {
			bool is_header = kind + 1 == COUNT_OF(repeated);
			struct buf text;
			buf_init(&text, 1 << 20);
			buf_add_lit(&text, "GET /echo?");
			for (size_t i = 0; i < n && !is_header; i++) {
				buf_add(&text, str_of(repeated[kind]));
			}
			buf_add_lit(&text, " HTTP/1.1\r\nHost: x\r\n");
			for (size_t i = 0; i < n && is_header; i++) {
				buf_add(&text, str_of(repeated[kind]));
			}
			buf_add_lit(&text, "\r\n");
			plain += is_same_if_plain(buf_str(&text));
			buf_fini(&text);
		}
	}
	assert_true(plain > 60);
}

int main(void)
{
	static bool is_impatient = true;
	const struct CMUnitTest tests[] = {
#define TEST(function) cmocka_unit_test_setup_teardown(function, start, stop)
		TEST(request__plain__read_here_again_and_again),
		TEST(request__of_another_kind__read_by_libmicrohttpd_and_held_again),
		TEST(request__with_its_body__read_here_again_and_again),
		TEST(request__with_the_headers_of_one_with_a_body__judged_anew),
		TEST(body__in_pieces_or_large__read_as_ever),
		TEST(answer_of_a_worker__not_taken_at_once__sent_whole_and_served_on),
		TEST(requests__in_pieces_or_together__all_answered_in_order),
		TEST(request__that_comes_while_another_waits__answered_after_it),
		TEST(answer__not_taken_at_once__sent_whole_and_served_on),
		TEST(client__gone_between_while_waiting_or_reading__connection_ends),
		TEST(connection__ended_and_open_elsewhere__nothing_is_heard_of_it),
		TEST(client__sends_no_more__answered_and_closed),
		cmocka_unit_test_prestate_setup_teardown(
			connection__idle_too_long__closed_and_not_counted_as_slow, start, stop, &is_impatient),
		TEST(stop__while_idle_or_waiting__closed_or_answered),
		TEST(request__on_a_held_connection__as_on_any_other),
		TEST(request__of_any_size__as_on_any_other),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
