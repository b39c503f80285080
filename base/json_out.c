/*
 * The writer keeps only the kinds of the open containers and whether a comma is due.
 */
#include "base/json_out.h"

#include "base/json_plain.h"

#include <string.h>

/* --- strings --------------------------------------------------------------------------------------------- */

/* What follows the backslash for bytes with a short escape, 'u' for other control bytes, else 0. */
static const char escapes[256] = {
	[0x00] = 'u',
	[0x01] = 'u',
	[0x02] = 'u',
	[0x03] = 'u',
	[0x04] = 'u',
	[0x05] = 'u',
	[0x06] = 'u',
	[0x07] = 'u',
	['\b'] = 'b',
	['\t'] = 't',
	['\n'] = 'n',
	[0x0b] = 'u',
	['\f'] = 'f',
	['\r'] = 'r',
	[0x0e] = 'u',
	[0x0f] = 'u',
	[0x10] = 'u',
	[0x11] = 'u',
	[0x12] = 'u',
	[0x13] = 'u',
	[0x14] = 'u',
	[0x15] = 'u',
	[0x16] = 'u',
	[0x17] = 'u',
	[0x18] = 'u',
	[0x19] = 'u',
	[0x1a] = 'u',
	[0x1b] = 'u',
	[0x1c] = 'u',
	[0x1d] = 'u',
	[0x1e] = 'u',
	[0x1f] = 'u',
	['"'] = '"',
	['\\'] = '\\',
};

/* Where the first byte at or after `at` stands that has to be escaped; else the text's end. */
static size_t find_escape(struct str text, size_t at)
{
	bool ignored = true;
	return json_plain_end(text, at, &ignored);
}

/* The text with its escapes. */
static void add_escaped(struct buf *buf, struct str text, size_t first_escape)
{
	static const char hex[] = "0123456789abcdef";
	size_t plain = 0;
	for (size_t i = first_escape; i < text.n; i = find_escape(text, plain)) {
		unsigned char c = (unsigned char)text.p[i];
		buf_add(buf, str_slice(text, plain, i));
		plain = i + 1;
		buf_add_byte(buf, '\\');
		buf_add_byte(buf, escapes[c]);
		if (escapes[c] == 'u') {
			const char digits[4] = {'0', '0', hex[c >> 4], hex[c & 15]};
			buf_add(buf, str_from(digits, sizeof(digits)));
		}
	}
	buf_add(buf, str_slice(text, plain, text.n));
}

/*
 * A string, with a comma before it and a colon behind it where there are such (0 or 1 of each). Most have nothing to escape,
 * and are then added in one piece.
 */
static void add_string(struct buf *buf, size_t comma, struct str text, size_t colon)
{
	size_t plain = find_escape(text, 0);
	if (plain < text.n) {
		buf_add(buf, comma > 0 ? STR(",\"") : STR("\""));
		add_escaped(buf, text, plain);
		buf_add(buf, colon > 0 ? STR("\":") : STR("\""));
		return;
	}
	char *at = buf_extend(buf, comma + text.n + 2 + colon);
	if (at == NULL) {
		return;
	}
	at[0] = ',';
	at[comma] = '"';
	if (text.n > 0) {
		memcpy(at + comma + 1, text.p, text.n);
	}
	at += comma + 1 + text.n;
	at[colon] = ':';
	at[0] = '"';
}

void json_escape(struct buf *buf, struct str text)
{
	add_string(buf, 0, text, 0);
}

/* --- values ---------------------------------------------------------------------------------------------- */

void json_out_init(struct json_out *out, struct buf *buf)
{
	out->buf = buf;
	out->depth = 0;
	out->need_comma = false;
}

/* @return bytes of the comma that is due before the next value */
static size_t take_comma(struct json_out *out)
{
	size_t n = out->need_comma ? 1 : 0;
	out->need_comma = true;
	return n;
}

static void begin_value(struct json_out *out)
{
	if (take_comma(out) > 0) {
		buf_add_byte(out->buf, ',');
	}
}

/* The text without the comma that it begins with where none is due; what follows needs none. */
static void add_beginning(struct json_out *out, struct str text)
{
	size_t without_comma = 1 - take_comma(out);
	buf_add(out->buf, str_from(text.p + without_comma, text.n - without_comma));
	out->need_comma = false;
}

void json_out_opening(struct json_out *out, struct str text, bool is_array)
{
	invariant(out->depth < JSON_OUT_MAX_DEPTH);
	out->is_array[out->depth++] = is_array;
	add_beginning(out, text);
}

void json_out_object(struct json_out *out)
{
	json_out_opening(out, STR(",{"), false);
}

void json_out_array(struct json_out *out)
{
	json_out_opening(out, STR(",["), true);
}

void json_out_end(struct json_out *out)
{
	invariant(out->depth > 0);
	buf_add_byte(out->buf, out->is_array[--out->depth] ? ']' : '}');
	out->need_comma = true;
}

void json_out_key(struct json_out *out, struct str key)
{
	add_string(out->buf, take_comma(out), key, 1);
	out->need_comma = false;
}

void json_out_name(struct json_out *out, struct str text)
{
	add_beginning(out, text);
}

void json_out_str(struct json_out *out, struct str text)
{
	add_string(out->buf, take_comma(out), text, 0);
}

void json_out_strs(struct json_out *out, const struct str *texts, size_t count)
{
	json_out_array(out);
	for (size_t i = 0; i < count; i++) {
		json_out_str(out, texts[i]);
	}
	json_out_end(out);
}

void json_out_int(struct json_out *out, int64_t value)
{
	begin_value(out);
	buf_add_int(out->buf, value);
}

void json_out_bool(struct json_out *out, bool value)
{
	begin_value(out);
	buf_add(out->buf, value ? STR("true") : STR("false"));
}

void json_out_null(struct json_out *out)
{
	begin_value(out);
	buf_add_lit(out->buf, "null");
}

void json_out_raw(struct json_out *out, struct str json_text)
{
	begin_value(out);
	buf_add(out->buf, json_text);
}

static void write_scalar(struct json_out *out, const struct json *value)
{
	switch (value->type) {
	case JSON_NULL:
		json_out_null(out);
		return;
	case JSON_BOOL:
		json_out_bool(out, value->boolean);
		return;
	case JSON_INT:
		json_out_int(out, value->integer);
		return;
	case JSON_NUMBER:
		json_out_raw(out, json_text(value));
		return;
	case JSON_STRING:
		json_out_str(out, json_text(value));
		return;
	case JSON_ARRAY:
	case JSON_OBJECT:
		return;
	}
}

// NOLINTNEXTLINE(misc-no-recursion): depth is bounded by the parser
void json_out_value(struct json_out *out, const struct json *value)
{
	if (value->raw_n > 0) {
		json_out_raw(out, json_raw(value));
	} else if (value->type == JSON_ARRAY) {
		json_out_array(out);
		for (size_t i = 0; i < value->count; i++) {
			json_out_value(out, &value->items[i]);
		}
		json_out_end(out);
	} else if (value->type == JSON_OBJECT) {
		json_out_object(out);
		for (size_t i = 0; i < value->count; i++) {
			json_out_key(out, value->members[i].key);
			json_out_value(out, &value->members[i].value);
		}
		json_out_end(out);
	} else {
		write_scalar(out, value);
	}
}
