/*
 * Browsers run what they take for HTML or SVG, so only types of the specification's list are shown inline, and the
 * decision is made on the very type that is sent.
 */
#include "homeserver/media/media_type.h"

#include "base/buf.h"

static const struct str inline_types[] = {
	STR_INIT("text/css"),
	STR_INIT("text/plain"),
	STR_INIT("text/csv"),
	STR_INIT("application/json"),
	STR_INIT("application/ld+json"),
	STR_INIT("image/jpeg"),
	STR_INIT("image/gif"),
	STR_INIT("image/png"),
	STR_INIT("image/apng"),
	STR_INIT("image/webp"),
	STR_INIT("image/avif"),
	STR_INIT("video/mp4"),
	STR_INIT("video/webm"),
	STR_INIT("video/ogg"),
	STR_INIT("video/quicktime"),
	STR_INIT("audio/mp4"),
	STR_INIT("audio/webm"),
	STR_INIT("audio/aac"),
	STR_INIT("audio/mpeg"),
	STR_INIT("audio/ogg"),
	STR_INIT("audio/wave"),
	STR_INIT("audio/wav"),
	STR_INIT("audio/x-wav"),
	STR_INIT("audio/x-pn-wav"),
	STR_INIT("audio/flac"),
	STR_INIT("audio/x-flac"),
};

struct str media_type_sniff(struct str first_bytes)
{
	if (str_starts_with(first_bytes, STR("\xFF\xD8\xFF"))) {
		return STR("image/jpeg");
	}
	if (str_starts_with(first_bytes, STR("\x89PNG\r\n\x1A\n"))) {
		return STR("image/png");
	}
	if (str_starts_with(first_bytes, STR("GIF87a")) ||
		str_starts_with(first_bytes, STR("GIF89a"))) {
		return STR("image/gif");
	}
	if (str_starts_with(first_bytes, STR("RIFF")) &&
		str_equals(str_slice(first_bytes, 8, 12), STR("WEBP"))) {
		return STR("image/webp");
	}
	return (struct str){0};
}

struct str media_type_of_name(struct str file_name)
{
#define OFFICE "application/vnd.openxmlformats-officedocument."
#define OPEN "application/vnd.oasis.opendocument."
	static const struct {
		struct str end, type;
	} types[] = {
		{STR_INIT("pdf"), STR_INIT("application/pdf")},
		{STR_INIT("docx"), STR_INIT(OFFICE "wordprocessingml.document")},
		{STR_INIT("xlsx"), STR_INIT(OFFICE "spreadsheetml.sheet")},
		{STR_INIT("pptx"), STR_INIT(OFFICE "presentationml.presentation")},
		{STR_INIT("doc"), STR_INIT("application/msword")},
		{STR_INIT("xls"), STR_INIT("application/vnd.ms-excel")},
		{STR_INIT("ppt"), STR_INIT("application/vnd.ms-powerpoint")},
		{STR_INIT("odt"), STR_INIT(OPEN "text")},
		{STR_INIT("ods"), STR_INIT(OPEN "spreadsheet")},
		{STR_INIT("odp"), STR_INIT(OPEN "presentation")},
		{STR_INIT("txt"), STR_INIT("text/plain")},
		{STR_INIT("csv"), STR_INIT("text/csv")},
		{STR_INIT("html"), STR_INIT("text/html")},
		{STR_INIT("ics"), STR_INIT("text/calendar")},
		{STR_INIT("zip"), STR_INIT("application/zip")},
		{STR_INIT("jpg"), STR_INIT("image/jpeg")},
		{STR_INIT("jpeg"), STR_INIT("image/jpeg")},
		{STR_INIT("png"), STR_INIT("image/png")},
		{STR_INIT("gif"), STR_INIT("image/gif")},
		{STR_INIT("webp"), STR_INIT("image/webp")},
		{STR_INIT("svg"), STR_INIT("image/svg+xml")},
		{STR_INIT("mp3"), STR_INIT("audio/mpeg")},
		{STR_INIT("m4a"), STR_INIT("audio/mp4")},
		{STR_INIT("ogg"), STR_INIT("audio/ogg")},
		{STR_INIT("wav"), STR_INIT("audio/wav")},
		{STR_INIT("mp4"), STR_INIT("video/mp4")},
		{STR_INIT("webm"), STR_INIT("video/webm")},
		{STR_INIT("mov"), STR_INIT("video/quicktime")},
	};
#undef OFFICE
#undef OPEN
	size_t dot = str_find_last_byte(file_name, '.');
	struct str end = dot != SIZE_MAX ? str_slice(file_name, dot + 1, file_name.n) : (struct str){0};
	for (size_t i = 0; i < COUNT_OF(types); i++) {
		if (str_equals_nocase(end, types[i].end)) {
			return types[i].type;
		}
	}
	return (struct str){0};
}

struct str media_type_clean(struct str content_type)
{
	struct str type = str_trim(content_type);
	if (type.n > MEDIA_TYPE_MAX_BYTES || str_find_byte(type, '/') == SIZE_MAX) {
		return (struct str){0};
	}
	for (size_t i = 0; i < type.n; i++) {
		if (type.p[i] < 0x20 || type.p[i] > 0x7E) {
			return (struct str){0};
		}
	}
	return type;
}

bool media_type_is_inline(struct str content_type)
{
	struct str essence;
	struct str parameters;
	(void)str_split(content_type, ';', &essence, &parameters);
	essence = str_trim(essence);
	for (size_t i = 0; i < COUNT_OF(inline_types); i++) {
		if (str_equals_nocase(essence, inline_types[i])) {
			return true;
		}
	}
	return false;
}

static bool is_plain(struct str text)
{
	for (size_t i = 0; i < text.n; i++) {
		if (text.p[i] < 0x20 || text.p[i] > 0x7E) {
			return false;
		}
	}
	return true;
}

static void add_quoted(struct buf *out, struct str text)
{
	buf_add_byte(out, '"');
	for (size_t i = 0; i < text.n; i++) {
		if (text.p[i] == '"' || text.p[i] == '\\') {
			buf_add_byte(out, '\\');
		}
		buf_add_byte(out, text.p[i]);
	}
	buf_add_byte(out, '"');
}

/* RFC 8187, attr-char. */
static bool is_attr_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
		str_find_byte(STR("!#$&+-.^_`|~"), c) != SIZE_MAX;
}

static void add_encoded(struct buf *out, struct str text)
{
	for (size_t i = 0; i < text.n; i++) {
		if (is_attr_char(text.p[i])) {
			buf_add_byte(out, text.p[i]);
		} else {
			buf_printf(out, "%%%02X", (unsigned)(unsigned char)text.p[i]);
		}
	}
}

struct str media_disposition(struct arena *arena, bool is_inline, struct str file_name)
{
	struct buf out CLEANUP(buf_fini);
	buf_init(&out, 4 * (size_t)MEDIA_NAME_MAX_BYTES + 64);
	buf_add(&out, is_inline ? STR("inline") : STR("attachment"));
	if (file_name.p != NULL && is_plain(file_name)) {
		buf_add_lit(&out, "; filename=");
		add_quoted(&out, file_name);
	} else if (file_name.p != NULL) {
		buf_add_lit(&out, "; filename*=utf-8''");
		add_encoded(&out, file_name);
	}
	return str_dup(arena, buf_str(&out));
}
