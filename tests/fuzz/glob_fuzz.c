/*
 * Globs: the first line is the pattern, the rest the text. Laws that hold for all of them.
 */
#include "base/arena.h"
#include "base/glob.h"
#include "base/utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct str pattern;
	struct str text;
	(void)str_split(str_from((const char *)data, size), '\n', &pattern, &text);
	bool whole = glob_match(pattern, text, false);
	bool folded = glob_match(pattern, text, true);
	bool word = glob_match_word(pattern, text);
	if (utf8_is_valid(pattern) && utf8_is_valid(text)) {
		invariant(!whole || folded);
		invariant(!folded || word || pattern.n == 0 || pattern.n > GLOB_MAX_RUN);
		struct str around = str_printf(arena, "*%.*s*", STR_ARG(pattern));
		invariant(pattern.n > GLOB_MAX_RUN || !word || glob_match(around, text, true));
	}
	return 0;
}
