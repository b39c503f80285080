/*
 * The writer keeps only the kinds of the open containers and whether a comma is due.
 */
#include "base/json_out.h"

#include <string.h>

void json_out_init(struct json_out *out, struct buf *buf)
{
	out->buf = buf;
	out->depth = 0;
	out->need_comma = false;
}

static void begin_value(struct json_out *out)
{
	if (out->need_comma) {
		buf_add_byte(out->buf, ',');
	}
	out->need_comma = true;
}

static void open(struct json_out *out, bool is_array)
{
	begin_value(out);
	invariant(out->depth < JSON_OUT_MAX_DEPTH);
	out->is_array[out->depth++] = is_array;
	buf_add_byte(out->buf, is_array ? '[' : '{');
	out->need_comma = false;
}

void json_out_object(struct json_out *out)
{
	open(out, false);
}

void json_out_array(struct json_out *out)
{
	open(out, true);
}

void json_out_end(struct json_out *out)
{
	invariant(out->depth > 0);
	buf_add_byte(out->buf, out->is_array[--out->depth] ? ']' : '}');
	out->need_comma = true;
}

void json_out_key(struct json_out *out, struct str key)
{
	begin_value(out);
	json_escape(out->buf, key);
	buf_add_byte(out->buf, ':');
	out->need_comma = false;
}

void json_out_str(struct json_out *out, struct str text)
{
	begin_value(out);
	json_escape(out->buf, text);
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
		json_out_raw(out, value->text);
		return;
	case JSON_STRING:
		json_out_str(out, value->text);
		return;
	case JSON_ARRAY:
	case JSON_OBJECT:
		return;
	}
}

// NOLINTNEXTLINE(misc-no-recursion): depth is bounded by the parser
void json_out_value(struct json_out *out, const struct json *value)
{
	if (value->raw.n > 0) {
		json_out_raw(out, value->raw);
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

void json_escape(struct buf *buf, struct str text)
{
	static const char hex[] = "0123456789abcdef";
	buf_add_byte(buf, '"');
	size_t plain = 0;
	for (size_t i = 0; i < text.n; i++) {
		unsigned char c = (unsigned char)text.p[i];
		char escape = escapes[c];
		if (escape == '\0') {
			continue;
		}
		buf_add(buf, str_slice(text, plain, i));
		plain = i + 1;
		buf_add_byte(buf, '\\');
		buf_add_byte(buf, escape);
		if (escape == 'u') {
			const char digits[4] = {'0', '0', hex[c >> 4], hex[c & 15]};
			buf_add(buf, str_from(digits, sizeof(digits)));
		}
	}
	buf_add(buf, str_slice(text, plain, text.n));
	buf_add_byte(buf, '"');
}
