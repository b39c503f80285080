/*
 * Connections that come, ask, wait, are woken, hang up and see the server stop, in any order: a model knows what each of them has asked and has still
 * to hear. Whatever the order, answers come in the order of the requests, each handler answers once, what it kept is destroyed once, and nothing is
 * left over.
 *
 * BELFRY_TEST_SEED chooses other orders than the usual ones, BELFRY_TEST_ROUNDS how many.
 */
#include "loopback.h"

#include "base/mem.h"

#include <dirent.h>

enum {
	CLIENTS = 6,
	BEHIND = 3, /* requests of a connection that are not answered yet */
	STEPS = 120,
	REQUESTS = STEPS * 2,
	LARGE_MIB = 8, /* no socket's buffers take it */
	REQUEST_BYTES = 512,
	LONG_MS = 100000,
	GIVEN_UP = 504, /* of who sends no more, where no worker was free for long */
};

/* What the server's side knows of a request, by its number in the round. */
struct request_state {
	struct park *park; /* the last; guarded by service.lock, as are the next two */
	int answers;       /* of its handler */
	int parks;
	_Atomic int kept;
	_Atomic int dropped; /* of what was kept */
};

static struct service {
	struct lock lock;
	struct request_state requests[REQUESTS];
	atomic_bool is_over; /* of the restless waker */
} service;

/* What the client's side expects. */
struct client {
	int fd;              /* -1: none */
	int asked[BEHIND];   /* numbers, in their order */
	enum kind {          /* of each: what has to be heard */
		KIND_USUAL,      /* its number */
		KIND_NONE,       /* 404 */
		KIND_LARGE,      /* as much as the socket does not take */
		KIND_NO_REQUEST, /* 400, or the end */
	} kinds[BEHIND];
	size_t asked_n;
	char rest[REQUEST_BYTES]; /* of the last one, not sent yet */
	size_t rest_n;
	bool is_last; /* the connection ends behind the last one */
	bool sends_no_more;
};

static struct http_server *server;
static struct arena *arena;
static struct client clients[CLIENTS];
static int request_count; /* numbers given in the round */
static uint64_t dice;

static uint64_t throw_dice(uint64_t sides)
{
	dice += UINT64_C(0x9E3779B97F4A7C15);
	uint64_t z = dice;
	z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
	return (z ^ (z >> 31)) % sides;
}

/* --- the server's side --------------------------------------------------------------------------------------------- */

static void drop_kept(void *value)
{
	int *number = value;
	atomic_fetch_add(&service.requests[*number].dropped, 1);
	mem_free(number);
}

static void keep(struct call *call, int number)
{
	int *left = call_take_left(call); /* what the connection's last request has left to this one */
	if (left != NULL) {
		drop_kept(left);
	}
	int *kept = mem_alloc(sizeof(*kept));
	*kept = number;
	atomic_fetch_add(&service.requests[number].kept, 1);
	call_keep(call, kept, drop_kept);
	if (call_query(call, "on").p != NULL) {
		call_keep_on(call);
	}
}

static enum err answer(struct call *call, int number)
{
	lock_take(&service.lock);
	service.requests[number].answers++;
	lock_give(&service.lock);
	if (call_query(call, "large").p != NULL) {
		return loopback_reply_mib(call, LARGE_MIB);
	}
	struct json_out *out = reply_json(call, 200);
	json_out_object(out);
	json_out_key_int(out, "number", number);
	json_out_end(out);
	return ERR_OK;
}

static void park_it(struct call *call, int number, int64_t wait_ms)
{
	struct park *park = call_park(call, clock_os_ms() + wait_ms);
	lock_take(&service.lock);
	struct park *old = service.requests[number].park;
	service.requests[number].park = park;
	service.requests[number].parks++;
	lock_give(&service.lock);
	if (old != NULL) {
		park_unref(old);
	}
}

/* Waits ?times until it is woken, no longer than ?ms each time; on workers if ?worker is there. */
static enum err handle(struct call *call)
{
	int64_t number = 0;
	int64_t times = 0;
	int64_t wait_ms = 0;
	TRY(call_query_int(call, "number", 0, REQUESTS - 1, 0, &number));
	TRY(call_query_int(call, "times", 0, 9, 0, &times));
	TRY(call_query_int(call, "ms", 0, LONG_MS, LONG_MS, &wait_ms));
	if (call_query(call, "worker").p != NULL) {
		TRY(ctx_may_wait(&call->ctx));
	}
	if (!call_is_resumed(call)) {
		keep(call, (int)number);
	}
	lock_take(&service.lock);
	bool waits = service.requests[number].parks < times;
	lock_give(&service.lock);
	if (waits && !call_is_stopping(call)) {
		park_it(call, (int)number, wait_ms);
		return ERR_OK;
	}
	return answer(call, (int)number);
}

static const struct route rows[] = {
	{"wait", "GET", "/wait", AUTH_NONE, LANE_INLINE, RATE_NONE, 0, handle},
	{"send", "POST", "/wait", AUTH_NONE, LANE_INLINE, RATE_NONE, 0, handle},
	{"local", "GET", "/local", AUTH_NONE, LANE_LOCAL, RATE_NONE, 0, handle},
	{"sendLocal", "PUT", "/local", AUTH_NONE, LANE_LOCAL, RATE_NONE, 0, handle},
};

static void start_server(void)
{
	struct http_config config = loopback_config();
	config.io_threads = 1 + throw_dice(2);
	config.local.workers = 1 + throw_dice(2);
	config.stop_timeout_ms = LONG_MS; /* all that wait are answered, however slow the machine */
	server = loopback_start(&config, rows, COUNT_OF(rows), NULL);
}

/* --- who wakes ------------------------------------------------------------------------------------------------------ */

/* All that wait now; a reference each. */
static size_t parks_now(struct park *out[REQUESTS])
{
	size_t n = 0;
	LOCK_SCOPE(&service.lock);
	for (size_t i = 0; i < REQUESTS; i++) {
		struct park *park = service.requests[i].park;
		if (park != NULL) {
			park_ref(park);
			out[n++] = park;
		}
	}
	return n;
}

static void wake_all(void)
{
	struct park *parks[REQUESTS];
	size_t n = parks_now(parks);
	park_wake_many(parks, n);
	for (size_t i = 0; i < n; i++) {
		park_unref(parks[i]);
	}
}

static void wake_one(void)
{
	struct park *parks[REQUESTS];
	size_t n = parks_now(parks);
	if (n > 0) {
		park_wake(parks[throw_dice(n)]);
	}
	for (size_t i = 0; i < n; i++) {
		park_unref(parks[i]);
	}
}

static void *wake_restlessly(void *data)
{
	(void)data;
	while (!atomic_load(&service.is_over)) {
		struct pollfd nothing = {.fd = -1};
		wake_all();
		(void)poll(&nothing, 1, 1);
	}
	return NULL;
}

static void wake_number(int number)
{
	lock_take(&service.lock);
	struct park *park = service.requests[number].park;
	if (park != NULL) {
		park_ref(park);
	}
	lock_give(&service.lock);
	if (park != NULL) {
		park_wake(park);
		park_unref(park);
	}
}

/* Until something comes for the client: its answer, or the end. */
static void wake_until_heard(int number, int fd)
{
	struct pollfd client = {.fd = fd, .events = POLLIN};
	int64_t deadline_ms = clock_os_ms() + CLIENT_TIMEOUT_MS;
	while (poll(&client, 1, 1) == 0 && clock_os_ms() < deadline_ms) {
		wake_number(number);
	}
	assert_true(client.revents != 0);
}

/* --- what clients do ------------------------------------------------------------------------------------------------ */

static void forget(struct client *client)
{
	*client = (struct client){.fd = -1};
}

static void come(struct client *client)
{
	int small = 64 * 1024; /* with less the kernel waits a fifth of a second for each piece */
	forget(client);
	client->fd = client_connect(http_server_port(server, 0));
	if (throw_dice(3) == 0) {
		assert_int_equal(setsockopt(client->fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small)), 0);
	}
}

static const char *one_of(const char *const *texts, size_t n)
{
	return texts[throw_dice(n)];
}

/* How the request looks: plain ones come first, then what libmicrohttpd has to read, then what ends the connection. */
static struct str make_request(const char *query, bool *out_is_last)
{
	static const char *const bodies[] = {"", "{}", "{\"some\":\"body\"}"};
	const char *body = one_of(bodies, COUNT_OF(bodies));
	uint64_t form = throw_dice(14);
	*out_is_last = form >= 12;
	switch (form) {
	case 6:
		return str_printf(arena,
			"POST /wait%s HTTP/1.1\r\nHost: x\r\nContent-Length: %zu\r\n\r\n%s", query,
			strlen(body), body);
	case 7:
		return str_printf(arena,
			"PUT /local%s HTTP/1.1\r\nHost: x\r\nContent-Length: %zu\r\n\r\n%s", query,
			strlen(body), body);
	case 8:
		return str_printf(arena, "GET /wait%s HTTP/1.1\r\nHost: x\r\nCookie: a=b\r\n\r\n", query);
	case 9:
		return str_printf(arena, "GET /local%s HTTP/1.1\r\nHost: x\r\n\r\n", query);
	case 10:
		return str_printf(arena,
			"POST /wait%s HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
			query);
	case 11:
		return str_printf(arena, "GET /wait%s HTTP/1.1\r\nHost: y\r\nAccept: */*\r\n\r\n", query);
	case 12:
		return str_printf(arena, "GET /wait%s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
			query);
	case 13:
		return str_printf(arena, "GET /wait%s HTTP/1.0\r\nHost: x\r\n\r\n", query);
	default:
		return str_printf(arena, "GET /wait%s HTTP/1.1\r\nHost: x\r\n\r\n", query);
	}
}

static struct str make_query(int number, enum kind kind)
{
	static const char *const lanes[] = {"", "", "&worker"};
	static const char *const times[] = {"", "&times=1", "&times=1", "&times=2", "&times=3"};
	static const char *const ends[] = {"", "", "&ms=0", "&ms=2"};
	static const char *const ons[] = {"", "&on"};
	return str_printf(arena, "?number=%d%s%s%s%s%s", number, one_of(lanes, COUNT_OF(lanes)),
		one_of(times, COUNT_OF(times)), one_of(ends, COUNT_OF(ends)), one_of(ons, COUNT_OF(ons)),
		kind == KIND_LARGE ? "&large" : "");
}

/* Sends what is left of the last request. */
static void send_rest(struct client *client)
{
	(void)client_send(client->fd, str_from(client->rest, client->rest_n));
	client->rest_n = 0;
}

static enum kind throw_kind(void)
{
	uint64_t sides = throw_dice(40);
	return sides == 0 ? KIND_NO_REQUEST
		: sides < 3   ? KIND_LARGE
		: sides < 7   ? KIND_NONE
					  : KIND_USUAL;
}

static void ask(struct client *client)
{
	if (client->asked_n == BEHIND || client->is_last || client->sends_no_more ||
		request_count == REQUESTS) {
		return;
	}
	send_rest(client);
	enum kind kind = throw_kind();
	struct str query = make_query(request_count, kind);
	struct str bytes = make_request(str_cstr(arena, query), &client->is_last);
	if (kind == KIND_NONE) {
		bytes = STR("GET /none HTTP/1.1\r\nHost: x\r\n\r\n");
		client->is_last = false;
	} else if (kind == KIND_NO_REQUEST) {
		bytes = STR("no request\r\n\r\n");
		client->is_last = true;
	}
	client->asked[client->asked_n] = request_count++;
	client->kinds[client->asked_n++] = kind;
	size_t n = throw_dice(4) == 0 ? throw_dice(bytes.n) : bytes.n;
	(void)client_send(client->fd,
		str_slice(bytes, 0, n)); /* it may be closed, behind what was no request */
	client->rest_n = bytes.n - n;
	invariant(client->rest_n <= sizeof(client->rest));
	memcpy(client->rest, bytes.p + n, client->rest_n);
}

static void shift(struct client *client)
{
	client->asked_n--;
	memmove(client->asked, client->asked + 1, client->asked_n * sizeof(client->asked[0]));
	memmove(client->kinds, client->kinds + 1, client->asked_n * sizeof(client->kinds[0]));
}

static void check_answer(const struct client_reply *reply, enum kind kind, int number)
{
	switch (kind) {
	case KIND_USUAL:
		assert_int_equal(reply->status, 200);
		assert_str_equal(reply->body,
			str_cstr(arena, str_printf(arena, "{\"number\":%d}", number)));
		break;
	case KIND_NONE:
		assert_int_equal(reply->status, 404);
		break;
	case KIND_LARGE:
		assert_int_equal(reply->status, 200);
		assert_true(reply->body.n > (size_t)LARGE_MIB << 20);
		break;
	case KIND_NO_REQUEST:
		assert_true(reply->status == 400 || reply->status == 0);
		break;
	}
}

/* With a reset where no answer would bring one: of an end that came with the bytes before it libmicrohttpd does not hear until they have taken too long. */
static void hang_up(struct client *client)
{
	bool resets = client->sends_no_more || client->rest_n > 0 || throw_dice(2) == 0;
	struct linger reset = {.l_onoff = resets, .l_linger = 0};
	char first;
	if (throw_dice(3) == 0) {
		(void)!recv(client->fd, &first, 1, MSG_DONTWAIT);
	}
	assert_int_equal(setsockopt(client->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset)), 0);
	assert_int_equal(close(client->fd), 0);
	forget(client);
}

/* Hears the answer to its first request; which is woken for that. */
static void hear(struct client *client)
{
	if (client->fd < 0 || client->asked_n == 0) {
		return;
	}
	int number = client->asked[0];
	enum kind kind = client->kinds[0];
	if (client->asked_n == 1) {
		send_rest(client);
	}
	wake_until_heard(number, client->fd);
	struct client_reply reply = client_read(client->fd, arena);
	if (client->sends_no_more && (reply.status == 0 || reply.status == GIVEN_UP)) {
		hang_up(client);
		return;
	}
	check_answer(&reply, kind, number);
	shift(client);
	if (client->asked_n == 0 && client->is_last && !client->sends_no_more) {
		assert_true(client_sees_close(client->fd));
		assert_int_equal(close(client->fd), 0);
		forget(client);
	}
}

/*
 * What libmicrohttpd has then when it goes on with it is given up rather than answered; and when that connection ends is not said, since it
 * may not have seen it until it is idle for too long.
 */
static void send_no_more(struct client *client)
{
	send_rest(client);
	client->sends_no_more = true;
	(void)shutdown(client->fd, SHUT_WR);
}

/* --- the server stops ------------------------------------------------------------------------------------------------ */

/* Whether its first request waits by now. */
static bool is_waiting(const struct client *client)
{
	LOCK_SCOPE(&service.lock);
	return client->fd >= 0 && !client->sends_no_more && client->asked_n > 0 &&
		client->kinds[0] == KIND_USUAL && service.requests[client->asked[0]].parks > 0;
}

/* Answers in their order, of which the last ones may be missing, or say that the server stops; then the end. */
static void hear_the_end(struct client *client, bool is_answered)
{
	while (client->asked_n > 0) {
		struct client_reply reply = client_read(client->fd, arena);
		if (reply.status == 0) {
			assert_false(is_answered);
			break;
		}
		is_answered = false; /* of others nothing is promised */
		if (reply.status != 503 && !(client->sends_no_more && reply.status == GIVEN_UP)) {
			check_answer(&reply, client->kinds[0], client->asked[0]);
		}
		shift(client);
	}
	assert_true(client_sees_close(client->fd));
	assert_int_equal(close(client->fd), 0);
	forget(client);
}

static bool waits_for_large(const struct client *client)
{
	bool is_large = false;
	for (size_t i = 0; i < client->asked_n; i++) {
		is_large = is_large || client->kinds[i] == KIND_LARGE;
	}
	return is_large;
}

/* A worker that has answered may have something to do yet: its end is waited for. */
static void stop_server(void)
{
	(void)!http_server_stop(server);
	http_server_destroy(server);
}

/* Who does not read what is large would have it wait in vain. */
static void stop_and_start(void)
{
	bool waits[CLIENTS];
	for (size_t i = 0; i < CLIENTS; i++) {
		if (waits_for_large(&clients[i])) {
			hang_up(&clients[i]);
		}
		waits[i] = is_waiting(&clients[i]);
	}
	stop_server();
	for (size_t i = 0; i < CLIENTS; i++) {
		if (clients[i].fd >= 0) {
			hear_the_end(&clients[i], waits[i]);
		}
	}
	assert_int_equal(metric_now("belfry_http_held"), 0);
	assert_int_equal(metric_now("belfry_http_parked"), 0);
	assert_int_equal(metric_now("belfry_http_connections"), 0);
	start_server();
}

/* --- rounds ---------------------------------------------------------------------------------------------------------- */

static void take_step(void)
{
	struct client *client = &clients[throw_dice(CLIENTS)];
	uint64_t what = throw_dice(100);
	if (what < 6) {
		wake_all();
	} else if (what < 16) {
		wake_one();
	} else if (what == 16) {
		stop_and_start();
	} else if (client->fd < 0) {
		come(client);
	} else if (what < 60) {
		ask(client);
	} else if (what < 86) {
		hear(client);
	} else if (what < 90) {
		send_rest(client);
	} else if (what < 94) {
		hang_up(client);
	} else if (what < 97) {
		ask(client);
		hang_up(client);
	} else {
		send_no_more(client);
	}
}

static void hear_all(void)
{
	for (size_t i = 0; i < CLIENTS; i++) {
		while (clients[i].fd >= 0 && clients[i].asked_n > 0) {
			hear(&clients[i]);
		}
		if (clients[i].fd >= 0) {
			hang_up(&clients[i]);
		}
	}
}

static void check_requests(void)
{
	for (size_t i = 0; i < REQUESTS; i++) {
		struct request_state *request = &service.requests[i];
		assert_int_equal(atomic_load(&request->kept), atomic_load(&request->dropped));
		assert_true(atomic_load(&request->kept) <= 1 && request->answers <= 1);
		if (request->park != NULL) {
			assert_true(park_is_over(request->park));
			park_unref(request->park);
		}
		*request = (struct request_state){0};
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

static bool is_anything_left(void)
{
	return metric_now("belfry_http_connections") != 0 || metric_now("belfry_http_held") != 0 ||
		metric_now("belfry_http_parked") != 0;
}

/* Nothing of the round is left: whoever has hung up while waiting is noticed when woken. */
static void end_round(void)
{
	struct pollfd nothing = {.fd = -1};
	int64_t deadline_ms = clock_os_ms() + CLIENT_TIMEOUT_MS;
	hear_all();
	bool is_left = is_anything_left();
	while (is_left && clock_os_ms() < deadline_ms) {
		wake_all();
		(void)poll(&nothing, 1, 1);
		is_left = is_anything_left();
	}
	assert_false(is_left); /* not asked again: one that has hung up may be accepted only now */
}

static void run_round(uint64_t seed)
{
	print_message("seed %llu\n", (unsigned long long)seed);
	dice = seed;
	arena = arena_create();
	request_count = 0;
	int files = count_files();
	start_server();
	bool is_restless = throw_dice(3) == 0;
	pthread_t waker = pthread_self();
	if (is_restless) {
		atomic_store(&service.is_over, false);
		waker = thread_start("waker", wake_restlessly, NULL);
	}
	for (int i = 0; i < STEPS; i++) {
		take_step();
	}
	end_round();
	stop_server();
	if (is_restless) {
		atomic_store(&service.is_over, true);
		assert_int_equal(pthread_join(waker, NULL), 0);
	}
	check_requests();
	assert_int_equal(count_files(), files);
	arena_destroy(arena);
}

static int64_t number_of(const char *variable, int64_t fallback)
{
	const char *text = getenv(variable);
	return text != NULL ? strtoll(text, NULL, 10) : fallback;
}

static void connections__in_any_order_of_what_happens__each_answer_once_and_nothing_left(
	void **state)
{
	(void)state;
	lock_init(&service.lock, RANK_LEAF);
	for (size_t i = 0; i < CLIENTS; i++) {
		forget(&clients[i]);
	}
	int64_t first = number_of("BELFRY_TEST_SEED", 1);
	int64_t rounds = number_of("BELFRY_TEST_ROUNDS", 20);
	for (int64_t i = 0; i < rounds; i++) {
		run_round((uint64_t)(first + i));
	}
	lock_fini(&service.lock);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			connections__in_any_order_of_what_happens__each_answer_once_and_nothing_left),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
