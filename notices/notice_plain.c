/*
 * Control characters and spaces of all kinds are one space between words.
 */
#include "notices/notice_plain.h"

#include "base/buf.h"
#include "base/utf8.h"

struct str notice_plain_line(struct arena *arena, struct str text, size_t limit)
{
	struct buf line CLEANUP(buf_fini) = {0};
	size_t at = 0;
	bool wants_space = false;
	buf_init(&line, limit + 8);
	while (at < text.n && line.n < limit) {
		size_t start = at;
		uint32_t c = utf8_next(text, &at);
		bool is_space = c <= 0x20 || c == 0x7f || c == 0xa0 || c == 0x3000;
		if (is_space) {
			wants_space = line.n > 0;
			continue;
		}
		if (line.n + (wants_space ? 1 : 0) + (at - start) > limit) {
			buf_add_lit(&line, "…");
			break;
		}
		if (wants_space) {
			buf_add_byte(&line, ' ');
		}
		wants_space = false;
		buf_add(&line, str_slice(text, start, at));
	}
	return str_dup(arena, buf_str(&line));
}

struct str notice_plain_lines(struct arena *arena, struct str text, size_t limit)
{
	struct buf lines CLEANUP(buf_fini) = {0};
	buf_init(&lines, limit + 16);
	while (text.n > 0 && lines.n < limit) {
		struct str line;
		(void)str_split(text, '\n', &line, &text);
		line = notice_plain_line(arena, line, limit - lines.n);
		if (line.n > 0) {
			buf_add(&lines, lines.n > 0 ? STR("\n") : STR(""));
			buf_add(&lines, line);
		}
	}
	return str_dup(arena, buf_str(&lines));
}
