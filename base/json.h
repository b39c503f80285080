/**
 * The one parser of JSON, and the tree that it makes.
 *
 * The tree lies in an arena and views the source text. Nothing is lost: numbers that are not
 * integers keep their text, strings may contain NUL, every value knows the span of the source it was
 * read from (so that it can be copied into an answer without being written anew). The parser does
 * not recurse, refuses duplicate keys, invalid UTF-8 and lone surrogates, and has limits for depth,
 * size and number of values.
 */
#ifndef BELFRY_BASE_JSON_H
#define BELFRY_BASE_JSON_H

#include "base/arena.h"
#include "base/str.h"

enum json_type {
	JSON_NULL,
	JSON_BOOL,
	JSON_INT,    /**< written without fraction and exponent, fits int64 */
	JSON_NUMBER, /**< any other number; see json_text() */
	JSON_STRING,
	JSON_ARRAY,
	JSON_OBJECT,
};

struct json_member;

/** 32 bytes, of which answers of others may hold very many: hence one place for what one type has, and lengths of 32 bits. */
struct json {
	enum json_type type : 8;
	bool boolean;    /**< JSON_BOOL */
	bool has_places; /**< JSON_OBJECT: json_places() */
	bool
		is_unread; /**< JSON_ARRAY, JSON_OBJECT: passed over, of which the source text alone is known */
	uint32_t count;  /**< elements of an array, members of an object; of others 0 */
	uint32_t text_n; /**< see json_text() */
	uint32_t raw_n;  /**< see json_raw() */
	const char *raw_p;
	union {
		int64_t integer;             /**< JSON_INT */
		const char *text_p;          /**< see json_text() */
		struct json *items;          /**< JSON_ARRAY: `count` values in order */
		struct json_member *members; /**< JSON_OBJECT: `count` members in source order */
	};
};

struct json_member {
	struct str key;
	struct json value;
};

/** JSON_STRING: decoded; JSON_NUMBER: as written; of others none (p == NULL). */
static inline struct str json_text(const struct json *value)
{
	bool has_text = value->type == JSON_STRING || value->type == JSON_NUMBER;
	return has_text ? (struct str){value->text_p, value->text_n} : (struct str){NULL, 0};
}

/** The source text of this value; empty when built by hand. */
static inline struct str json_raw(const struct json *value)
{
	return (struct str){value->raw_p, value->raw_n};
}

/** Says what the source text is. @param raw  below 4 GiB */
static inline void json_set_raw(struct json *value, struct str raw)
{
	invariant(raw.n <= UINT32_MAX);
	value->raw_p = raw.p;
	value->raw_n = (uint32_t)raw.n;
}

/** The places of an object's members in order of their keys; they lie behind the members. NULL: made by hand, or few. */
static inline const uint32_t *json_places(const struct json *object)
{
	return object->has_places ? (const uint32_t *)(object->members + object->count) : NULL;
}

enum json_error {
	JSON_OK,
	JSON_ERROR_SYNTAX,    /**< not JSON, or not UTF-8 */
	JSON_ERROR_DUPLICATE, /**< a key stands twice in one object */
	JSON_ERROR_LIMIT,     /**< too deep, too many values, or 4 GiB of text and more */
};

struct json_limits {
	size_t max_depth;  /**< nesting of arrays and objects; 0: 100 */
	size_t max_values; /**< all values together; 0: 1,000,000 */
	size_t
		levels; /**< arrays and objects below so many are passed over, see json_read(); 0: none is */
};

/**
 * Parses one JSON text (white space around it allowed).
 *
 * @param arena   holds the tree; strings without escapes and `raw` view `text`, which must live as long
 * @param limits  NULL: the defaults
 * @param out     written on JSON_OK only
 * @param out_at  may be NULL; byte offset of the error
 * Spec: RFC 8259; appendices, "Canonical JSON"
 */
MUST_CHECK enum json_error json_parse(struct arena *arena, struct str text,
	const struct json_limits *limits, struct json *out, size_t *out_at);

/**
 * The whole of a value that may have been passed over (json_limits.levels): that is parsed now, else it is the value itself. What was
 * passed over begins and ends where its brackets do; whether it is JSON is found here.
 */
MUST_CHECK enum json_error json_read(struct arena *arena, const struct json *value,
	const struct json_limits *limits, struct json *out);

/** "not valid JSON", …; static. */
const char *json_error_text(enum json_error error);

/**
 * Member of an object, case-sensitive; NULL when absent or when `object` is NULL or no object. Cost: O(log n) in what was parsed, O(n) in
 * what was made by hand.
 */
const struct json *json_get(const struct json *object, struct str key);
/** json_get with a literal: json_at(content, "body"). */
#define json_at(object, literal) json_get((object), STR(literal))

/** Whether the value exists and has the type (NULL is none). */
bool json_is(const struct json *value, enum json_type type);

/** String member, or the empty view with p == NULL when absent or no string. */
struct str json_get_str(const struct json *object, struct str key);
/** Integer member within [min, max]. @return false when absent, no integer, or outside */
MUST_CHECK bool json_get_int(const struct json *object, struct str key, int64_t min, int64_t max,
	int64_t *out);
/** Boolean member, or `otherwise` when absent or no boolean. */
bool json_get_bool(const struct json *object, struct str key, bool otherwise);

/** For qsort() and bsearch() of `const struct json_member *`: the order of their keys, byte by byte. */
int json_compare_keys(const void *a, const void *b);

/** Equal values: members in any order, 1 and 1.0 differ. */
bool json_equals(const struct json *a, const struct json *b);

/** Building by hand: values that view what is given. */
struct json json_string(struct str text);
struct json json_integer(int64_t value);
struct json json_boolean(bool value);
/** An array that views `items`. */
struct json json_array_of(struct json *items, size_t count);
/** An object that can take `room` members. */
struct json json_object(struct arena *arena, size_t room);
/**
 * A copy of the object with `key` set (replaced or added at the end); `raw` of the result is empty.
 * The object's own members are shared.
 */
struct json json_with(struct arena *arena, const struct json *object, struct str key,
	struct json value);
/** A copy of the object without `key`; `raw` of the result is empty when something was removed. */
struct json json_without(struct arena *arena, const struct json *object, struct str key);
/**
 * Many members at once, since a copy for each of many would cost the square of them: the members of both, each key once, of one that
 * both have the member of `over`; in order of their keys, shared, without `raw`.
 */
struct json json_merged(struct arena *arena, const struct json *under, const struct json *over);
/** The members whose keys `names` has not, in order of their keys, shared, without `raw`. A key may stand in `names` twice. */
struct json json_without_all(struct arena *arena, const struct json *object,
	const struct json *names);

/** Deep copy whose strings, numbers and raw texts are all in `arena`. */
struct json json_dup(struct arena *arena, const struct json *value);
/** The same, but what views the text `from` views the same place of `to`, a copy of it. */
struct json json_dup_within(struct arena *arena, const struct json *value, struct str from,
	struct str to);

#endif
