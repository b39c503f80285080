/*
 * Anybody may invent a leave of a room that we know nothing of; who could have made the invite vanish anyway is believed.
 */
#include "federation/outside_in.h"

#include "homeserver/room/room_accept.h"
#include "homeserver/room/room_via.h"
#include "matrix/membership.h"
#include "matrix/power.h"

static bool is_end(const struct homeserver *hs, const struct event *event)
{
	enum membership membership = membership_of(event);
	return event->is_state && str_equals(event->type, STR("m.room.member")) &&
		hs_is_local(hs, event->state_key) &&
		(membership == MEMBERSHIP_LEAVE || membership == MEMBERSHIP_BAN);
}

/* Nobody here knows who else has the power to take an invite back. A ban is believed: it is no use to be invited then. */
static bool may_end(const struct event *event, const struct event *before)
{
	return membership_of(before) == MEMBERSHIP_KNOCK || membership_of(event) == MEMBERSHIP_BAN ||
		str_equals(event->sender.s, before->sender.s);
}

enum err outside_in_concerns(struct ctx *ctx, struct federation *federation, struct room *room,
	const struct event *event, bool *out)
{
	struct homeserver *hs = federation->hs;
	struct stored_event *now;
	struct via via = {0};
	*out = false;
	if (!is_end(hs, event)) {
		return ERR_OK;
	}
	TRY(room_state_event(ctx, hs, room, STR("m.room.member"), event->state_key, POSITION_NOW,
		&now));
	enum membership membership = now != NULL ? membership_of(now->event) : MEMBERSHIP_LEAVE;
	bool is_open = membership == MEMBERSHIP_INVITE || membership == MEMBERSHIP_KNOCK;
	/* Events come in any order: what ends something else (a ban, before the invite) does not name this one. */
	if (!is_open || !event_stands_on(event, now->event) || !may_end(event, now->event)) {
		return ERR_OK;
	}
	TRY(via_add_known(ctx, hs, room, event->state_key, &via));
	for (size_t i = 0; i < via.count && !*out; i++) {
		*out = server_name_equals(via.servers[i], user_id_server(event->sender));
	}
	return ERR_OK;
}

/* By the state of now, of which only members are missing. */
static enum err has_power(struct ctx *ctx, struct homeserver *hs, struct room *room,
	const struct event *event, bool *out)
{
	const struct state_ask asks[] = {
		{STR("m.room.create"), STR("")},
		{STR("m.room.power_levels"), STR("")},
		{STR("m.room.member"), event->sender.s},
	};
	struct state_view view;
	struct user_id target;
	const struct room_version *version = event->version;
	*out = false;
	TRY(room_state_view(ctx, hs, room, asks, COUNT_OF(asks), &view));
	if (!user_id_parse(event->state_key, &target)) {
		return ERR_OK;
	}
	enum membership sender =
		membership_of(state_view_get(&view, STR("m.room.member"), event->sender.s));
	int64_t level = power_of_user(version, &view, event->sender);
	enum power_action action = membership_of(event) == MEMBERSHIP_BAN ? POWER_BAN : POWER_KICK;
	*out = (sender == MEMBERSHIP_JOIN || sender == MEMBERSHIP_NONE) &&
		level >= power_for_action(version, &view, action) &&
		level > power_of_user(version, &view, target);
	return ERR_OK;
}

enum err outside_in_ends_join(struct ctx *ctx, struct federation *federation, struct room *room,
	const struct event *event, bool *out)
{
	struct homeserver *hs = federation->hs;
	struct stored_event *now;
	*out = false;
	if (!is_end(hs, event)) {
		return ERR_OK;
	}
	TRY(room_state_event(ctx, hs, room, STR("m.room.member"), event->state_key, POSITION_NOW,
		&now));
	if (now == NULL || membership_of(now->event) != MEMBERSHIP_JOIN ||
		!event_stands_on(event, now->event)) {
		return ERR_OK;
	}
	return has_power(ctx, hs, room, event, out);
}

enum err outside_in_take(struct ctx *ctx, struct federation *federation, const struct event *event)
{
	const struct outside_membership what = {.version = event->version, .event = event};
	return rooms_set_outside(ctx, federation->hs, &what);
}
