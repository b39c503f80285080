/*
 * An answer's text: what it is, and that a client gets the same of libmicrohttpd and of a connection that is held.
 */
#include "loopback.h"

#include "http/answer.h"

#include <time.h>

static struct arena *arena;
static struct http_server *server;

/* --- handlers: each kind of answer ------------------------------------------------------------------------- */

/* Its connection is held from then on. */
static enum err wait_shortly(struct call *call)
{
	if (!call_is_resumed(call)) {
		park_unref(call_park(call, clock_os_ms()));
		return ERR_OK;
	}
	return reply_empty(call);
}

static enum err say_json(struct call *call)
{
	struct json_out *out = reply_json(call, 201);
	json_out_object(out);
	json_out_end(out);
	return ERR_OK;
}

static enum err say_own(struct call *call)
{
	reply_header(call, "X-Own", STR("a\r\nX-Forged: \x7F\tb"));
	reply_header(call, "x-own", STR("again: and again"));
	reply_header(call, "X-Empty", STR(""));
	reply_header(call, "cache-CONTROL", STR("public, max-age=60"));
	reply_header(call, "X-High", STR("\xC3\xA9"));
	return reply_bytes(call, 202, "text/plain; charset=utf-8", STR("plain"));
}

static enum err say_nothing(struct call *call)
{
	return reply_bytes(call, 404, "text/plain", STR(""));
}

static enum err say_long(struct call *call)
{
	struct str text = str_printf(call->ctx.arena, "%01000d", 7);
	for (int i = 0; i < 3; i++) {
		reply_header(call, "X-Long", text);
	}
	return reply_bytes(call, 200, "application/octet-stream", text);
}

/* Headers that are too large, with `size` bytes of them; with `fail` for a failure. */
static enum err say_too_long(struct call *call)
{
	int64_t size = 0;
	TRY(call_query_int(call, "size", 0, 1 << 20, 0, &size));
	char *text = arena_alloc(call->ctx.arena, (size_t)size);
	memset(text, 'x', (size_t)size);
	reply_header(call, "X-Long", str_from(text, (size_t)size));
	if (call_query(call, "fail").p != NULL) {
		return fail_status(&call->ctx, ERR_STORE, 503, NULL, "Away");
	}
	return reply_bytes(call, 200, "text/plain", STR("plain"));
}

static enum err say_later(struct call *call)
{
	(void)fail(&call->ctx, ERR_LIMIT, "M_LIMIT_EXCEEDED", "Later");
	call->ctx.fault.retry_after_ms = 12001;
	return ERR_LIMIT;
}

static enum err say_away(struct call *call)
{
	return fail_status(&call->ctx, ERR_STORE, 503, NULL, "Away");
}

static enum err say_odd(struct call *call)
{
	return fail_status(&call->ctx, ERR_DENIED, 451, "M_\"ODD", "a\\b");
}

#define INLINE(path, handler) \
	{ \
		path, "GET", path, AUTH_NONE, LANE_INLINE, RATE_NONE, 0, handler \
	}
static const struct route rows[] = {INLINE("/wait", wait_shortly), INLINE("/json", say_json),
	INLINE("/own", say_own), INLINE("/nothing", say_nothing), INLINE("/long", say_long),
	INLINE("/later", say_later), INLINE("/away", say_away), INLINE("/odd", say_odd),
	INLINE("/too-long", say_too_long)};

/* --- fixture -------------------------------------------------------------------------------------------------- */

static int start(void **state)
{
	(void)state;
	arena = arena_create();
	struct http_config config = loopback_config();
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

static struct client_reply ask(int fd, const char *target)
{
	assert_true(client_request(fd, arena, "GET", target, "", NULL));
	return client_read(fd, arena);
}

static int held_connection(void)
{
	int fd = client_connect(http_server_port(server, 0));
	assert_int_equal(ask(fd, "/wait").status, 200);
	return fd;
}

/* The head, but for its date. */
static struct str undated(const struct client_reply *reply)
{
	struct str date = reply_head(reply, "date");
	assert_int_equal(date.n, strlen("Fri, 27 Nov 2026 00:00:00 GMT"));
	struct str head = str_dup(arena, reply->head);
	memset((char *)head.p + (date.p - reply->head.p), '-', date.n);
	return head;
}

/* --- tests ---------------------------------------------------------------------------------------------------- */

static void head__of_an_answer__lines_in_order(void **state)
{
	(void)state;
	struct answer answer;
	struct buf body;
	struct buf head;
	buf_init(&body, 100);
	buf_init(&head, 1000);
	buf_add_lit(&body, "body");
	answer_init(&answer, 429);
	answer_add_lines(&answer, STR("A: b\r\n"));
	answer_add(&answer, "C", STR("d\r\nX: \x01\x1F\x7F\t\x80"));
	answer_add(&answer, "Empty", STR(""));
	assert_false(answer.is_last);
	answer_close_after(&answer);
	assert_true(answer.is_last);
	answer_set_body(&answer, &body);
	assert_int_equal(body.n, 0);
	answer_write_head(&answer, STR("today"), &head);
	assert_str_equal(buf_str(&head),
		"HTTP/1.1 429 Too Many Requests\r\nDate: today\r\nA: b\r\nC: d  X:     \x80\r\n"
		"Connection: close\r\nContent-Length: 4\r\n\r\n");
	buf_fini(&head);
	buf_fini(&body);
	answer_fini(&answer);
	answer_fini(&answer);
}

static void head__with_nothing__complete(void **state)
{
	(void)state;
	struct answer answer;
	struct buf head;
	buf_init(&head, 1000);
	answer_init(&answer, 200);
	answer_write_head(&answer, STR("now"), &head);
	assert_str_equal(buf_str(&head), "HTTP/1.1 200 OK\r\nDate: now\r\nContent-Length: 0\r\n\r\n");
	buf_fini(&head);
	answer_fini(&answer);
}

static void head__without_a_body__no_length(void **state)
{
	(void)state;
	const int without[] = {204, 304};
	for (size_t i = 0; i < COUNT_OF(without); i++) {
		struct answer answer;
		struct buf head;
		buf_init(&head, 1000);
		answer_init(&answer, without[i]);
		answer_write_head(&answer, STR("now"), &head);
		assert_true(str_ends_with(buf_str(&head), STR("\r\nDate: now\r\n\r\n")));
		buf_fini(&head);
		answer_fini(&answer);
	}
}

static void answer__of_each_kind__the_same_of_both(void **state)
{
	(void)state;
	int held = held_connection();
	int direct = client_connect_library(server, arena, "/json");
	int64_t before = metric_now("belfry_http_held_requests_total");
	for (size_t i = 1; i < COUNT_OF(rows); i++) {
		struct client_reply of_held = ask(held, rows[i].path);
		struct client_reply of_library = ask(direct, rows[i].path);
		assert_true(of_library.status > 0);
		struct str head = undated(&of_library);
		if (!str_equals(undated(&of_held), head)) {
			print_error("%s\n--- held\n%.*s\n--- library\n%.*s\n", rows[i].path,
				STR_ARG(of_held.head), STR_ARG(head));
		}
		assert_true(str_equals(undated(&of_held), head));
		assert_true(str_equals(of_held.body, of_library.body));
	}
	assert_int_equal(metric_now("belfry_http_held_requests_total"),
		before + (int64_t)COUNT_OF(rows) - 1);
	struct client_reply own = ask(held, "/own");
	assert_str_equal(reply_head(&own, "cache-control"), "public, max-age=60");
	assert_true(str_contains(own.head, STR("X-Own: a  X-Forged:   b\r\n")));
	assert_true(reply_head(&own, "x-forged").p == NULL && reply_head(&own, "x-empty").p == NULL);
	struct client_reply later = ask(held, "/later");
	assert_str_equal(reply_head(&later, "retry-after"), "13");
	assert_int_equal(close(held), 0);
	assert_int_equal(close(direct), 0);
}

/* Of both readers: what the handler replied is a failure, and what had failed stays what it was. */
static void headers__too_large__a_failure_without_them(void **state)
{
	(void)state;
	int fds[] = {held_connection(), client_connect_library(server, arena, "/json")};
	for (size_t i = 0; i < COUNT_OF(fds); i++) {
		assert_int_equal(ask(fds[i], "/too-long?size=11000").status, 200);
		struct client_reply reply = ask(fds[i], "/too-long?size=13000");
		assert_errcode(reply, 500, "M_UNKNOWN");
		assert_true(reply_head(&reply, "x-long").p == NULL);
		assert_str_equal(reply_head(&reply, "content-type"), "application/json");
		reply = ask(fds[i], "/too-long?size=13000&fail");
		assert_errcode(reply, 503, "M_UNKNOWN");
		assert_str_equal(reply_head(&reply, "retry-after"), "2");
		assert_int_equal(ask(fds[i], "/json").status, 201);
		assert_int_equal(close(fds[i]), 0);
	}
}

static struct str date_of(time_t second)
{
	char text[64];
	struct tm parts;
	assert_non_null(gmtime_r(&second, &parts));
	assert_true(strftime(text, sizeof(text), "%a, %d %b %Y %H:%M:%S GMT", &parts) > 0);
	return str_dup(arena, str_of(text));
}

static void date__of_held_connections__is_when_they_are_answered(void **state)
{
	(void)state;
	int fd = held_connection();
	for (int i = 0; i < 3; i++) {
		time_t before = time(NULL);
		struct client_reply reply = ask(fd, "/json");
		time_t after = time(NULL);
		bool is_right = false;
		for (time_t second = before; second <= after; second++) {
			is_right = is_right || str_equals(reply_head(&reply, "date"), date_of(second));
		}
		assert_true(is_right);
		struct pollfd nothing = {.fd = -1};
		(void)poll(&nothing, 1, 1100); /* into another second */
	}
	assert_int_equal(close(fd), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(function) cmocka_unit_test_setup_teardown(function, start, stop)
		cmocka_unit_test(head__of_an_answer__lines_in_order),
		cmocka_unit_test(head__with_nothing__complete),
		cmocka_unit_test(head__without_a_body__no_length),
		TEST(answer__of_each_kind__the_same_of_both),
		TEST(headers__too_large__a_failure_without_them),
		TEST(date__of_held_connections__is_when_they_are_answered),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
