/*
 * Answers that wait for something that was handed over: each way in which a request can end between that and its answer.
 */
#include "loopback.h"

#include "http/handover.h"
#include "http/memo.h"

enum {
	MANY = 300,
	MOST = 256 /* HANDED_OVER_MAX */,
	FEW = 5,
	ALONE_BEFORE = 32,     /* as there */
	INLINE_MOST = 8 * 1024 /* INLINE_BODY_BYTES */
};

struct service {
	struct gate taken;    /* something was handed over */
	struct gate asked;    /* a worker waits for it */
	struct gate released; /* that may go on */
	struct gate dropped;  /* the arena of a call that handed over has come to its end */
	struct lock lock;     /* guards handovers */
	struct handover *handovers[MANY];
	size_t n;
	_Atomic enum err err; /* what became of it */
	_Atomic int runs;
	_Atomic int waiting; /* of these, could not hand over */
};

static struct service service;
static struct arena *arena;
static struct http_server *server;
static const char *prefix = ""; /* of the routes: to a worker, or "/inline" */

static enum err await(struct ctx *ctx, void *data)
{
	(void)data;
	gate_add(&service.asked, 1);
	(void)gate_wait(&service.released, 1);
	enum err err = atomic_load(&service.err);
	return err == ERR_OK ? ERR_OK : fail(ctx, err, "M_UNKNOWN", "It failed");
}

static void finish(size_t i, enum err err)
{
	lock_take(&service.lock);
	struct handover *handover = service.handovers[i];
	lock_give(&service.lock);
	if (i == 0) {
		atomic_store(&service.err, err);
		gate_add(&service.released, 1);
	}
	handover_done(handover, err);
}

static void note_dropped(void *data)
{
	(void)data;
	gate_add(&service.dropped, 1);
}

static enum err answer(struct call *call, const char *what)
{
	struct json_out *out = reply_json(call, 200);
	json_out_object(out);
	json_out_key_str(out, "what", str_of(what));
	json_out_end(out);
	return ERR_OK;
}

/* @return whether it was handed over */
static bool hand_over(struct call *call)
{
	atomic_fetch_add(&service.runs, 1);
	call_begin_handover(call);
	if (call->ctx.handover == NULL) {
		atomic_fetch_add(&service.waiting, 1);
		return false;
	}
	arena_on_reset(call->ctx.arena, note_dropped, NULL);
	struct handover *handover = handover_take(&call->ctx, await, NULL);
	invariant(call->ctx.handover == NULL);
	lock_take(&service.lock);
	service.handovers[service.n++] = handover;
	lock_give(&service.lock);
	gate_add(&service.taken, 1);
	return true;
}

static enum err deed(struct call *call)
{
	const bool is_inline = call_is_inline(call);
	if (!hand_over(call)) {
		TRY(ctx_may_write(&call->ctx));
		return answer(call, "waited");
	}
	return answer(call, is_inline ? "handed over inline" : "handed over");
}

/* It is done before the handler has returned. ?failed=true: not well */
static enum err deed_at_once(struct call *call)
{
	bool has_failed = false;
	TRY(call_query_bool(call, "failed", false, &has_failed));
	if (hand_over(call)) {
		finish(0, has_failed ? ERR_LIMIT : ERR_OK);
	}
	return answer(call, "at once");
}

static enum err deed_and_failure(struct call *call)
{
	TRY(hand_over(call) ? ERR_OK : ctx_may_write(&call->ctx));
	return fail(&call->ctx, ERR_MISSING, "M_NOT_FOUND", "Gone");
}

static enum err deed_without_answer(struct call *call)
{
	return hand_over(call) ? ERR_OK : ctx_may_write(&call->ctx);
}

/* On its first worker it finds out that it has to ask others, and goes on where it may wait with a memo. */
static enum err deed_that_asks(struct call *call)
{
	call_begin_memo(call);
	if (call->ctx.memo == NULL) {
		call_begin_handover(call);
		invariant(call->ctx.handover != NULL);
		return ctx_may_ask(&call->ctx);
	}
	return answer(call, hand_over(call) ? "handed over" : "waited");
}

static const struct route rows[] = {
	{"deed", "GET", "/deed", AUTH_NONE, LANE_LOCAL, RATE_NONE, 0, deed},
	{"atOnce", "GET", "/once", AUTH_NONE, LANE_LOCAL, RATE_NONE, 0, deed_at_once},
	{"failure", "GET", "/failure", AUTH_NONE, LANE_LOCAL, RATE_NONE, 0, deed_and_failure},
	{"asking", "GET", "/asking", AUTH_NONE, LANE_LOCAL, RATE_NONE, 0, deed_that_asks},
	{"silence", "GET", "/silence", AUTH_NONE, LANE_LOCAL, RATE_NONE, 0, deed_without_answer},
	{"inlineDeed", "GET", "/inline/deed", AUTH_NONE, LANE_INLINE, RATE_NONE, 0, deed},
	{"inlinePut", "PUT", "/inline/deed", AUTH_NONE, LANE_INLINE, RATE_NONE, 0, deed},
	{"inlineOnce", "GET", "/inline/once", AUTH_NONE, LANE_INLINE, RATE_NONE, 0, deed_at_once},
	{"inlineFailure", "GET", "/inline/failure", AUTH_NONE, LANE_INLINE, RATE_NONE, 0,
		deed_and_failure},
	{"inlineSilence", "GET", "/inline/silence", AUTH_NONE, LANE_INLINE, RATE_NONE, 0,
		deed_without_answer},
};

static int start_with(int64_t stop_timeout_ms)
{
	service = (struct service){0};
	gate_init(&service.taken);
	gate_init(&service.asked);
	gate_init(&service.released);
	gate_init(&service.dropped);
	lock_init(&service.lock, RANK_LEAF);
	arena = arena_create();
	struct http_config config = loopback_config();
	config.stop_timeout_ms = stop_timeout_ms;
	server = loopback_start(&config, rows, COUNT_OF(rows), &service);
	return 0;
}

static int start(void **state)
{
	(void)state;
	return start_with(20000);
}

static int start_inline(void **state)
{
	prefix = "/inline";
	return start(state);
}

static int start_impatient(void **state)
{
	(void)state;
	return start_with(100);
}

/* What was handed over is let go of, however its request ended. */
static int stop(void **state)
{
	(void)state;
	if (server != NULL) {
		loopback_stop(server);
	}
	assert_true(gate_wait(&service.dropped, (int)service.n));
	arena_destroy(arena);
	prefix = "";
	return 0;
}

static int begin(const char *target)
{
	int fd = client_connect(http_server_port(server, 0));
	assert_true(
		client_request(fd, arena, "GET", arena_printf(arena, "%s%s", prefix, target), "", NULL));
	return fd;
}

static void assert_answer(int fd, const char *what)
{
	struct client_reply reply = client_read(fd, arena);
	assert_int_equal(reply.status, 200);
	assert_true(str_contains(reply.body, str_printf(arena, "\"what\":\"%s\"", what)));
	assert_int_equal(close(fd), 0);
}

static const char *handed_over(void)
{
	return prefix[0] == '\0' ? "handed over" : "handed over inline";
}

static void assert_error(int fd, int status, const char *errcode)
{
	struct client_reply reply = client_read(fd, arena);
	assert_int_equal(reply.status, status);
	assert_true(str_contains(reply.body, str_of(errcode)));
	assert_int_equal(close(fd), 0);
}

static void assert_silent(int fd)
{
	struct pollfd news = {.fd = fd, .events = POLLIN};
	assert_int_equal(poll(&news, 1, 50), 0);
}

static void done__well__answered_then_and_not_before(void **state)
{
	(void)state;
	int fd = begin("/deed");
	assert_true(gate_wait(&service.taken, 1));
	assert_silent(fd);
	finish(0, ERR_OK);
	assert_answer(fd, handed_over());
	assert_int_equal(service.runs, 1);
	assert_int_equal(service.asked.count, 0);
}

static void done__before_the_handler_returns__answered(void **state)
{
	(void)state;
	assert_answer(begin("/once"), "at once");
	assert_int_equal(service.runs, 1);
}

static void done__refused_before_the_handler_returns__the_error_is_the_answer(void **state)
{
	(void)state;
	int fd = begin("/once?failed=true");
	assert_error(fd, 429, "M_UNKNOWN");
	assert_int_equal(service.runs, 1);
}

static void done__failed__the_error_is_the_answer(void **state)
{
	(void)state;
	int fd = begin("/deed");
	assert_true(gate_wait(&service.taken, 1));
	finish(0, ERR_STORE);
	assert_error(fd, 503, "It failed");
	assert_int_equal(service.runs, 1);
}

static void done__conflict__handler_runs_again_and_waits(void **state)
{
	(void)state;
	int fd = begin("/deed");
	assert_true(gate_wait(&service.taken, 1));
	finish(0, ERR_CONFLICT);
	assert_answer(fd, "waited");
	assert_int_equal(service.runs, 2);
	assert_int_equal(service.waiting, 1);
}

static void begin__moved_to_where_others_are_asked__waits(void **state)
{
	(void)state;
	assert_answer(begin("/asking"), "waited");
	assert_int_equal(service.runs, 1);
}

static void client__gone_meanwhile__nothing_is_left(void **state)
{
	(void)state;
	int fd = begin("/deed");
	assert_true(gate_wait(&service.taken, 1));
	struct linger reset = {.l_onoff = 1, .l_linger = 0};
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset)), 0);
	assert_int_equal(close(fd), 0);
	assert_int_equal(service.dropped.count, 0);
	finish(0, ERR_OK);
	assert_true(gate_wait(&service.dropped, 1));
}

static void handler__fails_or_says_nothing_after_it__error_at_once(void **state)
{
	(void)state;
	int fd = begin("/failure");
	assert_error(fd, 404, "M_NOT_FOUND");
	fd = begin("/silence");
	assert_error(fd, 500, "M_UNKNOWN");
	assert_int_equal(service.dropped.count, 0); /* not before it is done */
	finish(0, ERR_OK);
	finish(1, ERR_STORE);
}

static void inline__others_under_way__a_worker_does_it(void **state)
{
	(void)state;
	static const char *const whats[] = {"handed over inline", "handed over inline", "handed over"};
	int fds[COUNT_OF(whats)];
	for (int i = 0; i < (int)COUNT_OF(whats); i++) {
		fds[i] = begin("/deed");
		assert_true(gate_wait(&service.taken, i + 1));
	}
	for (size_t i = 0; i < COUNT_OF(whats); i++) {
		finish(i, ERR_OK);
		assert_answer(fds[i], whats[i]);
	}
	for (int i = 3; i < 3 + ALONE_BEFORE; i++) { /* it does not come alone yet */
		int fd = begin("/deed");
		assert_true(gate_wait(&service.taken, i + 1));
		finish((size_t)i, ERR_OK);
		assert_answer(fd, "handed over");
	}
	int last = begin("/deed");
	assert_true(gate_wait(&service.taken, 4 + ALONE_BEFORE));
	finish(3 + ALONE_BEFORE, ERR_OK);
	assert_answer(last, "handed over inline");
}

static void inline__body__a_worker_does_a_large_one(void **state)
{
	(void)state;
	static const size_t sizes[] = {INLINE_MOST, INLINE_MOST + 1};
	static const char *const whats[] = {"handed over inline", "handed over"};
	for (size_t i = 0; i < COUNT_OF(sizes); i++) {
		char *body = arena_alloc(arena, sizes[i] + 1);
		memset(body, 'x', sizes[i]);
		body[sizes[i]] = '\0';
		int fd = client_connect(http_server_port(server, 0));
		assert_true(client_request(fd, arena, "PUT", "/inline/deed", "", body));
		assert_true(gate_wait(&service.taken, (int)i + 1));
		finish(i, ERR_OK);
		assert_answer(fd, whats[i]);
	}
}

static void *finish_half(void *data)
{
	const size_t *first = data;
	for (size_t i = *first; i < MOST; i += 2) {
		finish(i, ERR_OK);
	}
	return NULL;
}

static void many__more_than_may_hand_over__the_others_wait_and_each_answers_once(void **state)
{
	(void)state;
	int fds[MANY];
	for (int i = 0; i < MOST; i++) {
		fds[i] = begin("/deed");
	}
	assert_true(gate_wait(&service.taken, MOST));
	for (int i = MOST; i < MANY; i++) {
		fds[i] = begin("/deed");
		assert_answer(fds[i], "waited");
	}
	size_t firsts[] = {0, 1};
	pthread_t threads[COUNT_OF(firsts)];
	for (size_t i = 0; i < COUNT_OF(threads); i++) {
		threads[i] = thread_start("finisher", finish_half, &firsts[i]);
	}
	for (int i = 0; i < MOST; i++) {
		assert_answer(fds[i], "handed over");
	}
	for (size_t i = 0; i < COUNT_OF(threads); i++) {
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	}
	assert_int_equal(service.runs, MANY);
}

static void *stop_server(void *data)
{
	bool *ended = data;
	*ended = http_server_stop(server);
	return NULL;
}

static void stop__meanwhile__a_worker_waits_and_it_is_answered(void **state)
{
	(void)state;
	const enum err ends[] = {ERR_OK, ERR_STORE};
	const char *where = prefix;
	for (size_t i = 0; i < COUNT_OF(ends); i++) {
		if (i > 0) {
			prefix = where;
			assert_int_equal(start(NULL), 0);
		}
		int fd = begin("/deed");
		assert_true(gate_wait(&service.taken, 1));
		bool ended = false;
		pthread_t thread = thread_start("stopper", stop_server, &ended);
		assert_true(gate_wait(&service.asked, 1));
		finish(0, ends[i]);
		if (ends[i] == ERR_OK) {
			assert_answer(fd, handed_over());
		} else {
			assert_error(fd, 503, "M_UNKNOWN");
		}
		assert_int_equal(pthread_join(thread, NULL), 0);
		assert_true(ended);
		http_server_destroy(server);
		server = NULL;
		if (i == 0) {
			assert_int_equal(stop(NULL), 0);
		}
	}
}

static void stop__it_hangs__503_and_the_stop_says_so(void **state)
{
	(void)state;
	int fds[FEW]; /* three workers wait, two requests for a worker */
	for (size_t i = 0; i < FEW; i++) {
		fds[i] = begin("/deed");
	}
	assert_true(gate_wait(&service.taken, FEW));
	bool ended = true;
	pthread_t thread = thread_start("stopper", stop_server, &ended);
	for (size_t i = 0; i < FEW; i++) {
		assert_error(fds[i], 503, "M_UNKNOWN");
	}
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_false(ended);
	assert_int_equal(service.dropped.count, 0);
	for (size_t i = 0; i < FEW; i++) {
		finish(i, ERR_OK);
	}
	http_server_destroy(server); /* waits for the workers */
	server = NULL;
}

static void stop__answered_but_not_done__the_stop_says_so(void **state)
{
	(void)state;
	assert_error(begin("/failure"), 404, "M_NOT_FOUND");
	assert_false(http_server_stop(server));
	assert_int_equal(service.dropped.count, 0);
	finish(0, ERR_OK);
	http_server_destroy(server);
	server = NULL;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(function) cmocka_unit_test_setup_teardown(function, start, stop)
#define TEST_INLINE(function) cmocka_unit_test_setup_teardown(function, start_inline, stop)
		TEST(done__well__answered_then_and_not_before),
		TEST(done__before_the_handler_returns__answered),
		TEST(done__refused_before_the_handler_returns__the_error_is_the_answer),
		TEST(done__failed__the_error_is_the_answer),
		TEST(done__conflict__handler_runs_again_and_waits),
		TEST(begin__moved_to_where_others_are_asked__waits),
		TEST(client__gone_meanwhile__nothing_is_left),
		TEST(handler__fails_or_says_nothing_after_it__error_at_once),
		TEST(many__more_than_may_hand_over__the_others_wait_and_each_answers_once),
		TEST(stop__meanwhile__a_worker_waits_and_it_is_answered),
		TEST(stop__answered_but_not_done__the_stop_says_so),
		TEST_INLINE(done__well__answered_then_and_not_before),
		TEST_INLINE(done__before_the_handler_returns__answered),
		TEST_INLINE(done__refused_before_the_handler_returns__the_error_is_the_answer),
		TEST_INLINE(done__failed__the_error_is_the_answer),
		TEST_INLINE(done__conflict__handler_runs_again_and_waits),
		TEST_INLINE(client__gone_meanwhile__nothing_is_left),
		TEST_INLINE(handler__fails_or_says_nothing_after_it__error_at_once),
		TEST_INLINE(stop__meanwhile__a_worker_waits_and_it_is_answered),
		TEST_INLINE(inline__others_under_way__a_worker_does_it),
		TEST_INLINE(inline__body__a_worker_does_a_large_one),
		cmocka_unit_test_setup_teardown(stop__it_hangs__503_and_the_stop_says_so, start_impatient,
			stop),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
