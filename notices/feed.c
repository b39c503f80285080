/*
 * A feed is read as events; at each moment at most one field is being taken. Namespaces matter, since feeds have titles and links of
 * pictures and podcasts too.
 */
#include "notices/feed.h"

#include <libxml/HTMLparser.h>
#include <libxml/parser.h>

#include "base/buf.h"
#include "base/utf8.h"
#include "base/vec.h"
#include "gen/late_xml.h"
#include "matrix/errcode.h"
#include "notices/notice_plain.h"

enum {
	PIECE_BYTES = 64 * 1024,
	FIELD_MAX_BYTES = 256 * 1024, /* what lies beyond is left out, before it is made shorter */
	DEPTH_MAX = 100,
};

enum kind { KIND_UNKNOWN, KIND_RSS, KIND_RDF, KIND_ATOM };

enum field {
	FIELD_NONE,
	FIELD_ID,
	FIELD_TITLE,
	FIELD_LINK,
	FIELD_SUMMARY,
	FIELD_CONTENT,
	FIELD_PUBLISHED,
	FIELD_UPDATED,
	FIELD_COUNT
};

/* A namespace's names of the fields. */
enum space { SPACE_OTHER, SPACE_PLAIN, SPACE_ATOM, SPACE_DC, SPACE_CONTENT };

static const struct {
	enum space space;
	struct str name;
	enum field field;
} fields[] = {
	{SPACE_PLAIN, STR_INIT("title"), FIELD_TITLE},
	{SPACE_PLAIN, STR_INIT("link"), FIELD_LINK},
	{SPACE_PLAIN, STR_INIT("guid"), FIELD_ID},
	{SPACE_PLAIN, STR_INIT("description"), FIELD_SUMMARY},
	{SPACE_PLAIN, STR_INIT("pubDate"), FIELD_PUBLISHED},
	{SPACE_CONTENT, STR_INIT("encoded"), FIELD_CONTENT},
	{SPACE_DC, STR_INIT("date"), FIELD_PUBLISHED},
	{SPACE_ATOM, STR_INIT("title"), FIELD_TITLE},
	{SPACE_ATOM, STR_INIT("link"), FIELD_LINK},
	{SPACE_ATOM, STR_INIT("id"), FIELD_ID},
	{SPACE_ATOM, STR_INIT("summary"), FIELD_SUMMARY},
	{SPACE_ATOM, STR_INIT("content"), FIELD_CONTENT},
	{SPACE_ATOM, STR_INIT("published"), FIELD_PUBLISHED},
	{SPACE_ATOM, STR_INIT("updated"), FIELD_UPDATED},
};

struct reader {
	struct arena *arena;
	xmlParserCtxtPtr parser;
	const char *refusal; /* why it is not read on; static */
	enum kind kind;
	size_t depth;
	size_t item_depth; /* of the item that is open; 0: none */
	size_t channel_depth;
	enum field field; /* that is being taken */
	size_t field_depth;
	bool is_html;
	struct buf text;
	struct str taken[FIELD_COUNT]; /* of the item */
	struct feed *feed;
	VEC(struct feed_item) items;
	xmlEntity entity; /* the one that was asked for last */
	char entity_text[8];
};

static void reader_fini(struct reader *reader)
{
	buf_fini(&reader->text);
	if (reader->parser != NULL) {
		xmlFreeDoc(reader->parser->myDoc); /* the library makes one of its own for entities */
		xmlFreeParserCtxt(reader->parser);
	}
}

static void refuse(struct reader *reader, const char *why)
{
	reader->refusal = why;
	xmlStopParser(reader->parser);
}

static struct str str_of_xml(const xmlChar *text)
{
	return str_of((const char *)text);
}

/* --- texts ---------------------------------------------------------------------------------------------------- */

struct html_reader {
	struct buf text;
	size_t hidden; /* open elements whose text is none */
};

static bool is_one_of(const xmlChar *name, const char *const *names, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (str_equals(str_of_xml(name), str_of(names[i]))) {
			return true;
		}
	}
	return false;
}

static bool is_block(const xmlChar *name)
{
	static const char *const names[] = {"p", "div", "br", "li", "tr", "h1", "h2", "h3", "h4", "h5",
		"h6", "ul", "ol", "table", "blockquote", "pre", "hr", "section", "article"};
	return is_one_of(name, names, COUNT_OF(names));
}

static bool is_hidden(const xmlChar *name)
{
	static const char *const names[] = {"script", "style", "noscript", "template"};
	return is_one_of(name, names, COUNT_OF(names));
}

static void html_start(void *data, const xmlChar *name, const xmlChar **attributes)
{
	struct html_reader *reader = data;
	(void)attributes;
	reader->hidden += is_hidden(name) ? 1 : 0;
	if (is_block(name)) {
		buf_add_byte(&reader->text, '\n');
	}
}

static void html_end(void *data, const xmlChar *name)
{
	struct html_reader *reader = data;
	reader->hidden -= is_hidden(name) && reader->hidden > 0 ? 1 : 0;
	if (is_block(name)) {
		buf_add_byte(&reader->text, '\n');
	}
}

/* Line feeds of the source are spaces. */
static void html_text(void *data, const xmlChar *text, int n)
{
	struct html_reader *reader = data;
	for (int i = 0; reader->hidden == 0 && i < n; i++) {
		buf_add_byte(&reader->text, text[i] == '\n' ? ' ' : (char)text[i]);
	}
}

struct str feed_html_to_text(struct arena *arena, struct str html, size_t limit)
{
	struct html_reader reader = {0};
	htmlSAXHandler handler = {.startElement = html_start,
		.endElement = html_end,
		.characters = html_text};
	buf_init(&reader.text, FIELD_MAX_BYTES);
	htmlParserCtxtPtr parser =
		htmlCreatePushParserCtxt(&handler, &reader, NULL, 0, NULL, XML_CHAR_ENCODING_UTF8);
	invariant(parser != NULL);
	(void)htmlCtxtUseOptions(parser,
		HTML_PARSE_RECOVER | HTML_PARSE_NOERROR | HTML_PARSE_NOWARNING | HTML_PARSE_NONET |
			HTML_PARSE_IGNORE_ENC);
	for (size_t at = 0; at < html.n && buf_ok(&reader.text); at += PIECE_BYTES) {
		struct str piece = str_slice(html, at, at + PIECE_BYTES);
		(void)htmlParseChunk(parser, piece.p, (int)piece.n, 0);
	}
	(void)htmlParseChunk(parser, NULL, 0, 1);
	htmlFreeParserCtxt(parser);
	struct str text = notice_plain_lines(arena, buf_str(&reader.text), limit);
	buf_fini(&reader.text);
	return text;
}

/* --- items ------------------------------------------------------------------------------------------------------ */

static struct str first_of(struct str a, struct str b)
{
	return a.n > 0 ? a : b;
}

static bool is_web(struct str url)
{
	return str_starts_with(url, STR("http://")) || str_starts_with(url, STR("https://"));
}

static void end_item(struct reader *reader)
{
	const struct str *taken = reader->taken;
	struct arena *arena = reader->arena;
	struct feed_item item = {
		.title = notice_plain_line(arena, taken[FIELD_TITLE], FEED_TITLE_MAX_BYTES),
		.link = notice_plain_line(arena, taken[FIELD_LINK], FEED_LINK_MAX_BYTES),
		.summary = notice_plain_lines(arena, first_of(taken[FIELD_SUMMARY], taken[FIELD_CONTENT]),
			FEED_SUMMARY_MAX_BYTES),
		.at_ms = feed_date_read(str_trim(taken[FIELD_PUBLISHED])),
	};
	item.link = is_web(item.link) ? item.link : STR("");
	item.id = first_of(notice_plain_line(arena, taken[FIELD_ID], FEED_ID_MAX_BYTES),
		first_of(item.link, item.title));
	if (item.at_ms == 0) {
		item.at_ms = feed_date_read(str_trim(taken[FIELD_UPDATED]));
	}
	if (item.id.n == 0 || (item.title.n == 0 && item.summary.n == 0)) {
		return;
	}
	if (reader->items.n == FEED_ITEMS_MAX) {
		reader->feed->is_cut = true;
		return;
	}
	VEC_PUSH(arena, &reader->items, item);
}

/* The first of a kind counts. */
static void end_field(struct reader *reader)
{
	struct str text = buf_str(&reader->text);
	bool is_text = reader->field == FIELD_TITLE || reader->field == FIELD_SUMMARY ||
		reader->field == FIELD_CONTENT;
	struct str value = is_text && reader->is_html
		? feed_html_to_text(reader->arena, text, FEED_SUMMARY_MAX_BYTES)
		: str_dup(reader->arena, text);
	if (reader->item_depth == 0) {
		reader->feed->title = first_of(reader->feed->title,
			notice_plain_line(reader->arena, value, FEED_TITLE_MAX_BYTES));
	} else {
		reader->taken[reader->field] = first_of(reader->taken[reader->field], value);
	}
	reader->field = FIELD_NONE;
}

/* --- events -------------------------------------------------------------------------------------------------------- */

static enum space space_of(const struct reader *reader, const xmlChar *uri)
{
	struct str name = str_of_xml(uri);
	if (str_equals(name, STR("http://www.w3.org/2005/Atom"))) {
		return SPACE_ATOM;
	}
	if (str_equals(name, STR("http://purl.org/dc/elements/1.1/"))) {
		return SPACE_DC;
	}
	if (str_equals(name, STR("http://purl.org/rss/1.0/modules/content/"))) {
		return SPACE_CONTENT;
	}
	bool is_plain = name.n == 0 || str_equals(name, STR("http://purl.org/rss/1.0/")) ||
		str_equals(name, STR("http://my.netscape.com/rdf/simple/0.9/"));
	return is_plain && reader->kind != KIND_ATOM ? SPACE_PLAIN : SPACE_OTHER;
}

static enum field field_of(const struct reader *reader, struct str name, const xmlChar *uri)
{
	enum space space = space_of(reader, uri);
	for (size_t i = 0; i < COUNT_OF(fields); i++) {
		if (fields[i].space == space && str_equals(fields[i].name, name)) {
			return fields[i].field;
		}
	}
	return FIELD_NONE;
}

/* Attributes come in fives: name, prefix, namespace, where the value begins and where it ends. */
static struct str attribute(int count, const xmlChar **attributes, struct str name)
{
	for (int i = 0; i < count; i++, attributes += 5) {
		if (str_equals(str_of_xml(attributes[0]), name)) {
			return str_from((const char *)attributes[3], (size_t)(attributes[4] - attributes[3]));
		}
	}
	return (struct str){0};
}

static enum kind kind_of(struct str name, const xmlChar *uri)
{
	if (str_equals(name, STR("rss"))) {
		return KIND_RSS;
	}
	if (str_equals(name, STR("RDF"))) {
		return KIND_RDF;
	}
	bool is_atom = str_equals(name, STR("feed")) &&
		str_equals(str_of_xml(uri), STR("http://www.w3.org/2005/Atom"));
	return is_atom ? KIND_ATOM : KIND_UNKNOWN;
}

/* A link to the item itself may stand in an attribute. */
static void take_link(struct reader *reader, int count, const xmlChar **attributes)
{
	struct str rel = attribute(count, attributes, STR("rel"));
	struct str href = attribute(count, attributes, STR("href"));
	if (reader->item_depth != 0 && (rel.n == 0 || str_equals(rel, STR("alternate"))) &&
		reader->taken[FIELD_LINK].n == 0) {
		reader->taken[FIELD_LINK] = str_dup(reader->arena, href);
	}
}

static void begin_field(struct reader *reader, enum field field, int count,
	const xmlChar **attributes)
{
	struct str type = attribute(count, attributes, STR("type"));
	if (field == FIELD_LINK && attribute(count, attributes, STR("href")).p != NULL) {
		take_link(reader, count, attributes);
		return;
	}
	reader->field = field;
	reader->field_depth = reader->depth;
	/* RSS does not say; Atom does. */
	reader->is_html = reader->kind != KIND_ATOM || str_equals(type, STR("html")) ||
		str_equals(type, STR("text/html"));
	buf_clear(&reader->text);
}

static void begin_item(struct reader *reader, int count, const xmlChar **attributes)
{
	reader->item_depth = reader->depth;
	for (size_t i = 0; i < FIELD_COUNT; i++) {
		reader->taken[i] = (struct str){0};
	}
	if (reader->kind == KIND_RDF) {
		reader->taken[FIELD_ID] =
			str_dup(reader->arena, attribute(count, attributes, STR("about")));
	}
}

static void start_root(struct reader *reader, struct str name, const xmlChar *uri)
{
	reader->kind = kind_of(name, uri);
	reader->channel_depth = reader->kind == KIND_ATOM ? 1 : 0;
	if (reader->kind == KIND_UNKNOWN) {
		refuse(reader, "it is neither RSS nor Atom");
	}
}

/* An element within no field. */
static void start_inner(struct reader *reader, struct str name, const xmlChar *uri, int count,
	const xmlChar **attributes)
{
	bool is_item = str_equals(name, reader->kind == KIND_ATOM ? STR("entry") : STR("item"));
	if (reader->item_depth == 0 && is_item) {
		begin_item(reader, count, attributes);
		return;
	}
	if (reader->depth == 2 && str_equals(name, STR("channel"))) {
		reader->channel_depth = 2;
		return;
	}
	enum field field = field_of(reader, name, uri);
	bool is_items = reader->item_depth != 0 && reader->depth == reader->item_depth + 1;
	bool is_feeds = reader->item_depth == 0 && field == FIELD_TITLE && reader->channel_depth != 0 &&
		reader->depth == reader->channel_depth + 1;
	if (field != FIELD_NONE && (is_items || is_feeds)) {
		begin_field(reader, field, count, attributes);
	}
}

/* NOLINTNEXTLINE(readability-function-size): the library's callback has as many parameters */
static void start_element(void *data, const xmlChar *local_name, const xmlChar *prefix,
	const xmlChar *uri, int namespace_count, const xmlChar **namespaces, int count,
	int defaulted_count, const xmlChar **attributes)
{
	struct reader *reader = data;
	(void)prefix;
	(void)namespace_count;
	(void)namespaces;
	(void)defaulted_count;
	if (++reader->depth > DEPTH_MAX) {
		refuse(reader, "it is nested too deeply");
	} else if (reader->depth == 1) {
		start_root(reader, str_of_xml(local_name), uri);
	} else if (reader->field == FIELD_NONE) {
		start_inner(reader, str_of_xml(local_name), uri, count, attributes);
	} else if (is_block(local_name)) {
		buf_add_byte(&reader->text, '\n');
	}
}

static void end_element(void *data, const xmlChar *local_name, const xmlChar *prefix,
	const xmlChar *uri)
{
	struct reader *reader = data;
	(void)prefix;
	(void)uri;
	if (reader->field != FIELD_NONE && reader->depth == reader->field_depth) {
		end_field(reader);
	} else if (reader->field != FIELD_NONE && is_block(local_name)) {
		buf_add_byte(&reader->text, '\n');
	} else if (reader->item_depth != 0 && reader->depth == reader->item_depth) {
		end_item(reader);
		reader->item_depth = 0;
	}
	if (reader->depth == reader->channel_depth) {
		reader->channel_depth = 0;
	}
	reader->depth--;
}

static void add_text(void *data, const xmlChar *text, int n)
{
	struct reader *reader = data;
	if (reader->field != FIELD_NONE) {
		size_t room = reader->text.ceiling - reader->text.n;
		buf_add(&reader->text, str_slice(str_from((const char *)text, (size_t)n), 0, room));
	}
}

static void declare_entity(void *data, const xmlChar *name, int type, const xmlChar *public_id,
	const xmlChar *system_id, xmlChar *content)
{
	(void)name;
	(void)type;
	(void)public_id;
	(void)system_id;
	(void)content;
	refuse(data, "it declares entities of its own");
}

/* Many feeds have those of HTML without saying so. */
static xmlEntityPtr find_entity(void *data, const xmlChar *name)
{
	struct reader *reader = data;
	const htmlEntityDesc *known = htmlEntityLookup(name);
	if (known == NULL) {
		return NULL;
	}
	size_t n = utf8_encode(known->value, reader->entity_text);
	reader->entity_text[n] = '\0';
	reader->entity = (xmlEntity){
		.type = XML_ENTITY_DECL,
		.name = name,
		.content = (xmlChar *)reader->entity_text,
		.length = (int)n,
		.etype = XML_INTERNAL_PREDEFINED_ENTITY,
	};
	return &reader->entity;
}

static void say_nothing(void *data, xmlErrorPtr error)
{
	(void)data;
	(void)error;
}

/* --- the whole -------------------------------------------------------------------------------------------------------- */

static void parse(struct reader *reader, struct str bytes)
{
	xmlSAXHandler handler = {
		.initialized = XML_SAX2_MAGIC,
		.startElementNs = start_element,
		.endElementNs = end_element,
		.characters = add_text,
		.cdataBlock = add_text,
		.ignorableWhitespace = add_text,
		.entityDecl = declare_entity,
		.getEntity = find_entity,
		.serror = say_nothing,
	};
	reader->parser = xmlCreatePushParserCtxt(&handler, reader, NULL, 0, NULL);
	invariant(reader->parser != NULL);
	(void)xmlCtxtUseOptions(reader->parser, XML_PARSE_NONET | XML_PARSE_NOCDATA);
	for (size_t at = 0; at < bytes.n && reader->refusal == NULL; at += PIECE_BYTES) {
		struct str piece = str_slice(bytes, at, at + PIECE_BYTES);
		if (xmlParseChunk(reader->parser, piece.p, (int)piece.n, 0) != 0) {
			return;
		}
	}
	if (reader->refusal == NULL) {
		(void)xmlParseChunk(reader->parser, NULL, 0, 1);
	}
}

static enum err judge(struct ctx *ctx, struct reader *reader)
{
	if (reader->refusal != NULL) {
		return fail(ctx, ERR_INPUT, M_BAD_JSON, "The feed is not taken: %s", reader->refusal);
	}
	const xmlError *error = xmlCtxtGetLastError(reader->parser);
	if (reader->parser->wellFormed != 0 && reader->kind != KIND_UNKNOWN) {
		return ERR_OK;
	}
	struct str why = error != NULL && error->message != NULL
		? notice_plain_line(ctx->arena, str_of(error->message), 200)
		: STR("it is empty");
	return fail(ctx, ERR_INPUT, M_BAD_JSON, "The feed is no XML (line %d): %.*s",
		error != NULL ? error->line : 1, STR_ARG(why));
}

enum err feed_read(struct ctx *ctx, struct str bytes, struct feed *out)
{
	struct reader reader CLEANUP(reader_fini) = {.arena = ctx->arena};
	struct feed feed = {0};
	if (bytes.n > FEED_MAX_BYTES) {
		return fail(ctx, ERR_INPUT, M_TOO_LARGE, "The feed has more than %d MiB",
			(int)(FEED_MAX_BYTES / 1024 / 1024));
	}
	reader.feed = &feed;
	buf_init(&reader.text, FIELD_MAX_BYTES);
	parse(&reader, bytes);
	TRY(judge(ctx, &reader));
	feed.items = reader.items.p;
	feed.count = reader.items.n;
	*out = feed;
	return ERR_OK;
}
