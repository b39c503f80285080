/*
 * The texts are cast to tsvector and tsquery by the statements.
 */
#include "storage/term_text.h"

enum { PLACE_MAX = 16383 /* of a tsvector */ };

static void add_place(struct buf *buf, struct str text, uint32_t position)
{
	buf_add_lit(buf, " '");
	buf_add(buf, text);
	buf_add_lit(buf, "':");
	buf_add_int(buf, MIN_OF(position, (uint32_t)PLACE_MAX));
}

void term_text_vector(struct buf *buf, const struct term *terms, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		add_place(buf, terms[i].text, terms[i].position);
	}
}

void term_text_beginnings(struct buf *buf, const struct term *terms, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (terms[i].first_n < terms[i].text.n) {
			add_place(buf, str_slice(terms[i].text, 0, terms[i].first_n), terms[i].position);
		}
	}
}

static void add_query(struct buf *buf, const struct term_match *matches, size_t count,
	bool with_prefixes)
{
	for (size_t i = 0; i < count; i++) {
		if (i > 0 && matches[i].distance > 0) {
			buf_printf(buf, " <%u> ", matches[i].distance);
		} else if (i > 0) {
			buf_add_lit(buf, " & ");
		}
		buf_printf(buf, "'%.*s'%s", STR_ARG(matches[i].text),
			with_prefixes && matches[i].is_prefix ? ":*" : "");
	}
}

void term_text_query(struct buf *buf, const struct term_match *matches, size_t count)
{
	add_query(buf, matches, count, true);
}

void term_text_query_exact(struct buf *buf, const struct term_match *matches, size_t count)
{
	add_query(buf, matches, count, false);
}
