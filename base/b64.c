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

bool b64_decode(struct arena *arena, struct str text, struct str *out)
{
	if (!strip_padding(&text) || text.n % 4 == 1) {
		return false;
	}
	char *bytes = arena_alloc(arena, text.n / 4 * 3 + 3);
	size_t n = 0;
	uint32_t bits = 0;
	unsigned bit_count = 0;
	for (size_t i = 0; i < text.n; i++) {
		uint32_t value = values[(unsigned char)text.p[i]];
		if (value == 0) {
			return false;
		}
		bits = (bits << 6) | (value - 1);
		bit_count += 6;
		if (bit_count >= 8) {
			bit_count -= 8;
			bytes[n++] = (char)((bits >> bit_count) & 0xFF);
		}
	}
	*out = str_from(bytes, n);
	return true;
}
