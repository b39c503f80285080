/*
 * Rule 5: m.room.member, one function for each membership. The numbers beside the checks are those of
 * version 12; auth_rule.c has the other versions'.
 */
#include "matrix/auth_rule.h"
#include "matrix/join_rule.h"

static struct verdict deny(const struct auth_case *c, enum auth_rule rule)
{
	return auth_deny(c->event->version, rule);
}

static bool is_self(const struct auth_case *c)
{
	return str_equals(c->event->sender.s, c->event->state_key);
}

static enum membership target_membership(const struct auth_case *c)
{
	return is_self(c) ? c->sender : auth_membership(c, c->event->state_key);
}

/* Whether the sender reaches the action's level and stands above the target. */
static bool has_power_over_target(const struct auth_case *c, enum power_action action)
{
	return c->sender_power >= power_level_for(&c->power, action) &&
		power_level_of(&c->power, c->event->state_key) < c->sender_power;
}

/* 5.2: that the signature is there; that it is right was checked on receipt. */
static bool authoriser_has_signed(const struct event *event)
{
	const struct json *authoriser = json_at(event->content, "join_authorised_via_users_server");
	if (authoriser == NULL) {
		return true;
	}
	struct user_id user;
	if (authoriser->type != JSON_STRING || !user_id_parse(json_text(authoriser), &user)) {
		return false;
	}
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	const struct json *signatures =
		json_get(json_at(event_json(arena, event), "signatures"), user_id_server(user).s);
	return json_is(signatures, JSON_OBJECT) && signatures->count > 0;
}

/* 5.3.1 */
static bool is_creators_first_join(const struct auth_case *c)
{
	const struct event *create = c->power.create;
	if (c->event->prev_count != 1 || !str_equals(c->event->prev_events[0].s, create->event_id.s)) {
		return false;
	}
	return c->event->version->creator_is_sender
		? str_equals(create->sender.s, c->event->state_key)
		: power_names_creator(&c->power, c->event->state_key);
}

/* 5.3.5.2 */
static bool is_authorised(const struct auth_case *c)
{
	const struct str authoriser =
		json_get_str(c->event->content, STR("join_authorised_via_users_server"));
	return authoriser.p != NULL && auth_membership(c, authoriser) == MEMBERSHIP_JOIN &&
		power_level_of(&c->power, authoriser) >= power_level_for(&c->power, POWER_INVITE);
}

/* 5.3 */
static struct verdict check_join(const struct auth_case *c)
{
	if (is_creators_first_join(c)) { /* 5.3.1 */
		return verdict_allow();
	}
	if (!is_self(c)) { /* 5.3.2 */
		return deny(c, AUTH_JOIN_NOT_SELF);
	}
	if (c->sender == MEMBERSHIP_BAN) { /* 5.3.3 */
		return deny(c, AUTH_JOIN_BANNED);
	}
	const bool is_expected = c->sender == MEMBERSHIP_INVITE || c->sender == MEMBERSHIP_JOIN;
	const enum join_rule rule = join_rule_from_state(c->event->version, c->state);
	if ((rule == JOIN_RULE_INVITE || rule == JOIN_RULE_KNOCK) && is_expected) { /* 5.3.4 */
		return verdict_allow();
	}
	if (join_rule_is_restricted(rule)) {         /* 5.3.5 */
		if (!is_expected && !is_authorised(c)) { /* 5.3.5.2 */
			return deny(c, AUTH_JOIN_AUTHORISER);
		}
		return verdict_allow();
	}
	if (rule == JOIN_RULE_PUBLIC) { /* 5.3.6 */
		return verdict_allow();
	}
	return deny(c, AUTH_JOIN_REFUSED); /* 5.3.7 */
}

/* 5.4 */
static struct verdict check_invite(const struct auth_case *c)
{
	if (json_at(c->event->content, "third_party_invite") != NULL) { /* 5.4.1 */
		return auth_check_third_party(c);
	}
	if (c->sender != MEMBERSHIP_JOIN) { /* 5.4.2 */
		return deny(c, AUTH_INVITE_SENDER);
	}
	const enum membership target = target_membership(c);
	if (target == MEMBERSHIP_JOIN || target == MEMBERSHIP_BAN) { /* 5.4.3 */
		return deny(c, AUTH_INVITE_TARGET);
	}
	if (c->sender_power >= power_level_for(&c->power, POWER_INVITE)) { /* 5.4.4 */
		return verdict_allow();
	}
	return deny(c, AUTH_INVITE_POWER); /* 5.4.5 */
}

/* 5.5 */
static struct verdict check_leave(const struct auth_case *c)
{
	if (is_self(c)) { /* 5.5.1 */
		const bool may_leave = c->sender == MEMBERSHIP_INVITE || c->sender == MEMBERSHIP_JOIN ||
			(c->sender == MEMBERSHIP_KNOCK && c->event->version->allows_knocking);
		return may_leave ? verdict_allow() : deny(c, AUTH_LEAVE_SELF);
	}
	if (c->sender != MEMBERSHIP_JOIN) { /* 5.5.2 */
		return deny(c, AUTH_LEAVE_SENDER);
	}
	if (target_membership(c) == MEMBERSHIP_BAN &&
		c->sender_power < power_level_for(&c->power, POWER_BAN)) { /* 5.5.3 */
		return deny(c, AUTH_LEAVE_UNBAN);
	}
	if (has_power_over_target(c, POWER_KICK)) { /* 5.5.4 */
		return verdict_allow();
	}
	return deny(c, AUTH_LEAVE_POWER); /* 5.5.5 */
}

/* 5.6 */
static struct verdict check_ban(const struct auth_case *c)
{
	if (c->sender != MEMBERSHIP_JOIN) { /* 5.6.1 */
		return deny(c, AUTH_BAN_SENDER);
	}
	if (has_power_over_target(c, POWER_BAN)) { /* 5.6.2 */
		return verdict_allow();
	}
	return deny(c, AUTH_BAN_POWER); /* 5.6.3 */
}

/* 5.7 */
static struct verdict check_knock(const struct auth_case *c)
{
	if (!join_rule_takes_knocks(join_rule_from_state(c->event->version, c->state))) { /* 5.7.1 */
		return deny(c, AUTH_KNOCK_RULE);
	}
	if (!is_self(c)) { /* 5.7.2 */
		return deny(c, AUTH_KNOCK_NOT_SELF);
	}
	if (c->sender != MEMBERSHIP_BAN && c->sender != MEMBERSHIP_INVITE &&
		c->sender != MEMBERSHIP_JOIN) { /* 5.7.3 */
		return verdict_allow();
	}
	return deny(c, AUTH_KNOCK_MEMBERSHIP); /* 5.7.4 */
}

struct verdict auth_check_member(const struct auth_case *c)
{
	const struct room_version *version = c->event->version;
	if (!c->event->is_state || json_at(c->event->content, "membership") == NULL) { /* 5.1 */
		return deny(c, AUTH_MEMBER_SHAPE);
	}
	if (version->allows_restricted && !authoriser_has_signed(c->event)) { /* 5.2 */
		return deny(c, AUTH_MEMBER_AUTHORISER_SIGNATURE);
	}
	switch (membership_of(c->event)) {
	case MEMBERSHIP_JOIN: /* 5.3 */
		return check_join(c);
	case MEMBERSHIP_INVITE: /* 5.4 */
		return check_invite(c);
	case MEMBERSHIP_LEAVE: /* 5.5 */
		return check_leave(c);
	case MEMBERSHIP_BAN: /* 5.6 */
		return check_ban(c);
	case MEMBERSHIP_KNOCK: /* 5.7 */
		return version->allows_knocking ? check_knock(c) : deny(c, AUTH_MEMBER_UNKNOWN);
	case MEMBERSHIP_NONE:
	case MEMBERSHIP_UNKNOWN:
		break;
	}
	return deny(c, AUTH_MEMBER_UNKNOWN); /* 5.8 */
}
