/**
 * Authorisation rules of each room version.
 * Spec: rooms/v*, "Authorization rules"
 */
#ifndef BELFRY_MATRIX_AUTH_H
#define BELFRY_MATRIX_AUTH_H

#include "matrix/event.h"
#include "matrix/state_map.h"

/**
 * Decides whether an event may enter the room on top of the given state.
 *
 * @param event  shape, hash and signatures checked already
 * @param state  the state the event stands on, or the state made of its auth events; in both cases with
 *               the room's create event, which has to be accepted (version 12 does not name it among the
 *               auth events, so the caller adds it)
 * @return       names the first rule that refused, "auth.<rule number of the version's text>"
 *
 * Ownership: nothing is kept.     Threads: any.     Cost: a few look-ups of state and no allocation; for
 * power levels n log n in their entries, for third-party invites up to 64 signature checks.
 * Spec: rooms/v*, "Authorization rules"
 */
MUST_CHECK struct verdict auth_check(const struct event *event, const struct state_view *state);

/**
 * The checks on `auth_events` themselves: no duplicates, none that may not be there, the create event among
 * them (or, version 12, not), none rejected, all of this room.
 * @param auth_events  the events named, all found; `is_rejected[i]` belongs to auth_events[i]
 */
MUST_CHECK struct verdict auth_check_auth_events(const struct event *event,
	const struct event *const *auth_events, const bool *is_rejected, size_t count);

/** A key of state that an event's authorisation looks at. */
struct auth_key {
	struct str type;
	struct str state_key;
};
/**
 * Which state belongs into auth_events of a new event.
 * Spec: server-server API, "Auth events selection"
 * @return count; *out in the arena. The state's entries that do not exist are left out by the caller.
 */
size_t auth_select(struct arena *arena, const struct room_version *version, struct str type,
	bool is_state, struct str state_key, struct user_id sender, const struct json *content,
	struct auth_key **out);

#endif
