/*
 * Parked requests: woken before and after the handler returned, twice, by deadline, many at once, and
 * when the server stops.
 */
#include "loopback.h"

enum { MANY = 400, MAX_PARKS = MANY + 1 };

struct service {
	struct gate parked;            /* call_park() was called; the handler goes on */
	struct gate resumed;           /* a run after a wake-up */
	struct gate destroyed;         /* kept values destroyed */
	struct lock lock;              /* guards parks */
	struct park *parks[MAX_PARKS]; /* a reference each */
	size_t n;
	_Atomic int runs;
	_Atomic int runs_on_io;
	_Atomic int saw_stopping;
};

static struct service service;
static struct arena *arena;
static struct http_server *server;

static void remember(struct park *park)
{
	lock_take(&service.lock);
	invariant(service.n < MAX_PARKS);
	service.parks[service.n++] = park;
	lock_give(&service.lock);
	gate_add(&service.parked, 1);
}

static enum err answer(struct call *call, const char *what)
{
	struct json_out *out = reply_json(call, 200);
	json_out_object(out);
	json_out_key_str(out, "what", str_of(what));
	json_out_key_bool(out, "stopping", call_is_stopping(call));
	json_out_end(out);
	return ERR_OK;
}

/* Parks at the first run, answers at the second. ?ms=N: deadline. */
static enum err wait_once(struct call *call)
{
	atomic_fetch_add(&service.runs, 1);
	atomic_fetch_add(&service.runs_on_io, call_is_inline(call) ? 1 : 0);
	atomic_fetch_add(&service.saw_stopping, call_is_stopping(call) ? 1 : 0);
	if (call_is_resumed(call)) {
		gate_add(&service.resumed, 1);
		return answer(call, "resumed");
	}
	int64_t wait_ms = 0;
	TRY(call_query_int(call, "ms", 0, 100000, 100000, &wait_ms));
	remember(call_park(call, clock_os_ms() + wait_ms));
	return ERR_OK;
}

/* Parks again and again until it has been woken three times; counts in a kept value. */
static void destroy_kept(void *value)
{
	arena_destroy(value);
	gate_add(&service.destroyed, 1);
}

static enum err wait_thrice(struct call *call)
{
	struct arena *kept = call_kept(call);
	if (kept == NULL) {
		kept = arena_create();
		call_keep(call, kept, destroy_kept);
	} else {
		(void)arena_dup(kept, "x", 1); /* a wake-up more */
		gate_add(&service.resumed, 1);
	}
	if (call_is_stopping(call)) {
		return answer(call, "stopping");
	}
	if (arena_used_bytes(kept) >= 48) { /* three times 16 bytes */
		return answer(call, "thrice");
	}
	remember(call_park(call, clock_os_ms() + 100000));
	return ERR_OK;
}

/* The wake-up comes before the handler has returned. */
static enum err wake_too_early(struct call *call)
{
	if (call_is_resumed(call)) {
		return answer(call, "early");
	}
	struct park *park = call_park(call, clock_os_ms() + 100000);
	park_wake(park);
	park_wake(park);
	park_unref(park);
	return ERR_OK;
}

/* Parks, and answers all the same: the wake-up that follows does nothing. */
static enum err park_and_answer(struct call *call)
{
	remember(call_park(call, clock_os_ms() + 100000));
	return answer(call, "at once");
}

static enum err park_and_fail(struct call *call)
{
	remember(call_park(call, clock_os_ms() + 100000));
	return fail(&call->ctx, ERR_MISSING, "M_NOT_FOUND", "Gone");
}

/* Does not look at call_is_stopping(). */
static enum err park_for_ever(struct call *call)
{
	remember(call_park(call, INT64_MAX));
	return ERR_OK;
}

static const struct route rows[] = {
	{"inline", "GET", "/inline", AUTH_NONE, LANE_INLINE, RATE_NONE, 0, wait_once},
	{"local", "GET", "/local", AUTH_NONE, LANE_LOCAL, RATE_NONE, 0, wait_once},
	{"thrice", "GET", "/thrice", AUTH_NONE, LANE_LOCAL, RATE_NONE, 0, wait_thrice},
	{"thriceInline", "GET", "/thrice/inline", AUTH_NONE, LANE_INLINE, RATE_NONE, 0, wait_thrice},
	{"early", "GET", "/early", AUTH_NONE, LANE_LOCAL, RATE_NONE, 0, wake_too_early},
	{"earlyInline", "GET", "/early/inline", AUTH_NONE, LANE_INLINE, RATE_NONE, 0, wake_too_early},
	{"both", "GET", "/both", AUTH_NONE, LANE_LOCAL, RATE_NONE, 0, park_and_answer},
	{"fail", "GET", "/fail", AUTH_NONE, LANE_INLINE, RATE_NONE, 0, park_and_fail},
	{"ever", "GET", "/ever", AUTH_NONE, LANE_LOCAL, RATE_NONE, 0, park_for_ever},
	{"everInline", "GET", "/ever/inline", AUTH_NONE, LANE_INLINE, RATE_NONE, 0, park_for_ever},
};

static int start(void **state)
{
	(void)state;
	service = (struct service){0};
	gate_init(&service.parked);
	gate_init(&service.resumed);
	gate_init(&service.destroyed);
	lock_init(&service.lock, RANK_LEAF);
	arena = arena_create();
	struct http_config config = loopback_config();
	server = loopback_start(&config, rows, COUNT_OF(rows), &service);
	return 0;
}

static int stop(void **state)
{
	(void)state;
	if (server != NULL) {
		loopback_stop(server);
	}
	for (size_t i = 0; i < service.n; i++) {
		park_wake(service.parks[i]); /* after the reply, and after the server: nothing */
		park_unref(service.parks[i]);
	}
	arena_destroy(arena);
	return 0;
}

static int begin(const char *target)
{
	int fd = client_connect(http_server_port(server, 0));
	assert_true(client_request(fd, arena, "GET", target, "", NULL));
	return fd;
}

static void assert_answer(int fd, const char *what)
{
	struct client_reply reply = client_read(fd, arena);
	assert_int_equal(reply.status, 200);
	assert_true(str_contains(reply.body, str_printf(arena, "\"what\":\"%s\"", what)));
}

static void wake__waiting__runs_again_once(void **state)
{
	(void)state;
	const char *const targets[] = {"/inline", "/local"};
	for (size_t i = 0; i < COUNT_OF(targets); i++) {
		int fd = begin(targets[i]);
		assert_true(gate_wait(&service.parked, (int)i + 1));
		park_wake(service.parks[i]);
		park_wake(service.parks[i]);
		assert_answer(fd, "resumed");
		park_wake(service.parks[i]);
		assert_int_equal(service.runs, 2 * (i + 1));
		assert_int_equal(close(fd), 0);
	}
	assert_int_equal(service.runs_on_io, 2);
}

static void wake__before_the_handler_returns__not_lost(void **state)
{
	(void)state;
	for (int i = 0; i < 50; i++) {
		int fd = begin(i % 2 == 0 ? "/early" : "/early/inline");
		assert_answer(fd, "early");
		assert_int_equal(close(fd), 0);
	}
}

static void wake__many_times__parks_anew_each_time(void **state)
{
	(void)state;
	const char *const targets[] = {"/thrice", "/thrice/inline"};
	for (size_t i = 0; i < COUNT_OF(targets); i++) {
		int fd = begin(targets[i]);
		for (int k = 1; k <= 3; k++) {
			int nth = (int)i * 3 + k;
			assert_true(gate_wait(&service.parked, nth));
			park_wake(service.parks[nth - 1]);
			assert_true(gate_wait(&service.resumed, nth));
		}
		assert_answer(fd, "thrice");
		assert_true(gate_wait(&service.destroyed, (int)i + 1));
		assert_int_equal(close(fd), 0);
	}
}

static void deadline__passes__wakes(void **state)
{
	(void)state;
	/* The later one is parked first, so that the timer has to look again. */
	int late = begin("/local?ms=200");
	assert_true(gate_wait(&service.parked, 1));
	int soon = begin("/inline?ms=30");
	assert_answer(soon, "resumed");
	assert_answer(late, "resumed");
	int passed = begin("/local?ms=0");
	assert_answer(passed, "resumed");
	assert_int_equal(close(soon) + close(late) + close(passed), 0);
}

static void handler__answers_or_fails_after_parking__that_counts(void **state)
{
	(void)state;
	int fd = begin("/both");
	assert_answer(fd, "at once");
	park_wake(service.parks[0]);
	assert_true(client_request(fd, arena, "GET", "/fail", "", NULL));
	struct client_reply reply = client_read(fd, arena);
	assert_errcode(reply, 404, "M_NOT_FOUND");
	park_wake(service.parks[1]);
	assert_int_equal(close(fd), 0);
}

static void client__gone_while_parked__is_noticed_when_woken(void **state)
{
	(void)state;
	int fd = begin("/local");
	assert_true(gate_wait(&service.parked, 1));
	struct linger reset = {.l_onoff = 1, .l_linger = 0};
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset)), 0);
	assert_int_equal(close(fd), 0);
	park_wake(service.parks[0]);
	assert_true(gate_wait(&service.resumed, 1));
}

static void *wake_one_by_one(void *data)
{
	(void)data;
	for (size_t i = 0; i < MANY; i++) {
		park_wake(service.parks[i]);
	}
	return NULL;
}

static void *wake_together(void *data)
{
	(void)data;
	park_wake_many(service.parks, MANY);
	return NULL;
}

static void *wake_in_pieces(void *data)
{
	(void)data;
	for (size_t i = 0; i < MANY; i += 10) {
		park_wake_many(service.parks + i, 10);
	}
	return NULL;
}

static void many__woken_by_several_threads__each_answers_once(void **state)
{
	(void)state;
	int fds[MANY];
	for (int i = 0; i < MANY; i++) {
		fds[i] = begin(i % 2 == 0 ? "/inline" : "/local");
	}
	assert_true(gate_wait(&service.parked, MANY));
	void *(*const ways[])(void *) = {wake_one_by_one, wake_together, wake_in_pieces};
	pthread_t threads[COUNT_OF(ways)];
	for (size_t i = 0; i < COUNT_OF(threads); i++) {
		threads[i] = thread_start("waker", ways[i], NULL);
	}
	for (int i = 0; i < MANY; i++) {
		assert_answer(fds[i], "resumed");
		assert_int_equal(close(fds[i]), 0);
	}
	for (size_t i = 0; i < COUNT_OF(threads); i++) {
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	}
	assert_int_equal(service.runs, 2 * MANY);
}

static void many__woken_together__each_answers_once(void **state)
{
	(void)state;
	int fds[MANY];
	for (int i = 0; i < MANY; i++) {
		fds[i] = begin(i % 5 == 0 ? "/local" : "/inline");
	}
	assert_true(gate_wait(&service.parked, MANY));
	park_wake_many(service.parks, MANY);
	park_wake_many(service.parks, MANY);
	for (int i = 0; i < MANY; i++) {
		assert_answer(fds[i], "resumed");
		assert_int_equal(close(fds[i]), 0);
	}
	assert_int_equal(service.runs, 2 * MANY);
}

static void *stop_server(void *data)
{
	bool *ended = data;
	*ended = http_server_stop(server);
	return NULL;
}

static void stop__while_parked__all_answer_with_stopping_true(void **state)
{
	(void)state;
	const char *const targets[] = {"/inline", "/local", "/thrice", "/thrice/inline"};
	int fds[40];
	for (size_t i = 0; i < COUNT_OF(fds); i++) {
		fds[i] = begin(targets[i % COUNT_OF(targets)]);
	}
	assert_true(gate_wait(&service.parked, (int)COUNT_OF(fds)));
	bool ended = false;
	int64_t began_ms = clock_os_ms();
	pthread_t thread = thread_start("stopper", stop_server, &ended);
	for (size_t i = 0; i < COUNT_OF(fds); i++) {
		struct client_reply reply = client_read(fds[i], arena);
		assert_int_equal(reply.status, 200);
		assert_true(str_contains(reply.body, STR("\"stopping\":true")));
		assert_true(client_sees_close(fds[i]));
		assert_int_equal(close(fds[i]), 0);
	}
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_true(ended);
	assert_true(clock_os_ms() - began_ms < 10000);
	http_server_destroy(server);
	server = NULL;
}

static void stop__handler_parks_all_the_same__503(void **state)
{
	(void)state;
	int one = begin("/ever");
	int other = begin("/ever/inline");
	assert_true(gate_wait(&service.parked, 2));
	bool ended = false;
	pthread_t thread = thread_start("stopper", stop_server, &ended);
	struct client_reply reply = client_read(one, arena);
	assert_errcode(reply, 503, "M_UNKNOWN");
	reply = client_read(other, arena);
	assert_errcode(reply, 503, "M_UNKNOWN");
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_true(ended);
	assert_int_equal(close(one) + close(other), 0);
	http_server_destroy(server);
	server = NULL;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(function) cmocka_unit_test_setup_teardown(function, start, stop)
		TEST(wake__waiting__runs_again_once),
		TEST(wake__before_the_handler_returns__not_lost),
		TEST(wake__many_times__parks_anew_each_time),
		TEST(deadline__passes__wakes),
		TEST(handler__answers_or_fails_after_parking__that_counts),
		TEST(client__gone_while_parked__is_noticed_when_woken),
		TEST(many__woken_by_several_threads__each_answers_once),
		TEST(many__woken_together__each_answers_once),
		TEST(stop__while_parked__all_answer_with_stopping_true),
		TEST(stop__handler_parks_all_the_same__503),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
