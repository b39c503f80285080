/*
 * Sizes and shapes that make an event invalid in every room version, and numbers that do in the strict
 * ones. What is too large has a rule that begins with "event.size".
 */
#include "matrix/event_inner.h"

#include "base/utf8.h"
#include "matrix/canonical.h"

/*
 * The specification counts bytes, the servers by which most old rooms were made count code points up to version 10. An event
 * that they took is part of such a room: whoever refuses it cannot follow what stands on it.
 */
static bool is_too_long(const struct event *event, struct str key, enum event_maker maker)
{
	bool in_bytes = maker == EVENT_OF_OURS || event->version->measures_keys_in_bytes;
	return (in_bytes ? key.n : utf8_length(key)) > EVENT_MAX_KEY_BYTES;
}

int64_t event_depth_max(const struct room_version *version)
{
	return version->strict_canonical_json ? CANONICAL_INT_MAX : INT64_MAX;
}

struct verdict event_check_sizes(const struct event *event, enum event_maker maker)
{
	if (is_too_long(event, event->type, maker)) {
		return verdict_deny("event.size.type", "The event type is longer than 255 bytes");
	}
	if (event->is_state && is_too_long(event, event->state_key, maker)) {
		return verdict_deny("event.size.state_key", "The state key is longer than 255 bytes");
	}
	bool counts = maker != EVENT_OF_HISTORY;
	if (counts && event->prev_count > EVENT_MAX_PREV_EVENTS) {
		return verdict_deny("event.prev_events", "There are more than 20 previous events");
	}
	if (counts && event->auth_count > EVENT_MAX_AUTH_EVENTS) {
		return verdict_deny("event.auth_events", "There are more than 10 auth events");
	}
	return verdict_allow();
}

struct verdict event_check_values(const struct room_version *version, const struct json *value,
	size_t levels_above)
{
	if (!canonical_nests_at_most(value, EVENT_MAX_NESTING - levels_above)) {
		return verdict_deny("event.nesting", "The event is nested too deeply");
	}
	if (version->strict_canonical_json && !canonical_is_strict(value)) {
		return verdict_deny("event.canonical",
			"Numbers in events of this room must be integers between -(2^53-1) and 2^53-1");
	}
	return verdict_allow();
}

struct verdict event_too_large(void)
{
	return verdict_deny("event.size", "The event is larger than 65536 bytes");
}
