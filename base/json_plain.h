/**
 * What stands in a JSON string as it is. Shared by the parser and the writer of JSON.
 *
 * Eight bytes at a time. Subtracting borrows into the highest bit of a byte that is less, and perhaps on into the bytes above it; so
 * of the bits that are found only the lowest one is sure, which is the one that is wanted.
 */
#ifndef BELFRY_BASE_JSON_PLAIN_H
#define BELFRY_BASE_JSON_PLAIN_H

#include "base/str.h"

#include <endian.h>
#include <string.h>

/** A word of eight times the same byte. */
#define JSON_PLAIN_EIGHT(byte) (UINT64_MAX / 0xFF * (uint64_t)(byte))

/** The first byte lowest. */
static inline uint64_t json_plain_word(const char *p)
{
	uint64_t word;
	memcpy(&word, p, sizeof(word));
	return le64toh(word);
}

/** The highest bits of bytes that do not stand as they are. */
static inline uint64_t json_special_bits(uint64_t word)
{
	uint64_t quote = word ^ JSON_PLAIN_EIGHT('"');
	uint64_t backslash = word ^ JSON_PLAIN_EIGHT('\\');
	uint64_t found = ((word - JSON_PLAIN_EIGHT(0x20)) & ~word) |
		((quote - JSON_PLAIN_EIGHT(1)) & ~quote) | ((backslash - JSON_PLAIN_EIGHT(1)) & ~backslash);
	return found & JSON_PLAIN_EIGHT(0x80);
}

/** The last bytes of a text, one to seven; zeros, which are control bytes, follow them. Parts that overlap say the same. */
static inline uint64_t json_plain_rest(const char *p, size_t n)
{
	if (n >= sizeof(uint32_t)) {
		uint32_t first;
		uint32_t last;
		memcpy(&first, p, sizeof(first));
		memcpy(&last, p + n - sizeof(last), sizeof(last));
		return le32toh(first) | (uint64_t)le32toh(last) << (n - sizeof(last)) * 8;
	}
	const unsigned char *bytes = (const unsigned char *)p;
	return bytes[0] | (uint64_t)bytes[n / 2] << n / 2 * 8 | (uint64_t)bytes[n - 1] << (n - 1) * 8;
}

/**
 * Where the first quote, backslash or control byte at or after `at` stands; else the text's end.
 * @param is_ascii  set to false when a byte before that is not ASCII; else left
 */
static inline size_t json_plain_end(struct str text, size_t at, bool *is_ascii)
{
	uint64_t seen = 0;
	uint64_t found = 0;
	while (found == 0 && at < text.n) {
		bool is_whole = text.n - at >= sizeof(uint64_t);
		uint64_t word =
			is_whole ? json_plain_word(text.p + at) : json_plain_rest(text.p + at, text.n - at);
		found = json_special_bits(word);
		size_t plain = found != 0 ? (size_t)__builtin_ctzll(found) / 8 : sizeof(uint64_t);
		seen |= plain < sizeof(uint64_t) ? word & (((uint64_t)1 << plain * 8) - 1) : word;
		at += plain;
	}
	*is_ascii = *is_ascii && (seen & JSON_PLAIN_EIGHT(0x80)) == 0;
	return at;
}

#endif
