/*
 * JSON trees beyond parsing: made by hand; made of two objects at once; compared and copied, which may recurse, since trees are at most
 * as deep as the parser's limit (json_limits.max_depth). Others say how many members an object has: two objects are walked side by
 * side in order of their keys, never one searched for each member of the other.
 */
#include "base/json.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

/* --- made by hand ------------------------------------------------------------------------------------------ */

struct json json_string(struct str text)
{
	invariant(text.n <= UINT32_MAX);
	return (struct json){.type = JSON_STRING, .text_p = text.p, .text_n = (uint32_t)text.n};
}

struct json json_integer(int64_t value)
{
	return (struct json){.type = JSON_INT, .integer = value};
}

struct json json_boolean(bool value)
{
	return (struct json){.type = JSON_BOOL, .boolean = value};
}

struct json json_array_of(struct json *items, size_t count)
{
	invariant(count <= UINT32_MAX);
	return (struct json){.type = JSON_ARRAY, .items = items, .count = (uint32_t)count};
}

struct json json_object(struct arena *arena, size_t room)
{
	return (struct json){.type = JSON_OBJECT,
		.members = room > 0 ? ARENA_NEW_ARRAY(arena, struct json_member, room) : NULL};
}

struct json json_with(struct arena *arena, const struct json *object, struct str key,
	struct json value)
{
	struct json copy = json_object(arena, object->count + 1);
	invariant(copy.members != NULL);
	bool replaced = false;
	for (size_t i = 0; i < object->count; i++) {
		copy.members[copy.count] = object->members[i];
		if (str_equals(object->members[i].key, key)) {
			copy.members[copy.count].value = value;
			replaced = true;
		}
		copy.count++;
	}
	if (!replaced) {
		copy.members[copy.count++] = (struct json_member){.key = key, .value = value};
	}
	return copy;
}

struct json json_without(struct arena *arena, const struct json *object, struct str key)
{
	if (json_get(object, key) == NULL) {
		return *object;
	}
	struct json copy = json_object(arena, object->count);
	for (size_t i = 0; i < object->count; i++) {
		if (!str_equals(object->members[i].key, key)) {
			copy.members[copy.count++] = object->members[i];
		}
	}
	return copy;
}

/* --- two objects side by side ----------------------------------------------------------------------------- */

/* Pointers to the members in order of their keys; free with mem_free(). */
static const struct json_member **sort_members(const struct json *object)
{
	const struct json_member **sorted =
		mem_alloc_array(object->count + 1, sizeof(const struct json_member *));
	bool is_sorted = true;
	for (size_t i = 0; i < object->count; i++) {
		sorted[i] = &object->members[i];
		is_sorted = is_sorted && (i == 0 || json_compare_keys(&sorted[i - 1], &sorted[i]) <= 0);
	}
	if (!is_sorted) {
		qsort(sorted, object->count, sizeof(const struct json_member *), json_compare_keys);
	}
	return sorted;
}

struct json json_merged(struct arena *arena, const struct json *under, const struct json *over)
{
	struct json merged = json_object(arena, under->count + over->count + 1);
	invariant(merged.members != NULL);
	const struct json_member **lower = sort_members(under);
	const struct json_member **upper = sort_members(over);
	for (size_t i = 0, k = 0; i < under->count || k < over->count;) {
		int order = i == under->count ? 1
			: k == over->count        ? -1
									  : json_compare_keys(&lower[i], &upper[k]);
		const struct json_member *next = order < 0 ? lower[i] : upper[k];
		if (merged.count == 0 || !str_equals(merged.members[merged.count - 1].key, next->key)) {
			merged.members[merged.count++] = *next;
		}
		i += order <= 0 ? 1 : 0;
		k += order >= 0 ? 1 : 0;
	}
	mem_free((void *)lower);
	mem_free((void *)upper);
	return merged;
}

struct json json_without_all(struct arena *arena, const struct json *object,
	const struct json *names)
{
	struct json rest = json_object(arena, object->count + 1);
	invariant(rest.members != NULL);
	const struct json_member **members = sort_members(object);
	const struct json_member **gone = sort_members(names);
	size_t k = 0;
	for (size_t i = 0; i < object->count; i++) {
		while (k < names->count && json_compare_keys(&gone[k], &members[i]) < 0) {
			k++;
		}
		if (k == names->count || json_compare_keys(&gone[k], &members[i]) != 0) {
			rest.members[rest.count++] = *members[i];
		}
	}
	mem_free((void *)members);
	mem_free((void *)gone);
	return rest;
}

/* --- whole trees -------------------------------------------------------------------------------------------- */

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
	const struct json_member **left = sort_members(a);
	const struct json_member **right = sort_members(b);
	bool is_equal = true;
	for (size_t i = 0; i < a->count && is_equal; i++) {
		is_equal = str_equals(left[i]->key, right[i]->key) &&
			json_equals(&left[i]->value, &right[i]->value); // NOLINT(misc-no-recursion)
	}
	mem_free((void *)left);
	mem_free((void *)right);
	return is_equal;
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
		return str_equals(json_text(a), json_text(b));
	case JSON_ARRAY:
		return arrays_equal(a, b);
	case JSON_OBJECT:
		return objects_equal(a, b);
	}
	return false;
}

/* With the places behind them. */
static struct json_member *dup_members(struct arena *arena, const struct json *object)
{
	size_t place_bytes = object->has_places ? sizeof(uint32_t) : 0;
	size_t bytes = object->count * (sizeof(struct json_member) + place_bytes);
	return memcpy(arena_alloc(arena, bytes), object->members, bytes);
}

// NOLINTNEXTLINE(misc-no-recursion): depth is bounded by the parser
struct json json_dup_within(struct arena *arena, const struct json *value, struct str from,
	struct str to)
{
	struct json copy = *value;
	json_set_raw(&copy, str_dup_within(arena, json_raw(value), from, to));
	if (value->type == JSON_STRING || value->type == JSON_NUMBER) {
		copy.text_p = str_dup_within(arena, json_text(value), from, to).p;
	}
	if (value->type == JSON_ARRAY && value->count > 0) {
		copy.items = ARENA_NEW_ARRAY(arena, struct json, value->count);
		for (size_t i = 0; i < value->count; i++) {
			copy.items[i] = json_dup_within(arena, &value->items[i], from, to);
		}
	}
	if (value->type == JSON_OBJECT && value->count > 0) {
		copy.members = dup_members(arena, value);
		for (size_t i = 0; i < value->count; i++) {
			struct json_member *member = &copy.members[i];
			member->key = str_dup_within(arena, member->key, from, to);
			member->value = json_dup_within(arena, &member->value, from, to);
		}
	}
	return copy;
}

struct json json_dup(struct arena *arena, const struct json *value)
{
	return json_dup_within(arena, value, str_from(NULL, 0), str_from(NULL, 0));
}
