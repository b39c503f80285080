/*
 * What comes over the wire, to a whole server: pieces with "\n--\n" between them. Sent piece by piece, as the next requests of a client come, the plain ones
 * are read without libmicrohttpd (http/held.h); sent in a heap, on a connection that libmicrohttpd has, by that. Both times the answers are the same
 * to the byte, but for dates, and so is what handlers see.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/b64.h"
#include "base/log.h"
#include "http/call_state.h"
#include "http/server.h"

enum {
	INPUT_BYTES = 4000,
	BODY_BYTES = 2048,   /* the largest body */
	FILLER_BYTES = 8192, /* more than any body lacks */
	ANSWER_BYTES = 1 << 20,
	SHORT_MS = 5,  /* for an answer, between pieces */
	QUIET_MS = 30, /* a connection that goes on waiting */
	TRIES = 3,
	LONGER = 10, /* so much longer is the quiet of the next try: the machine may have been busy */
};

static const struct str separator = STR_INIT("\n--\n");
static const struct str first = STR_INIT("GET /echo HTTP/1.1\r\nHost: x\r\nCookie: a=b\r\n\r\n");
static const struct str last =
	STR_INIT("GET /echo?last HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");

static void say(struct call *call, struct json_out *out, struct str bytes)
{
	json_out_str(out, b64_encode(call->ctx.arena, bytes));
}

/* All that a handler may see of its request. */
static enum err echo(struct call *call)
{
	const struct request *request = call->state->request;
	struct json_out *out = reply_json(call, 200);
	json_out_array(out);
	say(call, out, request->method);
	say(call, out, request->target);
	say(call, out, request->path);
	say(call, out, request->query);
	say(call, out, request->address);
	say(call, out, buf_str(&request->body));
	for (size_t i = 0; i < request->header_count; i++) {
		say(call, out, request->headers[i].name);
		say(call, out, request->headers[i].value);
	}
	json_out_end(out);
	return ERR_OK;
}

static const struct route rows[] = {
	{"echo", "GET", "/echo", AUTH_NONE, LANE_INLINE, RATE_NONE, 0, echo},
	{"postEcho", "POST", "/echo", AUTH_NONE, LANE_INLINE, RATE_NONE, 0, echo},
	{"putEcho", "PUT", "/echo/{x}", AUTH_NONE, LANE_LOCAL, RATE_NONE, 0, echo},
	{"local", "GET", "/local", AUTH_NONE, LANE_LOCAL, RATE_NONE, 0, echo},
};

static struct http_server *start_server(void)
{
	static const struct http_listen listen = {.kind = HTTP_LISTEN_PLAIN, .address = "127.0.0.1:0"};
	static const char *const proxies[] = {"127.0.0.0/8"};
	const struct http_config config = {.listen = &listen,
		.listen_count = 1,
		.io_threads = 1,
		.local = {.workers = 1},
		.slow = {.workers = 1},
		.remote = {.workers = 1},
		.body_ceiling_bytes = BODY_BYTES,
		.trusted_proxies = proxies,
		.trusted_proxy_count = COUNT_OF(proxies)};
	const struct route_table table = {.rows = rows, .count = COUNT_OF(rows)};
	struct http_server *server = http_server_create(&config);
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct ctx ctx;
	ctx_init(&ctx, arena);
	http_server_add_table(server, &table);
	enum err err = http_server_start(server, &ctx);
	invariant(err == ERR_OK);
	return server;
}

/* @return -1 when a signal came */
static int try_to_connect(struct http_server *server)
{
	const int on = 1;
	const struct linger reset = {.l_onoff = 1}; /* the kernel keeps nothing of it */
	const struct sockaddr_in where = {.sin_family = AF_INET,
		.sin_port = htons(http_server_port(server, 0)),
		.sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)}};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	invariant(fd >= 0);
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	(void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	if (connect(fd, (const struct sockaddr *)&where, sizeof(where)) != 0) {
		invariant(errno == EINTR); /* by libFuzzer's clock */
		(void)close(fd);
		return -1;
	}
	return fd;
}

static int connect_to(struct http_server *server)
{
	int fd = -1;
	while (fd < 0) {
		fd = try_to_connect(server);
	}
	return fd;
}

static void send_all(int fd, struct str bytes)
{
	while (bytes.n > 0) {
		ssize_t n = send(fd, bytes.p, bytes.n, MSG_NOSIGNAL);
		if (n < 0 && errno != EINTR) {
			return; /* it is closed: what has been answered counts */
		}
		bytes = str_slice(bytes, n > 0 ? (size_t)n : 0, bytes.n);
	}
}

/* Reads until nothing comes for so long. @return false at the end of the connection */
static bool hear(int fd, int quiet_ms, struct buf *out)
{
	static char bytes[1 << 16];
	struct pollfd one = {.fd = fd, .events = POLLIN};
	int ready;
	while ((ready = poll(&one, 1, quiet_ms)) > 0 || (ready < 0 && errno == EINTR)) {
		ssize_t n = recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT);
		if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
			return false;
		}
		buf_add(out, str_from(bytes, n > 0 ? (size_t)n : 0));
		if (n > 0 && quiet_ms == SHORT_MS) {
			return true; /* whatever else comes is heard later */
		}
	}
	return true;
}

static void send_end(int fd)
{
	static char filler[FILLER_BYTES];
	memset(filler, '\n', sizeof(filler));
	send_all(fd, last);
	send_all(fd, str_from(filler, sizeof(filler)));
}

/* Cuts a piece off. @return whether there are more */
static bool next_piece(struct str *input, struct str *out_piece)
{
	const char *at = memmem(input->p, input->n, separator.p, separator.n);
	size_t n = at != NULL ? (size_t)(at - input->p) : input->n;
	*out_piece = str_slice(*input, 0, n);
	*input = str_slice(*input, n + separator.n, input->n);
	return at != NULL;
}

/* @return whether the connection has ended */
static bool ask_piece_by_piece(struct http_server *server, struct str input, int quiet_ms,
	struct buf *out)
{
	int fd = connect_to(server);
	bool has_more = true;
	bool is_open = true;
	while (has_more && is_open) {
		struct str piece;
		has_more = next_piece(&input, &piece);
		send_all(fd, piece);
		is_open = hear(fd, SHORT_MS, out);
	}
	send_end(fd);
	bool has_ended = !is_open || !hear(fd, quiet_ms, out);
	(void)close(fd);
	return has_ended;
}

static bool ask_in_a_heap(struct http_server *server, struct str input, int quiet_ms,
	struct buf *out)
{
	struct buf heap CLEANUP(buf_fini);
	struct buf ignored CLEANUP(buf_fini);
	buf_init(&heap, INPUT_BYTES);
	buf_init(&ignored, ANSWER_BYTES);
	bool has_more = true;
	while (has_more) {
		struct str piece;
		has_more = next_piece(&input, &piece);
		buf_add(&heap, piece);
	}
	int fd = connect_to(server);
	send_all(fd, first);
	while (!str_contains(buf_str(&ignored), STR("]")) && hear(fd, SHORT_MS, &ignored)) {
	}
	send_all(fd, buf_str(&heap));
	send_end(fd);
	bool has_ended = !hear(fd, quiet_ms, out);
	(void)close(fd);
	return has_ended;
}

/*
 * Up to the answer to what was no request, which ends the connection: why it is none depends on how much of it was there when it was
 * looked at, and libmicrohttpd gives none where it has no memory left for it.
 */
static struct str without_refusal(struct str text)
{
	static const struct str refusals[] = {STR_INIT("HTTP/1.1 400 "), STR_INIT("HTTP/1.1 413 "),
		STR_INIT("HTTP/1.1 414 "), STR_INIT("HTTP/1.1 431 "), STR_INIT("HTTP/1.1 505 ")};
	size_t at = text.n;
	while (at > 0 && !str_starts_with(str_slice(text, at, text.n), STR("HTTP/1."))) {
		at--;
	}
	for (size_t i = 0; i < COUNT_OF(refusals); i++) {
		if (str_starts_with(str_slice(text, at, text.n), refusals[i])) {
			return str_slice(text, 0, at);
		}
	}
	return text;
}

/* Without what may be another each time: dates, and whether a body was asked for that had not come yet. */
static struct str comparable(struct arena *arena, struct str text)
{
	static const struct str date = STR_INIT("\r\nDate: ");
	static const struct str go_on = STR_INIT("HTTP/1.1 100 Continue\r\n\r\n");
	struct buf out CLEANUP(buf_fini);
	buf_init(&out, ANSWER_BYTES);
	text = without_refusal(text);
	while (text.n > 0) {
		size_t skipped = str_starts_with(text, date)
			? date.n + STR("Sun, 29 Nov 2026 02:28:36 GMT").n
			: str_starts_with(text, go_on) ? go_on.n
										   : 0;
		buf_add(&out, str_slice(text, 0, skipped == 0 ? 1 : 0));
		text = str_slice(text, MIN_OF(MAX_OF(skipped, (size_t)1), text.n), text.n);
	}
	return str_dup(arena, buf_str(&out));
}

static bool says_the_same(struct http_server *server, struct str input, int quiet_ms)
{
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct buf held CLEANUP(buf_fini);
	struct buf library CLEANUP(buf_fini);
	buf_init(&held, ANSWER_BYTES);
	buf_init(&library, ANSWER_BYTES);
	bool has_ended = ask_piece_by_piece(server, input, quiet_ms, &held);
	bool has_ended_too = ask_in_a_heap(server, input, quiet_ms, &library);
	struct str one = comparable(arena, buf_str(&held));
	struct str other = comparable(arena, buf_str(&library));
	bool is_same = has_ended == has_ended_too && str_equals(one, other);
	if (!is_same && quiet_ms == QUIET_MS * LONGER * LONGER) {
		(void)dprintf(STDERR_FILENO,
			"--- piece by piece (ended: %d)\n%.*s\n--- in a heap (ended: %d)\n%.*s\n", has_ended,
			STR_ARG(one), has_ended_too, STR_ARG(other));
	}
	return is_same;
}

/* Without a body, which it then must not do. libmicrohttpd may take what is behind such a request for its body, and closes. */
static bool may_expect(struct arena *arena, struct str input)
{
	char *lower = str_cstr(arena, input);
	for (size_t i = 0; i < input.n; i++) {
		lower[i] = (char)(lower[i] >= 'A' && lower[i] <= 'Z' ? lower[i] | 0x20 : lower[i]);
	}
	return str_contains(str_from(lower, input.n), STR("expect:"));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct http_server *server;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct str input = str_from((const char *)data, size);
	if (server == NULL) {
		log_set_level(LOG_ERROR);
		server = start_server();
	}
	if (size > INPUT_BYTES) {
		return 0;
	}
	int quiet_ms = QUIET_MS;
	bool is_same = says_the_same(server, input, quiet_ms);
	is_same = is_same || may_expect(arena, input);
	for (int i = 1; !is_same && i < TRIES; i++) {
		quiet_ms *= LONGER;
		is_same = says_the_same(server, input, quiet_ms);
	}
	invariant(is_same);
	return 0;
}
