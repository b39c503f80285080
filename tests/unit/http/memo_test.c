/*
 * Handlers that wait with a memo: woken before they return, later, by the deadline, when the server stops, and when their request is gone.
 */
#include "loopback.h"

#include "http/memo.h"

struct service {
	struct gate waiting; /* a wait was given out */
	struct lock lock;    /* guards waits */
	struct memo_wait *waits;
	_Atomic int runs;
};

static struct service service;
static struct arena *arena;
static struct http_server *server;

static void give_out(struct memo_wait *wait)
{
	lock_take(&service.lock);
	memo_wait_join(&service.waits, wait);
	lock_give(&service.lock);
	gate_add(&service.waiting, 1);
}

static void wake(void)
{
	lock_take(&service.lock);
	struct memo_wait *waits = service.waits;
	service.waits = NULL;
	lock_give(&service.lock);
	(void)str_dup(memo_wait_arena(waits),
		STR("what has come")); /* there also when the request is gone */
	memo_wake_all(waits);
}

static enum err answer(struct call *call, struct str what)
{
	struct json_out *out = reply_json(call, 200);
	json_out_object(out);
	json_out_key_str(out, "what", what);
	json_out_end(out);
	return ERR_OK;
}

/* The deadline of the first run. */
static int64_t *deadline_of(struct call *call, int64_t wait_ms)
{
	int64_t *deadline_ms = MEMO_FIND(&call->ctx, STR("deadline"), int64_t);
	if (*deadline_ms == 0) {
		*deadline_ms = clock_os_ms() + wait_ms;
	}
	return deadline_ms;
}

/* Something to wait for and the letter that comes of it, made by the run that is first there. */
struct letter {
	struct memo_wait *wait;
	struct str text;
};

static struct letter *letter_of(struct call *call, struct str text, bool is_early)
{
	struct str key = str_printf(call->ctx.arena, "letter %zu", text.n);
	struct letter *letter = memo_get(call->ctx.memo, key);
	if (letter == NULL) {
		letter = ARENA_NEW(call->ctx.arena, struct letter);
		*letter = (struct letter){memo_wait_create(call->ctx.memo), str_from(text.p, 1)};
		memo_put(call->ctx.memo, key, letter);
		if (is_early) {
			memo_wake(letter->wait);
		} else {
			give_out(letter->wait);
		}
	}
	return letter;
}

/* Waits for a letter with so many MiB, or says that it may not. */
static enum err hold(struct call *call)
{
	int64_t mib;
	call_begin_memo(call);
	TRY(ctx_may_ask(&call->ctx));
	TRY(call_query_int(call, "mib", 0, 1000, 0, &mib));
	if (!memo_hold(&call->ctx, (size_t)mib << 20)) {
		return answer(call, STR("too much"));
	}
	struct letter *letter = letter_of(call, STR("x"), false);
	TRY(memo_park(&call->ctx, letter->wait, clock_os_ms() + 100000));
	return answer(call, STR("held"));
}

/* Waits for each letter of ?text in turn, and answers with all; ?ms=N: deadline; ?early: none has to be waited for. */
static enum err spell(struct call *call)
{
	struct str gathered = STR("");
	int64_t wait_ms = 0;
	call_begin_memo(call);
	atomic_fetch_add(&service.runs, 1);
	TRY(ctx_may_ask(&call->ctx));
	TRY(call_query_int(call, "ms", 0, 100000, 100000, &wait_ms));
	struct str text = call_query(call, "text");
	for (; text.n > 0; text = str_from(text.p + 1, text.n - 1)) {
		struct letter *letter = letter_of(call, text, call_query(call, "early").p != NULL);
		enum err err = memo_park(&call->ctx, letter->wait, *deadline_of(call, wait_ms));
		if (err == ERR_TIMEOUT) {
			return answer(call, STR("late"));
		}
		TRY(err);
		gathered =
			str_printf(call->ctx.arena, "%.*s%.*s", STR_ARG(gathered), STR_ARG(letter->text));
	}
	return answer(call, gathered);
}

static const struct route rows[] = {
	{"remote", "GET", "/remote", AUTH_NONE, LANE_REMOTE, RATE_NONE, 0, spell},
	{"local", "GET", "/local", AUTH_NONE, LANE_LOCAL, RATE_NONE, 0, spell},
	{"hold", "GET", "/hold", AUTH_NONE, LANE_REMOTE, RATE_NONE, 0, hold},
};

static int start(void **state)
{
	(void)state;
	service = (struct service){0};
	gate_init(&service.waiting);
	lock_init(&service.lock, RANK_LEAF);
	arena = arena_create();
	struct http_config config = loopback_config();
	config.remote.workers = 1;
	static const char *const proxies[] = {"127.0.0.1"};
	config.trusted_proxies = proxies;
	config.trusted_proxy_count = 1;
	server = loopback_start(&config, rows, COUNT_OF(rows), &service);
	return 0;
}

static int stop(void **state)
{
	(void)state;
	if (server != NULL) {
		loopback_stop(server);
	}
	arena_destroy(arena);
	return 0;
}

static int begin_as(const char *target, const char *headers)
{
	int fd = client_connect(http_server_port(server, 0));
	assert_true(client_request(fd, arena, "GET", target, headers, NULL));
	return fd;
}

static int begin(const char *target)
{
	return begin_as(target, "");
}

static void assert_answer(int fd, const char *what)
{
	struct client_reply reply = client_read(fd, arena);
	assert_int_equal(reply.status, 200);
	assert_true(str_contains(reply.body, str_printf(arena, "\"what\":\"%s\"", what)));
}

static void wait__several_in_a_row__each_is_there_in_the_next_run(void **state)
{
	(void)state;
	int fd = begin("/remote?text=abc");
	for (int i = 1; i <= 3; i++) {
		assert_true(gate_wait(&service.waiting, i));
		wake();
	}
	assert_answer(fd, "abc");
	assert_in_range(service.runs, 1, 4); /* what has come before it is waited for takes no run */
	assert_int_equal(close(fd), 0);
}

static void wait__two_for_the_same__both_go_on(void **state)
{
	(void)state;
	int one = begin("/remote?text=a");
	int other = begin("/remote?text=b");
	assert_true(gate_wait(&service.waiting, 2));
	wake();
	assert_answer(one, "a");
	assert_answer(other, "b");
	assert_int_equal(close(one) + close(other), 0);
}

static void wait__local_route__goes_on_on_the_remote_lane(void **state)
{
	(void)state;
	int fd = begin("/local?text=x");
	assert_true(gate_wait(&service.waiting, 1));
	wake();
	assert_answer(fd, "x");
	assert_int_equal(close(fd), 0);
}

static void wait__over_before_it_is_waited_for__goes_on_at_once(void **state)
{
	(void)state;
	int fd = begin("/remote?text=now&early=1");
	assert_answer(fd, "now");
	assert_int_equal(service.runs, 1);
	assert_int_equal(close(fd), 0);
}

static void wait__others__have_the_only_worker_meanwhile(void **state)
{
	(void)state;
	int waiting = begin("/remote?text=a");
	assert_true(gate_wait(&service.waiting, 1));
	int other = begin("/remote?text=b&early=1");
	assert_answer(other, "b");
	wake();
	assert_answer(waiting, "a");
	assert_int_equal(close(waiting) + close(other), 0);
}

static void deadline__passes__runs_again_and_says_so(void **state)
{
	(void)state;
	int fd = begin("/remote?text=a&ms=30");
	assert_answer(fd, "late");
	wake(); /* after the answer: nothing */
	assert_int_equal(close(fd), 0);
}

static void stop__while_waiting__503(void **state)
{
	(void)state;
	int fd = begin("/remote?text=a");
	assert_true(gate_wait(&service.waiting, 1));
	loopback_stop(server);
	server = NULL;
	struct client_reply reply = client_read(fd, arena);
	assert_errcode(reply, 503, "M_UNKNOWN");
	wake(); /* after the server: nothing */
	assert_int_equal(close(fd), 0);
}

#define FROM(address) "X-Forwarded-For: " address "\r\n"

static void hold__more_than_a_callers_share__others_have_theirs_and_all_is_given_back(void **state)
{
	(void)state;
	int first = begin_as("/hold?mib=10", FROM("192.0.2.1"));
	assert_true(gate_wait(&service.waiting, 1));
	int more = begin_as("/hold?mib=10", FROM("192.0.2.1"));
	assert_answer(more, "too much");
	int others[5];
	for (int i = 0; i < 5; i++) {
		others[i] = begin_as("/hold?mib=10", arena_printf(arena, FROM("192.0.2.%d"), 2 + i));
		assert_true(gate_wait(&service.waiting, 2 + i));
	}
	int last = begin_as("/hold?mib=10", FROM("192.0.2.9")); /* 70 of 64 MiB */
	assert_answer(last, "too much");
	wake();
	assert_answer(first, "held");
	for (int i = 0; i < 5; i++) {
		assert_answer(others[i], "held");
		assert_int_equal(close(others[i]), 0);
	}
	await_metric("belfry_http_parked_bytes", 0);
	assert_int_equal(close(first) + close(more) + close(last), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(function) cmocka_unit_test_setup_teardown(function, start, stop)
		TEST(wait__several_in_a_row__each_is_there_in_the_next_run),
		TEST(wait__two_for_the_same__both_go_on),
		TEST(wait__local_route__goes_on_on_the_remote_lane),
		TEST(wait__over_before_it_is_waited_for__goes_on_at_once),
		TEST(wait__others__have_the_only_worker_meanwhile),
		TEST(deadline__passes__runs_again_and_says_so),
		TEST(stop__while_waiting__503),
		TEST(hold__more_than_a_callers_share__others_have_theirs_and_all_is_given_back),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
