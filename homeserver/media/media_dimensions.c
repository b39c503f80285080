/*
 * Four formats, each says it at a place of its own.
 */
#include "homeserver/media/media_dimensions.h"

#include "homeserver/media/media_type.h"

static int64_t byte_at(struct str s, size_t i)
{
	return i < s.n ? (unsigned char)s.p[i] : 0;
}

static int64_t big_endian(struct str s, size_t at, size_t n)
{
	int64_t value = 0;
	for (size_t i = 0; i < n; i++) {
		value = value << 8 | byte_at(s, at + i);
	}
	return value;
}

static int64_t little_endian(struct str s, size_t at, size_t n)
{
	int64_t value = 0;
	for (size_t i = n; i > 0; i--) {
		value = value << 8 | byte_at(s, at + i - 1);
	}
	return value;
}

/* Segments up to the frame header: SOF0 to SOF15 without DHT, JPG and DAC. */
static void read_jpeg(struct str s, int64_t *width, int64_t *height)
{
	size_t at = 2;
	while (at + 9 < s.n && byte_at(s, at) == 0xFF) {
		int64_t marker = byte_at(s, at + 1);
		bool is_frame =
			marker >= 0xC0 && marker <= 0xCF && marker != 0xC4 && marker != 0xC8 && marker != 0xCC;
		if (is_frame) {
			*height = big_endian(s, at + 5, 2);
			*width = big_endian(s, at + 7, 2);
			return;
		}
		at += marker == 0xFF ? 1 : 2 + (size_t)big_endian(s, at + 2, 2);
	}
}

/* A simple file, a lossless one, or one with a header of its own. */
static void read_webp(struct str s, int64_t *width, int64_t *height)
{
	struct str kind = str_slice(s, 12, 16);
	if (str_equals(kind, STR("VP8X"))) {
		*width = little_endian(s, 24, 3) + 1;
		*height = little_endian(s, 27, 3) + 1;
	} else if (str_equals(kind, STR("VP8L"))) {
		int64_t bits = little_endian(s, 21, 4);
		*width = (bits & 0x3FFF) + 1;
		*height = (bits >> 14 & 0x3FFF) + 1;
	} else if (str_equals(kind, STR("VP8 "))) {
		*width = little_endian(s, 26, 2) & 0x3FFF;
		*height = little_endian(s, 28, 2) & 0x3FFF;
	}
}

bool media_dimensions(struct str first_bytes, int64_t *out_width, int64_t *out_height)
{
	struct str type = media_type_sniff(first_bytes);
	*out_width = 0;
	*out_height = 0;
	if (str_equals(type, STR("image/png"))) {
		*out_width = big_endian(first_bytes, 16, 4);
		*out_height = big_endian(first_bytes, 20, 4);
	} else if (str_equals(type, STR("image/gif"))) {
		*out_width = little_endian(first_bytes, 6, 2);
		*out_height = little_endian(first_bytes, 8, 2);
	} else if (str_equals(type, STR("image/jpeg"))) {
		read_jpeg(first_bytes, out_width, out_height);
	} else if (str_equals(type, STR("image/webp"))) {
		read_webp(first_bytes, out_width, out_height);
	}
	return *out_width > 0 && *out_height > 0;
}
