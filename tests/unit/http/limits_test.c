/*
 * Slow, idle and numerous connections; listeners for metrics, TLS and IPv6.
 */
#include "loopback.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

static struct arena *arena;

static enum err say_ok(struct call *call)
{
	return reply_empty(call);
}

static enum err say_much(struct call *call)
{
	return loopback_reply_mib(call, 64);
}

static const struct route rows[] = {
	{"ok", "GET", "/ok", AUTH_NONE, LANE_INLINE, RATE_NONE, 0, say_ok},
	{"post", "POST", "/post", AUTH_NONE, LANE_LOCAL, RATE_NONE, 0, say_ok},
	{"much", "GET", "/much", AUTH_NONE, LANE_LOCAL, RATE_NONE, 0, say_much},
};

static int start(void **state)
{
	(void)state;
	arena = arena_create();
	return 0;
}

static int stop(void **state)
{
	(void)state;
	arena_destroy(arena);
	return 0;
}

static struct http_server *start_server(const struct http_config *config)
{
	return loopback_start(config, rows, COUNT_OF(rows), NULL);
}

static void connections__per_address__refused_beyond_the_limit(void **state)
{
	(void)state;
	struct http_config config = loopback_config();
	config.io_threads = 1; /* so that connections are counted in the order in which they come */
	config.max_connections_per_address = 3;
	struct http_server *server = start_server(&config);
	int fds[3];
	for (size_t i = 0; i < COUNT_OF(fds); i++) {
		fds[i] = client_connect(http_server_port(server, 0));
		assert_true(client_request(fds[i], arena, "GET", "/ok", "", NULL));
		assert_int_equal(client_read(fds[i], arena).status, 200);
	}
	int more = client_connect(http_server_port(server, 0));
	assert_true(client_sees_close(more));
	assert_int_equal(close(more), 0);
	assert_int_equal(close(fds[0]), 0);
	/* Its place is free once the server has seen the end. */
	int status = 0;
	while (status != 200) {
		status = client_call(server, arena, "GET", "/ok", "", NULL).status;
	}
	assert_int_equal(close(fds[1]) + close(fds[2]), 0);
	loopback_stop(server);
}

static void connections__trusted_proxy__not_counted(void **state)
{
	(void)state;
	static const char *const proxies[] = {"127.0.0.0/8"};
	struct http_config config = loopback_config();
	config.max_connections_per_address = 1;
	config.trusted_proxies = proxies;
	config.trusted_proxy_count = 1;
	struct http_server *server = start_server(&config);
	int fds[5];
	for (size_t i = 0; i < COUNT_OF(fds); i++) {
		fds[i] = client_connect(http_server_port(server, 0));
		assert_true(client_request(fds[i], arena, "GET", "/ok", "", NULL));
		assert_int_equal(client_read(fds[i], arena).status, 200);
	}
	for (size_t i = 0; i < COUNT_OF(fds); i++) {
		assert_int_equal(close(fds[i]), 0);
	}
	loopback_stop(server);
}

/* Takes all descriptors that are left. @return how many */
static size_t use_up_descriptors(int fd, int *out, size_t capacity)
{
	size_t count = 0;
	while (count < capacity && (out[count] = dup(fd)) >= 0) {
		count++;
	}
	assert_true(count < capacity && errno == EMFILE);
	return count;
}

static void connection__no_descriptor_is_left_for_it__accepted_once_there_is_one(void **state)
{
	(void)state;
	enum { MOST = 256 };
	int taken[MOST] = {0};
	struct rlimit before;
	struct http_config config = loopback_config();
	struct http_server *server = start_server(&config);
	int fd = client_connect(http_server_port(server, 0));
	assert_true(client_request(fd, arena, "GET", "/ok", "", NULL));
	assert_int_equal(client_read(fd, arena).status, 200);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	struct rlimit few = {.rlim_cur = MOST, .rlim_max = before.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	size_t count = use_up_descriptors(fd, taken, COUNT_OF(taken));
	assert_true(count > 0);
	assert_int_equal(close(taken[--count]), 0); /* for the client's end */
	int second = client_connect(http_server_port(server, 0));
	assert_true(client_request(second, arena, "GET", "/ok", "", NULL));
	assert_int_equal(poll(&(struct pollfd){.fd = second, .events = POLLIN}, 1, 50), 0);
	for (size_t i = 0; i < count; i++) {
		assert_int_equal(close(taken[i]), 0);
	}
	assert_int_equal(client_read(second, arena).status, 200);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	assert_int_equal(close(fd) + close(second), 0);
	loopback_stop(server);
}

/* Sends a byte whenever the peer has been silent for 20 ms, until it closes. */
static bool drip_until_closed(int fd, const char *byte)
{
	int64_t deadline_us = clock_mono_us() + (int64_t)CLIENT_TIMEOUT_MS * 1000;
	struct pollfd readable = {.fd = fd, .events = POLLIN};
	while (clock_mono_us() < deadline_us) {
		if (poll(&readable, 1, 20) > 0) {
			return client_sees_close(fd);
		}
		if (!client_send(fd, str_of(byte))) {
			return true;
		}
	}
	return false;
}

static void head__trickles_in__cut(void **state)
{
	(void)state;
	struct http_config config = loopback_config();
	config.idle_timeout_ms = 1000;
	config.header_timeout_ms = 1;
	struct http_server *server = start_server(&config);
	int fd = client_connect(http_server_port(server, 0));
	assert_true(client_send(fd, STR("GET /ok HTTP/1.1\r\nX-Slow: ")));
	assert_true(drip_until_closed(fd, "x"));
	assert_int_equal(close(fd), 0);
	loopback_stop(server);
}

static void body__trickles_in__cut_at_its_deadline(void **state)
{
	(void)state;
	struct http_config config = loopback_config();
	config.body_timeout_ms = 200;
	struct http_server *server = start_server(&config);
	int fd = client_connect(http_server_port(server, 0));
	assert_true(
		client_send(fd, STR("POST /post HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n")));
	assert_true(drip_until_closed(fd, "x"));
	assert_int_equal(close(fd), 0);
	loopback_stop(server);
}

static void answer__taken_too_slowly__cut_at_its_deadline(void **state)
{
	(void)state;
	struct http_config config = loopback_config();
	config.send_timeout_ms = 100;
	config.send_bytes_per_s = (size_t)1 << 40;
	struct http_server *server = start_server(&config);
	int fd = client_connect(http_server_port(server, 0));
	assert_true(client_request(fd, arena, "GET", "/much", "", NULL));
	struct pollfd nothing = {.fd = -1};
	static char bytes[65536];
	size_t total = 0;
	ssize_t n = 1;
	while (n > 0) {
		n = recv(fd, bytes, sizeof(bytes), 0);
		total += n > 0 ? (size_t)n : 0;
		(void)poll(&nothing, 1, 10); /* the slowness that is tested */
	}
	assert_true(total < (size_t)48 * 1024 * 1024);
	assert_int_equal(close(fd), 0);
	loopback_stop(server);
}

static void head__too_large__refused(void **state)
{
	(void)state;
	struct http_config config = loopback_config();
	config.header_ceiling_bytes = 8192;
	struct http_server *server = start_server(&config);
	char *large = arena_alloc(arena, 20001);
	memset(large, 'x', 20000);
	struct client_reply reply = client_call(server, arena, "GET", "/ok",
		arena_printf(arena, "X-Large: %s\r\n", large), NULL);
	assert_true(reply.status == 431 || reply.status == 413 || reply.status == 0);
	reply = client_call(server, arena, "GET", arena_printf(arena, "/ok?x=%s", large), "", NULL);
	assert_true(reply.status == 414 || reply.status == 413 || reply.status == 0);
	reply = client_call(server, arena, "GET", "/ok", "", NULL);
	assert_int_equal(reply.status, 200);
	loopback_stop(server);
}

/* What a browser behind proxies may send: a filter in the target, a signed token, cookies, what the proxies add. */
static void head__of_8_kib__served(void **state)
{
	(void)state;
	struct http_config config = loopback_config();
	struct http_server *server = start_server(&config);
	char *filler = arena_alloc(arena, 3001);
	memset(filler, 'x', 3000);
	struct str target = str_printf(arena, "/ok?filter=%.2500s", filler);
	struct buf headers;
	buf_init(&headers, 65536);
	buf_printf(&headers, "Authorization: Bearer %.1000s\r\nCookie: %.3000s\r\n", filler, filler);
	for (int i = 0; i < 18; i++) {
		buf_printf(&headers, "X-Of-A-Proxy-%d: %.70s\r\n", i, filler);
	}
	assert_true(headers.n + target.n > 8000);
	int fd = client_connect(http_server_port(server, 0));
	for (int i = 0; i < 3; i++) {
		assert_true(client_request(fd, arena, "GET", str_cstr(arena, target),
			str_cstr(arena, buf_str(&headers)), NULL));
		assert_int_equal(client_read(fd, arena).status, 200);
	}
	assert_int_equal(close(fd), 0);
	buf_fini(&headers);
	loopback_stop(server);
}

static void answers__unread_ones_over_the_common_budget__429_until_they_are_read(void **state)
{
	(void)state;
	struct http_config config = loopback_config();
	config.answer_budget_bytes = 80 << 20; /* one of /much, and a bit */
	struct http_server *server = start_server(&config);
	int unread = client_connect(http_server_port(server, 0));
	assert_true(client_request(unread, arena, "GET", "/much", "", NULL));
	char first;
	assert_int_equal(recv(unread, &first, 1, MSG_PEEK), 1); /* it is made */
	struct client_reply reply = client_call(server, arena, "GET", "/much", "", NULL);
	assert_errcode(reply, 429, "M_LIMIT_EXCEEDED");
	assert_int_equal(client_call(server, arena, "GET", "/ok", "", NULL).status, 200);
	assert_int_equal(client_read(unread, arena).status, 200);
	assert_int_equal(close(unread), 0);
	int status = 0;
	while (status != 200) { /* its memory is free once the server has seen the end */
		status = client_call(server, arena, "GET", "/much", "", NULL).status;
	}
	loopback_stop(server);
}

static void listener__metrics__serves_its_pages_only(void **state)
{
	(void)state;
	const struct http_listen listen[] = {{.kind = HTTP_LISTEN_METRICS, .address = "127.0.0.1:0"},
		{.kind = HTTP_LISTEN_PLAIN, .address = "[::1]:0"}};
	struct http_config config = loopback_config();
	config.listen = listen;
	config.listen_count = COUNT_OF(listen);
	struct http_server *server = start_server(&config);
	struct client_reply reply = client_call(server, arena, "GET", "/health", "", NULL);
	assert_int_equal(reply.status, 200);
	assert_str_equal(reply.body, "OK\n");
	reply = client_call(server, arena, "GET", "/metrics", "", NULL);
	assert_int_equal(reply.status, 200);
	assert_true(str_contains(reply.body,
		STR("belfry_http_requests_total{route=\"getHealth\",status=\"2xx\"} 1")));
	assert_true(str_contains(reply.body, STR("belfry_http_lane_busy{lane=\"local\"}")));
	reply = client_call(server, arena, "GET", "/ok", "", NULL);
	assert_int_equal(reply.status, 404);

	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in6 where = {.sin6_family = AF_INET6,
		.sin6_port = htons(http_server_port(server, 1)),
		.sin6_addr = IN6ADDR_LOOPBACK_INIT};
	assert_int_equal(connect(fd, (struct sockaddr *)&where, sizeof(where)), 0);
	assert_true(client_request(fd, arena, "GET", "/ok", "", NULL));
	reply = client_read(fd, arena);
	assert_int_equal(reply.status, 200);
	assert_true(client_request(fd, arena, "GET", "/metrics", "", NULL));
	reply = client_read(fd, arena);
	assert_int_equal(reply.status, 404);
	assert_int_equal(close(fd), 0);
	loopback_stop(server);
}

/* Runs a program without a shell. @return its exit status */
static int run_program(const char *const argv[])
{
	pid_t pid = fork();
	if (pid == 0) {
		if (freopen("/dev/null", "w", stderr) == NULL) {
			_exit(126);
		}
		(void)execvp(argv[0], (char *const *)(uintptr_t)argv);
		_exit(127);
	}
	int status = -1;
	assert_true(pid > 0 && waitpid(pid, &status, 0) == pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* A server that speaks TLS; its files are in `folder`, which this makes. Without openssl the test is passed over. */
static struct http_server *start_tls_server(char *folder)
{
	static const struct http_listen listen[] = {
		{.kind = HTTP_LISTEN_TLS, .address = "127.0.0.1:0"}};
	assert_non_null(mkdtemp(folder));
	char *certificate = arena_printf(arena, "%s/cert.pem", folder);
	char *key = arena_printf(arena, "%s/key.pem", folder);
	const char *const make_key[] = {"openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes",
		"-days", "2", "-subj", "/CN=hs1", "-addext", "subjectAltName=DNS:hs1", "-keyout", key,
		"-out", certificate, NULL};
	if (run_program(make_key) != 0) {
		skip();
	}
	struct http_config config = loopback_config();
	config.listen = listen;
	config.tls_certificate = certificate;
	config.tls_key = key;
	return start_server(&config);
}

static void stop_tls_server(struct http_server *server, const char *folder)
{
	loopback_stop(server);
	assert_int_equal(unlink(arena_printf(arena, "%s/cert.pem", folder)), 0);
	assert_int_equal(unlink(arena_printf(arena, "%s/key.pem", folder)), 0);
	assert_int_equal(rmdir(folder), 0);
}

static void listener__tls__serves_the_api(void **state)
{
	(void)state;
	char folder[] = "/tmp/belfry-tls-XXXXXX";
	struct http_server *server = start_tls_server(folder);
	char *certificate = arena_printf(arena, "%s/cert.pem", folder);
	char *page = arena_printf(arena, "%s/page", folder);
	unsigned port = http_server_port(server, 0);
	char *url = arena_printf(arena, "https://hs1:%u/ok", port);
	char *resolve = arena_printf(arena, "hs1:%u:127.0.0.1", port);
	const char *const fetch[] = {"curl", "-sf", "--noproxy", "*", "--max-time", "20", "--cacert",
		certificate, "--resolve", resolve, "-o", page, url, NULL};
	int fetched = run_program(fetch);
	/* Plain HTTP on the TLS port gets no answer. */
	assert_int_equal(client_call(server, arena, "GET", "/ok", "", NULL).status, 0);
	assert_int_equal(fetched, 0);
	assert_int_equal(unlink(page), 0);
	stop_tls_server(server, folder);
}

#ifndef __SANITIZE_THREAD__
#if defined(__has_feature)
#define IS_TSAN __has_feature(thread_sanitizer)
#else
#define IS_TSAN 0
#endif
#else
#define IS_TSAN 1
#endif

#if !IS_TSAN                 /* it has its own */
static atomic_int unwatched; /* sockets that the kernel had no room for */
static atomic_bool has_no_room;

/* The library's too. */
__attribute__((visibility("default"))) int epoll_ctl(int epoll_fd, int what, int fd,
	struct epoll_event *event)
{
	if (what == EPOLL_CTL_ADD && atomic_load(&has_no_room)) {
		atomic_fetch_add(&unwatched, 1);
		errno = ENOSPC;
		return -1;
	}
	return (int)syscall(SYS_epoll_ctl, epoll_fd, what, fd, event);
}

static void connections__tls__that_cannot_be_watched__closed_once(void **state)
{
	(void)state;
	enum { COUNT = 3 };
	char folder[] = "/tmp/belfry-tls-XXXXXX";
	char byte;
	struct http_server *server = start_tls_server(folder);
	int open = client_connect(http_server_port(server, 0));
	await_metric("belfry_http_connections", 1);
	atomic_store(&has_no_room, true);
	for (int i = 0; i < COUNT; i++) {
		int fd = client_connect(http_server_port(server, 0));
		assert_int_equal(recv(fd, &byte, 1, 0), 0);
		assert_int_equal(close(fd), 0);
	}
	atomic_store(&has_no_room, false);
	assert_int_equal(atomic_load(&unwatched), COUNT);
	await_metric("belfry_http_connections", 1);
	assert_int_equal(close(open), 0);
	await_metric("belfry_http_connections", 0);
	stop_tls_server(server, folder);
}
#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(function) cmocka_unit_test_setup_teardown(function, start, stop)
		TEST(connections__per_address__refused_beyond_the_limit),
		TEST(connections__trusted_proxy__not_counted),
		TEST(connection__no_descriptor_is_left_for_it__accepted_once_there_is_one),
		TEST(head__trickles_in__cut),
		TEST(body__trickles_in__cut_at_its_deadline),
		TEST(answer__taken_too_slowly__cut_at_its_deadline),
		TEST(head__too_large__refused),
		TEST(head__of_8_kib__served),
		TEST(answers__unread_ones_over_the_common_budget__429_until_they_are_read),
		TEST(listener__metrics__serves_its_pages_only),
		TEST(listener__tls__serves_the_api),
#if !IS_TSAN
		TEST(connections__tls__that_cannot_be_watched__closed_once),
#endif
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
