/**
 * YAML of others as a tree of JSON, with the line of every value for messages.
 *
 * Plain words that are numbers of JSON, true, false and null are such; everything else is a text. Anchors may be used, but only so
 * far that the tree stays within its limits.
 */
#ifndef BELFRY_BASE_YAML_JSON_H
#define BELFRY_BASE_YAML_JSON_H

#include "base/ctx.h"
#include "base/json.h"

enum {
	YAML_MAX_VALUES = 5000,
	YAML_MAX_DEPTH = 32,
};

struct yaml_line {
	const struct json *value;
	size_t line;
};

/** Where the values stood. */
struct yaml_lines {
	const struct yaml_line *items;
	size_t count;
};

/**
 * Reads one document.
 *
 * @param name       of the file, for messages
 * @param out        never moved as long as it is asked for lines: they are found by the address of a value; in the ctx's arena
 * @param out_lines  in the ctx's arena
 * Errors: INPUT, text "NAME:LINE: …" (not YAML, a key twice or no text, two documents, too large)
 */
MUST_CHECK enum err yaml_json_read(struct ctx *ctx, struct str text, const char *name,
	const struct json **out, struct yaml_lines *out_lines);

/** Line of a value of the tree, from 1; 1 for others. Cost: O(values). */
size_t yaml_line_of(const struct yaml_lines *lines, const struct json *value);

#endif
