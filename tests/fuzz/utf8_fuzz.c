/*
 * UTF-8: walking ends, sees no replacement in valid text, and what was read is written the same.
 */
#include <string.h>

#include "base/arena.h"
#include "base/casefold.h"
#include "base/utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct str source = str_from((const char *)data, size);
	bool is_valid = utf8_is_valid(source);
	bool saw_invalid = false;
	size_t count = 0;
	for (size_t at = 0; at < source.n;) {
		size_t start = at;
		uint32_t code_point = utf8_next(source, &at);
		invariant(at > start && at <= source.n && at - start <= 4);
		char bytes[4];
		size_t n = utf8_encode(code_point, bytes);
		bool same = n == at - start && memcmp(bytes, source.p + start, n) == 0;
		saw_invalid = saw_invalid || !same;
		invariant(same || (code_point == 0xFFFD && at - start == 1));
		count++;
	}
	invariant(is_valid == !saw_invalid);
	if (is_valid) {
		invariant(utf8_length(source) == count);
	}
	char *folded = arena_alloc(arena, casefold_room(size));
	size_t n = casefold_text(source, folded);
	invariant(n <= casefold_room(size));
	invariant(!is_valid || utf8_is_valid(str_from(folded, n)));
	char *twice = arena_alloc(arena, casefold_room(n));
	struct str once = str_from(folded, n);
	invariant(str_equals(str_from(twice, casefold_text(once, twice)), once));
	return 0;
}
