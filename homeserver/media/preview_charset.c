/*
 * Browsers read some labels as larger sets than they name (WHATWG Encoding); so are they read here.
 */
#include "homeserver/media/preview_charset.h"

#include <errno.h>
#include <iconv.h>

#include "base/buf.h"
#include "base/utf8.h"

enum { LOOK_BYTES = 1024, LONGEST_CHARACTER = 4 };

static const struct {
	const char *label;
	const char *charset; /* for iconv; NULL: UTF-8 */
} labels[] = {
	{"utf-8", NULL},
	{"utf8", NULL},
	{"big5", "BIG5-HKSCS"},
	{"big5-hkscs", "BIG5-HKSCS"},
	{"cn-big5", "BIG5-HKSCS"},
	{"x-x-big5", "BIG5-HKSCS"},
	{"cp950", "CP950"},
	{"gb2312", "GB18030"},
	{"gbk", "GB18030"},
	{"gb18030", "GB18030"},
	{"shift_jis", "CP932"},
	{"sjis", "CP932"},
	{"euc-jp", "EUC-JP"},
	{"iso-2022-jp", "ISO-2022-JP"},
	{"euc-kr", "CP949"},
	{"ks_c_5601-1987", "CP949"},
	{"iso-8859-1", "CP1252"},
	{"latin1", "CP1252"},
	{"us-ascii", "CP1252"},
	{"windows-1252", "CP1252"},
	{"iso-8859-2", "ISO-8859-2"},
	{"windows-1250", "CP1250"},
	{"windows-1251", "CP1251"},
	{"koi8-r", "KOI8-R"},
	{"iso-8859-15", "ISO-8859-15"},
	{"utf-16", "UTF-16LE"},
	{"utf-16le", "UTF-16LE"},
	{"utf-16be", "UTF-16BE"},
};

static bool find_label(struct str label, const char **out)
{
	for (size_t i = 0; i < COUNT_OF(labels); i++) {
		if (str_equals_nocase(label, str_of(labels[i].label))) {
			*out = labels[i].charset;
			return true;
		}
	}
	return false;
}

/* The word behind the first "charset=", with or without quotes. */
static bool find_charset(struct arena *arena, struct str text, const char **out)
{
	struct str lower = str_lower(arena, text);
	const struct str key = STR("charset=");
	for (size_t i = 0; i + key.n <= lower.n; i++) {
		if (!str_equals(str_slice(lower, i, i + key.n), key)) {
			continue;
		}
		size_t at = i + key.n;
		while (at < lower.n && str_find_byte(STR("\"' "), lower.p[at]) != SIZE_MAX) {
			at++;
		}
		size_t end = at;
		while (end < lower.n && str_find_byte(STR("\"' ;/>\t\r\n"), lower.p[end]) == SIZE_MAX) {
			end++;
		}
		if (find_label(str_slice(lower, at, end), out)) {
			return true;
		}
	}
	return false;
}

/* Anything into valid UTF-8, byte by byte where it is none. */
static struct str repair(struct arena *arena, struct str text)
{
	struct buf out CLEANUP(buf_fini);
	buf_init(&out, 3 * text.n + LONGEST_CHARACTER);
	size_t at = 0;
	while (at < text.n) {
		char bytes[LONGEST_CHARACTER];
		size_t n = utf8_encode(utf8_next(text, &at), bytes);
		buf_add(&out, str_from(bytes, n));
	}
	return str_dup(arena, buf_str(&out));
}

static struct str convert(struct arena *arena, struct str page, const char *charset)
{
	iconv_t converter = iconv_open("UTF-8", charset);
	if (converter == (iconv_t)-1) {
		return repair(arena, page);
	}
	size_t room = 4 * page.n + LONGEST_CHARACTER;
	char *out = arena_alloc(arena, room);
	char *to = out;
	char *from = (char *)(uintptr_t)page.p; /* iconv does not write to it */
	size_t left = page.n;
	while (left > 0 && iconv(converter, &from, &left, &to, &room) == (size_t)-1 &&
		errno == EILSEQ && room >= LONGEST_CHARACTER) {
		size_t n = utf8_encode(0xFFFD, to);
		to += n;
		room -= n;
		from++;
		left--;
	}
	(void)iconv_close(converter);
	return repair(arena, str_from(out, (size_t)(to - out)));
}

/* UTF-8 but for a character that the end cut off. */
static bool is_utf8(struct str page)
{
	for (size_t cut = 0; cut < LONGEST_CHARACTER && cut <= page.n; cut++) {
		if (utf8_is_valid(str_slice(page, 0, page.n - cut))) {
			return true;
		}
	}
	return false;
}

struct str preview_to_utf8(struct arena *arena, struct str page, struct str content_type)
{
	const char *charset = NULL;
	if (find_charset(arena, content_type, &charset)) {
		return charset != NULL ? convert(arena, page, charset) : repair(arena, page);
	}
	if (str_starts_with(page, STR("\xEF\xBB\xBF"))) {
		return repair(arena, str_slice(page, 3, page.n));
	}
	if (str_starts_with(page, STR("\xFF\xFE"))) {
		return convert(arena, str_slice(page, 2, page.n), "UTF-16LE");
	}
	if (str_starts_with(page, STR("\xFE\xFF"))) {
		return convert(arena, str_slice(page, 2, page.n), "UTF-16BE");
	}
	bool is_named = find_charset(arena, str_slice(page, 0, LOOK_BYTES), &charset);
	bool is_plain = is_named ? charset == NULL : is_utf8(page);
	return is_plain ? repair(arena, page) : convert(arena, page, is_named ? charset : "CP1252");
}
