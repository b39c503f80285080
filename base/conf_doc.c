/*
 * The example file and the reference page, written from the same rows that the parser uses.
 */
#include "base/conf.h"

#include <inttypes.h>
#include <string.h>

#include "base/conf_inner.h"

enum { COMMENT_COLUMNS = 96, INDENT = 2 };

static size_t depth_of(struct str key)
{
	size_t depth = 0;
	for (size_t i = 0; i < key.n; i++) {
		depth += key.p[i] == '.';
	}
	return depth;
}

static void indent(struct buf *out, size_t depth)
{
	for (size_t i = 0; i < depth * INDENT; i++) {
		buf_add_byte(out, ' ');
	}
}

/* Words wrapped into comment lines. */
static void write_comment(struct buf *out, size_t depth, struct str text)
{
	size_t room = COMMENT_COLUMNS - depth * INDENT;
	size_t used = 0;
	struct str rest = str_trim(text);
	while (rest.n > 0) {
		struct str word;
		(void)str_split(rest, ' ', &word, &rest);
		if (used > 0 && used + 1 + word.n > room) {
			buf_add_byte(out, '\n');
			used = 0;
		}
		if (used == 0) {
			indent(out, depth);
			buf_add_byte(out, '#');
		}
		buf_add_byte(out, ' ');
		buf_add(out, word);
		used += word.n + 1;
	}
	if (used > 0) {
		buf_add_byte(out, '\n');
	}
}

/* A double-quoted YAML text. */
static void write_quoted(struct buf *out, struct str text)
{
	buf_add_byte(out, '"');
	for (size_t i = 0; i < text.n; i++) {
		unsigned char c = (unsigned char)text.p[i];
		if (c == '"' || c == '\\') {
			buf_add_byte(out, '\\');
		}
		if (c < 0x20 || c == 0x7F) {
			buf_printf(out, "\\x%02x", (unsigned)c);
		} else {
			buf_add_byte(out, (char)c);
		}
	}
	buf_add_byte(out, '"');
}

static void write_list(struct buf *out, struct arena *arena, const struct conf_row *row,
	struct str text)
{
	struct conf_value value = {0};
	const char *problem = conf_parse_value(arena, row, text, &value);
	invariant(problem == NULL);
	buf_add_byte(out, '[');
	for (size_t i = 0; i < value.list.n; i++) {
		buf_add(out, i > 0 ? STR(", ") : STR(""));
		write_quoted(out, value.list.items[i]);
	}
	buf_add_byte(out, ']');
}

static void write_value(struct buf *out, struct arena *arena, const struct conf_row *row,
	struct str text)
{
	if (row->type == CONF_LIST) {
		write_list(out, arena, row, text);
	} else if (row->type == CONF_STRING) {
		write_quoted(out, text);
	} else {
		buf_add(out, text);
	}
}

/* "1 to 65535", "off|on", …; empty when anything goes. */
static struct str range_of(struct arena *arena, const struct conf_row *row)
{
	if (row->type == CONF_ENUM) {
		return str_of(row->choices);
	}
	if (row->type != CONF_INT && row->type != CONF_SIZE && row->type != CONF_TIME) {
		return str_from(NULL, 0);
	}
	if (!conf_has_range(row)) {
		return STR("0 or more");
	}
	struct str low = conf_quantity(arena, row->type, row->min);
	if (row->max == INT64_MAX) {
		return str_printf(arena, "%.*s or more", STR_ARG(low));
	}
	struct str high = conf_quantity(arena, row->type, row->max);
	return str_printf(arena, "%.*s to %.*s", STR_ARG(low), STR_ARG(high));
}

/* Opens the sections of `key` that the key before it does not share. */
static void write_sections(struct buf *out, struct str before, struct str key)
{
	bool is_shared = true;
	size_t start = 0;
	size_t depth = 0;
	for (size_t at = 0; at < key.n; at++) {
		if (key.p[at] != '.') {
			continue;
		}
		is_shared =
			is_shared && before.n > at && str_starts_with(before, str_slice(key, 0, at + 1));
		if (!is_shared) {
			if (depth == 0) {
				buf_add_byte(out, '\n');
			}
			indent(out, depth);
			buf_add(out, str_slice(key, start, at));
			buf_add_lit(out, ":\n");
		}
		start = at + 1;
		depth++;
	}
}

void conf_write_example(const struct conf_row *rows, size_t row_count, struct buf *out)
{
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct str before = {0};
	buf_add_lit(out,
		"# Configuration of Belfry. Every key stands here at its default (or an example, where it\n"
		"# has none); a key that is left out keeps its default.\n");
	for (size_t i = 0; i < row_count; i++) {
		const struct conf_row *row = &rows[i];
		struct str key = str_of(row->key);
		size_t depth = depth_of(key);
		if (depth == 0) {
			buf_add_byte(out, '\n');
		}
		write_sections(out, before, key);
		write_comment(out, depth, str_of(row->help));
		struct str range = range_of(arena, row);
		if (range.n > 0) {
			write_comment(out, depth, str_printf(arena, "Allowed: %.*s.", STR_ARG(range)));
		}
		indent(out, depth);
		size_t last_dot = str_find_last_byte(key, '.');
		buf_add(out, str_slice(key, last_dot == SIZE_MAX ? 0 : last_dot + 1, key.n));
		buf_add_lit(out, ": ");
		write_value(out, arena, row, str_of(row->example != NULL ? row->example : row->fallback));
		buf_add_byte(out, '\n');
		before = key;
	}
}

/* A table cell: no line breaks, bars escaped. */
static void write_cell(struct buf *out, struct str text)
{
	for (size_t i = 0; i < text.n; i++) {
		if (text.p[i] == '|') {
			buf_add_byte(out, '\\');
		}
		buf_add_byte(out, text.p[i] == '\n' ? ' ' : text.p[i]);
	}
}

static void write_code_cell(struct buf *out, struct str text)
{
	if (text.n > 0) {
		buf_add_byte(out, '`');
		write_cell(out, text);
		buf_add_byte(out, '`');
	}
}

static struct str section_of(struct str key)
{
	size_t dot = str_find_byte(key, '.');
	return dot == SIZE_MAX ? str_from(NULL, 0) : str_slice(key, 0, dot);
}

void conf_write_reference(const struct conf_row *rows, size_t row_count, struct buf *out)
{
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	buf_add_lit(out,
		"# Configuration\n\n"
		"Generated from the table of options. In the file, a dotted key is nested: "
		"`listen.client` is `client` under `listen`.\n"
		"Sizes take the suffixes KiB, MiB and GiB; times ms, s, m, h and d.\n");
	struct str section = STR("\n"); /* no section is called so */
	for (size_t i = 0; i < row_count; i++) {
		const struct conf_row *row = &rows[i];
		struct str key = str_of(row->key);
		if (!str_equals(section_of(key), section)) {
			section = section_of(key);
			buf_printf(out, "\n## %.*s\n\n", STR_ARG(section.n > 0 ? section : STR("General")));
			buf_add_lit(out, "| key | type | default | range | help |\n|---|---|---|---|---|\n");
		}
		buf_add_lit(out, "| ");
		write_code_cell(out, key);
		buf_printf(out, " | %s | ", conf_type_words(row->type));
		write_code_cell(out, str_of(row->fallback));
		buf_add_lit(out, " | ");
		write_code_cell(out, range_of(arena, row));
		buf_add_lit(out, " | ");
		write_cell(out, str_of(row->help));
		buf_add(out, row->is_secret ? STR(" (Secret: never shown.) |\n") : STR(" |\n"));
	}
}
