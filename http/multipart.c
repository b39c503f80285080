/*
 * Line by line, without recursion and without copies. A part without content may end right behind its headers: the line
 * break that ends them is then the delimiter's.
 */
#include "http/multipart.h"

#include <string.h>

#include "http/header_value.h"

enum { HEADERS_MAX = 32 };

/* --- the boundary ---------------------------------------------------------------------------------------------- */

static bool is_boundary_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
		(c != '\0' && strchr("'()+_,-./:=? ", c) != NULL);
}

static bool is_boundary(struct str text)
{
	for (size_t i = 0; i < text.n; i++) {
		if (!is_boundary_char(text.p[i])) {
			return false;
		}
	}
	return text.n > 0 && text.n <= MULTIPART_BOUNDARY_MAX && text.p[text.n - 1] != ' ';
}

bool multipart_boundary(struct arena *arena, struct str content_type, struct str *out)
{
	struct str type;
	struct str rest;
	struct str name;
	struct str value;
	if (content_type.n > MULTIPART_HEAD_MAX || !str_split(content_type, ';', &type, &rest) ||
		!str_equals_nocase(str_trim(type), STR("multipart/mixed"))) {
		return false;
	}
	while (header_parameter(arena, &rest, &name, &value)) {
		if (str_equals_nocase(name, STR("boundary"))) {
			*out = value;
			return is_boundary(value);
		}
	}
	return false;
}

/* --- parts ------------------------------------------------------------------------------------------------------ */

size_t multipart_find_end(struct str bytes, struct str boundary)
{
	size_t n = 4 + boundary.n;
	size_t at = 0;
	while (at + n <= bytes.n) {
		const char *found = memchr(bytes.p + at, '\r', bytes.n - n - at + 1);
		if (found == NULL) {
			return SIZE_MAX;
		}
		at = (size_t)(found - bytes.p);
		if (memcmp(found, "\r\n--", 4) == 0 && memcmp(found + 4, boundary.p, boundary.n) == 0) {
			return at;
		}
		at++;
	}
	return SIZE_MAX;
}

/* A line without its break. @return false when there is no whole line */
static bool take_line(struct str *rest, struct str *line)
{
	const char *end = rest->n >= 2 ? memmem(rest->p, rest->n, "\r\n", 2) : NULL;
	if (end == NULL) {
		return false;
	}
	*line = str_slice(*rest, 0, (size_t)(end - rest->p));
	*rest = str_slice(*rest, line->n + 2, rest->n);
	return true;
}

static void take_header(struct str line, struct multipart_file *out)
{
	static const struct {
		struct str name;
		size_t field;
	} known[] = {
		{STR_INIT("Content-Type"), offsetof(struct multipart_file, content_type)},
		{STR_INIT("Content-Disposition"), offsetof(struct multipart_file, content_disposition)},
		{STR_INIT("Location"), offsetof(struct multipart_file, location)},
	};
	struct str name;
	struct str value;
	if (!str_split(line, ':', &name, &value)) {
		return;
	}
	for (size_t i = 0; i < COUNT_OF(known); i++) {
		struct str *field = (struct str *)(void *)((char *)out + known[i].field);
		if (str_equals_nocase(str_trim(name), known[i].name) && field->p == NULL) {
			*field = str_trim(value);
		}
	}
}

/* A part's headers, up to the empty line. */
static bool take_headers(struct str *rest, struct multipart_file *out)
{
	struct str line;
	*out = (struct multipart_file){0};
	for (size_t i = 0; i <= HEADERS_MAX; i++) {
		if (!take_line(rest, &line)) {
			return false;
		}
		if (line.n == 0) {
			return true;
		}
		take_header(line, out);
	}
	return false;
}

/* The rest of a delimiter's line: blanks, else (two dashes) there is no further part. */
static bool take_delimiter_end(struct str *rest)
{
	struct str line;
	return take_line(rest, &line) && str_trim(line).n == 0;
}

/* Up to the first delimiter, which may stand at the very beginning. */
static bool take_preamble(struct str *rest, struct str boundary)
{
	bool is_first = rest->n >= 2 + boundary.n && memcmp(rest->p, "--", 2) == 0 &&
		memcmp(rest->p + 2, boundary.p, boundary.n) == 0;
	size_t at = is_first ? 0 : multipart_find_end(*rest, boundary);
	if (at == SIZE_MAX) {
		return false;
	}
	*rest = str_slice(*rest, at + (is_first ? 2 : 4) + boundary.n, rest->n);
	return take_delimiter_end(rest);
}

bool multipart_read_head(struct str head, struct str boundary, struct multipart_file *out)
{
	struct str rest = str_slice(head, 0, MULTIPART_HEAD_MAX);
	struct multipart_file about;
	if (!take_preamble(&rest, boundary) || !take_headers(&rest, &about)) {
		return false;
	}
	/* With the line break before it: the first part may be empty. */
	struct str first = str_from(rest.p - 2, rest.n + 2);
	size_t end = multipart_find_end(first, boundary);
	if (end == SIZE_MAX) {
		return false;
	}
	rest = str_slice(first, end + 4 + boundary.n, first.n);
	if (!take_delimiter_end(&rest) || !take_headers(&rest, out)) {
		return false;
	}
	out->begin = (size_t)(rest.p - head.p);
	return true;
}
