/*
 * UTF-8 after RFC 3629.
 */
#include "base/utf8.h"

#include <string.h>

/* Decodes at `at`; returns the length, 0 when invalid. */
static size_t decode(struct str s, size_t at, uint32_t *out)
{
	const unsigned char *p = (const unsigned char *)s.p + at;
	size_t left = s.n - at;
	if (p[0] < 0x80) {
		*out = p[0];
		return 1;
	}
	size_t n = p[0] >= 0xF0 ? 4 : p[0] >= 0xE0 ? 3 : 2;
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	if (p[0] < 0xC2 || p[0] > 0xF4 || n > left) {
		return 0;
	}
	uint32_t code_point = p[0] & (0x7FU >> n);
	for (size_t i = 1; i < n; i++) {
		if ((p[i] & 0xC0) != 0x80) {
			return 0;
		}
		code_point = (code_point << 6) | (p[i] & 0x3FU);
	}
	if (code_point < least[n] || code_point > 0x10FFFF ||
		(code_point >= 0xD800 && code_point <= 0xDFFF)) {
		return 0;
	}
	*out = code_point;
	return n;
}

/* Where the first byte at or after `at` stands that is not ASCII; else the end. Eight at a time. */
static size_t skip_ascii(struct str s, size_t at)
{
	const uint64_t high_bits = 0x8080808080808080U;
	uint64_t word = 0;
	while (s.n - at >= sizeof(word)) {
		memcpy(&word, s.p + at, sizeof(word));
		if ((word & high_bits) != 0) {
			break;
		}
		at += sizeof(word);
	}
	while (at < s.n && (unsigned char)s.p[at] < 0x80) {
		at++;
	}
	return at;
}

bool utf8_is_valid(struct str s)
{
	size_t at = 0;
	while (true) {
		uint32_t code_point;
		at = skip_ascii(s, at);
		if (at == s.n) {
			return true;
		}
		size_t n = decode(s, at, &code_point);
		if (n == 0) {
			return false;
		}
		at += n;
	}
}

size_t utf8_encode(uint32_t c, char *out)
{
	if (c < 0x80) {
		out[0] = (char)c;
		return 1;
	}
	if (c < 0x800) {
		out[0] = (char)(0xC0 | (c >> 6));
		out[1] = (char)(0x80 | (c & 0x3F));
		return 2;
	}
	if (c < 0x10000) {
		out[0] = (char)(0xE0 | (c >> 12));
		out[1] = (char)(0x80 | ((c >> 6) & 0x3F));
		out[2] = (char)(0x80 | (c & 0x3F));
		return 3;
	}
	out[0] = (char)(0xF0 | (c >> 18));
	out[1] = (char)(0x80 | ((c >> 12) & 0x3F));
	out[2] = (char)(0x80 | ((c >> 6) & 0x3F));
	out[3] = (char)(0x80 | (c & 0x3F));
	return 4;
}

uint32_t utf8_next(struct str s, size_t *at)
{
	uint32_t code_point = 0xFFFD;
	size_t n = decode(s, *at, &code_point);
	*at += n == 0 ? 1 : n;
	return n == 0 ? 0xFFFD : code_point;
}

size_t utf8_length(struct str s)
{
	size_t count = 0;
	for (size_t i = 0; i < s.n; i++) {
		count += ((unsigned char)s.p[i] & 0xC0) != 0x80;
	}
	return count;
}
