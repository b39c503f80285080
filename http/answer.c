/*
 * libmicrohttpd wants headers one by one, as C strings: the text is cut up for it where it stands, since it is told them once.
 */
#include "http/answer.h"

#include "base/mem.h"

#include <string.h>

/* What is larger libmicrohttpd could not send: it writes them into a connection's 16 KiB, beside the request's. */
enum { HEADER_BYTES = 512, HEADER_CEILING = 12 * 1024 };

static const struct str between = STR_INIT(": ");
static const struct str line_end = STR_INIT("\r\n");

void answer_init(struct answer *answer, int status)
{
	*answer = (struct answer){.status = status};
	buf_init(&answer->headers, HEADER_CEILING);
	buf_reserve(&answer->headers, HEADER_BYTES);
}

void answer_fini(struct answer *answer)
{
	buf_fini(&answer->headers);
	buf_fini(&answer->body);
	if (answer->file != NULL) {
		MHD_destroy_response(answer->file);
	}
	*answer = (struct answer){0};
}

void answer_add(struct answer *answer, const char *name, struct str value)
{
	struct buf *headers = &answer->headers;
	if (value.n == 0) {
		return;
	}
	buf_add(headers, str_of(name));
	buf_add(headers, between);
	char *text = buf_extend(headers, value.n);
	for (size_t i = 0; text != NULL && i < value.n; i++) {
		unsigned char c = (unsigned char)value.p[i];
		text[i] = c < 0x20 || c == 0x7F ? ' ' : (char)c;
	}
	buf_add(headers, line_end);
}

void answer_add_lines(struct answer *answer, struct str lines)
{
	buf_add(&answer->headers, lines);
}

void answer_close_after(struct answer *answer)
{
	answer->is_last = true;
	answer_add(answer, MHD_HTTP_HEADER_CONNECTION, STR("close"));
}

void answer_set_body(struct answer *answer, struct buf *body)
{
	answer->body = *body;
	answer->body_bytes = body->n;
	*body = (struct buf){.ceiling = body->ceiling};
}

struct str answer_date(time_t now_s, char text[ANSWER_DATE_BYTES])
{
	struct tm parts;
	struct tm *found = gmtime_r(&now_s, &parts);
	invariant(found != NULL);
	return str_from(text, strftime(text, ANSWER_DATE_BYTES, "%a, %d %b %Y %H:%M:%S GMT", &parts));
}

/* An answer that has no body says nothing of its length. Spec: RFC 9110, 8.6 */
static bool has_length(int status)
{
	return status != 204 && status != 304;
}

void answer_write_head(const struct answer *answer, struct str date, struct buf *out)
{
	buf_add_lit(out, "HTTP/1.1 ");
	buf_add_int(out, answer->status);
	buf_add_byte(out, ' ');
	buf_add(out, str_of(MHD_get_reason_phrase_for((unsigned)answer->status)));
	buf_add_lit(out, "\r\nDate: ");
	buf_add(out, date);
	buf_add(out, line_end);
	buf_add(out, buf_str(&answer->headers));
	if (has_length(answer->status)) {
		buf_add_lit(out, "Content-Length: ");
		buf_add_int(out, (int64_t)answer->body_bytes);
		buf_add(out, line_end);
	}
	buf_add(out, line_end);
}

/* Cuts the text up. */
static void tell_headers(struct MHD_Response *response, struct buf *headers)
{
	char *name = headers->p;
	const char *end = headers->p + headers->n;
	while (name < end) {
		char *name_end = memmem(name, (size_t)(end - name), between.p, between.n);
		invariant(name_end != NULL);
		char *value = name_end + between.n;
		char *value_end = memmem(value, (size_t)(end - value), line_end.p, line_end.n);
		invariant(value_end != NULL);
		*name_end = '\0';
		*value_end = '\0';
		enum MHD_Result added = MHD_add_response_header(response, name, value);
		invariant(added == MHD_YES);
		name = value_end + line_end.n;
	}
}

static struct MHD_Response *make_response(struct answer *answer)
{
	struct MHD_Response *file = answer->file;
	if (file != NULL) {
		answer->file = NULL;
		return file;
	}
	size_t n = 0;
	char *p = buf_take(&answer->body, &n);
	if (n == 0) {
		mem_free(p); /* libmicrohttpd would not */
		p = NULL;
	}
	return MHD_create_response_from_buffer_with_free_callback(n, p, mem_free);
}

enum MHD_Result answer_queue(struct answer *answer, struct MHD_Connection *connection)
{
	invariant(buf_ok(&answer->headers));
	struct MHD_Response *response = make_response(answer);
	invariant(response != NULL);
	tell_headers(response, &answer->headers);
	buf_fini(&answer->headers);
	enum MHD_Result queued = MHD_queue_response(connection, (unsigned)answer->status, response);
	MHD_destroy_response(response);
	return queued;
}
