/*
 * Base64 by table. Decoding is lenient where other servers are: either alphabet, padding or none,
 * and stray bits in the last character are ignored, since refusing what the others accept would
 * split rooms.
 */
#include "base/b64.h"

static const char standard[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char url_safe[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static struct str encode(struct arena *arena, struct str bytes, const char *alphabet)
{
	invariant(bytes.n <= SIZE_MAX / 4);
	char *text = arena_alloc(arena, (bytes.n * 4 + 2) / 3 + 1);
	const unsigned char *p = (const unsigned char *)bytes.p;
	size_t n = 0;
	uint32_t bits = 0;
	unsigned bit_count = 0;
	for (size_t i = 0; i < bytes.n; i++) {
		bits = (bits << 8) | p[i];
		bit_count += 8;
		while (bit_count >= 6) {
			bit_count -= 6;
			text[n++] = alphabet[(bits >> bit_count) & 63];
		}
	}
	if (bit_count > 0) {
		text[n++] = alphabet[(bits << (6 - bit_count)) & 63];
	}
	return str_from(text, n);
}

struct str b64_encode(struct arena *arena, struct str bytes)
{
	return encode(arena, bytes, standard);
}

struct str b64_encode_url(struct arena *arena, struct str bytes)
{
	return encode(arena, bytes, url_safe);
}

/* One more than the six bits of each character, of either alphabet, by its code; 0: of none. Not by comparing: which range is next cannot be foretold. */
static const unsigned char values[256] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
	0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 63, 0, 63, 0, 64, 53,
	54, 55, 56, 57, 58, 59, 60, 61, 62, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12,
	13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 0, 0, 0, 0, 64, 0, 27, 28, 29, 30, 31,
	32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, 52, 0, 0, 0, 0,
	0};

/* Without the padding, which must be complete when there is any. */
static bool strip_padding(struct str *text)
{
	size_t whole = text->n;
	while (text->n > 0 && whole - text->n < 2 && text->p[text->n - 1] == '=') {
		text->n--;
	}
	return text->n == whole || whole % 4 == 0;
}

/* Four characters are three bytes. @return false when one is of no alphabet */
static bool decode_fours(const unsigned char *text, size_t length, char *out)
{
	for (size_t i = 0; i < length; i += 4, out += 3) {
		uint32_t a = values[text[i]];
		uint32_t b = values[text[i + 1]];
		uint32_t c = values[text[i + 2]];
		uint32_t d = values[text[i + 3]];
		if (a == 0 || b == 0 || c == 0 || d == 0) {
			return false;
		}
		uint32_t bits = ((a - 1) << 18) | ((b - 1) << 12) | ((c - 1) << 6) | (d - 1);
		out[0] = (char)(bits >> 16);
		out[1] = (char)((bits >> 8) & 0xFF);
		out[2] = (char)(bits & 0xFF);
	}
	return true;
}

/* What stands behind the last four: two or three characters. @param out_stray  bits that belong to no byte */
static bool decode_rest(struct str rest, char *out, uint32_t *out_stray)
{
	size_t n = 0;
	uint32_t bits = 0;
	unsigned bit_count = 0;
	for (size_t i = 0; i < rest.n; i++) {
		uint32_t value = values[(unsigned char)rest.p[i]];
		if (value == 0) {
			return false;
		}
		bits = (bits << 6) | (value - 1);
		bit_count += 6;
		if (bit_count >= 8) {
			bit_count -= 8;
			out[n++] = (char)((bits >> bit_count) & 0xFF);
		}
	}
	*out_stray = bits & ((1U << bit_count) - 1);
	return true;
}

/* @param out  as many bytes as bytes_of() says */
static bool decode(struct str text, char *out, uint32_t *out_stray)
{
	size_t whole = text.n / 4 * 4;
	return decode_fours((const unsigned char *)text.p, whole, out) &&
		decode_rest(str_slice(text, whole, text.n), out + whole / 4 * 3, out_stray);
}

static size_t bytes_of(struct str text)
{
	return text.n * 3 / 4;
}

bool b64_decode(struct arena *arena, struct str text, struct str *out)
{
	if (!strip_padding(&text) || text.n % 4 == 1) {
		return false;
	}
	uint32_t stray;
	char *bytes = arena_alloc(arena, bytes_of(text) + 1);
	if (!decode(text, bytes, &stray)) {
		return false;
	}
	*out = str_from(bytes, bytes_of(text));
	return true;
}

bool b64_decode_exact(struct str text, char *out, size_t size_bytes)
{
	uint32_t stray;
	return text.n % 4 != 1 && bytes_of(text) == size_bytes && decode(text, out, &stray) &&
		stray == 0 && str_find_byte(text, '-') == SIZE_MAX && str_find_byte(text, '_') == SIZE_MAX;
}
