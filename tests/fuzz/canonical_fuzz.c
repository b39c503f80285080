/*
 * Canonical JSON: canonical(parse(canonical(x))) = canonical(x); it is never longer than the source but for
 * numbers that are written out; strict texts are ASCII digits only in their numbers.
 */
#include "base/arena.h"
#include "matrix/canonical.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	const struct json_limits limits = {.max_depth = 100000};
	struct json value;
	if (json_parse(arena, str_from((const char *)data, size), &limits, &value, NULL) != JSON_OK) {
		return 0;
	}
	struct str text = canonical_text(arena, &value);
	struct json again;
	invariant(json_parse(arena, text, &limits, &again, NULL) == JSON_OK);
	invariant(str_equals(canonical_text(arena, &again), text));
	bool strict = canonical_is_strict(&value);
	if (strict) {
		invariant(text.n <= size && canonical_is_strict(&again));
	}
	for (size_t levels = 0; levels < 70; levels += 7) {
		invariant(
			canonical_nests_at_most(&value, levels) == canonical_nests_at_most(&again, levels));
	}
	return 0;
}
