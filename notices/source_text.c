/*
 * Others' texts are no Markdown: each sign that could be one is escaped.
 */
#include "notices/source_text.h"

#include "base/buf.h"
#include "notices/notice_message.h"
#include "notices/notice_plain.h"

enum { SUMMARY_BYTES = 1200, TEXT_BYTES = 14000 };

static void add_escaped(struct buf *out, struct str text)
{
	static const char signs[] = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~";
	for (size_t i = 0; i < text.n; i++) {
		if (str_find_byte(str_of(signs), text.p[i]) != SIZE_MAX) {
			buf_add_byte(out, '\\');
		}
		buf_add_byte(out, text.p[i]);
	}
}

/* For between < and >. */
static void add_url(struct buf *out, struct str url)
{
	for (size_t i = 0; i < url.n; i++) {
		unsigned char c = (unsigned char)url.p[i];
		if (c <= ' ' || c == '<' || c == '>' || c == '\\') {
			buf_printf(out, "%%%02X", c);
		} else {
			buf_add_byte(out, (char)c);
		}
	}
}

static void add_paragraph(struct arena *arena, struct buf *out, struct str text)
{
	if (text.n > 0) {
		buf_add_lit(out, "\n\n");
		add_escaped(out, notice_plain_lines(arena, text, SUMMARY_BYTES));
	}
}

struct str source_text_of_item(struct arena *arena, const struct feed_item *item)
{
	struct buf out CLEANUP(buf_fini) = {0};
	struct str first;
	struct str rest = item->summary;
	struct str title = item->title;
	buf_init(&out, TEXT_BYTES);
	if (title.n == 0) {
		(void)str_split(item->summary, '\n', &first, &rest);
		title = notice_plain_line(arena, first, FEED_TITLE_MAX_BYTES);
	}
	buf_add_lit(&out, "**");
	if (item->link.n > 0) {
		buf_add_lit(&out, "[");
		add_escaped(&out, title);
		buf_add_lit(&out, "](<");
		add_url(&out, item->link);
		buf_add_lit(&out, ">)");
	} else {
		add_escaped(&out, title);
	}
	buf_add_lit(&out, "**");
	add_paragraph(arena, &out, rest);
	return str_dup(arena, buf_str(&out));
}

/* --- events ------------------------------------------------------------------------------------------------------- */

/* Our words, by language; the last row stands for all others. */
static const struct {
	struct str language;
	struct str changed, cancelled;
	struct str days; /* of the week, seven pieces between commas */
	struct str untitled;
} words[] = {
	{STR_INIT("zh-Hant"), STR_INIT("異動："), STR_INIT("取消："), STR_INIT("日,一,二,三,四,五,六"),
		STR_INIT("活動")},
	{STR_INIT("zh-Hans"), STR_INIT("变更："), STR_INIT("取消："), STR_INIT("日,一,二,三,四,五,六"),
		STR_INIT("活动")},
	{STR_INIT("en"), STR_INIT("Changed: "), STR_INIT("Cancelled: "),
		STR_INIT("Sun,Mon,Tue,Wed,Thu,Fri,Sat"), STR_INIT("Event")},
	{STR_INIT(""), STR_INIT("異動 · Changed: "), STR_INIT("取消 · Cancelled: "),
		STR_INIT("日 Sun,一 Mon,二 Tue,三 Wed,四 Thu,五 Fri,六 Sat"), STR_INIT("活動 · Event")},
};

static size_t find_words(struct str language)
{
	struct notice_text known[COUNT_OF(words) - 1];
	for (size_t i = 0; i < COUNT_OF(known); i++) {
		known[i] = (struct notice_text){.lang = words[i].language};
	}
	return MIN_OF(notice_lang_find(known, COUNT_OF(known), language), COUNT_OF(words) - 1);
}

/* 0: Sunday. Zeller's congruence. */
static int weekday_of(const struct wall_time *wall)
{
	int month = wall->month < 3 ? wall->month + 12 : wall->month;
	int year = wall->month < 3 ? wall->year - 1 : wall->year;
	return (wall->day + 13 * (month + 1) / 5 + year + year / 4 - year / 100 + year / 400 + 6) % 7;
}

static void add_day(struct buf *out, const struct wall_time *wall, struct str days)
{
	struct str day = STR("");
	for (int i = 0; i <= weekday_of(wall); i++) {
		(void)str_split(days, ',', &day, &days);
	}
	buf_printf(out, "%04d-%02d-%02d (%.*s)", wall->year, wall->month, wall->day, STR_ARG(day));
}

static bool is_one_day(const struct calendar_item *item)
{
	return item->start.year == item->end.year && item->start.month == item->end.month &&
		item->start.day == item->end.day;
}

/* "2026-11-30 (Mon) 07:00–08:00", "2026-11-30 (Mon) – 2026-12-01 (Tue)" */
static void add_when(struct buf *out, const struct calendar_item *item, struct str days)
{
	const struct wall_time *start = &item->start;
	const struct wall_time *end = &item->end;
	add_day(out, start, days);
	if (!item->is_days) {
		buf_printf(out, " %02d:%02d", start->hour, start->minute);
	}
	if (!is_one_day(item)) {
		buf_add_lit(out, " – ");
		add_day(out, end, days);
	}
	if (!item->is_days && wall_time_compare(start, end) != 0) {
		buf_printf(out, "%s%02d:%02d", is_one_day(item) ? "–" : " ", end->hour, end->minute);
	}
}

struct str source_text_of_event(struct arena *arena, const struct calendar_item *item,
	enum source_news news, struct str language)
{
	struct buf out CLEANUP(buf_fini) = {0};
	size_t ours = find_words(language);
	buf_init(&out, TEXT_BYTES);
	buf_add_lit(&out, "**");
	if (news != SOURCE_NEW) {
		buf_add(&out, news == SOURCE_CHANGED ? words[ours].changed : words[ours].cancelled);
	}
	add_escaped(&out, item->title.n > 0 ? item->title : words[ours].untitled);
	buf_add_lit(&out, "**\n");
	add_when(&out, item, words[ours].days);
	if (item->location.n > 0) {
		buf_add_lit(&out, " · ");
		add_escaped(&out, item->location);
	}
	if (news != SOURCE_CANCELLED) {
		add_paragraph(arena, &out, item->text);
	}
	return str_dup(arena, buf_str(&out));
}
