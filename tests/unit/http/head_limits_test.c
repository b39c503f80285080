/*
 * Heads at the end of what libmicrohttpd's memory holds, byte by byte: whatever makes them large, they are served as they are, or refused and the connection
 * closed. None is cut, and none left without either.
 */
#include "loopback.h"

#include "http/call_state.h"

enum {
	CEILING_BYTES = 16 * 1024, /* what a server has when nothing else is said */
	MOST_BYTES = 40000,
	SURE_BYTES = 8000,
	AROUND = 16,
	ONE_BYTES = 8,
};

static struct arena *arena;
static struct http_server *server;

/* How much a handler sees of the head. */
static enum err count(struct call *call)
{
	const struct request *request = call->state->request;
	size_t bytes = 0;
	for (size_t i = 0; i < request->header_count; i++) {
		bytes += request->headers[i].name.n + request->headers[i].value.n;
	}
	struct json_out *out = reply_json(call, 200);
	json_out_object(out);
	json_out_key_int(out, "target", (int64_t)request->target.n);
	json_out_key_int(out, "headers", (int64_t)request->header_count);
	json_out_key_int(out, "bytes", (int64_t)bytes);
	json_out_end(out);
	return ERR_OK;
}

static const struct route rows[] = {
	{"count", "GET", "/count", AUTH_NONE, LANE_INLINE, RATE_NONE, 0, count},
	{"countPath", "GET", "/count/{x}", AUTH_NONE, LANE_INLINE, RATE_NONE, 0, count},
	{"countPut", "PUT", "/count/{x}", AUTH_NONE, LANE_LOCAL, RATE_NONE, 0, count},
};

static int start(void **state)
{
	(void)state;
	arena = arena_create();
	struct http_config config = loopback_config();
	config.io_threads = 1;
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

/* What makes the head large. */
enum shape {
	ONE_HEADER,
	ONE_NAME,
	MANY_HEADERS,
	ONE_PATH,
	ONE_PARAMETER,
	MANY_PARAMETERS,
	WITH_BODY
};

/* What stands before it on its connection. */
enum way { NOTHING, PLAIN, OF_LIBRARY, WAYS };

static void add_pieces(struct buf *out, struct str piece, size_t bytes)
{
	invariant(piece.n == ONE_BYTES);
	for (size_t i = 0; i < bytes / ONE_BYTES; i++) {
		buf_add(out, piece);
	}
}

static void add_filler(struct buf *out, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++) {
		buf_add_byte(out, 'x');
	}
}

/* A request with so many bytes more than it needs, roughly where it is many. */
static struct str make_request(enum shape shape, size_t bytes)
{
	struct buf out CLEANUP(buf_fini);
	buf_init(&out, (size_t)2 * MOST_BYTES);
	buf_add(&out, shape == WITH_BODY ? STR("PUT /count") : STR("GET /count"));
	if (shape == ONE_PATH || shape == WITH_BODY) {
		buf_add_byte(&out, '/');
		add_filler(&out, bytes + 1);
	} else if (shape == ONE_PARAMETER) {
		buf_add_lit(&out, "?x=");
		add_filler(&out, bytes);
	} else if (shape == MANY_PARAMETERS) {
		buf_add_lit(&out, "?");
		add_pieces(&out, STR("param=v&"), bytes);
	}
	buf_add_lit(&out, " HTTP/1.1\r\nHost: x\r\n");
	if (shape == ONE_HEADER) {
		buf_add_lit(&out, "a: ");
		add_filler(&out, bytes + 1);
		buf_add_lit(&out, "\r\n");
	} else if (shape == ONE_NAME) {
		add_filler(&out, bytes + 1);
		buf_add_lit(&out, ": b\r\n");
	} else if (shape == MANY_HEADERS) {
		add_pieces(&out, STR("abcd:e\r\n"), bytes);
	}
	buf_add(&out, shape == WITH_BODY ? STR("Content-Length: 2\r\n\r\n{}") : STR("\r\n"));
	invariant(buf_ok(&out));
	return str_dup(arena, buf_str(&out));
}

/* What count() has to say of it. */
static struct str expected(struct str request)
{
	struct str line;
	struct str target;
	struct str name;
	struct str value;
	size_t headers = 0;
	size_t bytes = 0;
	(void)str_split(request, '\n', &line, &request);
	(void)str_split(line, ' ', &name, &target);
	(void)str_split(target, ' ', &target, &value);
	while (str_split(request, '\n', &line, &request) && line.n > 1) {
		(void)str_split(line, ':', &name, &value);
		headers++;
		bytes += str_trim(name).n + str_trim(value).n;
	}
	return str_printf(arena, "{\"target\":%zu,\"headers\":%zu,\"bytes\":%zu}", target.n, headers,
		bytes);
}

static int connect_in(enum way way)
{
	switch (way) {
	case PLAIN: {
		int fd = client_connect(http_server_port(server, 0));
		assert_true(client_request(fd, arena, "GET", "/count", "", NULL));
		assert_int_equal(client_read(fd, arena).status, 200);
		return fd;
	}
	case OF_LIBRARY:
		return client_connect_library(server, arena, "/count");
	case NOTHING:
	case WAYS:
		break;
	}
	return client_connect(http_server_port(server, 0));
}

/*
 * Sends it in two pieces, of which the first may be nothing. @return whether it was read, and is served as it is, or has more parameters than anybody needs;
 * else it was refused, and its connection closed
 */
static bool is_read(enum way way, enum shape shape, size_t bytes, size_t first)
{
	struct str request = make_request(shape, bytes);
	int fd = connect_in(way);
	(void)client_send(fd, str_slice(request, 0, first));
	(void)client_send(fd, str_slice(request, first, request.n));
	struct client_reply reply = client_read(fd, arena);
	bool is_good = reply.status == 200 || (shape == MANY_PARAMETERS && reply.status == 400);
	if (is_good) {
		if (reply.status == 200) {
			assert_str_equal(reply.body, str_cstr(arena, expected(request)));
		} else {
			assert_errcode(reply, 400, "M_INVALID_PARAM");
		}
		assert_true(client_request(fd, arena, "GET", "/count", "", NULL));
		assert_int_equal(client_read(fd, arena).status, 200);
	} else {
		assert_true(
			reply.status == 0 || reply.status == 413 || reply.status == 414 || reply.status == 431);
		assert_true(client_sees_close(fd));
	}
	assert_int_equal(close(fd), 0);
	return is_good;
}

/* The most that is read, by halves. */
static size_t find_limit(enum way way, enum shape shape, size_t first)
{
	size_t good = 0;
	size_t bad = MOST_BYTES;
	assert_true(is_read(way, shape, good, first));
	assert_false(is_read(way, shape, bad, first));
	while (bad - good > 1) {
		size_t half = good + (bad - good) / 2;
		bool is_good = is_read(way, shape, half, first);
		good = is_good ? half : good;
		bad = is_good ? bad : half;
	}
	return good;
}

static void check_limit(enum way way, enum shape shape, size_t first, size_t sure)
{
	size_t limit = find_limit(way, shape, first);
	assert_true(limit >= sure);
	for (size_t bytes = limit - AROUND; bytes <= limit + AROUND; bytes++) {
		assert_int_equal(is_read(way, shape, bytes, first), bytes <= limit);
	}
}

/* Beyond a third of the memory a head is libmicrohttpd's to read (http/head.h): who reads it makes no difference. */
static void check_change_of_readers(enum shape shape, size_t sure)
{
	size_t third = MIN_OF((size_t)CEILING_BYTES / 3, sure);
	for (size_t bytes = third - (size_t)6 * AROUND; bytes < third; bytes++) {
		assert_true(is_read(NOTHING, shape, bytes, 0));
	}
}

static void check_shape(enum shape shape, size_t sure)
{
	static const size_t firsts[] = {0, 3000};
	for (enum way way = NOTHING; way < WAYS; way++) {
		for (size_t i = 0; i < COUNT_OF(firsts); i++) {
			check_limit(way, shape, firsts[i], sure);
		}
	}
	check_change_of_readers(shape, sure);
}

static void head__with_one_large_value__read_or_refused(void **state)
{
	(void)state;
	check_shape(ONE_HEADER, SURE_BYTES);
}

static void head__with_one_large_name__read_or_refused(void **state)
{
	(void)state;
	check_shape(ONE_NAME, SURE_BYTES);
}

static void head__with_many_headers__read_or_refused(void **state)
{
	(void)state;
	check_shape(MANY_HEADERS, (size_t)56 * ONE_BYTES);
}

static void head__with_a_long_path__read_or_refused(void **state)
{
	(void)state;
	check_shape(ONE_PATH, SURE_BYTES);
}

static void head__with_one_long_parameter__read_or_refused(void **state)
{
	(void)state;
	check_shape(ONE_PARAMETER, SURE_BYTES);
}

static void head__with_many_parameters__read_or_refused(void **state)
{
	(void)state;
	check_shape(MANY_PARAMETERS, SURE_BYTES);
}

static void head__of_a_body__read_or_refused(void **state)
{
	(void)state;
	check_shape(WITH_BODY, SURE_BYTES);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(function) cmocka_unit_test_setup_teardown(function, start, stop)
		TEST(head__with_one_large_value__read_or_refused),
		TEST(head__with_one_large_name__read_or_refused),
		TEST(head__with_many_headers__read_or_refused),
		TEST(head__with_a_long_path__read_or_refused),
		TEST(head__with_one_long_parameter__read_or_refused),
		TEST(head__with_many_parameters__read_or_refused),
		TEST(head__of_a_body__read_or_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
