/**
 * Terms (base/terms.h) as PostgreSQL's full-text search writes them. Terms have no quotes and no backslashes.
 */
#ifndef BELFRY_STORAGE_TERM_TEXT_H
#define BELFRY_STORAGE_TERM_TEXT_H

#include "base/buf.h"
#include "base/terms.h"

/** Appends a tsvector: 'a':1 'b':2 */
void term_text_vector(struct buf *buf, const struct term *terms, size_t count);
/** Appends what pairs of characters begin with, each at the place of its pair: with these a match of one character is a term, too. */
void term_text_beginnings(struct buf *buf, const struct term *terms, size_t count);
/** Appends a tsquery: 'a' <1> 'b' & 'c':* */
void term_text_query(struct buf *buf, const struct term_match *matches, size_t count);
/** The same for texts with their beginnings: 'a' <1> 'b' & 'c' */
void term_text_query_exact(struct buf *buf, const struct term_match *matches, size_t count);

#endif
