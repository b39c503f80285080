/**
 * Dot-separated property paths: `content.m\.relates_to` names `m.relates_to` in `content`.
 * Spec: appendices, "Dot-separated property paths"
 */
#ifndef BELFRY_MATRIX_PROPERTY_PATH_H
#define BELFRY_MATRIX_PROPERTY_PATH_H

#include "base/json.h"

struct property_path {
	struct str *segments; /**< unescaped names, outermost first; at least one */
	size_t count;
};

/**
 * Splits a path. Every text is a path; the empty one has one empty segment. `\.` and `\\` are a dot
 * and a backslash in a name, other escapes stay as they are.
 *
 * @return in the arena; names without escapes view `text`
 */
struct property_path property_path_parse(struct arena *arena, struct str text);

/** The value that names lead to from `root`, through objects only; NULL when there is none. */
const struct json *property_path_walk(const struct json *root, const struct str *names,
	size_t count);

#endif
