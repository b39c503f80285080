/**
 * The levels in m.room.power_levels: integers, or what older room versions take for them.
 * Spec: rooms/v1, "m.room.power_levels events accept values as strings", "… as floats"; rooms/v10
 */
#ifndef BELFRY_MATRIX_POWER_VALUE_H
#define BELFRY_MATRIX_POWER_VALUE_H

#include "base/json.h"
#include "matrix/room_version.h"

/**
 * Reads a level. Versions without strict power levels take decimal strings too ("+50", " 007 "),
 * versions without strict canonical JSON also other numbers, cut off at the point (5.1e1 is 51).
 * Numbers beyond 64 bits become the largest or smallest level, which is below POWER_INFINITE.
 *
 * @param value  NULL gives false
 * @return false when it is no level; then *out is unchanged
 */
MUST_CHECK bool power_value_parse(const struct room_version *version, const struct json *value,
	int64_t *out);

/** Members of the content that are levels themselves: "users_default", …, "invite". */
extern const struct str power_level_names[7];

/**
 * Whether all levels of a content are integers that canonical JSON has, as they are to be in new events of every version: what
 * else older ones take for a level, "a homeserver should take reasonable precautions to prevent users from sending". Whether
 * `events`, `users` and `notifications` are objects is the authorisation rules' matter.
 * Spec: server-server API, "PDUs", "Definitions"
 */
MUST_CHECK bool power_levels_are_plain(const struct json *content);

#endif
