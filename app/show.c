#include "app/show.h"

#include <string.h>
#include <time.h>

#include "base/utf8.h"

enum { TIME_BYTES = 32 };

/* C1 is as good as ESC for some terminals; the others turn the line's direction, or end it. */
static bool is_for_terminals(uint32_t c)
{
	return c < 0x20 || (c >= 0x7F && c < 0xA0) || (c >= 0x2028 && c <= 0x202E) ||
		(c >= 0x2066 && c <= 0x2069);
}

struct str show_text(struct arena *arena, struct str text)
{
	char *copy = arena_alloc(arena, text.n + 1);
	size_t n = 0;
	size_t at = 0;
	while (at < text.n) {
		size_t from = at;
		uint32_t c = utf8_next(text, &at);
		bool is_invalid = c == 0xFFFD && at - from == 1;
		if (is_invalid || is_for_terminals(c)) {
			copy[n++] = ' ';
			continue;
		}
		memcpy(copy + n, text.p + from, at - from);
		n += at - from;
	}
	return str_from(copy, n);
}

const char *show_time(struct arena *arena, int64_t at_ms)
{
	time_t at = (time_t)(at_ms / 1000);
	struct tm fields;
	char text[TIME_BYTES];
	if (at_ms <= 0 || gmtime_r(&at, &fields) == NULL ||
		strftime(text, sizeof(text), "%Y-%m-%d %H:%M UTC", &fields) == 0) {
		return "-";
	}
	return arena_printf(arena, "%s", text);
}
