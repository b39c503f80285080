#include "bench/load_connection.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	ANSWER_MAX_BYTES = 1 << 30,
	REQUEST_MAX_BYTES = 64 << 20,
	SINCE_MAX_BYTES = 4096,
	READ_BYTES = 64 << 10,
	KEPT_BYTES = 64 << 10, /* of an answer; larger memory is given back */
};

static _Noreturn void end(const char *what, struct str detail)
{
	(void)fprintf(stderr, "bench-load: %s %.*s\n", what, STR_ARG(detail));
	exit(1);
}

void connection_open(struct connection *c, uint16_t port)
{
	const struct sockaddr_in to = {.sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (c->fd < 0 || connect(c->fd, (const struct sockaddr *)&to, sizeof(to)) != 0) {
		end("nobody listens", STR("there"));
	}
	const int on = 1;
	(void)setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (c->in.ceiling == 0) {
		buf_init(&c->out, REQUEST_MAX_BYTES);
		buf_init(&c->in, ANSWER_MAX_BYTES);
		buf_init(&c->since, SINCE_MAX_BYTES);
	}
}

/* --- asking --------------------------------------------------------------------------------------------------- */

static void add_filled(struct buf *out, struct str text, const struct connection *c, int64_t number)
{
	const struct str names[] = {STR("{n}"), STR("{since}")};
	while (text.n != 0) {
		const size_t brace = str_find_byte(text, '{');
		buf_add(out, str_slice(text, 0, brace));
		text = str_slice(text, brace, text.n);
		if (str_starts_with(text, names[0])) {
			buf_add_int(out, number);
			text = str_slice(text, names[0].n, text.n);
		} else if (str_starts_with(text, names[1])) {
			buf_add(out, buf_str(&c->since));
			text = str_slice(text, names[1].n, text.n);
		} else if (text.n != 0) {
			buf_add_byte(out, text.p[0]);
			text = str_slice(text, 1, text.n);
		}
	}
}

void connection_ask(struct connection *c, const struct request *request, int64_t number,
	int64_t now_us)
{
	struct buf body = {.ceiling = REQUEST_MAX_BYTES};
	add_filled(&body, request->body, c, number);
	buf_clear(&c->out);
	buf_add(&c->out, request->method);
	buf_add_byte(&c->out, ' ');
	add_filled(&c->out, request->target, c, number);
	buf_printf(&c->out, " HTTP/1.1\r\nHost: 127.0.0.1\r\n");
	if (request->token.n != 0) {
		buf_printf(&c->out, "Authorization: Bearer %.*s\r\n", STR_ARG(request->token));
	}
	if (body.n != 0) {
		buf_printf(&c->out, "Content-Type: application/json\r\nContent-Length: %zu\r\n", body.n);
	} else if (!str_equals(request->method, STR("GET"))) {
		buf_add_lit(&c->out, "Content-Length: 0\r\n");
	}
	buf_add_lit(&c->out, "\r\n");
	buf_add(&c->out, buf_str(&body));
	buf_fini(&body);
	if (!buf_ok(&c->out)) {
		end("a request is too large:", request->target);
	}
	if (c->in.capacity > KEPT_BYTES) {
		buf_fini(&c->in);
		buf_init(&c->in, ANSWER_MAX_BYTES);
	}
	buf_clear(&c->in);
	c->sent = c->head_bytes = c->body_bytes = c->left_bytes = 0;
	c->is_busy = true;
	c->begun_us = now_us;
	c->first_us = 0;
}

bool connection_is_ended(const struct connection *c)
{
	char byte;
	const ssize_t n = recv(c->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
	return n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR);
}

bool connection_flush(struct connection *c)
{
	while (c->sent < c->out.n) {
		const ssize_t n =
			send(c->fd, c->out.p + c->sent, c->out.n - c->sent, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
			return false;
		}
		if (n < 0) {
			end("cannot send", str_slice(buf_str(&c->out), 0, 100));
		}
		c->sent += (size_t)n;
	}
	return true;
}

/* --- being answered ------------------------------------------------------------------------------------------- */

/* The value of a header of the answer; empty without. Names of headers are written in lower case here. */
static struct str header(struct str head, struct str name)
{
	struct str line;
	while (str_split(head, '\n', &line, &head)) {
		struct str found, value;
		if (str_split(line, ':', &found, &value) && str_equals_nocase(found, name)) {
			return str_trim(value);
		}
	}
	return (struct str){0};
}

static void read_head(struct connection *c)
{
	const char *end_of_head = memmem(c->in.p, c->in.n, "\r\n\r\n", 4);
	if (end_of_head == NULL) {
		return;
	}
	const struct str head = str_from(c->in.p, (size_t)(end_of_head - c->in.p) + 2);
	int64_t status, length = 0;
	if (!str_starts_with(head, STR("HTTP/1.1 ")) ||
		!str_to_int(str_slice(head, 9, 12), 100, 599, &status)) {
		end("no answer of HTTP/1.1:", str_slice(head, 0, 100));
	}
	c->is_chunked = str_equals_nocase(header(head, STR("transfer-encoding")), STR("chunked"));
	const struct str told = header(head, STR("content-length"));
	if (!c->is_chunked && told.n != 0 && !str_to_int(told, 0, ANSWER_MAX_BYTES, &length)) {
		end("an odd length:", told);
	}
	c->status = (int)status;
	c->head_bytes = head.n + 2;
	c->left_bytes = (size_t)length;
}

/* Moves what has come of chunks to the body's end. @return whether the last one was there */
static bool join_chunks(struct connection *c, size_t from)
{
	while (from < c->in.n) {
		if (c->left_bytes != 0) {
			const size_t n = c->left_bytes < c->in.n - from ? c->left_bytes : c->in.n - from;
			memmove(c->in.p + c->head_bytes + c->body_bytes, c->in.p + from, n);
			c->body_bytes += n;
			c->left_bytes -= n;
			from += n;
			continue;
		}
		const char *line_end = memmem(c->in.p + from, c->in.n - from, "\r\n", 2);
		if (line_end == c->in.p + from) { /* behind a chunk */
			from += 2;
			continue;
		}
		if (line_end == NULL) {
			break;
		}
		c->left_bytes = strtoul(c->in.p + from, NULL, 16);
		if (c->left_bytes == 0) {
			/* No server here sends trailers: an empty line follows. */
			if ((size_t)(c->in.p + c->in.n - line_end) < 4) {
				break;
			}
			return true;
		}
		from = (size_t)(line_end - c->in.p) + 2;
	}
	/* What is not understood yet comes right behind the body. */
	const size_t left = c->in.n - from;
	memmove(c->in.p + c->head_bytes + c->body_bytes, c->in.p + from, left);
	c->in.n = c->head_bytes + c->body_bytes + left;
	return false;
}

bool connection_read(struct connection *c, int64_t now_us)
{
	const size_t before = c->in.n;
	char *to = buf_extend(&c->in, READ_BYTES);
	const ssize_t n = to == NULL ? -1 : recv(c->fd, to, READ_BYTES, MSG_DONTWAIT);
	if (n < 0 && to != NULL && (errno == EAGAIN || errno == EINTR)) {
		c->in.n = before;
		return false;
	}
	if (n <= 0 || !c->is_busy) {
		end("the connection is broken:", str_slice(buf_str(&c->out), 0, 200));
	}
	c->in.n = before + (size_t)n;
	size_t from = before;
	if (c->head_bytes == 0) {
		c->first_us = c->first_us == 0 ? now_us : c->first_us;
		read_head(c);
		if (c->head_bytes == 0) {
			return false;
		}
		from = c->head_bytes;
	} else if (c->is_chunked) {
		from = c->head_bytes + c->body_bytes;
	}
	if (c->is_chunked) {
		c->is_busy = !join_chunks(c, from);
	} else {
		c->body_bytes = c->in.n - c->head_bytes;
		c->is_busy = c->body_bytes < c->left_bytes;
	}
	return !c->is_busy;
}

struct str connection_body(const struct connection *c)
{
	return str_from(c->in.p + c->head_bytes, c->body_bytes);
}

void connection_keep_since(struct connection *c)
{
	static const char key[] = "\"next_batch\":";
	const struct str body = connection_body(c);
	const char *found = memmem(body.p, body.n, key, sizeof(key) - 1);
	if (found == NULL) {
		return;
	}
	struct str before, value,
		rest = str_slice(body, (size_t)(found - body.p) + sizeof(key) - 1, body.n);
	if (!str_split(rest, '"', &before, &rest) || !str_split(rest, '"', &value, &rest)) {
		return;
	}
	buf_clear(&c->since);
	buf_add_lit(&c->since, "&since=");
	for (size_t i = 0; i < value.n; i++) {
		const unsigned char byte = (unsigned char)value.p[i];
		if (isalnum(byte) || byte == '_' || byte == '-' || byte == '.') {
			buf_add_byte(&c->since, (char)byte);
		} else {
			buf_printf(&c->since, "%%%02X", byte);
		}
	}
}
