/**
 * Small steps for building event contents by hand.
 */
#ifndef BELFRY_MATRIX_JSON_MAKE_H
#define BELFRY_MATRIX_JSON_MAKE_H

#include "base/json.h"

/**
 * Adds a member behind the others; the object has room for it (json_object) and no such key yet.
 */
static inline void json_put(struct json *object, struct str key, struct json value)
{
	object->members[object->count++] = (struct json_member){.key = key, .value = value};
}

/** An object with one member. */
static inline struct json json_object_of(struct arena *arena, struct str key, struct json value)
{
	struct json object = json_object(arena, 1);
	json_put(&object, key, value);
	return object;
}

#endif
