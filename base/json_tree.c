/*
 * Walks over whole JSON trees: comparison and deep copy. Trees are at most as deep as the parser's
 * limit, so both may recurse (bounded by json_limits.max_depth).
 */
#include "base/json.h"

static bool arrays_equal(const struct json *a, const struct json *b)
{
	for (size_t i = 0; i < a->count; i++) {
		if (!json_equals(&a->items[i], &b->items[i])) { // NOLINT(misc-no-recursion): bounded
			return false;
		}
	}
	return true;
}

static bool objects_equal(const struct json *a, const struct json *b)
{
	for (size_t i = 0; i < a->count; i++) {
		const struct json *other = json_get(b, a->members[i].key);
		if (other == NULL ||
			!json_equals(&a->members[i].value, other)) { // NOLINT(misc-no-recursion)
			return false;
		}
	}
	return true;
}

// NOLINTNEXTLINE(misc-no-recursion): depth is bounded by the parser
bool json_equals(const struct json *a, const struct json *b)
{
	if (a->type != b->type || a->count != b->count) {
		return false;
	}
	switch (a->type) {
	case JSON_NULL:
		return true;
	case JSON_BOOL:
		return a->boolean == b->boolean;
	case JSON_INT:
		return a->integer == b->integer;
	case JSON_NUMBER:
	case JSON_STRING:
		return str_equals(a->text, b->text);
	case JSON_ARRAY:
		return arrays_equal(a, b);
	case JSON_OBJECT:
		return objects_equal(a, b);
	}
	return false;
}

// NOLINTNEXTLINE(misc-no-recursion): depth is bounded by the parser
struct json json_dup_within(struct arena *arena, const struct json *value, struct str from,
	struct str to)
{
	struct json copy = *value;
	copy.text = str_dup_within(arena, value->text, from, to);
	copy.raw = str_dup_within(arena, value->raw, from, to);
	if (value->type == JSON_ARRAY && value->count > 0) {
		copy.items = ARENA_NEW_ARRAY(arena, struct json, value->count);
		for (size_t i = 0; i < value->count; i++) {
			copy.items[i] = json_dup_within(arena, &value->items[i], from, to);
		}
	}
	if (value->type == JSON_OBJECT && value->count > 0) {
		copy.members = ARENA_NEW_ARRAY(arena, struct json_member, value->count);
		for (size_t i = 0; i < value->count; i++) {
			const struct json_member *member = &value->members[i];
			copy.members[i].key = str_dup_within(arena, member->key, from, to);
			copy.members[i].value = json_dup_within(arena, &member->value, from, to);
		}
	}
	return copy;
}

struct json json_dup(struct arena *arena, const struct json *value)
{
	return json_dup_within(arena, value, str_from(NULL, 0), str_from(NULL, 0));
}
