/*
 * Calendars: whatever comes in, texts are clean and bounded, and items are in order and in their span.
 */
#include "base/utf8.h"
#include "notices/calendar.h"

#define FROM_MS INT64_C(1790000000000)
#define TO_MS INT64_C(1800000000000)

static void check(struct str text, size_t limit, bool may_have_lines)
{
	invariant(utf8_is_valid(text) && text.n <= limit + 16);
	for (size_t i = 0; i < text.n; i++) {
		invariant((unsigned char)text.p[i] >= 0x20 || (may_have_lines && text.p[i] == '\n'));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct ctx ctx;
	struct zone *zone;
	struct calendar calendar;
	ctx_init(&ctx, arena);
	invariant(zone_open(arena, STR("Europe/Berlin"), &zone));
	if (calendar_read(&ctx, str_from((const char *)data, size), zone, FROM_MS, TO_MS, &calendar) !=
		ERR_OK) {
		invariant(ctx.fault.text.n > 0);
		return 0;
	}
	check(calendar.title, CALENDAR_TITLE_MAX_BYTES, false);
	check(calendar.broken, CALENDAR_TITLE_MAX_BYTES, false);
	invariant(calendar.count <= CALENDAR_ITEMS_MAX);
	for (size_t i = 0; i < calendar.count; i++) {
		const struct calendar_item *item = &calendar.items[i];
		check(item->id, CALENDAR_ID_MAX_BYTES, false);
		check(item->title, CALENDAR_TITLE_MAX_BYTES, false);
		check(item->location, CALENDAR_TITLE_MAX_BYTES, false);
		check(item->text, CALENDAR_TEXT_MAX_BYTES, true);
		invariant(item->id.n > 0 && item->start_ms >= FROM_MS && item->start_ms < TO_MS);
		invariant(item->end_ms >= item->start_ms);
		invariant(i == 0 || calendar.items[i - 1].start_ms <= item->start_ms);
		invariant(wall_time_is_valid(&item->start) && wall_time_is_valid(&item->end));
	}
	return 0;
}
