/*
 * The outgoing client against a server of our own on 127.0.0.1: what it asks, what it refuses, how requests end.
 */
#include "loopback.h"

#include "http/address.h"
#include "http/client.h"

enum { TIMEOUT_MS = 20000, CEILING_BYTES = 100000 };

/* Of the whole program, set by the group's setup. */
static struct fixture {
	struct http_server *server;
	struct gate asked; /* a request that is never answered has come */
	struct gate let_go;
	uint16_t port;
} fixture;

/* --- the server ----------------------------------------------------------------------------------------- */

/* Says back what came: method, one header, body. */
static enum err echo(struct call *call)
{
	struct buf body CLEANUP(buf_fini);
	buf_init(&body, CEILING_BYTES);
	struct str authorization = call_header(call, "Authorization");
	struct str custom = call_header(call, "X-Custom");
	struct str agent = call_header(call, "User-Agent");
	buf_printf(&body, "%.*s|%.*s|%.*s|%.*s|", STR_ARG(call_method(call)), STR_ARG(authorization),
		STR_ARG(custom), STR_ARG(agent));
	buf_add(&body, call_body(call));
	reply_header(call, "X-Answer", STR("yes"));
	return reply_bytes(call, 200, "text/plain", buf_str(&body));
}

static enum err redirect(struct call *call)
{
	reply_header(call, "Location", call_query(call, "to"));
	return reply_bytes(call, 302, "text/plain", STR("over there"));
}

static enum err refuse(struct call *call)
{
	return reply_bytes(call, 404, "text/plain", STR("nothing"));
}

static enum err large(struct call *call)
{
	char *bytes = arena_alloc(call->ctx.arena, CEILING_BYTES + 1);
	memset(bytes, 'x', CEILING_BYTES + 1);
	return reply_bytes(call, 200, "text/plain", str_from(bytes, CEILING_BYTES + 1));
}

static const unsigned char packed_once[] = {0x1f, 0x8b, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02,
	0x03, 0x2b, 0x48, 0x4c, 0xce, 0x4e, 0x4d, 0x01, 0x00, 0x10, 0xb4, 0xf6, 0x21, 0x06, 0x00, 0x00,
	0x00};
static const unsigned char packed_twice[] = {0x1f, 0x8b, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02,
	0x03, 0x93, 0xef, 0xe6, 0x60, 0x00, 0x01, 0x26, 0x66, 0x6d, 0x0f, 0x9f, 0x73, 0x7e, 0xbe, 0x8c,
	0x0c, 0x02, 0x5b, 0xbe, 0x29, 0xb2, 0x01, 0x45, 0x00, 0x18, 0x30, 0xcc, 0xe5, 0x1a, 0x00, 0x00,
	0x00};

/* How it is packed stands in the query, lists parted by "|"; "HTTP/" is a header that looks like a new answer. */
static enum err packed(struct call *call)
{
	struct str rest = call_query(call, "how");
	bool is_once = str_equals(rest, STR("gzip")) || str_equals(rest, STR("identity, GZIP"));
	while (rest.n > 0) {
		size_t bar = MIN_OF(str_find_byte(rest, '|'), rest.n);
		struct str coding = str_slice(rest, 0, bar);
		bool is_coding = !str_equals(coding, STR("HTTP/"));
		reply_header(call, is_coding ? "Content-Encoding" : "HTTP/1.1", coding);
		rest = str_slice(rest, MIN_OF(bar + 1, rest.n), rest.n);
	}
	return reply_bytes(call, 200, "text/plain",
		is_once ? str_from((const char *)packed_once, sizeof(packed_once))
				: str_from((const char *)packed_twice, sizeof(packed_twice)));
}

static enum err never(struct call *call)
{
	gate_add(&fixture.asked, 1);
	assert_true(gate_wait(&fixture.let_go, 1));
	return reply_empty(call);
}

static const struct route rows[] = {
	{"echo", "GET", "/echo", AUTH_NONE, LANE_LOCAL, RATE_NONE, 0, echo},
	{"echoPost", "POST", "/echo", AUTH_NONE, LANE_LOCAL, RATE_NONE, 0, echo},
	{"echoPut", "PUT", "/echo", AUTH_NONE, LANE_LOCAL, RATE_NONE, 0, echo},
	{"redirect", "GET", "/redirect", AUTH_NONE, LANE_LOCAL, RATE_NONE, 0, redirect},
	{"refuse", "GET", "/refuse", AUTH_NONE, LANE_LOCAL, RATE_NONE, 0, refuse},
	{"large", "GET", "/large", AUTH_NONE, LANE_LOCAL, RATE_NONE, 0, large},
	{"packed", "GET", "/packed", AUTH_NONE, LANE_LOCAL, RATE_NONE, 0, packed},
	{"never", "GET", "/never", AUTH_NONE, LANE_REMOTE, RATE_NONE, 0, never},
};

static int start_server(void **state)
{
	(void)state;
	gate_init(&fixture.asked);
	gate_init(&fixture.let_go);
	struct http_config config = loopback_config();
	fixture.server = loopback_start(&config, rows, COUNT_OF(rows), NULL);
	fixture.port = http_server_port(fixture.server, 0);
	return 0;
}

static int stop_server(void **state)
{
	(void)state;
	gate_add(&fixture.let_go, 1);
	loopback_stop(fixture.server);
	return 0;
}

/* --- one test's client ---------------------------------------------------------------------------------- */

struct asker {
	struct http_client *client;
	struct arena *arena;
	struct ctx ctx;
	struct address_range allow;
};

/* May reach 127.0.0.1, and nothing else that is not public. */
static int make_asker(void **state)
{
	struct asker *asker = test_calloc(1, sizeof(*asker));
	asker->arena = arena_create();
	ctx_init(&asker->ctx, asker->arena);
	assert_true(address_parse_range(STR("127.0.0.1"), &asker->allow));
	asker->client = http_client_create(&(struct http_client_config){.user_agent = STR("Test/1"),
		.allow = &asker->allow,
		.allow_count = 1});
	*state = asker;
	return 0;
}

/* May reach what everybody may. */
static int make_strict_asker(void **state)
{
	struct asker *asker = test_calloc(1, sizeof(*asker));
	asker->arena = arena_create();
	ctx_init(&asker->ctx, asker->arena);
	asker->client = http_client_create(&(struct http_client_config){.user_agent = STR("Test/1")});
	*state = asker;
	return 0;
}

static int drop_asker(void **state)
{
	struct asker *asker = *state;
	http_client_destroy(asker->client);
	arena_destroy(asker->arena);
	test_free(asker);
	return 0;
}

static struct fetch get(struct str url)
{
	return (struct fetch){.method = "GET",
		.url = url,
		.answer_ceiling_bytes = CEILING_BYTES,
		.timeout_ms = TIMEOUT_MS};
}

static struct str url_of(struct asker *asker, const char *host, const char *path)
{
	return str_printf(asker->arena, "http://%s:%u%s", host, (unsigned)fixture.port, path);
}

static enum err ask(struct asker *asker, struct fetch fetch, struct fetched *out)
{
	return http_client_fetch(&asker->ctx, asker->client, &fetch, out);
}

/* --- tests ---------------------------------------------------------------------------------------------- */

static void get__answered__status_headers_body(void **state)
{
	struct asker *asker = *state;
	struct fetch fetch = get(url_of(asker, "127.0.0.1", "/echo"));
	const struct fetch_header headers[] = {{STR("X-Custom"), STR("one")}};
	fetch.headers = headers;
	fetch.header_count = 1;
	struct fetched answer;
	assert_int_equal(ask(asker, fetch, &answer), ERR_OK);
	assert_int_equal(answer.status, 200);
	assert_str_equal(answer.body, "GET||one|Test/1|");
	assert_str_equal(fetched_header(&answer, "x-answer"), "yes");
	assert_null(fetched_header(&answer, "x-none").p);
	assert_true(str_ends_with(answer.final_url, STR("/echo")));
}

static void post_and_put__body_sent(void **state)
{
	struct asker *asker = *state;
	struct fetch fetch = get(url_of(asker, "127.0.0.1", "/echo"));
	fetch.method = "POST";
	fetch.body = STR("a body");
	struct fetched answer;
	assert_int_equal(ask(asker, fetch, &answer), ERR_OK);
	assert_str_equal(answer.body, "POST|||Test/1|a body");
	fetch.method = "PUT";
	fetch.body = STR("");
	assert_int_equal(ask(asker, fetch, &answer), ERR_OK);
	assert_str_equal(answer.body, "PUT|||Test/1|");
}

static void other_status__is_an_answer(void **state)
{
	struct asker *asker = *state;
	struct fetched answer;
	assert_int_equal(ask(asker, get(url_of(asker, "127.0.0.1", "/refuse")), &answer), ERR_OK);
	assert_int_equal(answer.status, 404);
	assert_str_equal(answer.body, "nothing");
	assert_int_equal(ask(asker, get(url_of(asker, "127.0.0.1", "/redirect?to=/echo")), &answer),
		ERR_OK);
	assert_int_equal(answer.status, 302);
	assert_str_equal(fetched_header(&answer, "location"), "/echo");
}

static void redirect__followed_to_the_same_host_with_authorization(void **state)
{
	struct asker *asker = *state;
	struct fetch fetch = get(url_of(asker, "127.0.0.1", "/redirect?to=/echo"));
	const struct fetch_header headers[] = {{STR("Authorization"), STR("secret")}};
	fetch.headers = headers;
	fetch.header_count = 1;
	fetch.redirects_allowed = 1;
	struct fetched answer;
	assert_int_equal(ask(asker, fetch, &answer), ERR_OK);
	assert_str_equal(answer.body, "GET|secret||Test/1|");
	assert_true(str_ends_with(answer.final_url, STR("/echo")));
	fetch.redirects_allowed = 0;
	assert_int_equal(ask(asker, fetch, &answer), ERR_OK);
	assert_int_equal(answer.status, 302);
	fetch.url = url_of(asker, "127.0.0.1", "/redirect?to=/redirect%3Fto%3D/echo");
	fetch.redirects_allowed = 1;
	assert_int_equal(ask(asker, fetch, &answer), ERR_REMOTE);
}

static void redirect__other_host__authorization_stays_behind(void **state)
{
	struct asker *asker = *state;
	struct str to = url_of(asker, "localhost", "/echo");
	struct fetch fetch = get(
		url_of(asker, "127.0.0.1", arena_printf(asker->arena, "/redirect?to=%.*s", STR_ARG(to))));
	const struct fetch_header headers[] = {{STR("Authorization"), STR("secret")}};
	fetch.headers = headers;
	fetch.header_count = 1;
	fetch.redirects_allowed = 1;
	struct fetched answer;
	assert_int_equal(ask(asker, fetch, &answer), ERR_OK);
	assert_str_equal(answer.body, "GET|||Test/1|");
}

/* A redirect is checked like the first address: the server stands on 127.0.0.1, which is allowed; the rest of 127/8 is not. */
static void sec_5_39__redirect_to_denied_address__denied(void **state)
{
	struct asker *asker = *state;
	const char *const targets[] = {"127.0.0.2", "0x7f000002", "[::1]", "[::ffff:127.0.0.3]"};
	for (size_t i = 0; i < COUNT_OF(targets); i++) {
		struct str target = url_of(asker, targets[i], "/echo");
		struct fetch fetch = get(url_of(asker, "127.0.0.1",
			arena_printf(asker->arena, "/redirect?to=%.*s", STR_ARG(target))));
		fetch.redirects_allowed = 3;
		struct fetched answer;
		assert_int_equal(ask(asker, fetch, &answer), ERR_DENIED);
	}
	const char *const schemes[] = {"file:///etc/passwd", "ftp://127.0.0.1/", "gopher://127.0.0.1/x",
		"http://user:secret@127.0.0.1/", "dict://127.0.0.1/"};
	for (size_t i = 0; i < COUNT_OF(schemes); i++) {
		struct fetch fetch = get(
			url_of(asker, "127.0.0.1", arena_printf(asker->arena, "/redirect?to=%s", schemes[i])));
		fetch.redirects_allowed = 3;
		struct fetched answer;
		assert_int_equal(ask(asker, fetch, &answer), ERR_REMOTE);
	}
}

static void sec_5_39__own_machine_in_all_notations__denied(void **state)
{
	struct asker *asker = *state;
	const char *const hosts[] = {"127.0.0.1", "127.1", "2130706433", "0x7f000001", "0x7f.1",
		"0177.0.0.1", "017700000001", "localhost", "LOCALHOST.", "0", "0.0.0.0", "[::1]", "[::]",
		"[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::127.0.0.1]", "127.0.0.1.", "%31%32%37.0.0.1"};
	for (size_t i = 0; i < COUNT_OF(hosts); i++) {
		struct fetched answer;
		enum err err = ask(asker, get(url_of(asker, hosts[i], "/echo")), &answer);
		/* A name that nobody resolves is as good as one that is denied. */
		assert_true(err == ERR_DENIED || err == ERR_REMOTE);
		assert_true(err == ERR_DENIED || str_contains(asker->ctx.fault.cause, STR("resolve")));
	}
	/* A name whose address another name gives. */
	struct fetch fetch = get(STR("http://school.example/echo"));
	fetch.connect_host = STR("localhost");
	fetch.connect_port = fixture.port;
	struct fetched answer;
	assert_int_equal(ask(asker, fetch, &answer), ERR_DENIED);
}

/* Before and after: a connection that is kept would be a way around. */
static void sec_5_39__administrators_url__own_machine_but_for_nobody_else(void **state)
{
	struct asker *asker = *state;
	struct fetch theirs = get(url_of(asker, "127.0.0.1", "/echo"));
	struct fetch ours = theirs;
	struct fetched answer;
	ours.is_administrators = true;
	for (int i = 0; i < 3; i++) {
		assert_int_equal(ask(asker, theirs, &answer), ERR_DENIED);
		assert_int_equal(ask(asker, ours, &answer), ERR_OK);
		assert_int_equal(answer.status, 200);
	}
}

static void connect_host__other_place__host_header_of_the_url(void **state)
{
	struct asker *asker = *state;
	struct fetch fetch = get(STR("http://school.example/echo"));
	fetch.connect_host = STR("127.0.0.1");
	fetch.connect_port = fixture.port;
	struct fetched answer;
	assert_int_equal(ask(asker, fetch, &answer), ERR_OK);
	assert_str_equal(answer.final_url, "http://school.example/echo");
}

static void url__not_of_the_web__input(void **state)
{
	struct asker *asker = *state;
	const char *const urls[] = {"", "ftp://127.0.0.1/", "file:///etc/passwd", "127.0.0.1/echo",
		"http://", "http://user@127.0.0.1/", "http://user:secret@127.0.0.1/", "http://a b/",
		"http://127.0.0.1/\r\nX-Injected: 1", "http://127.0.0.1:99999/", "javascript:alert(1)"};
	for (size_t i = 0; i < COUNT_OF(urls); i++) {
		struct fetched answer;
		enum err err = ask(asker, get(str_of(urls[i])), &answer);
		if (err != ERR_INPUT) {
			print_error("%s: %s\n", urls[i], err_name(err));
		}
		assert_int_equal(err, ERR_INPUT);
	}
	struct fetch fetch = get(url_of(asker, "127.0.0.1", "/echo"));
	fetch.is_https_only = true;
	struct fetched answer;
	assert_int_equal(ask(asker, fetch, &answer), ERR_INPUT);
	fetch.is_https_only = false;
	const struct fetch_header headers[] = {{STR("X-Custom"), STR("a\r\nX-Injected: 1")}};
	fetch.headers = headers;
	fetch.header_count = 1;
	assert_int_equal(ask(asker, fetch, &answer), ERR_INPUT);
}

static void answer__over_the_ceiling__limit(void **state)
{
	struct asker *asker = *state;
	struct fetched answer;
	assert_int_equal(ask(asker, get(url_of(asker, "127.0.0.1", "/large")), &answer), ERR_LIMIT);
	struct fetch fetch = get(url_of(asker, "127.0.0.1", "/large"));
	fetch.answer_ceiling_bytes = CEILING_BYTES + 1;
	assert_int_equal(ask(asker, fetch, &answer), ERR_OK);
	assert_int_equal(answer.body.n, CEILING_BYTES + 1);
}

/* What lies between two packings is under no ceiling. */
static void answer__packed__unpacked_once_and_refused_else(void **state)
{
	struct asker *asker = *state;
	static const char *const once[] = {"gzip", "identity,%20GZIP"};
	static const char *const more[] = {"gzip,%20gzip", "gzip%7Cgzip", "gzip,%20identity%7Cx-gzip,",
		"deflate,gzip", "gzip%7CHTTP/%7Cgzip"};
	struct fetched answer;
	for (size_t i = 0; i < COUNT_OF(once); i++) {
		struct str path = str_printf(asker->arena, "/packed?how=%s", once[i]);
		assert_int_equal(ask(asker, get(url_of(asker, "127.0.0.1", path.p)), &answer), ERR_OK);
		assert_str_equal(answer.body, "packed");
	}
	for (size_t i = 0; i < COUNT_OF(more); i++) {
		struct str path = str_printf(asker->arena, "/packed?how=%s", more[i]);
		assert_int_equal(ask(asker, get(url_of(asker, "127.0.0.1", path.p)), &answer), ERR_LIMIT);
	}
}

static enum err count_bytes(void *data, struct str piece)
{
	size_t *count = data;
	*count += piece.n;
	return *count > (size_t)2 * CEILING_BYTES ? ERR_LIMIT : ERR_OK;
}

static enum err take_nothing(void *data, struct str piece)
{
	(void)data;
	(void)piece;
	return ERR_STORE;
}

static void sink__takes_a_successful_body__only(void **state)
{
	struct asker *asker = *state;
	size_t count = 0;
	struct fetch fetch = get(url_of(asker, "127.0.0.1", "/large"));
	fetch.sink = count_bytes;
	fetch.sink_data = &count;
	struct fetched answer;
	assert_int_equal(ask(asker, fetch, &answer), ERR_OK);
	assert_int_equal(count, CEILING_BYTES + 1);
	assert_int_equal(answer.body.n, 0);
	count = 0;
	fetch.url = url_of(asker, "127.0.0.1", "/refuse");
	assert_int_equal(ask(asker, fetch, &answer), ERR_OK);
	assert_int_equal(count, 0);
	assert_str_equal(answer.body, "nothing");
	fetch.url = url_of(asker, "127.0.0.1", "/large");
	fetch.sink = take_nothing;
	assert_int_equal(ask(asker, fetch, &answer), ERR_STORE);
}

static void nobody_there__remote(void **state)
{
	struct asker *asker = *state;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in where = {.sin_family = AF_INET,
		.sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)}};
	socklen_t length = sizeof(where);
	assert_int_equal(bind(fd, (struct sockaddr *)&where, sizeof(where)), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&where, &length), 0);
	struct str url =
		str_printf(asker->arena, "http://127.0.0.1:%u/", (unsigned)ntohs(where.sin_port));
	struct fetched answer;
	assert_int_equal(ask(asker, get(url), &answer), ERR_REMOTE);
	assert_true(asker->ctx.fault.cause.n > 0);
	assert_int_equal(close(fd), 0);
	/* TLS with somebody who does not speak it. */
	url = str_printf(asker->arena, "https://127.0.0.1:%u/echo", (unsigned)fixture.port);
	assert_int_equal(ask(asker, get(url), &answer), ERR_REMOTE);
}

static void no_answer__own_time_or_the_callers__timeout(void **state)
{
	struct asker *asker = *state;
	struct fetch fetch = get(url_of(asker, "127.0.0.1", "/never"));
	fetch.timeout_ms = 100;
	struct fetched answer;
	assert_int_equal(ask(asker, fetch, &answer), ERR_TIMEOUT);
	fetch.timeout_ms = TIMEOUT_MS;
	asker->ctx.deadline_ms = clock_os_ms() + 100;
	assert_int_equal(ask(asker, fetch, &answer), ERR_TIMEOUT);
}

/* More than may be under way to one host; those that wait end too. */
struct many {
	struct gate ended;
	atomic_int ok;
	atomic_int timeouts;
	atomic_int stopped;
};

static void note_end(void *data, const struct fetch_end *end)
{
	struct many *many = data;
	(void)atomic_fetch_add(&many->ok, end->err == ERR_OK && end->answer.status == 200);
	(void)atomic_fetch_add(&many->timeouts, end->err == ERR_TIMEOUT);
	(void)atomic_fetch_add(&many->stopped, end->err == ERR_SHUTDOWN);
	gate_add(&many->ended, 1);
}

static void many__to_one_host__all_end(void **state)
{
	struct asker *asker = *state;
	enum { COUNT = 200 };
	static struct many many;
	gate_init(&many.ended);
	struct fetch fetch = get(url_of(asker, "127.0.0.1", "/echo"));
	for (int i = 0; i < COUNT; i++) {
		http_client_start(asker->client, &fetch, note_end, &many);
	}
	assert_true(gate_wait(&many.ended, COUNT));
	assert_int_equal(atomic_load(&many.ok), COUNT);
}

static void many__nobody_answers__each_in_its_time(void **state)
{
	struct asker *asker = *state;
	enum { COUNT = 40 };
	static struct many many;
	gate_init(&many.ended);
	struct fetch fetch = get(url_of(asker, "127.0.0.1", "/never"));
	fetch.timeout_ms = 300;
	for (int i = 0; i < COUNT; i++) {
		http_client_start(asker->client, &fetch, note_end, &many);
	}
	assert_true(gate_wait(&many.ended, COUNT));
	assert_int_equal(atomic_load(&many.timeouts), COUNT);
}

static void stop__while_waiting__shutdown(void **state)
{
	struct asker *asker = *state;
	static struct many many;
	gate_init(&many.ended);
	struct fetch fetch = get(url_of(asker, "127.0.0.1", "/never"));
	http_client_start(asker->client, &fetch, note_end, &many);
	http_client_stop(asker->client);
	assert_true(gate_wait(&many.ended, 1));
	http_client_start(asker->client, &fetch, note_end, &many);
	assert_true(gate_wait(&many.ended, 2));
	assert_int_equal(atomic_load(&many.stopped), 2);
	struct fetched answer;
	assert_int_equal(ask(asker, fetch, &answer), ERR_SHUTDOWN);
}

#define WITH(test) cmocka_unit_test_setup_teardown(test, make_asker, drop_asker)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH(get__answered__status_headers_body),
		WITH(post_and_put__body_sent),
		WITH(other_status__is_an_answer),
		WITH(redirect__followed_to_the_same_host_with_authorization),
		WITH(redirect__other_host__authorization_stays_behind),
		WITH(sec_5_39__redirect_to_denied_address__denied),
		cmocka_unit_test_setup_teardown(sec_5_39__own_machine_in_all_notations__denied,
			make_strict_asker, drop_asker),
		cmocka_unit_test_setup_teardown(
			sec_5_39__administrators_url__own_machine_but_for_nobody_else, make_strict_asker,
			drop_asker),
		WITH(connect_host__other_place__host_header_of_the_url),
		WITH(url__not_of_the_web__input),
		WITH(answer__over_the_ceiling__limit),
		WITH(answer__packed__unpacked_once_and_refused_else),
		WITH(sink__takes_a_successful_body__only),
		WITH(nobody_there__remote),
		WITH(no_answer__own_time_or_the_callers__timeout),
		WITH(many__to_one_host__all_end),
		WITH(many__nobody_answers__each_in_its_time),
		WITH(stop__while_waiting__shutdown),
	};
	return cmocka_run_group_tests(tests, start_server, stop_server);
}
