/*
 * Slack's mrkdwn looks like Markdown and is not: *bold*, ~struck~, <address|label>. What means something in Markdown only is made plain.
 */
#include "matrix/errcode.h"
#include "notices/notice_hook_forms.h"

enum { DEPTH_MAX = 8, INDENT_MAX = 3 /* four spaces would be code */ };

/* --- mrkdwn ---------------------------------------------------------------------------------------------------- */

/* A text on its way; marks that are open know where they close. */
struct mrkdwn {
	struct buf *out;
	struct str text;
	size_t at;
	size_t bold_end, struck_end, italic_end; /* 0: not open */
};

static bool is_word(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

static size_t find_from(struct str text, size_t from, struct str what)
{
	for (size_t i = from; i + what.n <= text.n; i++) {
		if (str_equals(str_slice(text, i, i + what.n), what)) {
			return i;
		}
	}
	return SIZE_MAX;
}

/* Where a mark that may open here closes, in the same line; SIZE_MAX: it is no mark. */
static size_t find_close(struct str text, size_t open)
{
	char mark = text.p[open];
	bool may_open = (open == 0 || !is_word(text.p[open - 1])) && open + 1 < text.n &&
		text.p[open + 1] != ' ' && text.p[open + 1] != mark;
	for (size_t i = open + 1; may_open && i < text.n && text.p[i] != '\n' && text.p[i] != '`';
		 i++) {
		if (text.p[i] == '<') {
			size_t end = str_find_byte(str_slice(text, i, text.n), '>');
			i = end != SIZE_MAX ? i + end : i;
		} else if (text.p[i] == mark && text.p[i - 1] != ' ' &&
			(i + 1 == text.n || !is_word(text.p[i + 1]))) {
			return i;
		}
	}
	return SIZE_MAX;
}

static void put_mark(struct mrkdwn *walk, size_t *end, struct str markdown)
{
	size_t close;
	if (*end != 0 && walk->at == *end) {
		buf_add(walk->out, markdown);
		*end = 0;
	} else if (*end == 0 && (close = find_close(walk->text, walk->at)) != SIZE_MAX) {
		buf_add(walk->out, markdown);
		*end = close;
	} else {
		hook_add_plain(walk->out, str_slice(walk->text, walk->at, walk->at + 1));
	}
	walk->at++;
}

/* The three characters that Slack has escaped. */
static struct str unescape(struct str text, size_t *at)
{
	static const struct {
		struct str from, to;
	} entities[] = {{STR_INIT("&amp;"), STR_INIT("&")}, {STR_INIT("&lt;"), STR_INIT("<")},
		{STR_INIT("&gt;"), STR_INIT(">")}};
	for (size_t i = 0; i < COUNT_OF(entities); i++) {
		if (str_starts_with(str_slice(text, *at, text.n), entities[i].from)) {
			*at += entities[i].from.n;
			return entities[i].to;
		}
	}
	*at += 1;
	return str_slice(text, *at - 1, *at);
}

static void unescape_all(struct buf *out, struct str text)
{
	for (size_t at = 0; at < text.n;) {
		buf_add(out, unescape(text, &at));
	}
}

static void put_code(struct mrkdwn *walk)
{
	struct str rest = str_slice(walk->text, walk->at, walk->text.n);
	bool is_block = str_starts_with(rest, STR("```"));
	struct str fence = is_block ? STR("```") : STR("`");
	size_t end = find_from(walk->text, walk->at + fence.n, fence);
	struct str code = end != SIZE_MAX ? str_slice(walk->text, walk->at + fence.n, end) : STR("");
	if (code.n == 0 || (!is_block && str_find_byte(code, '\n') != SIZE_MAX)) {
		hook_add_plain(walk->out, fence);
		walk->at += fence.n;
		return;
	}
	buf_add(walk->out, is_block ? STR("\n```\n") : fence);
	unescape_all(walk->out, is_block ? str_trim(code) : code);
	buf_add(walk->out, is_block ? STR("\n```\n") : fence);
	walk->at = end + fence.n;
}

/* "<https://x|label>", "<@U1|name>", "<#C1|name>", "<!here>", "<!date^1^…|otherwise>". */
static void put_angle(struct mrkdwn *walk)
{
	char plain[HOOK_LINE_MAX_BYTES * 10];
	struct str target;
	struct str label = STR("");
	size_t end = str_find_byte(str_slice(walk->text, walk->at, walk->text.n), '>');
	struct str inner =
		end != SIZE_MAX ? str_slice(walk->text, walk->at + 1, walk->at + end) : STR("");
	if (inner.n == 0 || inner.n > sizeof(plain) || str_find_byte(inner, '\n') != SIZE_MAX) {
		hook_add_plain(walk->out, STR("<"));
		walk->at++;
		return;
	}
	struct buf text CLEANUP(buf_fini) = {0};
	buf_init(&text, sizeof(plain));
	(void)str_split(inner, '|', &target, &label);
	unescape_all(&text, label);
	size_t label_n = buf_str(&text).n;
	unescape_all(&text, target);
	struct str both = buf_str(&text);
	struct str shown = str_slice(both, 0, label_n);
	struct str where = str_slice(both, label_n, both.n);
	char kind = where.n > 0 ? where.p[0] : '\0';
	if (kind == '@' || kind == '#' || kind == '!') {
		struct str sign = kind == '!' ? STR("@") : str_slice(where, 0, 1);
		bool is_date = str_starts_with(where, STR("!date"));
		hook_add_plain(walk->out, is_date ? STR("") : sign);
		hook_add_plain(walk->out, shown.n > 0 ? shown : str_slice(where, 1, where.n));
	} else {
		hook_add_link(walk->out, shown.n > 0 ? shown : where, where);
	}
	walk->at += end + 1;
}

/* What stands at the beginning of a line: lists and quotes mean the same in both, headings and rules are none. */
static void put_line_start(struct mrkdwn *walk)
{
	struct str rest = str_slice(walk->text, walk->at, walk->text.n);
	size_t spaces = 0;
	while (spaces < rest.n && (rest.p[spaces] == ' ' || rest.p[spaces] == '\t')) {
		spaces++;
	}
	for (size_t i = 0; i < MIN_OF(spaces, (size_t)INDENT_MAX); i++) {
		buf_add_byte(walk->out, ' ');
	}
	walk->at += spaces;
	rest = str_slice(rest, spaces, rest.n);
	if (str_starts_with(rest, STR("&gt;"))) {
		buf_add_lit(walk->out, ">");
		walk->at += STR("&gt;").n;
	} else if (str_starts_with(rest, STR("- ")) || str_starts_with(rest, STR(">"))) {
		buf_add_byte(walk->out, rest.p[0]);
		walk->at++;
	} else if (str_starts_with(rest, STR("-")) || str_starts_with(rest, STR("="))) {
		hook_add_plain(walk->out, str_slice(rest, 0, 1));
		walk->at++;
	}
}

static void put_one(struct mrkdwn *walk)
{
	char c = walk->text.p[walk->at];
	switch (c) {
	case '*':
		put_mark(walk, &walk->bold_end, STR("**"));
		break;
	case '~':
		put_mark(walk, &walk->struck_end, STR("~~"));
		break;
	case '_':
		put_mark(walk, &walk->italic_end, STR("_"));
		break;
	case '`':
		put_code(walk);
		break;
	case '<':
		put_angle(walk);
		break;
	default:
		hook_add_plain(walk->out, unescape(walk->text, &walk->at));
		if (c == '\n') {
			put_line_start(walk);
		}
	}
}

static void add_mrkdwn(struct buf *out, struct str text)
{
	struct mrkdwn walk = {.out = out, .text = str_trim(text)};
	put_line_start(&walk);
	while (walk.at < walk.text.n) {
		put_one(&walk);
	}
}

/* --- blocks ------------------------------------------------------------------------------------------------------ */

static void new_paragraph(struct buf *out)
{
	if (buf_str(out).n > 0) {
		buf_add_lit(out, "\n\n");
	}
}

/* {"type": "plain_text" | "mrkdwn", "text": …}, or the text alone. */
static void add_text_object(struct buf *out, const struct json *object)
{
	struct str text =
		json_is(object, JSON_STRING) ? json_text(object) : json_get_str(object, STR("text"));
	if (text.n > 0 && str_equals(json_get_str(object, STR("type")), STR("plain_text"))) {
		new_paragraph(out);
		hook_add_plain(out, text);
	} else if (text.n > 0) {
		new_paragraph(out);
		add_mrkdwn(out, text);
	}
}

static void add_array(struct buf *out, const struct json *array)
{
	for (size_t i = 0; json_is(array, JSON_ARRAY) && i < array->count; i++) {
		add_text_object(out, &array->items[i]);
	}
}

static bool is_type(const struct json *object, struct str type)
{
	return str_equals(json_get_str(object, STR("type")), type);
}

/* Leaves of rich text in a row; lists line by line. */
static void add_rich(struct buf *out, const struct json *element, int depth)
{
	const struct json *inner = json_at(element, "elements");
	bool is_list = is_type(element, STR("rich_text_list"));
	if (json_is(inner, JSON_ARRAY) && depth < DEPTH_MAX) {
		for (size_t i = 0; i < inner->count; i++) {
			buf_add(out, is_list ? STR("\n- ") : STR(""));
			add_rich(out, &inner->items[i], depth + 1);
		}
		buf_add(out, depth == 0 || is_list ? STR("") : STR("\n"));
	} else if (is_type(element, STR("link"))) {
		struct str url = json_get_str(element, STR("url"));
		struct str text = json_get_str(element, STR("text"));
		hook_add_link(out, text.n > 0 ? text : url, url);
	} else if (is_type(element, STR("emoji"))) {
		hook_add_plain(out, STR(":"));
		hook_add_plain(out, json_get_str(element, STR("name")));
		hook_add_plain(out, STR(":"));
	} else {
		hook_add_plain(out, json_get_str(element, STR("text")));
	}
}

static void add_blocks(struct buf *out, const struct json *blocks)
{
	for (size_t i = 0; json_is(blocks, JSON_ARRAY) && i < blocks->count; i++) {
		const struct json *block = &blocks->items[i];
		if (is_type(block, STR("rich_text"))) {
			new_paragraph(out);
			add_rich(out, block, 0);
			continue;
		}
		add_text_object(out, json_at(block, "text"));
		add_text_object(out, json_at(block, "title"));
		add_array(out, json_at(block, "fields"));
		if (is_type(block, STR("context"))) {
			add_array(out, json_at(block, "elements"));
		} else if (is_type(block, STR("image"))) {
			new_paragraph(out);
			hook_add_link(out, json_get_str(block, STR("alt_text")),
				json_get_str(block, STR("image_url")));
		}
	}
}

/* --- attachments --------------------------------------------------------------------------------------------------- */

static void add_fields(struct buf *out, const struct json *fields)
{
	for (size_t i = 0; json_is(fields, JSON_ARRAY) && i < fields->count; i++) {
		const struct json *field = &fields->items[i];
		struct str title = json_get_str(field, STR("title"));
		new_paragraph(out);
		if (title.n > 0) {
			hook_add_plain(out, title);
			buf_add_lit(out, ": ");
		}
		add_mrkdwn(out, json_get_str(field, STR("value")));
	}
}

static void add_attachment(struct buf *out, const struct json *attachment)
{
	size_t before = buf_str(out).n;
	struct str title = json_get_str(attachment, STR("title"));
	add_text_object(out, json_at(attachment, "pretext"));
	if (title.n > 0) {
		new_paragraph(out);
		hook_add_link(out, title, json_get_str(attachment, STR("title_link")));
	}
	add_text_object(out, json_at(attachment, "text"));
	add_fields(out, json_at(attachment, "fields"));
	add_blocks(out, json_at(attachment, "blocks"));
	if (buf_str(out).n == before) {
		add_text_object(out, json_at(attachment, "fallback"));
	}
}

enum err hook_form_slack(struct ctx *ctx, const struct json *payload, struct str *out)
{
	struct buf text CLEANUP(buf_fini) = {0};
	const struct json *attachments = json_at(payload, "attachments");
	buf_init(&text, HOOK_TEXT_MAX_BYTES);
	add_text_object(&text, json_at(payload, "text"));
	if (buf_str(&text).n == 0) {
		add_blocks(&text, json_at(payload, "blocks"));
	}
	for (size_t i = 0; json_is(attachments, JSON_ARRAY) && i < attachments->count; i++) {
		add_attachment(&text, &attachments->items[i]);
	}
	if (!buf_ok(&text)) {
		return fail(ctx, ERR_INPUT, M_TOO_LARGE, "The text is too large");
	}
	if (str_trim(buf_str(&text)).n == 0) {
		return fail(ctx, ERR_INPUT, M_MISSING_PARAM,
			"There is no text, neither in 'text' nor in 'blocks' or 'attachments'");
	}
	*out = str_dup(ctx->arena, buf_str(&text));
	return ERR_OK;
}
