/*
 * Base64: what decodes, encodes and decodes to the same; every text of bytes goes there and back.
 */
#include "base/arena.h"
#include "base/b64.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct str source = str_from((const char *)data, size);
	struct str bytes;
	struct str again;
	if (b64_decode(arena, source, &bytes)) {
		invariant(bytes.n <= source.n / 4 * 3 + 2);
		invariant(b64_decode(arena, b64_encode(arena, bytes), &again));
		invariant(str_equals(bytes, again));
	}
	struct str text = b64_encode(arena, source);
	invariant(text.n == (size * 4 + 2) / 3);
	invariant(str_find_byte(text, '=') == SIZE_MAX);
	invariant(b64_decode(arena, text, &again) && str_equals(source, again));
	struct str url = b64_encode_url(arena, source);
	invariant(str_find_byte(url, '+') == SIZE_MAX && str_find_byte(url, '/') == SIZE_MAX);
	invariant(b64_decode(arena, url, &again) && str_equals(source, again));
	return 0;
}
