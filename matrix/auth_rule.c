/*
 * The rules' numbers. The room versions number their texts in six ways; a column of the table is one of
 * them, chosen by what the version's row says. "-": that text has no such rule.
 */
#include "matrix/auth_rule.h"

/* The six numberings, oldest first. */
enum numbering {
	NUMBERING_ALIASES,    /* 1–5: with the rule on m.room.aliases */
	NUMBERING_PLAIN,      /* 6 */
	NUMBERING_KNOCK,      /* 7 */
	NUMBERING_RESTRICTED, /* 8, 9 */
	NUMBERING_STRICT,     /* 10, 11: shape of power levels */
	NUMBERING_CREATORS,   /* 12 */
	NUMBERING_COUNT,
};

struct rule {
	const char *number[NUMBERING_COUNT];
	const char *text;
};

#define RULE(aliases, plain, knock, restricted, strict, creators, words) \
	{ \
		.number = {"auth." aliases, "auth." plain, "auth." knock, "auth." restricted, \
			"auth." strict, "auth." creators}, \
		.text = (words), \
	}

/* clang-format off */
static const struct rule rules[AUTH_RULE_COUNT] = {
	[AUTH_CREATE_HAS_PREV] = RULE("1.1", "1.1", "1.1", "1.1", "1.1", "1.1",
		"A create event may not have previous events."),
	[AUTH_CREATE_ROOM_ID] = RULE("1.2", "1.2", "1.2", "1.2", "1.2", "1.2",
		"The create event's room id does not fit it."),
	[AUTH_CREATE_VERSION] = RULE("1.3", "1.3", "1.3", "1.3", "1.3", "1.3",
		"The create event names an unknown room version."),
	[AUTH_CREATE_NO_CREATOR] = RULE("1.4", "1.4", "1.4", "1.4", "1.4", "-",
		"The create event names no creator."),
	[AUTH_CREATE_BAD_CREATORS] = RULE("-", "-", "-", "-", "-", "1.4",
		"additional_creators is no list of user ids."),
	[AUTH_ROOM_ID_NOT_CREATE] = RULE("-", "-", "-", "-", "-", "2",
		"The room id is not that of the room's create event."),
	[AUTH_EVENTS_DUPLICATE] = RULE("2.1", "2.1", "2.1", "2.1", "2.1", "3.1",
		"auth_events has two events for the same state."),
	[AUTH_EVENTS_UNEXPECTED] = RULE("2.2", "2.2", "2.2", "2.2", "2.2", "3.2",
		"auth_events has an event that does not belong there."),
	[AUTH_EVENTS_REJECTED] = RULE("2.3", "2.3", "2.3", "2.3", "2.3", "3.3",
		"auth_events has an event that was rejected."),
	[AUTH_EVENTS_NO_CREATE] = RULE("2.4", "2.4", "2.4", "2.4", "2.4", "-",
		"The create event is missing."),
	[AUTH_EVENTS_OTHER_ROOM] = RULE("2.5", "2.5", "2.5", "2.5", "2.5", "3.5",
		"auth_events has an event of another room."),
	[AUTH_NOT_FEDERATED] = RULE("3", "3", "3", "3", "3", "4",
		"The room is closed to other servers."),
	[AUTH_ALIASES_NO_STATE_KEY] = RULE("4.1", "-", "-", "-", "-", "-",
		"m.room.aliases needs a state key."),
	[AUTH_ALIASES_OTHER_DOMAIN] = RULE("4.2", "-", "-", "-", "-", "-",
		"m.room.aliases belongs to another server."),
	[AUTH_MEMBER_SHAPE] = RULE("5.1", "4.1", "4.1", "4.1", "4.1", "5.1",
		"A membership needs a state key and `membership`."),
	[AUTH_MEMBER_AUTHORISER_SIGNATURE] = RULE("-", "-", "-", "4.2.1", "4.2.1", "5.2.1",
		"The server that authorised the join has not signed it."),
	[AUTH_JOIN_NOT_SELF] = RULE("5.2.2", "4.2.2", "4.2.2", "4.3.2", "4.3.2", "5.3.2",
		"Nobody can join for somebody else."),
	[AUTH_JOIN_BANNED] = RULE("5.2.3", "4.2.3", "4.2.3", "4.3.3", "4.3.3", "5.3.3",
		"The user is banned from the room."),
	[AUTH_JOIN_AUTHORISER] = RULE("-", "-", "-", "4.3.5.2", "4.3.5.2", "5.3.5.2",
		"The join is not authorised by a member who may invite."),
	[AUTH_JOIN_REFUSED] = RULE("5.2.6", "4.2.6", "4.2.6", "4.3.7", "4.3.7", "5.3.7",
		"The room's join rule does not let the user in."),
	[AUTH_THIRD_PARTY_BANNED] = RULE("5.3.1.1", "4.3.1.1", "4.3.1.1", "4.4.1.1", "4.4.1.1", "5.4.1.1",
		"The invited user is banned from the room."),
	[AUTH_THIRD_PARTY_NO_SIGNED] = RULE("5.3.1.2", "4.3.1.2", "4.3.1.2", "4.4.1.2", "4.4.1.2", "5.4.1.2",
		"The third-party invite lacks `signed`."),
	[AUTH_THIRD_PARTY_SHAPE] = RULE("5.3.1.3", "4.3.1.3", "4.3.1.3", "4.4.1.3", "4.4.1.3", "5.4.1.3",
		"The third-party invite lacks `mxid` or `token`."),
	[AUTH_THIRD_PARTY_MXID] = RULE("5.3.1.4", "4.3.1.4", "4.3.1.4", "4.4.1.4", "4.4.1.4", "5.4.1.4",
		"The third-party invite is for another user."),
	[AUTH_THIRD_PARTY_NO_INVITE] = RULE("5.3.1.5", "4.3.1.5", "4.3.1.5", "4.4.1.5", "4.4.1.5", "5.4.1.5",
		"There is no third-party invite with that token."),
	[AUTH_THIRD_PARTY_SENDER] = RULE("5.3.1.6", "4.3.1.6", "4.3.1.6", "4.4.1.6", "4.4.1.6", "5.4.1.6",
		"The third-party invite is somebody else's."),
	[AUTH_THIRD_PARTY_SIGNATURE] = RULE("5.3.1.8", "4.3.1.8", "4.3.1.8", "4.4.1.8", "4.4.1.8", "5.4.1.8",
		"The third-party invite is not signed by one of its keys."),
	[AUTH_INVITE_SENDER] = RULE("5.3.2", "4.3.2", "4.3.2", "4.4.2", "4.4.2", "5.4.2",
		"Only members can invite."),
	[AUTH_INVITE_TARGET] = RULE("5.3.3", "4.3.3", "4.3.3", "4.4.3", "4.4.3", "5.4.3",
		"The invited user is a member already, or banned."),
	[AUTH_INVITE_POWER] = RULE("5.3.5", "4.3.5", "4.3.5", "4.4.5", "4.4.5", "5.4.5",
		"The sender's power level does not suffice to invite."),
	[AUTH_LEAVE_SELF] = RULE("5.4.1", "4.4.1", "4.4.1", "4.5.1", "4.5.1", "5.5.1",
		"The user is not in the room."),
	[AUTH_LEAVE_SENDER] = RULE("5.4.2", "4.4.2", "4.4.2", "4.5.2", "4.5.2", "5.5.2",
		"Only members can remove somebody."),
	[AUTH_LEAVE_UNBAN] = RULE("5.4.3", "4.4.3", "4.4.3", "4.5.3", "4.5.3", "5.5.3",
		"The sender's power level does not suffice to lift a ban."),
	[AUTH_LEAVE_POWER] = RULE("5.4.5", "4.4.5", "4.4.5", "4.5.5", "4.5.5", "5.5.5",
		"The sender's power level does not suffice to remove the user."),
	[AUTH_BAN_SENDER] = RULE("5.5.1", "4.5.1", "4.5.1", "4.6.1", "4.6.1", "5.6.1",
		"Only members can ban."),
	[AUTH_BAN_POWER] = RULE("5.5.3", "4.5.3", "4.5.3", "4.6.3", "4.6.3", "5.6.3",
		"The sender's power level does not suffice to ban the user."),
	[AUTH_KNOCK_RULE] = RULE("-", "-", "4.6.1", "4.7.1", "4.7.1", "5.7.1",
		"The room's join rule does not allow knocking."),
	[AUTH_KNOCK_NOT_SELF] = RULE("-", "-", "4.6.2", "4.7.2", "4.7.2", "5.7.2",
		"Nobody can knock for somebody else."),
	[AUTH_KNOCK_MEMBERSHIP] = RULE("-", "-", "4.6.4", "4.7.4", "4.7.4", "5.7.4",
		"The user is invited, a member, or banned."),
	[AUTH_MEMBER_UNKNOWN] = RULE("5.6", "4.6", "4.7", "4.8", "4.8", "5.8",
		"There is no such membership."),
	[AUTH_SENDER_NOT_JOINED] = RULE("6", "5", "5", "5", "5", "6",
		"The sender is not in the room."),
	[AUTH_THIRD_PARTY_POWER] = RULE("7.1", "6.1", "6.1", "6.1", "6.1", "7.1",
		"The sender's power level does not suffice to invite."),
	[AUTH_EVENT_POWER] = RULE("8", "7", "7", "7", "7", "8",
		"The sender's power level does not suffice for this type of event."),
	[AUTH_STATE_KEY_OF_OTHER] = RULE("9", "8", "8", "8", "8", "9",
		"The state key is another user's."),
	[AUTH_POWER_LEVELS_SHAPE] = RULE("-", "-", "-", "-", "9.1", "10.1",
		"A power level is not an integer."),
	[AUTH_POWER_MAPS_SHAPE] = RULE("-", "-", "-", "-", "9.2", "10.2",
		"`events` or `notifications` is no object of integers."),
	[AUTH_POWER_USERS_SHAPE] = RULE("10.1", "9.1", "9.1", "9.1", "9.3", "10.3",
		"`users` is no object of user ids and integers."),
	[AUTH_POWER_CREATORS] = RULE("-", "-", "-", "-", "-", "10.4",
		"`users` may not name a creator."),
	[AUTH_POWER_LEVEL_OLD] = RULE("10.3.1", "9.3.1", "9.3.1", "9.3.1", "9.5.1", "10.6.1",
		"A level above the sender's own may not be changed."),
	[AUTH_POWER_LEVEL_NEW] = RULE("10.3.2", "9.3.2", "9.3.2", "9.3.2", "9.5.2", "10.6.2",
		"A level may not be raised above the sender's own."),
	[AUTH_POWER_ENTRY_OLD] = RULE("10.4.1", "9.4.1", "9.4.1", "9.4.1", "9.6.1", "10.7.1",
		"An entry above the sender's own level may not be changed."),
	[AUTH_POWER_ENTRY_NEW] = RULE("10.5.1", "9.5.1", "9.5.1", "9.5.1", "9.7.1", "10.8.1",
		"An entry may not be raised above the sender's own level."),
	[AUTH_POWER_USER_OLD] = RULE("10.6.1", "9.6.1", "9.6.1", "9.6.1", "9.8.1", "10.9.1",
		"Users of the sender's own level or above may not be changed."),
	[AUTH_POWER_USER_NEW] = RULE("10.7.1", "9.7.1", "9.7.1", "9.7.1", "9.9.1", "10.10.1",
		"A user may not be raised above the sender's own level."),
	[AUTH_REDACTION] = RULE("11.3", "-", "-", "-", "-", "-",
		"The sender may not redact events of other servers."),
};
/* clang-format on */

static enum numbering numbering_of(const struct room_version *version)
{
	if (version->room_id_is_create_hash) {
		return NUMBERING_CREATORS;
	}
	if (version->strict_power_levels) {
		return NUMBERING_STRICT;
	}
	if (version->allows_restricted) {
		return NUMBERING_RESTRICTED;
	}
	if (version->allows_knocking) {
		return NUMBERING_KNOCK;
	}
	return version->special_aliases_auth ? NUMBERING_ALIASES : NUMBERING_PLAIN;
}

const char *auth_rule_number(const struct room_version *version, enum auth_rule rule)
{
	if (rule == AUTH_REDACTION && !version->redaction_needs_power_or_origin) {
		return NULL;
	}
	if (rule == AUTH_CREATE_NO_CREATOR && version->creator_is_sender) {
		return NULL;
	}
	const char *number = rules[rule].number[numbering_of(version)];
	return number[sizeof("auth.") - 1] != '-' ? number : NULL;
}

struct verdict auth_deny(const struct room_version *version, enum auth_rule rule)
{
	const char *number = auth_rule_number(version, rule);
	invariant(number != NULL);
	return verdict_deny(number, rules[rule].text);
}
