/*
 * The texts are cast to tsvector and tsquery by the statements.
 */
#include "storage/term_text.h"

enum { PLACE_MAX = 16383 /* of a tsvector */ };

void term_text_vector(struct buf *buf, const struct term *terms, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		buf_printf(buf, " '%.*s':%u", STR_ARG(terms[i].text),
			MIN_OF(terms[i].position, (uint32_t)PLACE_MAX));
	}
}

void term_text_query(struct buf *buf, const struct term_match *matches, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (i > 0 && matches[i].distance > 0) {
			buf_printf(buf, " <%u> ", matches[i].distance);
		} else if (i > 0) {
			buf_add_lit(buf, " & ");
		}
		buf_printf(buf, "'%.*s'%s", STR_ARG(matches[i].text), matches[i].is_prefix ? ":*" : "");
	}
}
