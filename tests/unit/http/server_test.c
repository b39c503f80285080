/*
 * A request's way through a real server on a loopback port: routing, CORS, bodies and their limits,
 * authentication, rate, lanes, answers and failures.
 */
#include "loopback.h"

#include "base/mem.h"

struct service {
	struct gate arrived;  /* handlers that have begun to wait */
	struct gate released; /* lets them go on */
	_Atomic int blocking_logins;
	_Atomic int cached_logins;
};

static struct service service;
static struct arena *arena;

/* --- handlers ------------------------------------------------------------------------------------------- */

static void write_str(struct json_out *out, struct str key, struct str value)
{
	json_out_key(out, key);
	json_out_str(out, value);
}

/* Says everything that it sees. */
static enum err echo(struct call *call)
{
	size_t n = 0;
	const struct str *all = call_query_all(call, "q", &n);
	struct json_out *out = reply_json(call, 200);
	json_out_object(out);
	write_str(out, STR("room"), call_path(call, "roomId"));
	write_str(out, STR("method"), call_method(call));
	write_str(out, STR("target"), call_raw_target(call));
	write_str(out, STR("address"), call_client_address(call));
	write_str(out, STR("header"), call_header(call, "X-Test"));
	write_str(out, STR("body"), call_body(call));
	json_out_key_array(out, "q");
	for (size_t i = 0; i < n; i++) {
		json_out_str(out, all[i]);
	}
	json_out_end(out);
	json_out_key_bool(out, "inline", call_is_inline(call));
	json_out_key_bool(out, "absent", call_query(call, "absent").p == NULL);
	json_out_end(out);
	return ERR_OK;
}

static enum err read_fields(struct call *call)
{
	const struct json *body = NULL;
	struct str name = {0};
	struct str nick = {0};
	bool flag = false;
	int64_t limit = 0;
	const struct json *object = NULL;
	const struct json *array = NULL;
	TRY(call_json(call, &body));
	TRY(body_str(call, body, "name", &name));
	TRY(body_opt_str(call, body, "nick", &nick));
	TRY(body_opt_bool(call, body, "flag", true, &flag));
	TRY(body_opt_int(call, body, "limit", 1, 10, 5, &limit));
	TRY(body_opt_object(call, body, "object", &object));
	TRY(body_opt_array(call, body, "array", &array));
	struct json_out *out = reply_json(call, 201);
	json_out_object(out);
	json_out_key_str(out, "name", name);
	json_out_key_bool(out, "has_nick", nick.p != NULL);
	json_out_key_bool(out, "flag", flag);
	json_out_key_int(out, "limit", limit);
	json_out_key_bool(out, "object", object != NULL);
	json_out_key_bool(out, "array", array != NULL);
	json_out_end(out);
	return ERR_OK;
}

static enum err read_query(struct call *call)
{
	int64_t limit = 0;
	bool flag = false;
	TRY(call_query_int(call, "limit", 0, 100, 7, &limit));
	TRY(call_query_bool(call, "flag", false, &flag));
	struct json_out *out = reply_json(call, 200);
	json_out_object(out);
	json_out_key_int(out, "limit", limit);
	json_out_key_bool(out, "flag", flag);
	json_out_end(out);
	return ERR_OK;
}

static enum err say_ok(struct call *call)
{
	return reply_empty(call);
}

static enum err wait_for_release(struct call *call)
{
	gate_add(&service.arrived, 1);
	(void)gate_wait(&service.released, 1);
	return reply_empty(call);
}

static enum err defer_once(struct call *call)
{
	TRY(ctx_may_wait(&call->ctx));
	assert_false(call_is_inline(call));
	return reply_empty(call);
}

/* Says on which lane's thread it ended up. */
static enum err ask_others(struct call *call)
{
	const struct json *body = NULL;
	TRY(call_json(call, &body));
	TRY(ctx_may_ask(&call->ctx));
	char thread[16] = "";
	assert_int_equal(pthread_getname_np(pthread_self(), thread, sizeof(thread)), 0);
	struct json_out *out = reply_json(call, 200);
	json_out_object(out);
	write_str(out, STR("thread"), str_of(thread));
	write_str(out, STR("said"), json_get_str(body, STR("say")));
	json_out_end(out);
	return ERR_OK;
}

static enum err fail_as_asked(struct call *call)
{
	struct str kind = call_path(call, "kind");
	if (str_equals(kind, STR("denied"))) {
		enum err err = fail(&call->ctx, ERR_DENIED, "M_FORBIDDEN", "No \"entry\"");
		call->ctx.fault.extra = STR("\"soft_logout\":true");
		return err;
	}
	if (str_equals(kind, STR("limit"))) {
		enum err err = fail(&call->ctx, ERR_LIMIT, "M_LIMIT_EXCEEDED", "Slower");
		call->ctx.fault.retry_after_ms = 1500;
		return err;
	}
	if (str_equals(kind, STR("store"))) {
		return fail_cause(&call->ctx, ERR_STORE, "secret detail");
	}
	if (str_equals(kind, STR("status"))) {
		return fail_status(&call->ctx, ERR_DENIED, 401, "M_UNKNOWN_TOKEN", "Who?");
	}
	if (str_equals(kind, STR("undescribed"))) {
		return ERR_TIMEOUT;
	}
	if (str_equals(kind, STR("after-reply"))) {
		(void)reply_empty(call);
		return fail(&call->ctx, ERR_MISSING, "M_NOT_FOUND", "Gone");
	}
	if (str_equals(kind, STR("unfinished"))) {
		json_out_object(reply_json(call, 200));
		return ERR_OK;
	}
	return ERR_OK; /* no answer at all */
}

static enum err reply_large(struct call *call)
{
	struct json_out *out = reply_json(call, 200);
	json_out_array(out);
	for (int i = 0; i < 100000; i++) {
		json_out_int(out, i);
	}
	json_out_end(out);
	return ERR_OK;
}

static enum err reply_other(struct call *call)
{
	reply_header(call, "X-Own", STR("a\r\nX-Forged: b"));
	reply_header(call, "Cache-Control", STR("public, max-age=60"));
	return reply_bytes(call, 202, "text/plain", STR("plain"));
}

static enum err whoami(struct call *call)
{
	const struct str *user = call_principal(call);
	struct json_out *out = reply_json(call, 200);
	json_out_object(out);
	json_out_key_str(out, "user_id", user != NULL ? *user : STR("nobody"));
	json_out_key_bool(out, "inline", call_is_inline(call));
	json_out_end(out);
	return ERR_OK;
}

static const struct route rows[] = {
	{"echo", "GET", "/rooms/{roomId}/echo", AUTH_NONE, LANE_INLINE, RATE_NONE, 0, echo},
	{"echoLocal", "PUT", "/rooms/{roomId}/echo", AUTH_NONE, LANE_LOCAL, RATE_NONE, 0, echo},
	{"fields", "POST", "/fields", AUTH_NONE, LANE_LOCAL, RATE_NONE, 0, read_fields},
	{"query", "GET", "/query", AUTH_NONE, LANE_INLINE, RATE_NONE, 0, read_query},
	{"small", "POST", "/small", AUTH_NONE, LANE_INLINE, RATE_NONE, 10, say_ok},
	{"wait", "GET", "/wait", AUTH_NONE, LANE_SLOW, RATE_NONE, 0, wait_for_release},
	{"remote", "GET", "/remote", AUTH_NONE, LANE_REMOTE, RATE_NONE, 0, say_ok},
	{"defer", "GET", "/defer", AUTH_NONE, LANE_INLINE, RATE_NONE, 0, defer_once},
	{"askInline", "POST", "/ask/inline", AUTH_USER, LANE_INLINE, RATE_NONE, 0, ask_others},
	{"askLocal", "POST", "/ask/local", AUTH_NONE, LANE_LOCAL, RATE_NONE, 0, ask_others},
	{"askRemote", "POST", "/ask/remote", AUTH_NONE, LANE_REMOTE, RATE_NONE, 0, ask_others},
	{"fail", "GET", "/fail/{kind}", AUTH_NONE, LANE_LOCAL, RATE_NONE, 0, fail_as_asked},
	{"large", "GET", "/large", AUTH_NONE, LANE_LOCAL, RATE_NONE, 0, reply_large},
	{"other", "GET", "/other", AUTH_NONE, LANE_LOCAL, RATE_NONE, 0, reply_other},
	{"whoami", "GET", "/whoami", AUTH_USER, LANE_INLINE, RATE_NONE, 0, whoami},
	{"whoamiLocal", "GET", "/whoami/local", AUTH_USER, LANE_LOCAL, RATE_NONE, 0, whoami},
	{"limited", "GET", "/limited", AUTH_NONE, LANE_INLINE, RATE_LOGIN, 0, say_ok},
};

/* --- ports ---------------------------------------------------------------------------------------------- */

static enum err authenticate(void *self, struct call *call)
{
	struct service *counts = self;
	struct str token = call_header(call, "Authorization");
	if (token.p == NULL) {
		return fail_status(&call->ctx, ERR_DENIED, 401, "M_MISSING_TOKEN", "No token");
	}
	if (str_equals(token, STR("Bearer slow"))) {
		TRY(ctx_may_wait(&call->ctx));
	}
	if (!str_equals(token, STR("Bearer slow")) && !str_equals(token, STR("Bearer cached"))) {
		return fail_status(&call->ctx, ERR_DENIED, 401, "M_UNKNOWN_TOKEN", "Unknown token");
	}
	atomic_fetch_add(call_is_inline(call) ? &counts->cached_logins : &counts->blocking_logins, 1);
	struct str *user = ARENA_NEW(call->ctx.arena, struct str);
	*user = STR("@a:hs");
	call_set_principal(call, user, NULL);
	return ERR_OK;
}

static struct str rate_key(void *self, struct call *call)
{
	(void)self;
	return call_header(call, "X-Key").p != NULL ? call_header(call, "X-Key")
												: call_client_address(call);
}

static const struct http_ports ports = {.self = &service,
	.authenticate = authenticate,
	.rate_key = rate_key};

/* --- fixture -------------------------------------------------------------------------------------------- */

static struct http_server *server;

static struct http_config test_config(void)
{
	static const char *const proxies[] = {"127.0.0.1"};
	struct http_config config = loopback_config();
	config.ports = &ports;
	config.trusted_proxies = proxies;
	config.trusted_proxy_count = 1;
	config.body_ceiling_bytes = 4096;
	config.reply_ceiling_bytes = (size_t)1024 * 1024;
	config.slow.queue_limit = 1;
	return config;
}

static int start(void **state)
{
	(void)state;
	service = (struct service){0};
	gate_init(&service.arrived);
	gate_init(&service.released);
	arena = arena_create();
	struct http_config config = test_config();
	server = loopback_start(&config, rows, COUNT_OF(rows), &service);
	return 0;
}

static int stop(void **state)
{
	(void)state;
	loopback_stop(server);
	arena_destroy(arena);
	return 0;
}

static struct client_reply get(const char *target)
{
	return client_call(server, arena, "GET", target, "", NULL);
}

static bool says(const struct client_reply *reply, const char *text)
{
	return str_contains(reply->body, str_of(text));
}

/* --- routing and CORS ----------------------------------------------------------------------------------- */

static void request__path_and_query__reach_the_handler(void **state)
{
	(void)state;
	struct client_reply reply = client_call(server, arena, "GET",
		"/rooms/%21r%2F%C3%A9/echo?q=1&q=a+b%26", "x-test: Y\r\n", NULL);
	assert_int_equal(reply.status, 200);
	assert_true(says(&reply, "\"room\":\"!r/\xC3\xA9\""));
	assert_true(says(&reply, "\"target\":\"/rooms/%21r%2F%C3%A9/echo?q=1&q=a+b%26\""));
	assert_true(says(&reply, "\"q\":[\"1\",\"a b&\"]"));
	assert_true(says(&reply, "\"header\":\"Y\""));
	assert_true(says(&reply, "\"method\":\"GET\""));
	assert_true(says(&reply, "\"inline\":true"));
	assert_true(says(&reply, "\"absent\":true"));
	assert_str_equal(reply_head(&reply, "content-type"), "application/json");
}

static void request__unknown_path_or_method__is_unrecognized(void **state)
{
	(void)state;
	struct client_reply reply = get("/_matrix/client/v3/nothing");
	assert_errcode(reply, 404, "M_UNRECOGNIZED");
	assert_str_equal(reply_head(&reply, "access-control-allow-origin"), "*");
	reply = client_call(server, arena, "DELETE", "/fields", "", NULL);
	assert_errcode(reply, 405, "M_UNRECOGNIZED");
	assert_str_equal(reply_head(&reply, "allow"), "POST, OPTIONS");
	reply = client_call(server, arena, "BREW", "/fields", "", NULL);
	assert_errcode(reply, 405, "M_UNRECOGNIZED");
}

static void request__bad_encoding__is_invalid_param(void **state)
{
	(void)state;
	const char *const bad[] = {"/rooms/%zz/echo", "/rooms/%/echo", "/rooms/%ff/echo",
		"/rooms/a%00b/echo", "/query?limit=%2", "/query?x=%00", "/query?x=%ff", "/nothing/%gg"};
	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		struct client_reply reply = get(bad[i]);
		assert_errcode(reply, 400, "M_INVALID_PARAM");
	}
}

static void options__any_path__answers_cors_and_runs_nothing(void **state)
{
	(void)state;
	const char *const paths[] = {"/fields", "/whoami", "/nothing", "/rooms/%zz/echo", "*"};
	for (size_t i = 0; i < COUNT_OF(paths); i++) {
		struct client_reply reply = client_call(server, arena, "OPTIONS", paths[i], "", NULL);
		assert_int_equal(reply.status, 204);
		assert_str_equal(reply_head(&reply, "access-control-allow-origin"), "*");
		assert_str_equal(reply_head(&reply, "access-control-allow-methods"),
			"GET, HEAD, POST, PUT, DELETE, OPTIONS");
		assert_str_equal(reply_head(&reply, "access-control-allow-headers"),
			"X-Requested-With, Content-Type, Authorization, If-Match, If-None-Match");
	}
	assert_int_equal(service.cached_logins, 0);
}

static void head__of_a_get_route__has_no_body(void **state)
{
	(void)state;
	int fd = client_connect(http_server_port(server, 0));
	assert_true(client_request(fd, arena, "HEAD", "/query", "", NULL));
	struct client_reply reply = client_read_as(fd, arena, true);
	assert_int_equal(reply.status, 200);
	assert_str_equal(reply_head(&reply, "content-length"), "24");
	/* Were there a body, the next answer would not be read rightly. */
	assert_true(client_request(fd, arena, "GET", "/query", "", NULL));
	reply = client_read(fd, arena);
	assert_str_equal(reply.body, "{\"limit\":7,\"flag\":false}");
	assert_int_equal(close(fd), 0);
}

static void connection__kept_open__takes_pipelined_requests_in_order(void **state)
{
	(void)state;
	int fd = client_connect(http_server_port(server, 0));
	for (int i = 0; i < 20; i++) {
		const char *method = i % 2 == 0 ? "GET" : "PUT";
		const char *target = arena_printf(arena, "/rooms/r%d/echo", i);
		assert_true(client_request(fd, arena, method, target, "", i % 2 == 0 ? NULL : "{}"));
	}
	for (int i = 0; i < 20; i++) {
		struct client_reply reply = client_read(fd, arena);
		assert_int_equal(reply.status, 200);
		assert_true(says(&reply, arena_printf(arena, "\"room\":\"r%d\"", i)));
	}
	assert_int_equal(close(fd), 0);
}

static void address__from_trusted_proxy__is_the_forwarded_one(void **state)
{
	(void)state;
	struct client_reply reply = get("/rooms/r/echo");
	assert_true(says(&reply, "\"address\":\"127.0.0.1\""));
	reply = client_call(server, arena, "GET", "/rooms/r/echo",
		"X-Forwarded-For: 6.6.6.6, 203.0.113.9\r\n", NULL);
	assert_true(says(&reply, "\"address\":\"203.0.113.9\""));
	reply = client_call(server, arena, "GET", "/rooms/r/echo",
		"X-Forwarded-For: 6.6.6.6\r\nX-Forwarded-For: 203.0.113.8\r\n", NULL);
	assert_true(says(&reply, "\"address\":\"203.0.113.8\""));
}

static void target__of_8000_bytes__taken(void **state)
{
	(void)state;
	char *filter = arena_alloc(arena, 8001);
	memset(filter, 'f', 8000);
	struct client_reply reply = get(arena_printf(arena, "/query?limit=3&filter=%s", filter));
	assert_int_equal(reply.status, 200);
	assert_true(says(&reply, "\"limit\":3"));
}

/* --- bodies --------------------------------------------------------------------------------------------- */

static struct client_reply post(const char *body)
{
	return client_call(server, arena, "POST", "/fields", "", body);
}

static void body__fields__typed(void **state)
{
	(void)state;
	struct client_reply reply = post(
		"{\"name\":\"\",\"nick\":null,\"flag\":false,\"limit\":10,\"object\":{},\"array\":[]}");
	assert_int_equal(reply.status, 201);
	assert_str_equal(reply.body,
		"{\"name\":\"\",\"has_nick\":false,\"flag\":false,\"limit\":10,"
		"\"object\":true,\"array\":true}");
	reply = post("{\"name\":\"x\",\"nick\":\"\"}");
	assert_str_equal(reply.body,
		"{\"name\":\"x\",\"has_nick\":true,\"flag\":true,\"limit\":5,"
		"\"object\":false,\"array\":false}");
}

static void body__wrong__named_error(void **state)
{
	(void)state;
	const struct {
		const char *body;
		const char *errcode;
	} cases[] = {
		{"{\"name\"", "M_NOT_JSON"},
		{"\"\xff\"", "M_NOT_JSON"},
		{"nonsense", "M_NOT_JSON"},
		{"[]", "M_BAD_JSON"},
		{"7", "M_BAD_JSON"},
		{"{\"name\":\"a\",\"name\":\"b\"}", "M_BAD_JSON"},
		{"{}", "M_MISSING_PARAM"},
		{"", "M_NOT_JSON"},
		{"{\"name\":7}", "M_BAD_JSON"},
		{"{\"name\":null}", "M_BAD_JSON"},
		{"{\"name\":\"a\",\"nick\":1}", "M_BAD_JSON"},
		{"{\"name\":\"a\",\"flag\":\"true\"}", "M_BAD_JSON"},
		{"{\"name\":\"a\",\"limit\":0}", "M_BAD_JSON"},
		{"{\"name\":\"a\",\"limit\":11}", "M_BAD_JSON"},
		{"{\"name\":\"a\",\"limit\":1.0}", "M_BAD_JSON"},
		{"{\"name\":\"a\",\"object\":[]}", "M_BAD_JSON"},
		{"{\"name\":\"a\",\"array\":{}}", "M_BAD_JSON"},
	};
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct client_reply reply = post(cases[i].body);
		assert_int_equal(reply.status, 400);
		assert_true(says(&reply, arena_printf(arena, "\"errcode\":\"%s\"", cases[i].errcode)));
	}
}

static void query__numbers_and_booleans__checked(void **state)
{
	(void)state;
	struct client_reply reply = get("/query?limit=100&flag=true");
	assert_str_equal(reply.body, "{\"limit\":100,\"flag\":true}");
	const char *const bad[] = {"/query?limit=101", "/query?limit=-1",
		"/query?limit=", "/query?limit=1.0", "/query?flag=1", "/query?flag"};
	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		reply = get(bad[i]);
		assert_errcode(reply, 400, "M_INVALID_PARAM");
	}
}

static void body__over_the_ceiling__413_and_connection_goes_on(void **state)
{
	(void)state;
	int fd = client_connect(http_server_port(server, 0));
	assert_true(client_request(fd, arena, "POST", "/small", "", "12345678901"));
	struct client_reply reply = client_read(fd, arena);
	assert_errcode(reply, 413, "M_TOO_LARGE");
	assert_true(client_request(fd, arena, "POST", "/small", "", "1234567890"));
	reply = client_read(fd, arena);
	assert_int_equal(reply.status, 200);
	assert_int_equal(close(fd), 0);
}

static void body__chunked_over_the_ceiling__413(void **state)
{
	(void)state;
	int fd = client_connect(http_server_port(server, 0));
	const char *head = "POST /small HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
	assert_true(client_send(fd, str_of(head)));
	assert_true(client_send(fd, STR("6\r\n123456\r\n6\r\n123456\r\n0\r\n\r\n")));
	struct client_reply reply = client_read(fd, arena);
	assert_errcode(reply, 413, "M_TOO_LARGE");
	assert_true(client_send(fd, str_of(head)));
	assert_true(client_send(fd, STR("5\r\n12345\r\n5\r\n12345\r\n0\r\n\r\n")));
	reply = client_read(fd, arena);
	assert_int_equal(reply.status, 200);
	assert_int_equal(close(fd), 0);
}

static void body__huge_length__refused_before_it_is_sent(void **state)
{
	(void)state;
	int fd = client_connect(http_server_port(server, 0));
	assert_true(client_send(fd,
		STR("POST /fields HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n")));
	struct client_reply reply = client_read(fd, arena);
	assert_errcode(reply, 413, "M_TOO_LARGE");
	assert_true(client_sees_close(fd));
	assert_int_equal(close(fd), 0);
	fd = client_connect(http_server_port(server, 0));
	assert_true(client_send(fd,
		STR("POST /fields HTTP/1.1\r\nHost: x\r\nContent-Length: 5000\r\n"
			"Expect: 100-continue\r\n\r\n")));
	reply = client_read(fd, arena);
	assert_errcode(reply, 413, "M_TOO_LARGE");
	assert_int_equal(close(fd), 0);
}

static void body__endless_chunks__cut(void **state)
{
	(void)state;
	int fd = client_connect(http_server_port(server, 0));
	assert_true(client_send(fd,
		STR("POST /small HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")));
	char chunk[4096 + 8];
	memset(chunk, 'x', sizeof(chunk));
	const struct str size_line = STR("1000\r\n");
	memcpy(chunk, size_line.p, size_line.n);
	chunk[sizeof(chunk) - 2] = '\r';
	chunk[sizeof(chunk) - 1] = '\n';
	const size_t far_too_many = 65536;
	size_t sent = 0;
	while (sent < far_too_many && client_send(fd, str_from(chunk, sizeof(chunk)))) {
		sent++;
	}
	assert_true(sent < far_too_many);
	assert_int_equal(close(fd), 0);
}

static void body__ambiguous_length__refused_and_closed(void **state)
{
	(void)state;
	const char *const heads[] = {"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n",
		"Content-Length: 2\r\nContent-Length: 3\r\n", "Transfer-Encoding: gzip, chunked\r\n",
		"Transfer-Encoding: identity\r\n"};
	for (size_t i = 0; i < COUNT_OF(heads); i++) {
		int fd = client_connect(http_server_port(server, 0));
		assert_true(client_send(fd,
			str_printf(arena, "POST /fields HTTP/1.1\r\nHost: x\r\n%s\r\n{}", heads[i])));
		struct client_reply reply = client_read(fd, arena);
		assert_int_equal(reply.status, 400);
		assert_true(client_sees_close(fd));
		assert_int_equal(close(fd), 0);
	}
}

static void body__of_a_get__ignored(void **state)
{
	(void)state;
	struct client_reply reply = client_call(server, arena, "GET", "/rooms/r/echo", "", "{\"a\":1}");
	assert_int_equal(reply.status, 200);
	assert_true(says(&reply, "\"body\":\"\""));
	reply = client_call(server, arena, "PUT", "/rooms/r/echo", "", "{\"a\":1}");
	assert_true(says(&reply, "\"body\":\"{\\\"a\\\":1}\""));
	assert_true(says(&reply, "\"inline\":false"));
}

/* --- answers and failures ----------------------------------------------------------------------------------- */

static void failure__described__becomes_status_and_errcode(void **state)
{
	(void)state;
	struct client_reply reply = get("/fail/denied");
	assert_int_equal(reply.status, 403);
	assert_str_equal(reply.body,
		"{\"errcode\":\"M_FORBIDDEN\",\"error\":\"No \\\"entry\\\"\",\"soft_logout\":true}");
	assert_str_equal(reply_head(&reply, "access-control-allow-origin"), "*");
	reply = get("/fail/limit");
	assert_errcode(reply, 429, "M_LIMIT_EXCEEDED");
	assert_true(says(&reply, "\"retry_after_ms\":1500"));
	assert_str_equal(reply_head(&reply, "retry-after"), "2");
	reply = get("/fail/status");
	assert_errcode(reply, 401, "M_UNKNOWN_TOKEN");
	reply = get("/fail/after-reply");
	assert_errcode(reply, 404, "M_NOT_FOUND");
}

static void failure__inside__tells_the_client_no_details(void **state)
{
	(void)state;
	struct client_reply reply = get("/fail/store");
	assert_errcode(reply, 503, "M_UNKNOWN");
	assert_false(says(&reply, "secret"));
	reply = get("/fail/undescribed");
	assert_errcode(reply, 504, "M_UNKNOWN");
	reply = get("/fail/unfinished");
	assert_errcode(reply, 500, "M_UNKNOWN");
	reply = get("/fail/nothing");
	assert_errcode(reply, 500, "M_UNKNOWN");
}

static void reply__large__arrives_whole(void **state)
{
	(void)state;
	struct client_reply reply = get("/large");
	assert_int_equal(reply.status, 200);
	assert_int_equal(reply.body.n, 588891);
	assert_true(str_ends_with(reply.body, STR(",99998,99999]")));
}

static void reply__over_its_ceiling__500(void **state)
{
	(void)state;
	struct http_config config = test_config();
	config.reply_ceiling_bytes = 1000;
	struct http_server *small = loopback_start(&config, rows, COUNT_OF(rows), &service);
	struct client_reply reply = client_call(small, arena, "GET", "/large", "", NULL);
	assert_errcode(reply, 500, "M_UNKNOWN");
	loopback_stop(small);
}

static void reply__bytes_and_headers__sent(void **state)
{
	(void)state;
	struct client_reply reply = get("/other");
	assert_int_equal(reply.status, 202);
	assert_str_equal(reply.body, "plain");
	assert_str_equal(reply_head(&reply, "content-type"), "text/plain");
	assert_str_equal(reply_head(&reply, "x-content-type-options"), "nosniff");
	assert_str_equal(reply_head(&reply, "cache-control"), "public, max-age=60");
	assert_str_equal(reply_head(&reply, "x-own"), "a  X-Forged: b");
	assert_true(reply_head(&reply, "x-forged").p == NULL);
}

/* --- authentication, rate, lanes ------------------------------------------------------------------------------ */

static struct client_reply get_as(const char *target, const char *token)
{
	const char *header = arena_printf(arena, "Authorization: Bearer %s\r\n", token);
	return client_call(server, arena, "GET", target, header, NULL);
}

static void authentication__cached__stays_on_the_io_thread(void **state)
{
	(void)state;
	struct client_reply reply = get_as("/whoami", "cached");
	assert_str_equal(reply.body, "{\"user_id\":\"@a:hs\",\"inline\":true}");
	reply = get_as("/whoami/local", "cached");
	assert_str_equal(reply.body, "{\"user_id\":\"@a:hs\",\"inline\":false}");
	assert_int_equal(service.cached_logins, 2);
	assert_int_equal(service.blocking_logins, 0);
}

static void authentication__missed__asked_again_on_a_worker(void **state)
{
	(void)state;
	struct client_reply reply = get_as("/whoami", "slow");
	assert_str_equal(reply.body, "{\"user_id\":\"@a:hs\",\"inline\":false}");
	reply = get_as("/whoami/local", "slow");
	assert_str_equal(reply.body, "{\"user_id\":\"@a:hs\",\"inline\":false}");
	assert_int_equal(service.cached_logins, 0);
	assert_int_equal(service.blocking_logins, 2);
}

static void authentication__refused__before_the_handler(void **state)
{
	(void)state;
	struct client_reply reply = get("/whoami");
	assert_errcode(reply, 401, "M_MISSING_TOKEN");
	reply = get_as("/whoami/local", "wrong");
	assert_errcode(reply, 401, "M_UNKNOWN_TOKEN");
}

static void rate__used_up__429_with_retry_after(void **state)
{
	(void)state;
	struct http_config config = test_config();
	config.rate_limits_enabled = true;
	config.rates[RATE_LOGIN] = (struct rate_class){.per_second = 0.01, .burst = 2};
	struct http_server *limited = loopback_start(&config, rows, COUNT_OF(rows), &service);
	for (int i = 0; i < 2; i++) {
		struct client_reply reply = client_call(limited, arena, "GET", "/limited", "", NULL);
		assert_int_equal(reply.status, 200);
	}
	struct client_reply reply = client_call(limited, arena, "GET", "/limited", "", NULL);
	assert_errcode(reply, 429, "M_LIMIT_EXCEEDED");
	assert_true(says(&reply, "\"retry_after_ms\":"));
	assert_true(reply_head(&reply, "retry-after").p != NULL);
	reply = client_call(limited, arena, "GET", "/limited", "X-Key: other\r\n", NULL);
	assert_int_equal(reply.status, 200);
	reply = client_call(limited, arena, "GET", "/query", "", NULL);
	assert_int_equal(reply.status, 200);
	loopback_stop(limited);
}

static void lane__defer__goes_on_on_a_worker(void **state)
{
	(void)state;
	struct client_reply reply = get("/defer");
	assert_int_equal(reply.status, 200);
}

static void lane__has_to_ask_another_server__moves_to_the_remote_lane(void **state)
{
	(void)state;
	static const char *const targets[] = {"/ask/local", "/ask/inline", "/ask/remote"};
	for (size_t i = 0; i < COUNT_OF(targets); i++) {
		int fd = client_connect(http_server_port(server, 0));
		assert_true(client_request(fd, arena, "POST", targets[i],
			"Authorization: Bearer cached\r\n", "{\"say\":\"hello\"}"));
		struct client_reply reply = client_read(fd, arena);
		assert_int_equal(reply.status, 200);
		assert_true(str_contains(reply.body, STR("\"thread\":\"remote\"")));
		assert_true(str_contains(reply.body, STR("\"said\":\"hello\"")));
		(void)close(fd);
	}
}

static void lane__queue_full__429_and_other_lanes_go_on(void **state)
{
	(void)state;
	int running = client_connect(http_server_port(server, 0));
	assert_true(client_request(running, arena, "GET", "/wait", "", NULL));
	assert_true(gate_wait(&service.arrived, 1)); /* the one worker is busy */
	int queued = client_connect(http_server_port(server, 0));
	int refused = -1;
	/* One of two finds the queue full, whichever comes first. */
	assert_true(client_request(queued, arena, "GET", "/wait", "", NULL));
	refused = client_connect(http_server_port(server, 0));
	assert_true(client_request(refused, arena, "GET", "/wait", "", NULL));
	struct pollfd either[2] = {{.fd = queued, .events = POLLIN}, {.fd = refused, .events = POLLIN}};
	assert_int_equal(poll(either, 2, CLIENT_TIMEOUT_MS), 1);
	int answered = (either[0].revents & POLLIN) != 0 ? queued : refused;
	int waiting = answered == queued ? refused : queued;
	struct client_reply reply = client_read(answered, arena);
	assert_errcode(reply, 429, "M_LIMIT_EXCEEDED");
	assert_str_equal(reply_head(&reply, "retry-after"), "1");
	reply = get("/remote");
	assert_int_equal(reply.status, 200);
	gate_add(&service.released, 2);
	reply = client_read(running, arena);
	assert_int_equal(reply.status, 200);
	reply = client_read(waiting, arena);
	assert_int_equal(reply.status, 200);
	assert_int_equal(close(running) + close(queued) + close(refused), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(function) cmocka_unit_test_setup_teardown(function, start, stop)
		TEST(request__path_and_query__reach_the_handler),
		TEST(request__unknown_path_or_method__is_unrecognized),
		TEST(request__bad_encoding__is_invalid_param),
		TEST(options__any_path__answers_cors_and_runs_nothing),
		TEST(head__of_a_get_route__has_no_body),
		TEST(connection__kept_open__takes_pipelined_requests_in_order),
		TEST(address__from_trusted_proxy__is_the_forwarded_one),
		TEST(target__of_8000_bytes__taken),
		TEST(body__fields__typed),
		TEST(body__wrong__named_error),
		TEST(query__numbers_and_booleans__checked),
		TEST(body__over_the_ceiling__413_and_connection_goes_on),
		TEST(body__chunked_over_the_ceiling__413),
		TEST(body__huge_length__refused_before_it_is_sent),
		TEST(body__endless_chunks__cut),
		TEST(body__ambiguous_length__refused_and_closed),
		TEST(body__of_a_get__ignored),
		TEST(failure__described__becomes_status_and_errcode),
		TEST(failure__inside__tells_the_client_no_details),
		TEST(reply__large__arrives_whole),
		TEST(reply__over_its_ceiling__500),
		TEST(reply__bytes_and_headers__sent),
		TEST(authentication__cached__stays_on_the_io_thread),
		TEST(authentication__missed__asked_again_on_a_worker),
		TEST(authentication__refused__before_the_handler),
		TEST(rate__used_up__429_with_retry_after),
		TEST(lane__defer__goes_on_on_a_worker),
		TEST(lane__has_to_ask_another_server__moves_to_the_remote_lane),
		TEST(lane__queue_full__429_and_other_lanes_go_on),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
