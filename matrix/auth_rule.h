/**
 * Inside of auth_*.c: the rules by name, their numbers in each version's text, and what every rule
 * looks at. Included by auth*.c only.
 */
#ifndef BELFRY_MATRIX_AUTH_RULE_H
#define BELFRY_MATRIX_AUTH_RULE_H

#include "matrix/auth.h"
#include "matrix/membership.h"
#include "matrix/power.h"

/** One member for each rule that can refuse; numbers and texts are in auth_rule.c. */
enum auth_rule {
	AUTH_CREATE_HAS_PREV,
	AUTH_CREATE_ROOM_ID,
	AUTH_CREATE_VERSION,
	AUTH_CREATE_NO_CREATOR,
	AUTH_CREATE_BAD_CREATORS,
	AUTH_ROOM_ID_NOT_CREATE,
	AUTH_EVENTS_DUPLICATE,
	AUTH_EVENTS_UNEXPECTED,
	AUTH_EVENTS_REJECTED,
	AUTH_EVENTS_NO_CREATE,
	AUTH_EVENTS_OTHER_ROOM,
	AUTH_NOT_FEDERATED,
	AUTH_ALIASES_NO_STATE_KEY,
	AUTH_ALIASES_OTHER_DOMAIN,
	AUTH_MEMBER_SHAPE,
	AUTH_MEMBER_AUTHORISER_SIGNATURE,
	AUTH_JOIN_NOT_SELF,
	AUTH_JOIN_BANNED,
	AUTH_JOIN_AUTHORISER,
	AUTH_JOIN_REFUSED,
	AUTH_THIRD_PARTY_BANNED,
	AUTH_THIRD_PARTY_NO_SIGNED,
	AUTH_THIRD_PARTY_SHAPE,
	AUTH_THIRD_PARTY_MXID,
	AUTH_THIRD_PARTY_NO_INVITE,
	AUTH_THIRD_PARTY_SENDER,
	AUTH_THIRD_PARTY_SIGNATURE,
	AUTH_INVITE_SENDER,
	AUTH_INVITE_TARGET,
	AUTH_INVITE_POWER,
	AUTH_LEAVE_SELF,
	AUTH_LEAVE_SENDER,
	AUTH_LEAVE_UNBAN,
	AUTH_LEAVE_POWER,
	AUTH_BAN_SENDER,
	AUTH_BAN_POWER,
	AUTH_KNOCK_RULE,
	AUTH_KNOCK_NOT_SELF,
	AUTH_KNOCK_MEMBERSHIP,
	AUTH_MEMBER_UNKNOWN,
	AUTH_SENDER_NOT_JOINED,
	AUTH_THIRD_PARTY_POWER,
	AUTH_EVENT_POWER,
	AUTH_STATE_KEY_OF_OTHER,
	AUTH_POWER_LEVELS_SHAPE,
	AUTH_POWER_MAPS_SHAPE,
	AUTH_POWER_USERS_SHAPE,
	AUTH_POWER_CREATORS,
	AUTH_POWER_LEVEL_OLD,
	AUTH_POWER_LEVEL_NEW,
	AUTH_POWER_ENTRY_OLD,
	AUTH_POWER_ENTRY_NEW,
	AUTH_POWER_USER_OLD,
	AUTH_POWER_USER_NEW,
	AUTH_REDACTION,
	AUTH_RULE_COUNT,
};

/** "auth.<number>" in the version's text; NULL when the version has no such rule. Static. */
const char *auth_rule_number(const struct room_version *version, enum auth_rule rule);

/** A refusal, with the rule's number in the version's text. The version must have the rule. */
struct verdict auth_deny(const struct room_version *version, enum auth_rule rule);

/** One decision: the event, the state, and what nearly every rule reads from it. On the stack. */
struct auth_case {
	const struct event *event;
	const struct state_view *state;
	struct power power;     /**< with the create event, which is never NULL from rule 3 on */
	enum membership sender; /**< the sender's current membership */
	int64_t sender_power;   /**< the sender's current level */
};

/** Current membership of a user. */
enum membership auth_membership(const struct auth_case *c, struct str user);

/** m.room.create. */
MUST_CHECK struct verdict auth_check_create(const struct event *event);
/** m.room.member: the whole rule; its answer is final. */
MUST_CHECK struct verdict auth_check_member(const struct auth_case *c);
/** Invites with `third_party_invite`: the answer is final. May allocate for a moment. */
MUST_CHECK struct verdict auth_check_third_party(const struct auth_case *c);
/** m.room.power_levels: the whole rule. May allocate for a moment. */
MUST_CHECK struct verdict auth_check_power_levels(const struct auth_case *c);

enum { AUTH_KEYS_MAX = 7 };

/** auth_select() into an array on the stack: @return how many of `keys` are used. */
size_t auth_select_keys(const struct room_version *version, struct str type, bool is_state,
	struct str state_key, struct user_id sender, const struct json *content,
	struct auth_key keys[AUTH_KEYS_MAX]);

#endif
