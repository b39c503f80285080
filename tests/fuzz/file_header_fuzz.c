/*
 * Headers about files, a line each: Range, If-Range, If-None-Match, a content type, then the rest is a Content-Disposition. A part lies in its file; a name that is
 * told has no folder in it, and comes back from the header that it is written into; no type or name makes a header that is two.
 */
#include "base/arena.h"
#include "base/utf8.h"
#include "homeserver/media/media_type.h"
#include "http/header_value.h"
#include "http/range.h"

static void check_range(const struct range_request *request, struct str etag, uint64_t size)
{
	struct range range = range_choose(request, etag, size);
	switch (range.status) {
	case 200:
		invariant(range.begin == 0 && range.bytes == size);
		break;
	case 206:
		invariant(request->range.p != NULL && range.bytes > 0);
		invariant(range.begin < size && range.bytes <= size - range.begin);
		break;
	case 304:
		invariant(range_has_etag(request->if_none_match, etag));
		break;
	default:
		invariant(range.status == 416 && request->range.p != NULL);
	}
}

static void check_visible(struct str text)
{
	for (size_t i = 0; i < text.n; i++) {
		invariant(text.p[i] >= ' ' && text.p[i] <= '~');
	}
}

static void check_name(struct arena *arena, struct str name)
{
	invariant(name.n > 0 && utf8_is_valid(name));
	invariant(str_find_byte(name, '/') == SIZE_MAX && str_find_byte(name, '\\') == SIZE_MAX);
	for (int is_inline = 0; is_inline < 2; is_inline++) {
		struct str header = media_disposition(arena, is_inline == 1, name);
		check_visible(header);
		invariant(str_equals(header_file_name(arena, header), name));
	}
}

/* Whatever a client calls its file. */
static void check_any_name(struct arena *arena, struct str name)
{
	struct str header = media_disposition(arena, false, name);
	check_visible(header);
	struct str told = header_file_name(arena, header);
	invariant(told.p == NULL || str_ends_with(name, told));
}

static void check_type(struct str text)
{
	struct str type = media_type_clean(text);
	if (type.p != NULL) {
		check_visible(type);
		invariant(type.n <= MEDIA_TYPE_MAX_BYTES && str_find_byte(type, '/') != SIZE_MAX);
		invariant(str_equals(media_type_clean(type), type));
	}
	(void)media_type_is_inline(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint64_t sizes[] = {0, 1, 2, 1000, (uint64_t)INT64_MAX};
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct str lines[4];
	struct str rest = str_from((const char *)data, size);
	for (size_t i = 0; i < COUNT_OF(lines); i++) {
		struct str tail;
		(void)str_split(rest, '\n', &lines[i], &tail);
		lines[i] = lines[i].n > 0 ? lines[i] : (struct str){0};
		rest = tail;
	}
	const struct range_request request = {lines[0], lines[1], lines[2]};
	for (size_t i = 0; i < COUNT_OF(sizes); i++) {
		check_range(&request, STR("\"abc\""), sizes[i]);
		check_range(&request, (struct str){0}, sizes[i]);
	}
	check_type(lines[3]);
	struct str name = header_file_name(arena, rest);
	if (name.p != NULL && name.n <= MEDIA_NAME_MAX_BYTES) {
		check_name(arena, name);
	}
	if (utf8_is_valid(rest) && rest.n <= MEDIA_NAME_MAX_BYTES) {
		check_any_name(arena, rest);
	}
	return 0;
}
