/*
 * cmark makes a tree, which is walked once for both texts. Nothing is filtered: each kind of node is written as the one tag
 * that it stands for, so what is not meant to be there cannot be.
 */
#include "notices/notice_text.h"

#include <cmark-gfm-core-extensions.h>
#include <cmark-gfm.h>

#include "base/buf.h"
#include "base/utf8.h"
#include "matrix/errcode.h"

enum {
	NESTING_MAX = 50,
	RENDERED_MAX_BYTES = 256 * 1024, /* both texts are measured again as parts of a message */
	MARKER_BYTES = 16,
};

/* A list item or a quote that is open, as the plain text shows it. */
struct indent {
	char marker[MARKER_BYTES]; /* of the first line: "- ", "12. "; of each line: "> " */
	size_t marker_n;
	bool is_quote;
	bool is_written;
};

struct walk {
	struct buf plain;
	struct buf html;
	struct indent indents[NESTING_MAX];
	size_t depth;
	int numbers[NESTING_MAX]; /* of the next item, for each list that is open */
	size_t lists;
	bool at_line_start;
	bool is_tight;   /* the next block of the plain text follows without an empty line */
	bool is_in_head; /* of a table */
	bool is_in_link;
	size_t hidden; /* open images, whose description was taken as a whole */
};

static void walk_fini(struct walk *walk)
{
	buf_fini(&walk->plain);
	buf_fini(&walk->html);
}

/* --- plain text ----------------------------------------------------------------------------------------- */

static void plain_indent(struct walk *walk)
{
	static const char spaces[MARKER_BYTES + 1] = "                ";
	for (size_t i = 0; i < walk->depth; i++) {
		struct indent *indent = &walk->indents[i];
		bool shows = indent->is_quote || !indent->is_written;
		buf_add(&walk->plain, str_from(shows ? indent->marker : spaces, indent->marker_n));
		indent->is_written = true;
	}
	walk->at_line_start = false;
}

static void plain_break(struct walk *walk)
{
	buf_add_byte(&walk->plain, '\n');
	walk->at_line_start = true;
}

static void plain_add(struct walk *walk, struct str text)
{
	while (text.n > 0) {
		struct str line;
		struct str rest;
		bool has_more = str_split(text, '\n', &line, &rest);
		if (walk->at_line_start) {
			plain_indent(walk);
		}
		buf_add(&walk->plain, line);
		if (has_more) {
			plain_break(walk);
		}
		text = rest;
	}
}

/* Before a paragraph and its like. */
static void plain_begin_block(struct walk *walk)
{
	if (walk->plain.n > 0) {
		if (!walk->at_line_start) {
			plain_break(walk);
		}
		if (!walk->is_tight) {
			plain_break(walk);
		}
	}
	walk->is_tight = false;
}

/* --- HTML ------------------------------------------------------------------------------------------------- */

static void html_escape(struct buf *html, struct str text)
{
	for (size_t i = 0; i < text.n; i++) {
		switch (text.p[i]) {
		case '&':
			buf_add_lit(html, "&amp;");
			break;
		case '<':
			buf_add_lit(html, "&lt;");
			break;
		case '>':
			buf_add_lit(html, "&gt;");
			break;
		case '"':
			buf_add_lit(html, "&quot;");
			break;
		default:
			buf_add_byte(html, text.p[i]);
		}
	}
}

static void tag(struct walk *walk, bool is_enter, const char *name)
{
	buf_printf(&walk->html, is_enter ? "<%s>" : "</%s>", name);
}

static bool is_safe_url(struct str url)
{
	static const struct str schemes[] = {STR_INIT("https://"), STR_INIT("http://"),
		STR_INIT("mailto:")};
	for (size_t i = 0; i < COUNT_OF(schemes); i++) {
		if (str_equals_nocase(str_slice(url, 0, schemes[i].n), schemes[i])) {
			return url.n > schemes[i].n;
		}
	}
	return false;
}

/* --- nodes ------------------------------------------------------------------------------------------------ */

static bool is_type(cmark_node *node, const char *name)
{
	return str_equals(str_of(cmark_node_get_type_string(node)), str_of(name));
}

static struct str literal_of(cmark_node *node)
{
	return str_of(cmark_node_get_literal(node));
}

static void write_text(struct walk *walk, struct str text)
{
	if (walk->hidden == 0) {
		plain_add(walk, text);
		html_escape(&walk->html, text);
	}
}

static void write_line_end(struct walk *walk)
{
	if (walk->hidden == 0) {
		plain_break(walk);
		buf_add_lit(&walk->html, "<br>");
	}
}

static void write_code(struct walk *walk, struct str text)
{
	buf_add_lit(&walk->html, "<code>");
	write_text(walk, text);
	buf_add_lit(&walk->html, "</code>");
}

static bool is_language_word(struct str word)
{
	for (size_t i = 0; i < word.n; i++) {
		char c = word.p[i];
		bool is_good = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
			c == '-' || c == '+' || c == '_';
		if (!is_good) {
			return false;
		}
	}
	return word.n > 0;
}

static void write_code_block(struct walk *walk, cmark_node *node)
{
	struct str word;
	struct str rest;
	struct str text = literal_of(node);
	(void)str_split(str_of(cmark_node_get_fence_info(node)), ' ', &word, &rest);
	plain_begin_block(walk);
	buf_add_lit(&walk->html, "<pre><code");
	if (is_language_word(word)) {
		buf_printf(&walk->html, " class=\"language-%.*s\"", STR_ARG(word));
	}
	buf_add_lit(&walk->html, ">");
	html_escape(&walk->html, text);
	buf_add_lit(&walk->html, "</code></pre>");
	plain_add(walk, str_ends_with(text, STR("\n")) ? str_slice(text, 0, text.n - 1) : text);
}

static void write_html_block(struct walk *walk, cmark_node *node)
{
	plain_begin_block(walk);
	buf_add_lit(&walk->html, "<p>");
	write_text(walk, str_trim(literal_of(node)));
	buf_add_lit(&walk->html, "</p>");
}

/* The text of a link is often the address itself. */
static bool says_its_url(cmark_node *link, struct str url)
{
	cmark_node *child = cmark_node_first_child(link);
	struct str text = child != NULL ? literal_of(child) : STR("");
	struct str rest = str_starts_with(url, STR("mailto:")) ? str_slice(url, 7, url.n) : url;
	return child != NULL && cmark_node_next(child) == NULL &&
		(str_equals(text, url) || str_equals(text, rest));
}

static void write_link(struct walk *walk, cmark_node *node, bool is_enter)
{
	struct str url = str_of(cmark_node_get_url(node));
	if (walk->hidden > 0 || !is_safe_url(url)) {
		return;
	}
	walk->is_in_link = is_enter;
	if (is_enter) {
		buf_add_lit(&walk->html, "<a href=\"");
		html_escape(&walk->html, url);
		buf_add_lit(&walk->html, "\">");
		return;
	}
	buf_add_lit(&walk->html, "</a>");
	if (!says_its_url(node, url)) {
		plain_add(walk, STR(" ("));
		plain_add(walk, url);
		plain_add(walk, STR(")"));
	}
}

/* The description of an image, without markup. */
static void add_description(struct buf *text, cmark_node *image)
{
	cmark_iter *iter = cmark_iter_new(image);
	while (cmark_iter_next(iter) != CMARK_EVENT_DONE) {
		cmark_node *node = cmark_iter_get_node(iter);
		if (cmark_node_get_type(node) == CMARK_NODE_TEXT) {
			buf_add(text, literal_of(node));
		}
	}
	cmark_iter_free(iter);
}

static void write_image(struct walk *walk, cmark_node *node, bool is_enter)
{
	if (!is_enter) {
		walk->hidden--;
		return;
	}
	if (walk->hidden++ > 0) {
		return;
	}
	struct buf description CLEANUP(buf_fini) = {0};
	struct str url = str_of(cmark_node_get_url(node));
	buf_init(&description, NOTICE_TEXT_MAX_BYTES);
	add_description(&description, node);
	struct str text = description.n > 0 ? buf_str(&description) : url;
	bool is_ours = str_starts_with(url, STR("mxc://"));
	bool is_link = !is_ours && !walk->is_in_link && is_safe_url(url);
	if (is_ours || is_link) {
		buf_add(&walk->html, is_ours ? STR("<img src=\"") : STR("<a href=\""));
		html_escape(&walk->html, url);
		buf_add(&walk->html, is_ours ? STR("\" alt=\"") : STR("\">"));
	}
	html_escape(&walk->html, text);
	if (is_ours || is_link) {
		buf_add(&walk->html, is_ours ? STR("\">") : STR("</a>"));
	}
	plain_add(walk, text);
}

static bool is_list_tight(cmark_node *list)
{
	return list != NULL && cmark_node_get_type(list) == CMARK_NODE_LIST &&
		cmark_node_get_list_tight(list);
}

static void write_paragraph(struct walk *walk, cmark_node *node, bool is_enter)
{
	bool is_tight = is_list_tight(cmark_node_parent(cmark_node_parent(node)));
	if (is_enter) {
		walk->is_tight = walk->is_tight || is_tight;
		plain_begin_block(walk);
	}
	if (!is_tight) {
		tag(walk, is_enter, "p");
	}
}

static void write_heading(struct walk *walk, cmark_node *node, bool is_enter)
{
	if (is_enter) {
		plain_begin_block(walk);
	}
	buf_printf(&walk->html, is_enter ? "<h%d>" : "</h%d>", cmark_node_get_heading_level(node));
}

static void write_list(struct walk *walk, cmark_node *node, bool is_enter)
{
	bool is_ordered = cmark_node_get_list_type(node) == CMARK_ORDERED_LIST;
	int start = cmark_node_get_list_start(node);
	if (is_enter) {
		walk->numbers[walk->lists++] = start;
	} else {
		walk->lists--;
	}
	if (is_enter && is_ordered && start != 1) {
		buf_printf(&walk->html, "<ol start=\"%d\">", start);
	} else {
		tag(walk, is_enter, is_ordered ? "ol" : "ul");
	}
}

static void open_indent(struct walk *walk, struct str marker, bool is_quote)
{
	struct indent *indent = &walk->indents[walk->depth++];
	*indent = (struct indent){.is_quote = is_quote};
	for (size_t i = 0; i < marker.n && i < sizeof(indent->marker); i++) {
		indent->marker[indent->marker_n++] = marker.p[i];
	}
}

static void write_item(struct walk *walk, cmark_node *node, bool is_enter)
{
	cmark_node *list = cmark_node_parent(node);
	tag(walk, is_enter, "li");
	if (!is_enter) {
		if (!walk->indents[walk->depth - 1].is_written) {
			walk->is_tight = true; /* an item with nothing in it is a line all the same */
			plain_begin_block(walk);
			plain_indent(walk);
		}
		walk->depth--;
		return;
	}
	char marker[MARKER_BYTES];
	struct buf text CLEANUP(buf_fini) = {0};
	buf_init(&text, sizeof(marker));
	if (cmark_node_get_list_type(list) == CMARK_ORDERED_LIST) {
		buf_printf(&text, "%d. ", walk->numbers[walk->lists - 1]++);
	} else {
		buf_add_lit(&text, "- ");
	}
	walk->is_tight = is_list_tight(list);
	open_indent(walk, buf_str(&text), false);
}

static void write_quote(struct walk *walk, bool is_enter)
{
	tag(walk, is_enter, "blockquote");
	if (is_enter) {
		open_indent(walk, STR("> "), true);
	} else {
		walk->depth--;
	}
}

static void write_rule(struct walk *walk)
{
	plain_begin_block(walk);
	plain_add(walk, STR("———"));
	buf_add_lit(&walk->html, "<hr>");
}

/* --- tables and strikethrough, which the library knows by name only ---------------------------------------- */

static void write_row(struct walk *walk, cmark_node *node, bool is_enter)
{
	bool is_head = cmark_gfm_extensions_get_table_row_is_header(node) != 0;
	bool is_first = cmark_node_previous(node) == NULL;
	bool follows_head =
		!is_first && cmark_gfm_extensions_get_table_row_is_header(cmark_node_previous(node)) != 0;
	if (is_enter) {
		walk->is_tight = !is_first;
		plain_begin_block(walk);
		walk->is_in_head = is_head;
		buf_add(&walk->html, is_head ? STR("<thead>") : follows_head ? STR("<tbody>") : STR(""));
	}
	tag(walk, is_enter, "tr");
	if (!is_enter) {
		buf_add(&walk->html,
			is_head                             ? STR("</thead>")
				: cmark_node_next(node) == NULL ? STR("</tbody>")
												: STR(""));
	}
}

static void write_extended(struct walk *walk, cmark_node *node, bool is_enter)
{
	if (is_type(node, "table")) {
		tag(walk, is_enter, "table");
	} else if (is_type(node, "table_row") || is_type(node, "table_header")) {
		write_row(walk, node, is_enter);
	} else if (is_type(node, "table_cell")) {
		if (is_enter && cmark_node_previous(node) != NULL) {
			plain_add(walk, STR(" | "));
		}
		tag(walk, is_enter, walk->is_in_head ? "th" : "td");
	} else if (is_type(node, "strikethrough") && walk->hidden == 0) {
		tag(walk, is_enter, "del");
		plain_add(walk, STR("~~"));
	}
}

static bool write_inline(struct walk *walk, cmark_node *node, bool is_enter)
{
	cmark_node_type type = cmark_node_get_type(node);
	if (type == CMARK_NODE_TEXT || type == CMARK_NODE_HTML_INLINE) {
		write_text(walk, literal_of(node));
	} else if (type == CMARK_NODE_SOFTBREAK || type == CMARK_NODE_LINEBREAK) {
		write_line_end(walk);
	} else if (type == CMARK_NODE_CODE && walk->hidden == 0) {
		write_code(walk, literal_of(node));
	} else if (type == CMARK_NODE_EMPH || type == CMARK_NODE_STRONG) {
		if (walk->hidden == 0) {
			tag(walk, is_enter, type == CMARK_NODE_EMPH ? "em" : "strong");
		}
	} else if (type == CMARK_NODE_LINK) {
		write_link(walk, node, is_enter);
	} else if (type == CMARK_NODE_IMAGE) {
		write_image(walk, node, is_enter);
	} else {
		return false;
	}
	return true;
}

static void write_node(struct walk *walk, cmark_node *node, bool is_enter)
{
	cmark_node_type type = cmark_node_get_type(node);
	if (write_inline(walk, node, is_enter)) {
		return;
	}
	if (type == CMARK_NODE_PARAGRAPH) {
		write_paragraph(walk, node, is_enter);
	} else if (type == CMARK_NODE_HEADING) {
		write_heading(walk, node, is_enter);
	} else if (type == CMARK_NODE_LIST) {
		write_list(walk, node, is_enter);
	} else if (type == CMARK_NODE_ITEM) {
		write_item(walk, node, is_enter);
	} else if (type == CMARK_NODE_BLOCK_QUOTE) {
		write_quote(walk, is_enter);
	} else if (type == CMARK_NODE_CODE_BLOCK) {
		write_code_block(walk, node);
	} else if (type == CMARK_NODE_HTML_BLOCK) {
		write_html_block(walk, node);
	} else if (type == CMARK_NODE_THEMATIC_BREAK) {
		write_rule(walk);
	} else if (type != CMARK_NODE_DOCUMENT) {
		write_extended(walk, node, is_enter);
	}
}

/* --- a whole text ------------------------------------------------------------------------------------------ */

static enum err walk_document(struct ctx *ctx, struct walk *walk, cmark_node *document)
{
	cmark_iter *iter = cmark_iter_new(document);
	size_t depth = 0;
	cmark_event_type event;
	while (depth <= NESTING_MAX && (event = cmark_iter_next(iter)) != CMARK_EVENT_DONE) {
		cmark_node *node = cmark_iter_get_node(iter);
		bool is_enter = event == CMARK_EVENT_ENTER;
		bool has_inside = cmark_node_first_child(node) != NULL;
		depth = is_enter && has_inside ? depth + 1 : depth;
		if (depth <= NESTING_MAX) {
			write_node(walk, node, is_enter);
		}
		depth = !is_enter && has_inside ? depth - 1 : depth;
	}
	cmark_iter_free(iter);
	if (depth > NESTING_MAX) {
		return fail(ctx, ERR_INPUT, M_BAD_JSON,
			"The text is nested more than %d deep (lists, quotes, emphasis)", (int)NESTING_MAX);
	}
	return ERR_OK;
}

void notice_text_start(void)
{
	cmark_gfm_core_extensions_ensure_registered();
}

static cmark_node *parse(struct str markdown)
{
	static const char *const extensions[] = {"table", "strikethrough"};
	cmark_parser *parser = cmark_parser_new(CMARK_OPT_STRIKETHROUGH_DOUBLE_TILDE);
	for (size_t i = 0; i < COUNT_OF(extensions); i++) {
		cmark_syntax_extension *extension = cmark_find_syntax_extension(extensions[i]);
		invariant(extension != NULL);
		(void)cmark_parser_attach_syntax_extension(parser, extension);
	}
	cmark_parser_feed(parser, markdown.p, markdown.n);
	cmark_node *document = cmark_parser_finish(parser);
	cmark_parser_free(parser);
	return document;
}

static bool has_control(struct str text)
{
	for (size_t i = 0; i < text.n; i++) {
		unsigned char c = (unsigned char)text.p[i];
		if ((c < 0x20 && c != '\n' && c != '\t' && c != '\r') || c == 0x7f) {
			return true;
		}
	}
	return false;
}

enum err notice_text_render(struct ctx *ctx, struct str markdown, struct notice_markup *out)
{
	struct walk walk CLEANUP(walk_fini) = {.at_line_start = true};
	if (markdown.n > NOTICE_TEXT_MAX_BYTES) {
		return fail(ctx, ERR_INPUT, M_TOO_LARGE, "The text has more than %d bytes",
			(int)NOTICE_TEXT_MAX_BYTES);
	}
	if (!utf8_is_valid(markdown) || has_control(markdown)) {
		return fail(ctx, ERR_INPUT, M_BAD_JSON,
			"The text is not UTF-8, or has control characters in it");
	}
	buf_init(&walk.plain, RENDERED_MAX_BYTES);
	buf_init(&walk.html, RENDERED_MAX_BYTES);
	cmark_node *document = parse(markdown);
	enum err err = walk_document(ctx, &walk, document);
	cmark_node_free(document);
	TRY(err);
	struct str plain = str_trim(buf_str(&walk.plain));
	if (plain.n == 0) {
		return fail(ctx, ERR_INPUT, M_BAD_JSON, "The text is empty");
	}
	if (!buf_ok(&walk.plain) || !buf_ok(&walk.html)) {
		return fail(ctx, ERR_INPUT, M_TOO_LARGE, "The text becomes too long");
	}
	*out = (struct notice_markup){
		.plain = str_dup(ctx->arena, plain),
		.html = str_dup(ctx->arena, buf_str(&walk.html)),
	};
	return ERR_OK;
}
