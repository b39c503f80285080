/**
 * The power levels that a new room starts with.
 * Spec: client-server API, createRoom; "m.room.power_levels"
 */
#ifndef BELFRY_MATRIX_POWER_TEMPLATE_H
#define BELFRY_MATRIX_POWER_TEMPLATE_H

#include "base/json.h"
#include "matrix/field_error.h"
#include "matrix/id.h"
#include "matrix/room_version.h"

struct power_template {
	const struct room_version *version;
	struct user_id creator;
	const struct str *
		equals; /**< users with the creator's level (versions ≤ 11); each once, without the creator */
	size_t equal_count;
	int64_t invite_level;        /**< level needed to invite */
	const struct json *override; /**< power_level_content_override; NULL: none */
	const struct str *creators;  /**< version 12: additional creators */
	size_t creator_count;
};

/**
 * Content of the first m.room.power_levels event: the defaults, with the override's members put in
 * their place. Where creators are privileged, `m.room.tombstone` always has a level above
 * state_default unless the override itself gives it one.
 *
 * @param out        in the arena; shares values with the override
 * @param out_error  written when it returns false: the override is no object, has a level that is no
 *                   integer, or gives a privileged creator one (M_INVALID_ROOM_STATE)
 */
MUST_CHECK bool power_template_make(struct arena *arena, const struct power_template *template,
	struct json *out, struct field_error *out_error);

#endif
