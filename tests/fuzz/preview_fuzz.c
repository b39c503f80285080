/*
 * Web pages and images as strangers send them: whatever the bytes, what is told of a page is valid UTF-8 in one line each and
 * its URLs are of the web; an image has a size or none.
 */
#include "base/arena.h"
#include "base/utf8.h"
#include "homeserver/media/media_dimensions.h"
#include "homeserver/media/media_type.h"
#include "homeserver/media/preview_charset.h"
#include "homeserver/media/preview_page.h"

static void check_line(struct str text)
{
	invariant(utf8_is_valid(text));
	for (size_t i = 0; i < text.n; i++) {
		invariant((unsigned char)text.p[i] >= 0x20);
	}
}

static void check_url(struct str url)
{
	invariant(url.p == NULL || str_starts_with(url, STR("http://")) ||
		str_starts_with(url, STR("https://")));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct str bytes = str_from((const char *)data, size);
	struct preview_page *page = ARENA_NEW(arena, struct preview_page);
	int64_t width = 0;
	int64_t height = 0;
	struct str html = preview_to_utf8(arena, bytes, (struct str){0});
	invariant(utf8_is_valid(html));
	preview_page_read(arena, html, STR("http://school.example/dir/page?q"), page);
	check_line(page->title);
	check_line(page->description);
	check_url(page->image);
	check_url(page->oembed);
	for (size_t i = 0; i < page->property_count; i++) {
		check_line(page->properties[i].value);
		invariant(utf8_is_valid(page->properties[i].name));
	}
	if (media_dimensions(bytes, &width, &height)) {
		invariant(width > 0 && height > 0 && media_type_sniff(bytes).p != NULL);
	}
	struct str type = media_type_clean(bytes);
	(void)media_type_is_inline(type);
	check_line(media_disposition(arena, true, html));
	return 0;
}
