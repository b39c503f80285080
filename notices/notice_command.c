/*
 * Words are taken one after the other from the front; what is left is the text.
 */
#include "notices/notice_command.h"

#include "base/utf8.h"
#include "base/vec.h"

static const struct {
	struct str word;
	enum notice_command_kind kind;
	bool is_chinese;
} words[] = {
	{STR_INIT("help"), NOTICE_COMMAND_HELP, false},
	{STR_INIT("send"), NOTICE_COMMAND_SEND, false},
	{STR_INIT("schedule"), NOTICE_COMMAND_SCHEDULE, false},
	{STR_INIT("list"), NOTICE_COMMAND_LIST, false},
	{STR_INIT("show"), NOTICE_COMMAND_SHOW, false},
	{STR_INIT("seen"), NOTICE_COMMAND_SEEN, false},
	{STR_INIT("remind"), NOTICE_COMMAND_REMIND, false},
	{STR_INIT("cancel"), NOTICE_COMMAND_CANCEL, false},
	{STR_INIT("說明"), NOTICE_COMMAND_HELP, true},
	{STR_INIT("幫助"), NOTICE_COMMAND_HELP, true},
	{STR_INIT("發送"), NOTICE_COMMAND_SEND, true},
	{STR_INIT("傳送"), NOTICE_COMMAND_SEND, true},
	{STR_INIT("排程"), NOTICE_COMMAND_SCHEDULE, true},
	{STR_INIT("列表"), NOTICE_COMMAND_LIST, true},
	{STR_INIT("清單"), NOTICE_COMMAND_LIST, true},
	{STR_INIT("顯示"), NOTICE_COMMAND_SHOW, true},
	{STR_INIT("查看"), NOTICE_COMMAND_SHOW, true},
	{STR_INIT("已讀"), NOTICE_COMMAND_SEEN, true},
	{STR_INIT("提醒"), NOTICE_COMMAND_REMIND, true},
	{STR_INIT("取消"), NOTICE_COMMAND_CANCEL, true},
};

/* --- words ---------------------------------------------------------------------------------------------------- */

static bool is_space(uint32_t c)
{
	return c <= 0x20 || c == 0xA0 || c == 0x3000;
}

static bool is_han(uint32_t c)
{
	return (c >= 0x3400 && c <= 0x9FFF) || (c >= 0x20000 && c <= 0x3FFFF);
}

static bool has_han(struct str text)
{
	size_t at = 0;
	while (at < text.n) {
		if (is_han(utf8_next(text, &at))) {
			return true;
		}
	}
	return false;
}

static struct str skip_spaces(struct str text)
{
	size_t at = 0;
	size_t before = 0;
	while (at < text.n) {
		before = at;
		if (!is_space(utf8_next(text, &at))) {
			return str_slice(text, before, text.n);
		}
	}
	return str_slice(text, text.n, text.n);
}

/* Up to the next space. */
static struct str next_word(struct str *rest)
{
	struct str text = skip_spaces(*rest);
	size_t at = 0;
	size_t before = 0;
	while (at < text.n) {
		before = at;
		if (is_space(utf8_next(text, &at))) {
			*rest = str_slice(text, before, text.n);
			return str_slice(text, 0, before);
		}
	}
	*rest = str_slice(text, text.n, text.n);
	return text;
}

/* Between commas of either script. */
static void read_targets(struct arena *arena, struct str word, struct notice_command *out)
{
	VEC(struct str) targets = {0};
	size_t at = 0;
	size_t start = 0;
	while (start < word.n && targets.n < NOTICE_COMMAND_TARGETS_MAX) {
		size_t end = at;
		uint32_t c = at < word.n ? utf8_next(word, &at) : ',';
		if (c == ',' || c == 0xFF0C || c == 0x3001) {
			struct str target = str_slice(word, start, end);
			if (target.n > 0) {
				VEC_PUSH(arena, &targets, target);
			}
			start = at > end ? at : word.n;
		}
	}
	out->targets = targets.p;
	out->target_count = targets.n;
}

static bool is_date(struct str word)
{
	for (size_t i = 0; i < word.n; i++) {
		if (word.p[i] != '-' && (word.p[i] < '0' || word.p[i] > '9')) {
			return false;
		}
	}
	return word.n > 0;
}

static bool is_time(struct str word)
{
	return word.n >= 4 && word.p[0] >= '0' && word.p[0] <= '9' &&
		str_find_byte(word, ':') != SIZE_MAX;
}

/* "2026-11-30T07:00", or its two halves with a space between. */
static struct str read_time(struct arena *arena, struct str *rest)
{
	struct str behind = *rest;
	struct str day = next_word(&behind);
	struct str both = day;
	if (is_date(day)) {
		struct str hour = next_word(&behind);
		if (!is_time(hour)) {
			return STR("");
		}
		both = str_printf(arena, "%.*sT%.*s", STR_ARG(day),
			STR_ARG(hour.n == 4 ? str_printf(arena, "0%.*s", STR_ARG(hour)) : hour));
	} else if (!is_time(day)) {
		return STR("");
	}
	*rest = behind;
	return both;
}

/* --- texts ------------------------------------------------------------------------------------------------------ */

/* Of a line such as "[zh-Hant]". */
static bool read_tag(struct arena *arena, struct str line, struct str *out)
{
	line = str_trim(line);
	return str_starts_with(line, STR("[")) && str_ends_with(line, STR("]")) &&
		notice_lang_read(arena, str_slice(line, 1, line.n - 1), out);
}

static bool read_texts(struct arena *arena, struct str text, struct notice_command *out)
{
	struct str rest = text;
	struct str line;
	struct str tag;
	out->texts = ARENA_NEW_ARRAY(arena, struct notice_text, NOTICE_LANGUAGES_MAX);
	(void)str_split(text, '\n', &line, &rest);
	if (!read_tag(arena, line, &tag)) {
		out->texts[0] = (struct notice_text){.lang = STR(""), .markdown = text};
		out->text_count = 1;
		return true;
	}
	rest = text;
	while (rest.n > 0) {
		struct str behind;
		(void)str_split(rest, '\n', &line, &behind);
		if (read_tag(arena, line, &tag)) {
			if (out->text_count == NOTICE_LANGUAGES_MAX) {
				return false;
			}
			out->texts[out->text_count++] =
				(struct notice_text){.lang = tag, .markdown = str_slice(behind, 0, 0)};
		} else {
			struct notice_text *current = &out->texts[out->text_count - 1];
			const char *start = current->markdown.n > 0 ? current->markdown.p : line.p;
			current->markdown = str_from(start, (size_t)(line.p + line.n - start));
		}
		rest = behind;
	}
	return true;
}

/* --- commands ----------------------------------------------------------------------------------------------------- */

static enum notice_command_lack read_post(struct arena *arena, struct str rest, bool is_scheduled,
	struct notice_command *out)
{
	read_targets(arena, next_word(&rest), out);
	if (out->target_count == 0) {
		return NOTICE_LACKS_TARGET;
	}
	if (is_scheduled) {
		out->time = read_time(arena, &rest);
		if (out->time.n == 0) {
			return NOTICE_LACKS_TIME;
		}
		struct str behind = rest;
		struct str rule = next_word(&behind);
		if (str_starts_with(rule, STR("FREQ="))) {
			out->rule = rule;
			rest = behind;
		}
	}
	rest = skip_spaces(rest);
	if (rest.n == 0) {
		return NOTICE_LACKS_TEXT;
	}
	return read_texts(arena, rest, out) ? NOTICE_LACKS_NOTHING : NOTICE_LACKS_LANGUAGE;
}

static enum notice_command_lack read_number(struct str rest, struct notice_command *out)
{
	struct str number = next_word(&rest);
	struct str level = next_word(&rest);
	number = str_starts_with(number, STR("#")) ? str_slice(number, 1, number.n) : number;
	out->is_confirmed =
		str_equals_nocase(level, STR("confirmed")) || str_equals(level, STR("確認"));
	return str_to_int(number, 1, INT64_MAX, &out->notice_id) ? NOTICE_LACKS_NOTHING
															 : NOTICE_LACKS_NUMBER;
}

static enum notice_command_lack read_rest(struct arena *arena, struct str rest,
	struct notice_command *out)
{
	switch (out->kind) {
	case NOTICE_COMMAND_NONE:
		return NOTICE_LACKS_COMMAND;
	case NOTICE_COMMAND_HELP:
	case NOTICE_COMMAND_LIST:
		return NOTICE_LACKS_NOTHING;
	case NOTICE_COMMAND_SEND:
	case NOTICE_COMMAND_SCHEDULE:
		return read_post(arena, rest, out->kind == NOTICE_COMMAND_SCHEDULE, out);
	case NOTICE_COMMAND_SHOW:
	case NOTICE_COMMAND_SEEN:
	case NOTICE_COMMAND_REMIND:
	case NOTICE_COMMAND_CANCEL:
		return read_number(rest, out);
	}
	return NOTICE_LACKS_COMMAND;
}

void notice_command_read(struct arena *arena, struct str body, struct notice_command *out)
{
	struct str rest = body;
	struct str word = next_word(&rest);
	word = str_starts_with(word, STR("!")) ? str_slice(word, 1, word.n) : word;
	*out = (struct notice_command){.is_chinese = has_han(body)};
	for (size_t i = 0; i < COUNT_OF(words); i++) {
		if (str_equals_nocase(word, words[i].word)) {
			out->kind = words[i].kind;
			out->is_chinese = words[i].is_chinese;
		}
	}
	out->lacks = read_rest(arena, rest, out);
	if (out->lacks != NOTICE_LACKS_NOTHING) {
		out->kind = NOTICE_COMMAND_NONE;
	}
}
