/**
 * What the files of conf share; not for others.
 */
#ifndef BELFRY_BASE_CONF_INNER_H
#define BELFRY_BASE_CONF_INNER_H

#include "base/conf.h"

struct conf_value {
	struct str text;       /**< STRING, ENUM */
	int64_t number;        /**< INT, SIZE, TIME; BOOL: 0 or 1 */
	struct conf_list list; /**< LIST */
	bool is_set;           /**< given by file or --set */
};

struct conf {
	struct arena *arena;
	const struct conf_row *rows;
	size_t row_count;
	struct conf_value *values; /**< one per row */
};

/** Index of the row with that key; row_count when there is none. */
size_t conf_find(const struct conf *conf, struct str key);

/**
 * Turns one text into a value.
 * @return NULL, or why the text is none ("99999 is not within 1 to 65535"); in the arena or static
 */
MUST_CHECK const char *conf_parse_value(struct arena *arena, const struct conf_row *row,
	struct str text, struct conf_value *out);

/** The row's own check of one text (of one item of a LIST). @return NULL, or why it cannot be meant */
MUST_CHECK const char *conf_check_text(struct arena *arena, const struct conf_row *row,
	struct str text);

/** "text", "a whole number", …: what a row wants, for messages and the reference page; static. */
const char *conf_type_words(enum conf_type type);

/** An INT, SIZE or TIME as it would be written, with the largest unit that divides it. */
struct str conf_quantity(struct arena *arena, enum conf_type type, int64_t value);

/** Whether INT, SIZE and TIME rows have a range: both bounds 0 mean "not negative". */
bool conf_has_range(const struct conf_row *row);

/** The key or section nearest to a mistyped one, or the empty view when none is near. */
struct str conf_nearest(const struct conf *conf, struct str key);

#endif
