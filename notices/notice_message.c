/*
 * A client shows one text of an event, so a message carries all languages that are to be read, one below the other, with a line
 * between them.
 */
#include "notices/notice_message.h"

#include "base/buf.h"
#include "matrix/canonical.h"
#include "matrix/errcode.h"
#include "matrix/json_make.h"

/* --- languages --------------------------------------------------------------------------------------------- */

static bool is_alnum(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/* RFC 5646, 2.1.1: zh-Hant-TW. */
static void write_subtag(char *p, size_t n, bool is_first)
{
	for (size_t i = 0; i < n; i++) {
		bool is_upper = p[i] >= 'A' && p[i] <= 'Z';
		bool is_lower = p[i] >= 'a' && p[i] <= 'z';
		bool wants_upper = !is_first && (n == 2 || (n == 4 && i == 0));
		if (wants_upper && is_lower) {
			p[i] = (char)(p[i] - 'a' + 'A');
		} else if (!wants_upper && is_upper) {
			p[i] = (char)(p[i] - 'A' + 'a');
		}
	}
}

bool notice_lang_read(struct arena *arena, struct str tag, struct str *out)
{
	if (tag.n < 2 || tag.n > NOTICE_LANGUAGE_MAX_BYTES) {
		return false;
	}
	char *p = str_cstr(arena, tag);
	size_t start = 0;
	for (size_t i = 0; i <= tag.n; i++) {
		if (i < tag.n && p[i] != '-') {
			if (!is_alnum(p[i]) || (start == 0 && p[i] >= '0' && p[i] <= '9')) {
				return false;
			}
			continue;
		}
		if (i == start || i - start > 8 || (start == 0 && i < 2)) {
			return false;
		}
		write_subtag(p + start, i - start, start == 0);
		start = i + 1;
	}
	*out = str_from(p, tag.n);
	return true;
}

/* What the place says of the script. */
static struct str script_of(struct str lang)
{
	static const struct {
		struct str lang;
		struct str script;
	} known[] = {
		{STR_INIT("zh-Hant"), STR_INIT("zh-Hant")},
		{STR_INIT("zh-TW"), STR_INIT("zh-Hant")},
		{STR_INIT("zh-HK"), STR_INIT("zh-Hant")},
		{STR_INIT("zh-MO"), STR_INIT("zh-Hant")},
		{STR_INIT("zh-Hans"), STR_INIT("zh-Hans")},
		{STR_INIT("zh-CN"), STR_INIT("zh-Hans")},
		{STR_INIT("zh-SG"), STR_INIT("zh-Hans")},
	};
	for (size_t i = 0; i < COUNT_OF(known); i++) {
		bool is_it = str_equals(lang, known[i].lang) ||
			(str_starts_with(lang, known[i].lang) && lang.p[known[i].lang.n] == '-');
		if (is_it) {
			return known[i].script;
		}
	}
	return (struct str){0};
}

static struct str primary_of(struct str lang)
{
	struct str head;
	struct str tail;
	(void)str_split(lang, '-', &head, &tail);
	return head;
}

static size_t find_exact(const struct notice_text *texts, size_t count, struct str lang)
{
	for (size_t i = 0; i < count; i++) {
		if (str_equals(texts[i].lang, lang)) {
			return i;
		}
	}
	return SIZE_MAX;
}

/* @param part  the script, or the primary language, of a text's language */
static size_t find_by(const struct notice_text *texts, size_t count,
	struct str (*part)(struct str lang), struct str wanted)
{
	struct str wanted_part = part(wanted);
	for (size_t i = 0; wanted_part.n > 0 && i < count; i++) {
		if (str_equals(part(texts[i].lang), wanted_part)) {
			return i;
		}
	}
	return SIZE_MAX;
}

size_t notice_lang_find(const struct notice_text *texts, size_t count, struct str wanted)
{
	struct str lang = wanted;
	size_t found;
	while (lang.n > 0) {
		found = find_exact(texts, count, lang);
		if (found != SIZE_MAX) {
			return found;
		}
		size_t dash = str_find_last_byte(lang, '-');
		lang = dash == SIZE_MAX ? STR("") : str_slice(lang, 0, dash);
	}
	found = find_by(texts, count, script_of, wanted);
	return found != SIZE_MAX ? found : find_by(texts, count, primary_of, wanted);
}

/* --- a message ----------------------------------------------------------------------------------------------- */

/* Indices of the texts to be shown. @return how many, at least 1 */
static size_t choose(const struct notice_message *message, size_t out[NOTICE_LANGUAGES_MAX])
{
	bool is_taken[NOTICE_LANGUAGES_MAX] = {false};
	size_t n = 0;
	for (size_t i = 0; i < message->wanted_count; i++) {
		size_t found = notice_lang_find(message->texts, message->count, message->wanted[i]);
		if (found != SIZE_MAX && !is_taken[found]) {
			is_taken[found] = true;
			out[n++] = found;
		}
	}
	for (size_t i = 0; message->wanted_count == 0 && i < message->count; i++) {
		out[n++] = i;
	}
	if (n == 0) {
		out[n++] = 0;
	}
	return n;
}

static struct str late_note(struct arena *arena, struct str lang, struct str late_since)
{
	if (str_equals(primary_of(lang), STR("zh"))) {
		return str_printf(arena, "（延遲送達：原定 %.*s）", STR_ARG(late_since));
	}
	return str_printf(arena, "(Late: this was due %.*s.)", STR_ARG(late_since));
}

static enum err add_text(struct ctx *ctx, const struct notice_message *message,
	const struct notice_text *text, struct buf *plain, struct buf *html)
{
	struct notice_markup markup;
	TRY(notice_text_render(ctx, text->markdown, &markup));
	if (plain->n > 0) {
		buf_add_lit(plain, "\n\n———\n\n");
		buf_add_lit(html, "<hr>");
	}
	if (message->late_since.n > 0) {
		struct str note = late_note(ctx->arena, text->lang, message->late_since);
		buf_printf(plain, "%.*s\n\n", STR_ARG(note));
		buf_printf(html, "<p><em>%.*s</em></p>", STR_ARG(note));
	}
	buf_add(plain, markup.plain);
	buf_add(html, markup.html);
	return ERR_OK;
}

static void buf_pair_fini(struct buf (*pair)[2])
{
	buf_fini(&(*pair)[0]);
	buf_fini(&(*pair)[1]);
}

enum err notice_message_compose(struct ctx *ctx, const struct notice_message *message,
	struct json *out)
{
	struct buf texts[2] CLEANUP(buf_pair_fini) = {{0}};
	size_t chosen[NOTICE_LANGUAGES_MAX];
	invariant(message->count > 0 && message->count <= NOTICE_LANGUAGES_MAX);
	size_t n = choose(message, chosen);
	buf_init(&texts[0], NOTICE_MESSAGE_MAX_BYTES);
	buf_init(&texts[1], NOTICE_MESSAGE_MAX_BYTES);
	for (size_t i = 0; i < n; i++) {
		TRY(add_text(ctx, message, &message->texts[chosen[i]], &texts[0], &texts[1]));
	}
	struct json content = json_object(ctx->arena, 5);
	json_put(&content, STR("msgtype"), json_string(STR("m.text")));
	json_put(&content, STR("body"), json_string(str_dup(ctx->arena, buf_str(&texts[0]))));
	json_put(&content, STR("format"), json_string(STR("org.matrix.custom.html")));
	json_put(&content, STR("formatted_body"), json_string(str_dup(ctx->arena, buf_str(&texts[1]))));
	json_put(&content, STR("m.mentions"), json_object(ctx->arena, 1));
	if (!buf_ok(&texts[0]) || !buf_ok(&texts[1]) ||
		canonical_text(ctx->arena, &content).n > NOTICE_MESSAGE_MAX_BYTES) {
		return fail(ctx, ERR_INPUT, M_TOO_LARGE,
			"All languages together are too long for one message");
	}
	*out = content;
	return ERR_OK;
}
