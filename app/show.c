#include "app/show.h"

#include <time.h>

enum { TIME_BYTES = 32 };

struct str show_text(struct arena *arena, struct str text)
{
	char *copy = arena_alloc(arena, text.n + 1);
	for (size_t i = 0; i < text.n; i++) {
		unsigned char c = (unsigned char)text.p[i];
		copy[i] = c < 0x20 || c == 0x7f ? ' ' : text.p[i];
	}
	return str_from(copy, text.n);
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
