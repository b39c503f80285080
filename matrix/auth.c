/*
 * Entry to the authorisation rules, and the rules that hold for every type. The checks stand in the
 * specification's order; the numbers beside them are those of version 12, and auth_rule.c has the other
 * versions'. What differs between versions is asked from the version's row. Nothing is allocated here:
 * a plain message costs three look-ups of state.
 */
#include "matrix/auth_rule.h"

enum membership auth_membership(const struct auth_case *c, struct str user)
{
	return membership_of(state_view_get(c->state, STR("m.room.member"), user));
}

/* 2 in version 12: "!abc" is the room that "$abc" created. */
static bool room_id_names(struct room_id room_id, const struct event *create)
{
	return room_id.s.n > 1 &&
		str_equals(str_slice(room_id.s, 1, room_id.s.n),
			str_slice(create->event_id.s, 1, create->event_id.s.n));
}

/* 2; before version 12, what 2.4 and 2.5 say of the create event, for callers that have only state. */
static struct verdict check_room(const struct event *event, const struct event *create)
{
	const struct room_version *version = event->version;
	if (version->room_id_is_create_hash) {
		if (create == NULL || !room_id_names(event->room_id, create)) {
			return auth_deny(version, AUTH_ROOM_ID_NOT_CREATE);
		}
		return verdict_allow();
	}
	if (create == NULL) {
		return auth_deny(version, AUTH_EVENTS_NO_CREATE);
	}
	if (!str_equals(create->room_id.s, event->room_id.s)) {
		return auth_deny(version, AUTH_EVENTS_OTHER_ROOM);
	}
	return verdict_allow();
}

/* 4 */
static bool may_federate(const struct event *event, const struct event *create)
{
	return json_get_bool(create->content, STR("m.federate"), true) ||
		str_equals(user_id_server(event->sender).s, user_id_server(create->sender).s);
}

/* Rule 4 of versions 1 to 5. */
static struct verdict check_aliases(const struct event *event)
{
	if (!event->is_state) { /* 4.1 */
		return auth_deny(event->version, AUTH_ALIASES_NO_STATE_KEY);
	}
	if (!str_equals(user_id_server(event->sender).s, event->state_key)) { /* 4.2 */
		return auth_deny(event->version, AUTH_ALIASES_OTHER_DOMAIN);
	}
	return verdict_allow();
}

/* What follows the ':' of an event id of versions 1 and 2; p == NULL when there is none. */
static struct str event_id_domain(struct str event_id)
{
	struct str opaque;
	struct str domain;
	return str_split(event_id, ':', &opaque, &domain) ? domain : (struct str){0};
}

/* Rule 11 of versions 1 and 2. */
static struct verdict check_redaction(const struct auth_case *c)
{
	if (c->sender_power >= power_level_for(&c->power, POWER_REDACT)) { /* 11.1 */
		return verdict_allow();
	}
	const struct str own = event_id_domain(c->event->event_id.s);
	const struct str redacted = event_id_domain(c->event->redacts);
	if (redacted.p != NULL && str_equals(own, redacted)) { /* 11.2 */
		return verdict_allow();
	}
	return auth_deny(c->event->version, AUTH_REDACTION);
}

/* 6 to 11: everything that only members may send. */
static struct verdict check_by_level(const struct auth_case *c)
{
	const struct event *event = c->event;
	if (c->sender != MEMBERSHIP_JOIN) { /* 6 */
		return auth_deny(event->version, AUTH_SENDER_NOT_JOINED);
	}
	if (str_equals(event->type, STR("m.room.third_party_invite"))) {      /* 7 */
		if (c->sender_power < power_level_for(&c->power, POWER_INVITE)) { /* 7.1 */
			return auth_deny(event->version, AUTH_THIRD_PARTY_POWER);
		}
		return verdict_allow();
	}
	if (power_level_to_send(&c->power, event->type, event->is_state) > c->sender_power) { /* 8 */
		return auth_deny(event->version, AUTH_EVENT_POWER);
	}
	if (event->is_state && str_starts_with(event->state_key, STR("@")) &&
		!str_equals(event->state_key, event->sender.s)) { /* 9 */
		return auth_deny(event->version, AUTH_STATE_KEY_OF_OTHER);
	}
	if (str_equals(event->type, STR("m.room.power_levels"))) { /* 10 */
		return auth_check_power_levels(c);
	}
	if (event->version->redaction_needs_power_or_origin &&
		str_equals(event->type, STR("m.room.redaction"))) {
		return check_redaction(c);
	}
	return verdict_allow(); /* 11 */
}

struct verdict auth_check(const struct event *event, const struct state_view *state)
{
	if (str_equals(event->type, STR("m.room.create"))) { /* 1 */
		return auth_check_create(event);
	}
	struct auth_case c = {
		.event = event,
		.state = state,
		.power = power_of_state(event->version, state),
	};
	const struct verdict room = check_room(event, c.power.create); /* 2 */
	if (!room.allowed) {
		return room;
	}
	if (!may_federate(event, c.power.create)) { /* 4 */
		return auth_deny(event->version, AUTH_NOT_FEDERATED);
	}
	if (event->version->special_aliases_auth && str_equals(event->type, STR("m.room.aliases"))) {
		return check_aliases(event);
	}
	c.sender = auth_membership(&c, event->sender.s);
	c.sender_power = power_level_of(&c.power, event->sender.s);
	if (str_equals(event->type, STR("m.room.member"))) { /* 5 */
		return auth_check_member(&c);
	}
	return check_by_level(&c);
}

/* 3.1 */
static bool has_duplicates(const struct event *const *auth_events, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		for (size_t j = 0; j < i; j++) {
			if (auth_events[j]->is_state &&
				event_is(auth_events[i], auth_events[j]->type, auth_events[j]->state_key)) {
				return true;
			}
		}
	}
	return false;
}

/* 3.2, for one event. */
static bool is_selected(const struct event *event, const struct auth_key *keys, size_t key_count)
{
	for (size_t i = 0; i < key_count; i++) {
		if (event_is(event, keys[i].type, keys[i].state_key)) {
			return true;
		}
	}
	return false;
}

static bool all_are_selected(const struct event *event, const struct event *const *auth_events,
	size_t count)
{
	struct auth_key keys[AUTH_KEYS_MAX];
	const size_t key_count = auth_select_keys(event->version, event->type, event->is_state,
		event->state_key, event->sender, event->content, keys);
	for (size_t i = 0; i < count; i++) {
		if (!is_selected(auth_events[i], keys, key_count)) {
			return false;
		}
	}
	return true;
}

/* 2.4 before version 12 */
static bool has_create(const struct event *const *auth_events, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (event_is(auth_events[i], STR("m.room.create"), STR(""))) {
			return true;
		}
	}
	return false;
}

struct verdict auth_check_auth_events(const struct event *event,
	const struct event *const *auth_events, const bool *is_rejected, size_t count)
{
	const struct room_version *version = event->version;
	if (str_equals(event->type, STR("m.room.create"))) {
		return verdict_allow(); /* rule 1 has the last word on it */
	}
	if (has_duplicates(auth_events, count)) { /* 3.1 */
		return auth_deny(version, AUTH_EVENTS_DUPLICATE);
	}
	if (!all_are_selected(event, auth_events, count)) { /* 3.2 */
		return auth_deny(version, AUTH_EVENTS_UNEXPECTED);
	}
	for (size_t i = 0; i < count; i++) {
		if (is_rejected[i]) { /* 3.3 */
			return auth_deny(version, AUTH_EVENTS_REJECTED);
		}
	}
	if (!version->room_id_is_create_hash && !has_create(auth_events, count)) {
		return auth_deny(version, AUTH_EVENTS_NO_CREATE); /* 2.4 before version 12 */
	}
	for (size_t i = 0; i < count; i++) {
		if (!str_equals(auth_events[i]->room_id.s, event->room_id.s)) { /* 3.5 */
			return auth_deny(version, AUTH_EVENTS_OTHER_ROOM);
		}
	}
	return verdict_allow();
}
