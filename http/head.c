/*
 * Strict where libmicrohttpd is lenient, so that both read the same of what both take: one space between the parts of the request line,
 * lines that end in CR LF, values of visible characters and spaces, no space around them but before.
 */
#include "http/head.h"

#include "base/defs.h"

#include <string.h>

/* libmicrohttpd's struct for each header and each query parameter, and more. */
enum { ENTRY_BYTES = 80, SHARE_OF_MEMORY = 3 };

/* These change how the message is framed or what becomes of its connection, or libmicrohttpd does something about them. */
static const struct str unusual[] = {STR_INIT("transfer-encoding"), STR_INIT("connection"),
	STR_INIT("expect"), STR_INIT("upgrade"), STR_INIT("cookie"), STR_INIT("te"),
	STR_INIT("trailer"), STR_INIT("proxy-connection")};

static const struct str methods[] = {STR_INIT("GET"), STR_INIT("POST"), STR_INIT("PUT")};

static uint64_t each_byte(uint8_t value)
{
	return value * UINT64_C(0x0101010101010101);
}

/* Whether all are characters from the space to '~'. Eight at a time: of each byte the highest bit tells. */
static bool is_visible(const char *p, size_t n)
{
	uint64_t is_bad = 0;
	for (; n >= sizeof(uint64_t); p += sizeof(uint64_t), n -= sizeof(uint64_t)) {
		uint64_t word;
		memcpy(&word, p, sizeof(word));
		uint64_t is_delete = word + each_byte(1); /* carries only out of what is bad anyway */
		uint64_t is_control = ~((word | each_byte(0x80)) - each_byte(0x20));
		is_bad |= (word | is_delete | is_control) & each_byte(0x80);
	}
	for (; n > 0; p++, n--) {
		is_bad |= (uint64_t)(*p < ' ' || *p > '~');
	}
	return is_bad == 0;
}

static bool is_name(struct str name)
{
	for (size_t i = 0; i < name.n; i++) {
		char c = name.p[i];
		bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
		if (!is_letter && c != '-' && !(c >= '0' && c <= '9')) {
			return false;
		}
	}
	return name.n > 0;
}

static bool is_unusual(const struct header *header)
{
	for (size_t i = 0; i < COUNT_OF(unusual); i++) {
		if (str_equals_nocase(header->name, unusual[i])) {
			return !str_equals_nocase(header->name, STR("connection")) ||
				!str_equals_nocase(header->value, STR("keep-alive"));
		}
	}
	return false;
}

/* Cuts a line off. @return false when there is none, or it is not visible */
static bool take_line(struct str *rest, struct str *out)
{
	size_t n = str_find_byte(*rest, '\r');
	if (n == SIZE_MAX || n + 1 >= rest->n || rest->p[n + 1] != '\n' || !is_visible(rest->p, n)) {
		return false;
	}
	*out = str_slice(*rest, 0, n);
	*rest = str_slice(*rest, n + 2, rest->n);
	return true;
}

static bool read_target(struct str line, struct str *out)
{
	static const struct str end = STR_INIT(" HTTP/1.1");
	if (!str_ends_with(line, end) || line.n <= end.n) {
		return false;
	}
	*out = str_slice(line, 0, line.n - end.n);
	return out->p[0] == '/' && str_find_byte(*out, ' ') == SIZE_MAX;
}

static bool read_request_line(struct str line, struct str *out_method, struct str *out_target)
{
	size_t n = str_find_byte(line, ' ');
	for (size_t i = 0; n != SIZE_MAX && i < COUNT_OF(methods); i++) {
		if (str_equals(str_slice(line, 0, n), methods[i])) {
			*out_method = methods[i];
			return read_target(str_slice(line, n + 1, line.n), out_target);
		}
	}
	return false;
}

static bool read_header(struct str line, struct header *out)
{
	size_t n = str_find_byte(line, ':');
	if (n == SIZE_MAX) {
		return false;
	}
	size_t begin = n + 1;
	while (begin < line.n && line.p[begin] == ' ') {
		begin++;
	}
	out->name = str_slice(line, 0, n);
	out->value = str_slice(line, begin, line.n);
	return is_name(out->name) && out->value.n > 0 && out->value.p[out->value.n - 1] != ' ' &&
		!is_unusual(out);
}

/* Digits alone. */
static bool read_length(struct str text, size_t *out)
{
	enum { LENGTH_DIGITS = 9 };
	*out = 0;
	for (size_t i = 0; i < text.n; i++) {
		if (text.p[i] < '0' || text.p[i] > '9') {
			return false;
		}
		*out = *out * 10 + (size_t)(text.p[i] - '0');
	}
	return text.n <= LENGTH_DIGITS;
}

/* How many parameters libmicrohttpd would make of it, at most. */
static size_t count_parameters(struct str target)
{
	size_t count = 0;
	size_t n = str_find_byte(target, '?');
	while (n != SIZE_MAX) {
		count++;
		target = str_slice(target, n + 1, target.n);
		n = str_find_byte(target, '&');
	}
	return count;
}

/* How many have the name, and the value of the last of them. */
static size_t count_named(const struct head *head, struct str name, struct str *out_value)
{
	size_t count = 0;
	for (size_t i = 0; i < head->header_count; i++) {
		if (str_equals_nocase(head->headers[i].name, name)) {
			*out_value = head->headers[i].value;
			count++;
		}
	}
	return count;
}

static bool has_host(const struct head *head)
{
	struct str host;
	return count_named(head, STR("host"), &host) == 1;
}

/* Whether what stands behind the head is the body that it promises: of GET none, and nothing is said of it. */
static bool has_its_body(const struct head *head)
{
	struct str text;
	size_t length = 0;
	size_t count = count_named(head, STR("content-length"), &text);
	if (str_equals(head->method, STR("GET"))) {
		return count == 0 && head->body.n == 0;
	}
	return count == 1 && read_length(text, &length) && length == head->body.n;
}

/* Whether libmicrohttpd's memory certainly holds it. */
static bool is_small(size_t head_bytes, struct str target, size_t header_count, size_t ceiling)
{
	size_t entries = header_count + count_parameters(target);
	return head_bytes <= ceiling / SHARE_OF_MEMORY &&
		entries * ENTRY_BYTES <= ceiling / SHARE_OF_MEMORY;
}

/* Up to the empty line. */
static bool read_headers(struct str *rest, struct head *out)
{
	struct str line;
	out->header_count = 0;
	while (take_line(rest, &line)) {
		if (line.n == 0) {
			return true;
		}
		if (out->header_count == HEAD_MAX_HEADERS ||
			!read_header(line, &out->headers[out->header_count])) {
			return false;
		}
		out->header_count++;
	}
	return false;
}

bool head_read(struct str bytes, size_t ceiling, struct head *out)
{
	struct str line;
	struct str rest = bytes;
	if (!take_line(&rest, &line) || !read_request_line(line, &out->method, &out->target)) {
		return false;
	}
	out->rest = rest;
	if (!read_headers(&rest, out)) {
		return false;
	}
	out->rest.n -= rest.n;
	out->body = rest;
	return has_its_body(out) && has_host(out) &&
		is_small(bytes.n - rest.n, out->target, out->header_count, ceiling);
}

bool head_read_again(struct str bytes, size_t ceiling, struct str rest, size_t header_count,
	struct str *out_target)
{
	struct str line;
	struct str method;
	struct str found = bytes;
	return take_line(&found, &line) && str_equals(found, rest) &&
		read_request_line(line, &method, out_target) && str_equals(method, STR("GET")) &&
		is_small(bytes.n, *out_target, header_count, ceiling);
}
