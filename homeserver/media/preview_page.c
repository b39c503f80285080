/*
 * libxml2's HTML parser as a source of events, fed in pieces: no tree is made, nothing recurses, and it is stopped where a
 * page goes deeper or on longer than any page that is meant to be read.
 */
#include "homeserver/media/preview_page.h"

#include <libxml/HTMLparser.h>
#include <libxml/uri.h>
#include <string.h>

#include "base/buf.h"
#include "base/utf8.h"
#include "gen/late_xml.h"

enum {
	MAX_DEPTH = 512,
	MAX_ELEMENTS = 50000,
	MAX_ATTRIBUTES = 256,  /* of an element */
	TAG_BYTES = 64 * 1024, /* of a tag that does not end */
	PIECE_BYTES = 16384,
	TITLE_CHARACTERS = 300,
	DESCRIPTION_CHARACTERS = 500,
	VALUE_CHARACTERS = 1000,
	URL_BYTES = 2048,
	NAME_BYTES = 64,
	TEXT_BYTES = 8192, /* of a title or paragraph that is gathered */
};

/* What the text between tags belongs to. */
enum place { NOWHERE, IN_TITLE, IN_HEADING, IN_PARAGRAPH };

struct reader {
	struct arena *arena;
	struct str base;
	struct preview_page *page;
	htmlParserCtxtPtr parser;
	size_t depth;
	size_t elements;
	enum place place;
	struct buf text; /* gathered there */
	struct str og_title;
	struct str og_description;
	struct str og_image;
	struct str twitter_title;
	struct str twitter_description;
	struct str twitter_image;
	struct str meta_description;
	struct str title;
	struct str heading;
	struct str paragraph;
	struct str link_image;
};

struct str preview_clean(struct arena *arena, struct str text, size_t limit)
{
	struct buf out CLEANUP(buf_fini);
	buf_init(&out, text.n + 4);
	bool is_gap = false;
	size_t at = 0;
	for (size_t n = 0; at < text.n && n < limit;) {
		char bytes[4];
		uint32_t c = utf8_next(text, &at);
		/* White space, control characters, and marks that turn the direction of what follows. */
		bool is_mark = (c >= 0x202A && c <= 0x202E) || (c >= 0x2066 && c <= 0x2069);
		if (c <= 0x20 || (c >= 0x7F && c <= 0xA0) || is_mark || c == 0x2028 || c == 0x2029) {
			is_gap = out.n > 0;
			continue;
		}
		if (is_gap) {
			buf_add_byte(&out, ' ');
			is_gap = false;
			n++;
		}
		buf_add(&out, str_from(bytes, utf8_encode(c, bytes)));
		n++;
	}
	return out.n > 0 ? str_dup(arena, buf_str(&out)) : (struct str){0};
}

struct str preview_resolve(struct arena *arena, struct str base, struct str reference)
{
	struct arena *scratch CLEANUP(arena_cleanup) = arena_create();
	struct str trimmed = str_trim(reference);
	if (trimmed.n == 0 || trimmed.n > URL_BYTES || str_find_byte(trimmed, '\0') != SIZE_MAX) {
		return (struct str){0};
	}
	xmlChar *joined = xmlBuildURI((const xmlChar *)str_cstr(scratch, trimmed),
		(const xmlChar *)str_cstr(scratch, base));
	struct str url = {0};
	if (joined != NULL) {
		url = str_dup(scratch, str_of((const char *)joined));
		xmlFree(joined);
	}
	bool is_web = str_starts_with(url, STR("http://")) || str_starts_with(url, STR("https://"));
	return is_web && url.n <= URL_BYTES ? str_dup(arena, url) : (struct str){0};
}

static struct str attribute(const xmlChar **attributes, const char *name)
{
	for (; attributes != NULL && attributes[0] != NULL; attributes += 2) {
		if (str_equals_nocase(str_of((const char *)attributes[0]), str_of(name))) {
			return attributes[1] != NULL ? str_of((const char *)attributes[1]) : STR("");
		}
	}
	return (struct str){0};
}

/* The first that says something counts. */
static void keep_text(struct reader *reader, struct str *at, struct str text, size_t limit)
{
	if (at->p == NULL) {
		*at = preview_clean(reader->arena, text, limit);
	}
}

static void keep_url(struct reader *reader, struct str *at, struct str reference)
{
	if (at->p == NULL) {
		*at = preview_resolve(reader->arena, reader->base, reference);
	}
}

static void keep_property(struct reader *reader, struct str name, struct str value)
{
	struct preview_page *page = reader->page;
	struct str clean = preview_clean(reader->arena, value, VALUE_CHARACTERS);
	if (clean.p == NULL || name.n > NAME_BYTES || page->property_count == PREVIEW_PAGE_PROPERTIES) {
		return;
	}
	for (size_t i = 0; i < page->property_count; i++) {
		if (str_equals(page->properties[i].name, name)) {
			return;
		}
	}
	page->properties[page->property_count++] =
		(struct preview_property){.name = name, .value = clean};
}

static void read_open_graph(struct reader *reader, struct str name, struct str value)
{
	if (str_equals(name, STR("og:title"))) {
		keep_text(reader, &reader->og_title, value, TITLE_CHARACTERS);
	} else if (str_equals(name, STR("og:description"))) {
		keep_text(reader, &reader->og_description, value, DESCRIPTION_CHARACTERS);
	} else if (str_equals(name, STR("og:image")) || str_equals(name, STR("og:image:url")) ||
		str_equals(name, STR("og:image:secure_url"))) {
		keep_url(reader, &reader->og_image, value);
	} else if (!str_starts_with(name, STR("og:image"))) {
		keep_property(reader, name, value); /* sizes of images: measured, not believed */
	}
}

static void read_meta(struct reader *reader, const xmlChar **attributes)
{
	struct str property = attribute(attributes, "property");
	struct str name = property.p != NULL ? property : attribute(attributes, "name");
	struct str value = attribute(attributes, "content");
	name = str_lower(reader->arena, str_trim(name));
	if (value.p == NULL) {
		return;
	}
	if (str_starts_with(name, STR("og:"))) {
		read_open_graph(reader, name, value);
	} else if (str_equals(name, STR("twitter:title"))) {
		keep_text(reader, &reader->twitter_title, value, TITLE_CHARACTERS);
	} else if (str_equals(name, STR("twitter:description"))) {
		keep_text(reader, &reader->twitter_description, value, DESCRIPTION_CHARACTERS);
	} else if (str_equals(name, STR("twitter:image")) ||
		str_equals(name, STR("twitter:image:src"))) {
		keep_url(reader, &reader->twitter_image, value);
	} else if (str_equals(name, STR("description"))) {
		keep_text(reader, &reader->meta_description, value, DESCRIPTION_CHARACTERS);
	}
}

static void read_link(struct reader *reader, const xmlChar **attributes)
{
	struct str relation = str_trim(attribute(attributes, "rel"));
	struct str type = str_trim(attribute(attributes, "type"));
	if (str_equals_nocase(relation, STR("image_src"))) {
		keep_url(reader, &reader->link_image, attribute(attributes, "href"));
	} else if (str_equals_nocase(relation, STR("alternate")) &&
		str_equals_nocase(type, STR("application/json+oembed"))) {
		keep_url(reader, &reader->page->oembed, attribute(attributes, "href"));
	}
}

static enum place place_of(const char *name)
{
	if (strcmp(name, "title") == 0) {
		return IN_TITLE;
	}
	if (strcmp(name, "h1") == 0) {
		return IN_HEADING;
	}
	return strcmp(name, "p") == 0 ? IN_PARAGRAPH : NOWHERE;
}

static bool has_too_many(const xmlChar **attributes)
{
	size_t n = 0;
	while (attributes != NULL && attributes[2 * n] != NULL && n <= MAX_ATTRIBUTES) {
		n++;
	}
	return n > MAX_ATTRIBUTES;
}

static void start_element(void *data, const xmlChar *name, const xmlChar **attributes)
{
	struct reader *reader = data;
	const char *tag = (const char *)name;
	if (++reader->depth > MAX_DEPTH || ++reader->elements > MAX_ELEMENTS ||
		has_too_many(attributes)) {
		xmlStopParser(reader->parser);
		return;
	}
	if (strcmp(tag, "meta") == 0) {
		read_meta(reader, attributes);
	} else if (strcmp(tag, "link") == 0) {
		read_link(reader, attributes);
	} else if (place_of(tag) != NOWHERE) {
		reader->place = place_of(tag);
		buf_clear(&reader->text);
	}
}

static void end_element(void *data, const xmlChar *name)
{
	struct reader *reader = data;
	reader->depth -= reader->depth > 0;
	enum place place = place_of((const char *)name);
	if (place == NOWHERE || place != reader->place) {
		return;
	}
	struct str text = buf_str(&reader->text);
	reader->place = NOWHERE;
	if (place == IN_TITLE) {
		keep_text(reader, &reader->title, text, TITLE_CHARACTERS);
	} else if (place == IN_HEADING) {
		keep_text(reader, &reader->heading, text, TITLE_CHARACTERS);
	} else {
		keep_text(reader, &reader->paragraph, text, DESCRIPTION_CHARACTERS);
	}
}

static void add_text(void *data, const xmlChar *text, int n)
{
	struct reader *reader = data;
	if (reader->place != NOWHERE) {
		buf_add(&reader->text, str_from((const char *)text, (size_t)n));
	}
}

static struct str first_of(const struct str *texts, size_t n)
{
	size_t i = 0;
	while (i + 1 < n && texts[i].p == NULL) {
		i++;
	}
	return texts[i];
}

/*
 * libxml2 waits for the end of a tag, and then compares each attribute with all before it: a page of 1 MiB that is one tag took
 * a core for more than 20 s.
 */
static bool is_in_long_tag(const struct reader *reader)
{
	const xmlParserInput *input = reader->parser->input;
	return input != NULL && input->end - input->cur > TAG_BYTES && input->cur[0] == '<' &&
		input->cur[1] != '!';
}

static bool goes_on(const struct reader *reader)
{
	return reader->parser->disableSAX == 0 && !is_in_long_tag(reader);
}

static void feed(struct reader *reader, struct str html)
{
	htmlSAXHandler handler = {.startElement = start_element,
		.endElement = end_element,
		.characters = add_text};
	reader->parser =
		htmlCreatePushParserCtxt(&handler, reader, NULL, 0, NULL, XML_CHAR_ENCODING_UTF8);
	invariant(reader->parser != NULL);
	/* The page's own word on its charset is no longer true: it was converted. */
	(void)htmlCtxtUseOptions(reader->parser,
		HTML_PARSE_RECOVER | HTML_PARSE_NOERROR | HTML_PARSE_NOWARNING | HTML_PARSE_NONET |
			HTML_PARSE_IGNORE_ENC);
	for (size_t at = 0; at < html.n && goes_on(reader); at += PIECE_BYTES) {
		struct str piece = str_slice(html, at, at + PIECE_BYTES);
		(void)htmlParseChunk(reader->parser, piece.p, (int)piece.n, 0);
	}
	if (!is_in_long_tag(reader)) {
		(void)htmlParseChunk(reader->parser, NULL, 0, 1);
	}
	htmlFreeParserCtxt(reader->parser);
}

void preview_page_read(struct arena *arena, struct str html, struct str base,
	struct preview_page *out)
{
	struct reader reader = {.arena = arena, .base = base, .page = out};
	*out = (struct preview_page){0};
	buf_init(&reader.text, TEXT_BYTES);
	feed(&reader, html);
	buf_fini(&reader.text);
	const struct str titles[] = {reader.og_title, reader.twitter_title, reader.title,
		reader.heading};
	const struct str descriptions[] = {reader.og_description, reader.twitter_description,
		reader.meta_description, reader.paragraph};
	const struct str images[] = {reader.og_image, reader.twitter_image, reader.link_image};
	out->title = first_of(titles, COUNT_OF(titles));
	out->description = first_of(descriptions, COUNT_OF(descriptions));
	out->image = first_of(images, COUNT_OF(images));
}
