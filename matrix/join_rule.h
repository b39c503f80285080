/**
 * The content of m.room.join_rules, read as each room version understands it.
 * Spec: client-server API, "m.room.join_rules"; rooms/v7, v8, v10
 */
#ifndef BELFRY_MATRIX_JOIN_RULE_H
#define BELFRY_MATRIX_JOIN_RULE_H

#include "matrix/state_map.h"

enum join_rule {
	JOIN_RULE_INVITE,
	JOIN_RULE_PUBLIC,
	JOIN_RULE_KNOCK,
	JOIN_RULE_RESTRICTED,
	JOIN_RULE_KNOCK_RESTRICTED,
	JOIN_RULE_OTHER, /**< private, unknown, or unknown to this room version: nobody may join */
};

/** The rule that a m.room.join_rules event sets; NULL, or one without `join_rule`, means invite. */
enum join_rule join_rule_of(const struct room_version *version, const struct event *event);

/** The rule in force. */
enum join_rule join_rule_from_state(const struct room_version *version,
	const struct state_view *state);

/** Whether members of other rooms may join (restricted, knock_restricted). */
bool join_rule_is_restricted(enum join_rule rule);
/** Whether one may knock (knock, knock_restricted). */
bool join_rule_takes_knocks(enum join_rule rule);

/**
 * The rooms whose members may join: conditions of type m.room_membership in `allow`, in order;
 * malformed ones are left out.
 *
 * @param event  m.room.join_rules; NULL: none
 * @return number of entries in *out (in the arena; ids view the event)
 */
size_t join_rule_allowed_rooms(struct arena *arena, const struct event *event,
	struct room_id **out);

#endif
