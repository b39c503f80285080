/*
 * A room that this server is not in counts as unknown: what it was when somebody of here was there says nothing. So does one whose
 * members are not known yet.
 */
#include "homeserver/room/room_restricted.h"

#include "matrix/join_rule.h"
#include "matrix/membership.h"
#include "matrix/power.h"

/* Whether the user is joined to one of the rooms that the join rule names. */
static enum err is_in_allowed_room(struct ctx *ctx, struct homeserver *hs,
	const struct event *join_rules, struct str user_id, bool *out, bool *out_knows_all)
{
	struct room_id *allowed;
	size_t count = join_rule_allowed_rooms(ctx->arena, join_rules, &allowed);
	*out = false;
	*out_knows_all = true;
	for (size_t i = 0; i < count && !*out; i++) {
		struct room *other;
		struct str membership;
		enum err err = rooms_get(ctx, hs, allowed[i].s, &other);
		if (err == ERR_MISSING ||
			(err == ERR_OK && (!room_is_resident(other) || room_is_partial(other)))) {
			*out_knows_all = false;
			continue;
		}
		TRY(err);
		TRY(room_membership(ctx, hs, other, user_id, &membership));
		*out = str_equals(membership, STR("join"));
	}
	return ERR_OK;
}

/* A joined local user who has the power to invite: the one with the most power, creators first. */
static enum err find_authoriser(struct ctx *ctx, struct homeserver *hs, struct room *room,
	struct str *out)
{
	static const struct state_ask asks[] = {{STR_INIT("m.room.power_levels"), STR_INIT("")},
		{STR_INIT("m.room.create"), STR_INIT("")}};
	struct state_view view;
	TRY(room_state_view(ctx, hs, room, asks, COUNT_OF(asks), &view));
	const struct room_version *version = room_version_of(room);
	int64_t best = power_for_action(version, &view, POWER_INVITE);
	const struct state_query query = {.only_members = true, .without_events = true};
	struct state_item *items;
	size_t count;
	TRY(room_state_list(ctx, hs, room, POSITION_NOW, &query, &items, &count));
	*out = str_from(NULL, 0);
	for (size_t i = 0; i < count; i++) {
		struct user_id user;
		if (!str_equals(items[i].membership, STR("join")) || !hs_is_local(hs, items[i].state_key) ||
			!user_id_parse(items[i].state_key, &user)) {
			continue;
		}
		int64_t power = power_of_user(version, &view, user);
		if (power > best || (power == best && out->p == NULL)) {
			best = power;
			*out = items[i].state_key;
		}
	}
	return ERR_OK;
}

enum err room_restricted_way(struct ctx *ctx, struct homeserver *hs, struct room *room,
	struct str user_id, enum restricted_way *out, struct str *out_authoriser)
{
	struct stored_event *rules;
	struct str membership;
	*out_authoriser = str_from(NULL, 0);
	TRY(room_state_event(ctx, hs, room, STR("m.room.join_rules"), STR(""), POSITION_NOW, &rules));
	const struct event *event = rules != NULL ? rules->event : NULL;
	TRY(room_membership(ctx, hs, room, user_id, &membership));
	*out = RESTRICTED_NOT;
	/* Who is banned is refused by the room's rules, which say so. */
	if (!join_rule_is_restricted(join_rule_of(room_version_of(room), event)) ||
		str_equals(membership, STR("join")) || str_equals(membership, STR("invite")) ||
		str_equals(membership, STR("ban"))) {
		return ERR_OK;
	}
	bool is_allowed;
	bool knows_all;
	TRY(is_in_allowed_room(ctx, hs, event, user_id, &is_allowed, &knows_all));
	if (!is_allowed) {
		*out = knows_all ? RESTRICTED_REFUSED : RESTRICTED_UNKNOWN;
		return ERR_OK;
	}
	TRY(find_authoriser(ctx, hs, room, out_authoriser));
	*out = out_authoriser->p != NULL ? RESTRICTED_GRANTED : RESTRICTED_UNGRANTED;
	return ERR_OK;
}
