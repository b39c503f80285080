/*
 * Feeds: whatever comes in, texts are clean and bounded.
 */
#include "base/utf8.h"
#include "notices/feed.h"

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
	struct feed feed;
	struct str bytes = str_from((const char *)data, size);
	ctx_init(&ctx, arena);
	(void)feed_date_read(bytes);
	if (feed_read(&ctx, bytes, &feed) != ERR_OK) {
		invariant(ctx.fault.text.n > 0);
		return 0;
	}
	check(feed.title, FEED_TITLE_MAX_BYTES, false);
	invariant(feed.count <= FEED_ITEMS_MAX);
	for (size_t i = 0; i < feed.count; i++) {
		check(feed.items[i].id, FEED_ID_MAX_BYTES, false);
		check(feed.items[i].title, FEED_TITLE_MAX_BYTES, false);
		check(feed.items[i].link, FEED_LINK_MAX_BYTES, false);
		check(feed.items[i].summary, FEED_SUMMARY_MAX_BYTES, true);
		invariant(feed.items[i].id.n > 0);
	}
	return 0;
}
