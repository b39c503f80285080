/*
 * Waiting requests whose connections libmicrohttpd does not keep: all that is true of a connection is true of theirs.
 */
#include "loopback.h"

#include "base/mem.h"

#include <dirent.h>
#include <stdlib.h>
#include <sys/resource.h>

enum { MANY = 300, RESTLESS = 3000, LARGE_ITEMS = 20000, HUGE_ITEMS = 20 * LARGE_ITEMS };

struct service {
	struct gate parked;
	struct gate working;  /* runs of wait_twice() on workers */
	struct gate blocking; /* handlers that keep the I/O thread ... */
	struct gate let_go;   /* ... until as many have happened as their ?until says */
	struct lock lock;     /* guards parks */
	struct park *parks[MANY];
	size_t n;
};

static struct service service;
static struct arena *arena;
static struct http_server *server;

static enum err answer(struct call *call)
{
	struct json_out *out = reply_json(call, 200);
	json_out_object(out);
	json_out_key_str(out, "name", call_query(call, "name"));
	json_out_key(out, STR("items"));
	json_out_array(out);
	int items =
		call_query(call, "huge").p != NULL ? HUGE_ITEMS : 0; /* no socket's buffers take it */
	items = call_query(call, "large").p != NULL ? LARGE_ITEMS : items;
	for (int i = 0; i < items; i++) {
		json_out_str(out, STR("as much as a socket does not take at once, and more than that"));
	}
	json_out_end(out);
	json_out_end(out);
	return ERR_OK;
}

static void park_it(struct call *call)
{
	struct park *park = call_park(call, clock_os_ms() + 100000);
	lock_take(&service.lock);
	service.parks[service.n++] = park;
	lock_give(&service.lock);
	gate_add(&service.parked, 1);
}

/* Waits once; on a worker if ?worker is there. */
static enum err wait_once(struct call *call)
{
	if (call_is_resumed(call)) {
		return answer(call);
	}
	if (call_query(call, "worker").p != NULL) {
		TRY(ctx_may_wait(&call->ctx));
	}
	park_it(call);
	return ERR_OK;
}

/* Waits once, on a worker, when as many are let go as have come. */
static enum err wait_when_let_go(struct call *call)
{
	if (call_is_resumed(call)) {
		return answer(call);
	}
	TRY(ctx_may_wait(&call->ctx));
	gate_add(&service.working, 1);
	invariant(gate_wait(&service.let_go, service.working.count));
	park_it(call);
	return ERR_OK;
}

/* Waits two times, on a worker each time, when the I/O thread is kept. */
static enum err wait_twice(struct call *call)
{
	TRY(ctx_may_wait(&call->ctx));
	gate_add(&service.working, 1);
	int nth = service.working.count;
	if (nth == 3) {
		return answer(call);
	}
	invariant(gate_wait(&service.blocking, nth));
	park_it(call);
	return ERR_OK;
}

/* Keeps the I/O thread. */
static enum err block(struct call *call)
{
	int64_t until = 0;
	invariant(str_to_int(call_query(call, "until"), 1, 100, &until));
	gate_add(&service.blocking, 1);
	invariant(gate_wait(&service.let_go, (int)until));
	return answer(call);
}

/* Waits once, then keeps the I/O thread. */
static enum err wait_and_block(struct call *call)
{
	if (call_is_resumed(call)) {
		return block(call);
	}
	park_it(call);
	return ERR_OK;
}

static enum err say_now(struct call *call)
{
	return answer(call);
}

/* Waits three times until the waker comes by; on a worker if ?worker is there. */
static enum err wait_restlessly(struct call *call)
{
	if (call_query(call, "worker").p != NULL) {
		TRY(ctx_may_wait(&call->ctx));
	}
	int *left = call_kept(call);
	if (left == NULL) {
		left = mem_alloc(sizeof(*left));
		*left = 3;
		call_keep(call, left, mem_free);
	}
	if ((*left)-- == 0 || call_is_stopping(call)) {
		return answer(call);
	}
	struct park *park = call_park(call, clock_os_ms() + 100000);
	lock_take(&service.lock);
	bool has_place = service.n < MANY;
	if (has_place) {
		service.parks[service.n++] = park;
	}
	lock_give(&service.lock);
	if (!has_place) {
		park_wake(park);
		park_unref(park);
	}
	return ERR_OK;
}

static void *wake_restlessly(void *data)
{
	atomic_bool *is_over = data;
	struct park *parks[MANY];
	while (!atomic_load(is_over)) {
		lock_take(&service.lock);
		size_t n = service.n;
		memcpy(parks, service.parks, n * sizeof(struct park *));
		service.n = 0;
		lock_give(&service.lock);
		park_wake_many(parks, n);
		for (size_t i = 0; i < n; i++) {
			park_unref(parks[i]);
		}
		struct pollfd nothing = {.fd = -1};
		(void)poll(&nothing, 1, 1);
	}
	return NULL;
}

static const struct route rows[] = {
	{"restless", "GET", "/restless", AUTH_NONE, LANE_INLINE, RATE_NONE, 0, wait_restlessly},
	{"wait", "GET", "/wait", AUTH_NONE, LANE_INLINE, RATE_NONE, 0, wait_once},
	{"late", "GET", "/late", AUTH_NONE, LANE_INLINE, RATE_NONE, 0, wait_when_let_go},
	{"twice", "GET", "/twice", AUTH_NONE, LANE_INLINE, RATE_NONE, 0, wait_twice},
	{"waitAndBlock", "GET", "/wait-and-block", AUTH_NONE, LANE_INLINE, RATE_NONE, 0,
		wait_and_block},
	{"block", "GET", "/block", AUTH_NONE, LANE_INLINE, RATE_NONE, 0, block},
	{"now", "GET", "/now", AUTH_NONE, LANE_INLINE, RATE_NONE, 0, say_now},
	{"send", "POST", "/now", AUTH_NONE, LANE_LOCAL, RATE_NONE, 0, say_now},
};

static void start_with(const struct http_config *config)
{
	server = loopback_start(config, rows, COUNT_OF(rows), &service);
}

static int start(void **state)
{
	(void)state;
	service = (struct service){0};
	gate_init(&service.parked);
	gate_init(&service.working);
	gate_init(&service.blocking);
	gate_init(&service.let_go);
	lock_init(&service.lock, RANK_LEAF);
	arena = arena_create();
	struct http_config config = loopback_config();
	start_with(&config);
	return 0;
}

static int stop(void **state)
{
	(void)state;
	loopback_stop(server);
	for (size_t i = 0; i < service.n; i++) {
		park_unref(service.parks[i]);
	}
	arena_destroy(arena);
	return 0;
}

/* How many connections are held now. */
static int64_t held_now(void)
{
	return metric_now("belfry_http_held");
}

static void await_held(int64_t count)
{
	await_metric("belfry_http_held", count);
}

static void ask(int fd, const char *target, const char *headers)
{
	assert_true(client_request(fd, arena, "GET", target, headers, NULL));
}

static void assert_named(int fd, const char *name)
{
	struct client_reply reply = client_read(fd, arena);
	assert_int_equal(reply.status, 200);
	assert_true(str_contains(reply.body, str_printf(arena, "\"name\":\"%s\"", name)));
}

static void wake(int nth)
{
	assert_true(gate_wait(&service.parked, nth));
	park_wake(service.parks[nth - 1]);
}

static void connection__after_an_answer__serves_on(void **state)
{
	(void)state;
	int fd = client_connect(http_server_port(server, 0));
	for (int i = 1; i <= 20; i++) {
		ask(fd, i % 2 == 0 ? "/wait?name=a&worker" : "/wait?name=a", "");
		assert_true(gate_wait(&service.parked, i));
		await_held(1);
		wake(i);
		assert_named(fd, "a");
		ask(fd, "/now?name=b", "");
		assert_named(fd, "b");
		assert_true(client_request(fd, arena, "POST", "/now?name=c", "", "{\"some\":\"body\"}"));
		assert_named(fd, "c");
		await_held(0);
	}
	assert_int_equal(close(fd), 0);
}

static void answer__is_what_libmicrohttpd_sends__but_for_the_date(void **state)
{
	(void)state;
	int fd = client_connect_library(server, arena, "/now?name=x");
	ask(fd, "/now?name=x", "");
	struct client_reply direct = client_read(fd, arena);
	ask(fd, "/wait?name=x", "");
	assert_true(gate_wait(&service.parked, 1));
	await_held(1);
	wake(1);
	struct client_reply held = client_read(fd, arena);
	assert_str_equal(held.body, str_cstr(arena, direct.body));
	static const char *const names[] = {"content-type", "content-length", "cache-control",
		"access-control-allow-origin", "access-control-allow-headers",
		"access-control-allow-methods"};
	for (size_t i = 0; i < COUNT_OF(names); i++) {
		assert_true(reply_head(&direct, names[i]).p != NULL);
		assert_str_equal(reply_head(&held, names[i]),
			str_cstr(arena, reply_head(&direct, names[i])));
	}
	assert_int_equal(reply_head(&held, "date").n, reply_head(&direct, "date").n);
	assert_int_equal(held.head.n, direct.head.n);
	assert_int_equal(close(fd), 0);
}

static void answer__larger_than_the_socket_takes__sent_whole(void **state)
{
	(void)state;
	int fd = client_connect(http_server_port(server, 0));
	ask(fd, "/wait?name=l&large", "");
	assert_true(gate_wait(&service.parked, 1));
	await_held(1);
	wake(1);
	struct client_reply reply = client_read(fd, arena);
	assert_true(reply.body.n > (size_t)LARGE_ITEMS * 60);
	assert_true(str_ends_with(reply.body, STR("than that\"]}")));
	ask(fd, "/now?name=b", "");
	assert_named(fd, "b");
	assert_int_equal(close(fd), 0);
}

static void request_behind__sent_together_or_later__answered_in_order(void **state)
{
	(void)state;
	int fd = client_connect(http_server_port(server, 0));
	assert_true(client_send(fd,
		STR("GET /wait?name=a HTTP/1.1\r\nHost: x\r\n\r\n"
			"GET /now?name=b HTTP/1.1\r\nHost: x\r\n\r\n")));
	assert_true(gate_wait(&service.parked, 1));
	assert_int_equal(held_now(), 0); /* it would be lost */
	wake(1);
	assert_named(fd, "a");
	assert_named(fd, "b");
	ask(fd, "/wait?name=c", "");
	assert_true(gate_wait(&service.parked, 2));
	await_held(1);
	ask(fd, "/now?name=d", ""); /* stays in the socket */
	wake(2);
	assert_named(fd, "c");
	assert_named(fd, "d");
	assert_int_equal(close(fd), 0);
}

static void request_behind__begun_while_held__served_when_whole(void **state)
{
	(void)state;
	int fd = client_connect(http_server_port(server, 0));
	for (int i = 1; i <= 3; i++) {
		ask(fd, "/wait?name=a", "");
		assert_true(gate_wait(&service.parked, i));
		await_held(1);
		assert_true(client_send(fd, STR("GET /now?name=b HTTP/1.1\r\nHo")));
		wake(i);
		assert_named(fd, "a");
		assert_true(client_send(fd, STR("st: x\r\n\r\n")));
		assert_named(fd, "b");
	}
	assert_int_equal(close(fd), 0);
}

static void client__sends_no_more__answered_and_closed(void **state)
{
	(void)state;
	int fd = client_connect(http_server_port(server, 0));
	ask(fd, "/wait?name=a&large", "");
	assert_true(gate_wait(&service.parked, 1));
	await_held(1);
	assert_int_equal(shutdown(fd, SHUT_WR), 0);
	wake(1);
	assert_named(fd, "a");
	assert_true(client_sees_close(fd));
	assert_int_equal(close(fd), 0);
}

static void files__none_left__waits_in_libmicrohttpd(void **state)
{
	(void)state;
	int fd = client_connect_library(server, arena, "/now?name=b");
	struct rlimit files;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &files), 0);
	struct rlimit none = {.rlim_cur = 3, .rlim_max = files.rlim_max}; /* poll() needs so many */
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	ask(fd, "/wait?name=a", "");
	bool is_parked = gate_wait(&service.parked, 1);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &files), 0);
	assert_true(is_parked);
	assert_int_equal(held_now(), 0);
	wake(1);
	assert_named(fd, "a");
	ask(fd, "/wait?name=c", "");
	assert_true(gate_wait(&service.parked, 2));
	await_held(1);
	wake(2);
	assert_named(fd, "c");
	assert_int_equal(close(fd), 0);
}

/*
 * The I/O thread is kept twice: between its looks at who is to be held and at who was woken, so that the request is woken
 * before it could be held; and while it serves, so that the request waits again before the next look.
 */
static void request__that_waits_again_before_it_was_held__listed_once(void **state)
{
	(void)state;
	loopback_stop(server);
	struct http_config config = loopback_config();
	config.io_threads = 1;
	start_with(&config);
	int first = client_connect(http_server_port(server, 0));
	int twice = client_connect(http_server_port(server, 0));
	int second = client_connect(http_server_port(server, 0));
	ask(second, "/now?name=s", "");
	assert_named(second, "s");
	ask(first, "/wait-and-block?name=f&until=1", "");
	assert_true(gate_wait(&service.parked, 1));
	await_held(1);
	ask(twice, "/twice?name=t", "");
	assert_true(gate_wait(&service.working, 1));
	wake(1);
	assert_true(gate_wait(&service.parked, 2));
	await_metric("belfry_http_parked", 1);
	ask(second, "/block?name=s&until=2", "");
	park_wake_many(&service.parks[1], 1);
	gate_add(&service.let_go, 1);
	assert_named(first, "f");
	assert_true(gate_wait(&service.parked, 3));
	await_metric("belfry_http_parked", 1);
	gate_add(&service.let_go, 1);
	assert_named(second, "s");
	await_held(1);
	wake(3);
	assert_named(twice, "t");
	assert_int_equal(close(twice), 0);
	assert_int_equal(close(second), 0);
	assert_int_equal(close(first), 0);
}

/* What libmicrohttpd keeps, since it closes after the answer, or since its bytes cannot be counted. */
static void connection__that_ends_or_cannot_be_counted__not_held(void **state)
{
	(void)state;
	const char *const heads[] = {"GET /wait?name=a HTTP/1.0\r\nHost: x\r\n\r\n",
		"GET /wait?name=a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
		"GET /wait?name=a HTTP/1.1\r\nHost: x\r\nConnection: close\r\nConnection: keep-alive\r\n\r\n",
		"POST /now?name=a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"};
	for (size_t i = 0; i < COUNT_OF(heads); i++) {
		int fd = client_connect(http_server_port(server, 0));
		assert_true(client_send(fd, str_of(heads[i])));
		bool is_chunked = i + 1 == COUNT_OF(heads);
		if (is_chunked) {
			assert_named(fd, "a");
			ask(fd, "/wait?name=a", "");
		}
		assert_true(gate_wait(&service.parked, (int)i + 1));
		assert_int_equal(held_now(), 0);
		wake((int)i + 1);
		assert_named(fd, "a");
		assert_true(is_chunked || client_sees_close(fd));
		assert_int_equal(close(fd), 0);
	}
}

static void reset_connection(int fd)
{
	struct linger reset = {.l_onoff = 1, .l_linger = 0};
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset)), 0);
	assert_int_equal(close(fd), 0);
}

static void client__gone_while_it_waits_or_reads__its_connection_ends(void **state)
{
	(void)state;
	for (int i = 1; i <= 10; i++) {
		int fd = client_connect(http_server_port(server, 0));
		ask(fd, i % 2 == 0 ? "/wait?name=a" : "/wait?name=a&large", "");
		assert_true(gate_wait(&service.parked, i));
		await_held(1);
		char first;
		if (i % 3 == 0) {
			wake(i);
			assert_int_equal(recv(fd, &first, 1, 0), 1);
		}
		reset_connection(fd);
		wake(i);
		await_held(0);
	}
}

/*
 * Before the connection could be taken, which a worker asks for. Whoever sends no more, but reads, is answered. The idle connection is there since
 * libmicrohttpd shows the oldest of all without having read from it.
 */
static void client__gone_before_it_is_held__request_lives_until_it_is_woken(void **state)
{
	(void)state;
	enum { CLOSES, RESETS, SENDS_NO_MORE, WAYS };
	loopback_stop(server);
	struct http_config config = loopback_config();
	config.io_threads = 1;
	start_with(&config);
	int idle = client_connect(http_server_port(server, 0));
	ask(idle, "/now?name=i", "");
	assert_named(idle, "i");
	for (int i = 1; i <= 4 * WAYS; i++) {
		int way = i % WAYS;
		int fd = client_connect(http_server_port(server, 0));
		ask(fd, "/late?name=g", "");
		assert_true(gate_wait(&service.working, i));
		if (way == SENDS_NO_MORE) {
			assert_int_equal(shutdown(fd, SHUT_WR), 0);
		} else {
			struct linger reset = {.l_onoff = way == RESETS, .l_linger = 0};
			assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset)), 0);
			assert_int_equal(close(fd), 0);
		}
		gate_add(&service.let_go, 1);
		assert_true(gate_wait(&service.parked, i));
		await_held(1);
		wake(i);
		if (way == SENDS_NO_MORE) {
			assert_named(fd, "g");
			assert_true(client_sees_close(fd));
			assert_int_equal(close(fd), 0);
		}
		await_metric("belfry_http_connections", 1);
	}
	assert_int_equal(held_now(), 0);
	assert_int_equal(close(idle), 0);
}

/* libmicrohttpd may learn that a client has gone at any moment, also when it is to let go of the connection. */
static void clients__that_come_and_go__each_request_ends_once(void **state)
{
	(void)state;
	atomic_bool is_over = false;
	pthread_t waker = thread_start("waker", wake_restlessly, &is_over);
	uint32_t dice = 12345;
	for (int i = 0; i < RESTLESS; i++) {
		dice = dice * 1664525 + 1013904223;
		int fd = client_connect(http_server_port(server, 0));
		if ((dice >> 8) % 4 == 0) {
			ask(fd, "/now?name=n", "");
			assert_named(fd, "n");
		}
		ask(fd, (dice >> 10) % 2 == 0 ? "/restless?name=a&worker" : "/restless?name=a", "");
		if ((dice >> 12) % 4 == 0) {
			assert_named(fd, "a");
		} else if ((dice >> 14) % 2 == 0) {
			struct timespec moment = {.tv_nsec = (dice >> 16) % 4000000};
			(void)nanosleep(&moment, NULL);
		}
		if ((dice >> 15) % 2 == 0) {
			reset_connection(fd);
		} else {
			assert_int_equal(close(fd), 0);
		}
	}
	await_metric("belfry_http_connections", 0);
	atomic_store(&is_over, true);
	assert_int_equal(pthread_join(waker, NULL), 0);
}

static void reader__too_slow__cut_at_its_deadline(void **state)
{
	(void)state;
	loopback_stop(server);
	struct http_config config = loopback_config();
	config.send_timeout_ms = 50;
	config.send_bytes_per_s = (size_t)1 << 40;
	start_with(&config);
	int fd = client_connect(http_server_port(server, 0));
	int small = 4096;
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small)), 0);
	ask(fd, "/wait?name=l&huge", "");
	assert_true(gate_wait(&service.parked, 1));
	await_held(1);
	wake(1);
	await_held(0); /* nobody has read anything */
	assert_int_equal(close(fd), 0);
}

static void many__woken_together__each_answered_once_and_served_on(void **state)
{
	(void)state;
	int fds[MANY];
	for (int i = 0; i < MANY; i++) {
		fds[i] = client_connect(http_server_port(server, 0));
		ask(fds[i], i % 3 == 0 ? "/wait?name=m&worker" : "/wait?name=m", "");
	}
	assert_true(gate_wait(&service.parked, MANY));
	park_wake_many(service.parks, MANY);
	for (int i = 0; i < MANY; i++) {
		assert_named(fds[i], "m");
		ask(fds[i], "/now?name=n", "");
		assert_named(fds[i], "n");
		assert_int_equal(close(fds[i]), 0);
	}
	await_held(0);
}

static void stop__while_held__answered(void **state)
{
	(void)state;
	int fds[20];
	for (size_t i = 0; i < COUNT_OF(fds); i++) {
		fds[i] = client_connect(http_server_port(server, 0));
		ask(fds[i], "/wait?name=s", "");
	}
	assert_true(gate_wait(&service.parked, COUNT_OF(fds)));
	await_held(COUNT_OF(fds));
	loopback_stop(server);
	for (size_t i = 0; i < COUNT_OF(fds); i++) {
		assert_named(fds[i], "s");
		assert_true(client_sees_close(fds[i]));
		assert_int_equal(close(fds[i]), 0);
	}
	assert_int_equal(held_now(), 0);
	struct http_config config = loopback_config();
	start_with(&config);
}

static void connections__held_ones__count_against_the_limit(void **state)
{
	(void)state;
	loopback_stop(server);
	struct http_config config = loopback_config();
	config.max_connections = 4;
	config.max_connections_per_address = 4;
	start_with(&config);
	int fds[4];
	for (size_t i = 0; i < COUNT_OF(fds); i++) {
		fds[i] = client_connect(http_server_port(server, 0));
		ask(fds[i], "/wait?name=a", "");
		assert_true(gate_wait(&service.parked, (int)i + 1)); /* so that parks are in their order */
	}
	await_held(COUNT_OF(fds));
	int more = client_connect(http_server_port(server, 0));
	assert_true(client_sees_close(more));
	assert_int_equal(close(more), 0);
	for (size_t i = 0; i < COUNT_OF(fds); i++) {
		wake((int)i + 1);
		assert_named(fds[i], "a");
		ask(fds[i], "/now?name=b", "");
		assert_named(fds[i], "b");
		assert_int_equal(close(fds[i]), 0);
	}
}

/* Wakes the nth to wait, which is held, and has it served on. */
static void hold_and_serve_on(int fd, int nth)
{
	ask(fd, "/wait?name=a", "");
	assert_true(gate_wait(&service.parked, nth));
	await_held(1);
	wake(nth);
	assert_named(fd, "a");
}

static void address__of_a_held_connection__counted_once(void **state)
{
	(void)state;
	static const struct http_listen both[] = {{.kind = HTTP_LISTEN_PLAIN, .address = "*:0"}};
	loopback_stop(server);
	struct http_config config = loopback_config();
	config.listen = both;
	config.max_connections_per_address = 1;
	start_with(&config);
	for (int i = 0; i < 3; i++) {
		int fd = client_connect(http_server_port(server, 0));
		hold_and_serve_on(fd, 2 * i + 1);
		hold_and_serve_on(fd, 2 * i + 2);
		int more = client_connect(http_server_port(server, 0));
		assert_true(client_sees_close(more));
		assert_int_equal(close(more), 0);
		assert_int_equal(close(fd), 0);
		await_metric("belfry_http_connections", 0);
	}
}

static int count_files(void)
{
	DIR *folder = opendir("/proc/self/fd");
	assert_non_null(folder);
	int count = 0;
	while (readdir(folder) != NULL) {
		count++;
	}
	assert_int_equal(closedir(folder), 0);
	return count;
}

static void files__of_held_connections__all_closed(void **state)
{
	(void)state;
	int before = count_files();
	for (int i = 1; i <= 20; i++) {
		int fd = client_connect(http_server_port(server, 0));
		ask(fd, i % 2 == 0 ? "/wait?name=a&large" : "/wait?name=a", "");
		assert_true(gate_wait(&service.parked, i));
		await_held(1);
		struct linger reset = {.l_onoff = i % 4 < 2, .l_linger = 0};
		assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset)), 0);
		assert_int_equal(close(fd), 0);
		wake(i);
		await_metric("belfry_http_connections", 0);
	}
	struct pollfd nothing = {.fd = -1};
	int64_t deadline_ms = clock_os_ms() + CLIENT_TIMEOUT_MS;
	while (count_files() != before && clock_os_ms() < deadline_ms) {
		(void)poll(&nothing, 1, 2); /* the last is closed after it is counted out */
	}
	assert_int_equal(count_files(), before);
}

static void stop__while_an_answer_is_not_read__gives_it_up(void **state)
{
	(void)state;
	int fd = client_connect(http_server_port(server, 0));
	ask(fd, "/wait?name=l&huge", "");
	assert_true(gate_wait(&service.parked, 1));
	await_held(1);
	wake(1);
	char first;
	assert_int_equal(recv(fd, &first, 1, MSG_PEEK), 1); /* it is begun */
	assert_int_equal(held_now(), 1);
	loopback_stop(server);
	assert_true(client_sees_close(fd));
	assert_int_equal(close(fd), 0);
	assert_int_equal(held_now(), 0);
	struct http_config config = loopback_config();
	start_with(&config);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(function) cmocka_unit_test_setup_teardown(function, start, stop)
		TEST(connection__after_an_answer__serves_on),
		TEST(answer__is_what_libmicrohttpd_sends__but_for_the_date),
		TEST(answer__larger_than_the_socket_takes__sent_whole),
		TEST(request_behind__sent_together_or_later__answered_in_order),
		TEST(request_behind__begun_while_held__served_when_whole),
		TEST(client__sends_no_more__answered_and_closed),
		TEST(files__none_left__waits_in_libmicrohttpd),
		TEST(request__that_waits_again_before_it_was_held__listed_once),
		TEST(connection__that_ends_or_cannot_be_counted__not_held),
		TEST(client__gone_while_it_waits_or_reads__its_connection_ends),
		TEST(client__gone_before_it_is_held__request_lives_until_it_is_woken),
		TEST(clients__that_come_and_go__each_request_ends_once),
		TEST(reader__too_slow__cut_at_its_deadline),
		TEST(many__woken_together__each_answered_once_and_served_on),
		TEST(stop__while_held__answered),
		TEST(connections__held_ones__count_against_the_limit),
		TEST(address__of_a_held_connection__counted_once),
		TEST(files__of_held_connections__all_closed),
		TEST(stop__while_an_answer_is_not_read__gives_it_up),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
