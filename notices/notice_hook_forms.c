/*
 * Every mark of ASCII may stand behind a backslash in CommonMark, so none needs to be judged.
 */
#include "notices/notice_hook_forms.h"

static bool is_mark(char c)
{
	return (c >= '!' && c <= '/') || (c >= ':' && c <= '@') || (c >= '[' && c <= '`') ||
		(c >= '{' && c <= '~');
}

void hook_add_plain(struct buf *out, struct str text)
{
	for (size_t i = 0; i < text.n; i++) {
		if (is_mark(text.p[i])) {
			buf_add_byte(out, '\\');
		}
		buf_add_byte(out, text.p[i]);
	}
}

static bool is_address(struct str text)
{
	for (size_t i = 0; i < text.n; i++) {
		char c = text.p[i];
		if ((unsigned char)c <= ' ' || c == '<' || c == '>' || c == '\\') {
			return false;
		}
	}
	return str_starts_with(text, STR("https://")) || str_starts_with(text, STR("http://"));
}

void hook_add_link(struct buf *out, struct str label, struct str address)
{
	if (!is_address(address)) {
		hook_add_plain(out, label);
		return;
	}
	buf_add_lit(out, "[");
	hook_add_plain(out, label.n > 0 ? label : address);
	buf_add_lit(out, "](<");
	buf_add(out, address);
	buf_add_lit(out, ">)");
}
