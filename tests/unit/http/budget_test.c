/*
 * Memory that requests hold: of all, of one caller, and what a caller who holds its share leaves to others.
 */
#include "loopback.h"

#include "http/budget.h"

enum { ALL = 400, SHARE = 100, SMALL = 10 };

static struct arena *arena;

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

/* --- by itself ---------------------------------------------------------------------------------------- */

static struct budget *make_budget(void)
{
	return budget_create(&(struct budget_limits){.all_bytes = ALL, .small_bytes = SMALL});
}

static void hold__share_of_a_caller__no_more_than_that_and_others_have_theirs(void **state)
{
	(void)state;
	struct budget *budget = make_budget();
	struct budget_claim claims[4] = {0};
	assert_true(budget_hold(budget, &claims[0], STR("a"), SHARE / 2));
	assert_true(budget_hold(budget, &claims[1], STR("a"), SHARE / 2));
	assert_false(budget_hold(budget, &claims[2], STR("a"), SMALL));
	assert_false(budget_hold(budget, &claims[1], STR("a"), SHARE / 2 + 1)); /* grows */
	assert_int_equal(claims[1].bytes, SHARE / 2);
	assert_int_equal(claims[2].bytes, 0);
	assert_true(budget_hold(budget, &claims[3], STR("b"), SHARE));
	budget_release(budget, &claims[0]);
	assert_true(budget_hold(budget, &claims[1], STR("a"), SHARE / 2 + 1));
	for (size_t i = 0; i < COUNT_OF(claims); i++) {
		budget_release(budget, &claims[i]);
	}
	budget_destroy(budget);
}

static void hold__all_is_held__nobody_gets_more_but_what_is_small(void **state)
{
	(void)state;
	struct budget *budget = make_budget();
	static const char *const callers[] = {"a", "b", "c", "d"};
	struct budget_claim claims[COUNT_OF(callers) + 1] = {0};
	for (size_t i = 0; i < COUNT_OF(callers); i++) {
		assert_true(budget_hold(budget, &claims[i], str_of(callers[i]), SHARE));
	}
	struct budget_claim *last = &claims[COUNT_OF(callers)];
	assert_false(budget_hold(budget, last, STR("e"), SMALL));
	assert_false(budget_hold(budget, last, STR(""), SMALL));
	assert_true(budget_hold(budget, last, STR("a"), SMALL - 1));
	assert_int_equal(last->bytes, 0);
	for (size_t i = 0; i < COUNT_OF(claims); i++) {
		budget_release(budget, &claims[i]);
	}
	budget_destroy(budget);
}

static void hold__one_alone__however_large(void **state)
{
	(void)state;
	struct budget *budget = make_budget();
	struct budget_claim large = {0};
	struct budget_claim other = {0};
	assert_true(budget_hold(budget, &large, STR("a"), SHARE));
	assert_true(budget_hold(budget, &large, STR("a"), (size_t)ALL * 2));
	assert_false(budget_hold(budget, &other, STR("b"), SMALL));
	budget_release(budget, &large);
	assert_true(budget_hold(budget, &other, STR("b"), SHARE / 2));
	assert_true(budget_hold(budget, &large, STR("a"), ALL - SHARE / 2)); /* its only one */
	budget_release(budget, &large);
	budget_release(budget, &other);
	budget_destroy(budget);
}

static void hold__caller_without_a_share__as_much_as_there_is(void **state)
{
	(void)state;
	struct budget *budget = make_budget();
	struct budget_claim claims[3] = {0};
	assert_true(budget_hold(budget, &claims[0], STR(""), (size_t)SHARE * 2));
	assert_true(budget_hold(budget, &claims[1], STR(""), (size_t)SHARE * 2));
	assert_false(budget_hold(budget, &claims[2], STR(""), SMALL));
	budget_release(budget, &claims[0]);
	budget_release(budget, &claims[1]);
	budget_destroy(budget);
}

/* --- in a server -------------------------------------------------------------------------------------- */

enum { LARGE_BODY = 60000, BODY = 12000, BUDGET = 64 * 1024 };

static enum err say_ok(struct call *call)
{
	return reply_empty(call);
}

static enum err say_half(struct call *call)
{
	return loopback_reply_mib(call, 32);
}

static const struct route rows[] = {
	{"post", "POST", "/post", AUTH_NONE, LANE_LOCAL, RATE_NONE, 0, say_ok},
	{"half", "GET", "/half", AUTH_NONE, LANE_LOCAL, RATE_NONE, 0, say_half},
};

static struct http_server *start_behind_proxy(struct http_config config)
{
	static const char *const proxies[] = {"127.0.0.1"};
	config.trusted_proxies = proxies;
	config.trusted_proxy_count = 1;
	return loopback_start(&config, rows, COUNT_OF(rows), NULL);
}

#define FROM(address) "X-Forwarded-For: " address "\r\n"

static const char *spaces(size_t n)
{
	char *text = arena_alloc(arena, n + 1);
	memset(text, ' ', n);
	text[n] = '\0';
	return text;
}

static int status_of_post(struct http_server *server, const char *headers, size_t body_bytes)
{
	return client_call(server, arena, "POST", "/post", headers, spaces(body_bytes)).status;
}

/* While it is read, what others hold would keep it from growing. */
static void await_held(size_t bytes)
{
	struct pollfd nothing = {.fd = -1};
	int64_t deadline_ms = clock_os_ms() + CLIENT_TIMEOUT_MS;
	while (metric_now("belfry_http_body_bytes") < (int64_t)bytes && clock_os_ms() < deadline_ms) {
		(void)poll(&nothing, 1, 2);
	}
	assert_true(metric_now("belfry_http_body_bytes") >= (int64_t)bytes);
}

/* A body of which the last byte does not come. @return when the server holds the rest */
static int begin_body(struct http_server *server, const char *headers, size_t body_bytes)
{
	int fd = client_connect(http_server_port(server, 0));
	struct str text =
		str_printf(arena, "POST /post HTTP/1.1\r\nHost: x\r\n%sContent-Length: %zu\r\n\r\n%s",
			headers, body_bytes, spaces(body_bytes - 1));
	assert_true(client_send(fd, text));
	await_held(body_bytes - 1);
	return fd;
}

static void bodies__one_address_holds_its_share__others_and_small_ones_are_taken(void **state)
{
	(void)state;
	struct http_config config = loopback_config();
	config.body_budget_bytes = (size_t)BUDGET * 2;
	struct http_server *server = start_behind_proxy(config);
	int begun = begin_body(server, FROM("192.0.2.1"), LARGE_BODY);
	struct client_reply reply =
		client_call(server, arena, "POST", "/post", FROM("192.0.2.1"), spaces(BODY));
	assert_int_equal(reply.status, 429);
	assert_int_equal(status_of_post(server, FROM("192.0.2.2"), BODY), 200);
	assert_int_equal(status_of_post(server, "", BODY), 200);
	assert_int_equal(status_of_post(server, FROM("192.0.2.1"), 1000), 200);
	assert_true(client_send(begun, STR(" ")));
	assert_int_equal(client_read(begun, arena).status, 200);
	assert_int_equal(close(begun), 0);
	await_metric("belfry_http_body_bytes", 0);
	assert_int_equal(status_of_post(server, FROM("192.0.2.1"), BODY), 200);
	loopback_stop(server);
}

static void bodies__over_the_common_budget__429(void **state)
{
	(void)state;
	struct http_config config = loopback_config();
	config.body_budget_bytes = BUDGET;
	struct http_server *server = start_behind_proxy(config);
	int begun = begin_body(server, FROM("192.0.2.1"), LARGE_BODY);
	assert_int_equal(status_of_post(server, FROM("192.0.2.2"), BODY), 429);
	assert_int_equal(status_of_post(server, "", BODY), 429);
	assert_int_equal(status_of_post(server, "", 1000), 200);
	assert_int_equal(close(begun), 0);
	await_metric("belfry_http_body_bytes", 0);
	assert_int_equal(status_of_post(server, "", BODY), 200);
	loopback_stop(server);
}

static void answers__one_caller_does_not_read__others_get_theirs(void **state)
{
	(void)state;
	struct http_config config = loopback_config();
	config.answer_budget_bytes = 80 << 20; /* two, and a bit; a caller's share is less than one */
	struct http_server *server = start_behind_proxy(config);
	int unread = client_connect(http_server_port(server, 0));
	assert_true(client_request(unread, arena, "GET", "/half", FROM("192.0.2.1"), NULL));
	char first;
	assert_int_equal(recv(unread, &first, 1, MSG_PEEK), 1); /* it is made */
	struct client_reply reply = client_call(server, arena, "GET", "/half", FROM("192.0.2.1"), NULL);
	assert_int_equal(reply.status, 429);
	reply = client_call(server, arena, "GET", "/half", FROM("192.0.2.2"), NULL);
	assert_int_equal(reply.status, 200);
	assert_int_equal(close(unread), 0);
	loopback_stop(server);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(hold__share_of_a_caller__no_more_than_that_and_others_have_theirs),
		TEST(hold__all_is_held__nobody_gets_more_but_what_is_small),
		TEST(hold__one_alone__however_large),
		TEST(hold__caller_without_a_share__as_much_as_there_is),
		TEST(bodies__one_address_holds_its_share__others_and_small_ones_are_taken),
		TEST(bodies__over_the_common_budget__429),
		TEST(answers__one_caller_does_not_read__others_get_theirs),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
