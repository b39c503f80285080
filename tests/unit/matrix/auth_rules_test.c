/*
 * Each authorisation rule of each room version, refusing alone: a row of the table is one flaw. For every
 * version that has the rule, a valid room is built, the same event is tried without the flaw (allowed) and
 * with it (refused, by that rule's number in that version's text). At the end, every rule of every version
 * must have been the reason at least once.
 */
#include "tests/unit/matrix/auth_room.h"

enum { FIRST = 1, LAST = 12, NUMBERINGS = 6 };

struct rule_case {
	const char *name;
	/* Of the versions 1–5 | 6 | 7 | 8, 9 | 10, 11 | 12. */
	const char *numbers;
	int from, to; /* versions */
	struct side good, bad;
};

static bool is_hit[LAST + 1][AUTH_RULE_COUNT];

/* ---- drafts ---- */

/* clang-format off */

#define MESSAGE(who)         { .sender = (who), .type = "m.room.message" }
#define STATE(who, what, how) { .sender = (who), .type = (what), .state_key = "", .content = (how) }
#define KEYED(who, what, key) { .sender = (who), .type = (what), .state_key = (key) }
#define MEMBER(who, whom, how) \
	{ .sender = (who), .type = "m.room.member", .state_key = (whom), \
		.content = "{'membership':'" how "'}" }
#define AUTHORISED_BY(user) \
	{ .sender = DAVE, .type = "m.room.member", .state_key = DAVE, \
		.content = "{'membership':'join','join_authorised_via_users_server':'" user "'}", \
		.signatures = "{'d.example':{'ed25519:1':'eA'},'a.example':{'ed25519:1':'eA'}," \
			      "'b.example':{'ed25519:1':'eA'},'c.example':{'ed25519:1':'eA'}}" }
#define CREATE(how) \
	{ .sender = ALICE, .type = "m.room.create", .state_key = "", .content = (how), \
		.has_no_prev = true, .has_auth = true }
#define LEVELS(who, how) \
	{ .sender = (who), .type = "m.room.power_levels", .state_key = "", .content = (how) }

/* What bob may send unchanged; alice stands in it up to version 11 only. */
#define USERS_12     "'users':{'" BOB "':50,'" PEER "':50}"
#define USERS_11     "'users':{'" ALICE "':100,'" BOB "':50,'" PEER "':50}"
#define LEVELS_REST  "'invite':25,'ban':50,'kick':50,'redact':50"
#define EVENTS       "'events':{'m.room.power_levels':50,'m.room.name':50,'x.high':75}"
#define NOTIFICATIONS "'notifications':{'room':50,'high':75}"
#define FULL(users)  "{" users "," LEVELS_REST "," EVENTS "," NOTIFICATIONS "}"
#define WITH(users, rest, events, notifications) \
	"{" users "," rest "," events "," notifications "}"

#define N_1_1  "1.1|1.1|1.1|1.1|1.1|1.1"
#define N_1_2  "1.2|1.2|1.2|1.2|1.2|1.2"
#define N_1_3  "1.3|1.3|1.3|1.3|1.3|1.3"
#define N_JOIN(n6, n8) "5.2." n6 "|4.2." n6 "|4.2." n6 "|4.3." n8 "|4.3." n8 "|5.3." n8
#define N_INVITE(n) "5.3." n "|4.3." n "|4.3." n "|4.4." n "|4.4." n "|5.4." n
#define N_LEAVE(n)  "5.4." n "|4.4." n "|4.4." n "|4.5." n "|4.5." n "|5.5." n
#define N_BAN(n)    "5.5." n "|4.5." n "|4.5." n "|4.6." n "|4.6." n "|5.6." n
#define N_KNOCK(n)  "-|-|4.6." n "|4.7." n "|4.7." n "|5.7." n
#define N_UNKNOWN   "5.6|4.6|4.7|4.8|4.8|5.8"
#define N_LEVEL(n)  "10.3." n "|9.3." n "|9.3." n "|9.3." n "|9.5." n "|10.6." n
#define N_POWER(a, b, c) "10." a "|9." a "|9." a "|9." a "|9." b "|10." c

static const struct rule_case cases[] = {
	/* 1: m.room.create */
	{ "create_with_prev_events", N_1_1, 1, 10, { .draft = CREATE("{'creator':'" ALICE "'}") },
		{ .draft = CREATE("{'creator':'" ALICE "'}"), .change = tweak_has_prev } },
	{ "create_with_prev_events", N_1_1, 11, 12, { .draft = CREATE("{}") },
		{ .draft = CREATE("{}"), .change = tweak_has_prev } },
	/* Before version 12 additional_creators means nothing. */
	{ "create_of_other_domain", N_1_2, 1, 11,
		{ .draft = CREATE("{'creator':'x','additional_creators':7}") },
		{ .draft = { .sender = BOB, .type = "m.room.create", .state_key = "",
			  .content = "{'creator':'x'}", .has_no_prev = true, .has_auth = true } } },
	{ "create_with_room_id", N_1_2, 12, 12, { .draft = CREATE("{}") },
		{ .draft = CREATE("{}"), .change = tweak_has_room_id } },
	{ "create_of_unknown_version", N_1_3, 1, 12,
		{ .draft = CREATE("{'creator':'x','room_version':'6'}") },
		{ .draft = CREATE("{'creator':'x','room_version':'no'}") } },
	{ "create_of_number_version", N_1_3, 1, 12, { .draft = CREATE("{'creator':'x'}") },
		{ .draft = CREATE("{'creator':'x','room_version':6}") } },
	{ "create_without_creator", "1.4|1.4|1.4|1.4|1.4|-", 1, 10,
		{ .draft = CREATE("{'creator':'x'}") }, { .draft = CREATE("{}") } },
	{ "creators_no_list", "-|-|-|-|-|1.4", 12, 12,
		{ .draft = CREATE("{'additional_creators':[]}") },
		{ .draft = CREATE("{'additional_creators':'" BOB "'}") } },
	{ "creators_no_strings", "-|-|-|-|-|1.4", 12, 12,
		{ .draft = CREATE("{'additional_creators':['" BOB "']}") },
		{ .draft = CREATE("{'additional_creators':['" BOB "',1]}") } },
	{ "creators_no_user_ids", "-|-|-|-|-|1.4", 12, 12,
		{ .draft = CREATE("{'additional_creators':['" BOB "','" CAROL "']}") },
		{ .draft = CREATE("{'additional_creators':['" BOB "','carol']}") } },
	{ "creators_first_no_user_id", "-|-|-|-|-|1.4", 12, 12,
		{ .draft = CREATE("{'additional_creators':['" BOB "','" CAROL "']}") },
		{ .draft = CREATE("{'additional_creators':['bob','" CAROL "']}") } },

	/* 2: the room and its create event */
	{ "room_id_of_no_create", "-|-|-|-|-|2", 12, 12, { .draft = MESSAGE(CAROL) },
		{ .draft = MESSAGE(CAROL), .change = tweak_room_id } },
	{ "room_id_of_other_create", "-|-|-|-|-|2", 12, 12, { .draft = MESSAGE(CAROL) },
		{ .draft = MESSAGE(CAROL), .change = tweak_foreign_create } },
	{ "no_create_in_state", "2.4|2.4|2.4|2.4|2.4|2", 1, 12, { .draft = MESSAGE(CAROL) },
		{ .draft = MESSAGE(CAROL), .change = tweak_no_create } },
	{ "create_of_other_room", "2.5|2.5|2.5|2.5|2.5|-", 1, 11, { .draft = MESSAGE(CAROL) },
		{ .draft = MESSAGE(CAROL), .change = tweak_foreign_create } },

	/* 3, 4: m.federate, m.room.aliases */
	{ "not_federated", "3|3|3|3|3|4", 1, 12, { .draft = MESSAGE(ALICE), .create = "'x':1" },
		{ .draft = MESSAGE(CAROL), .create = "'m.federate':false" } },
	{ "aliases_without_state_key", "4.1|-|-|-|-|-", 1, 5,
		{ .draft = KEYED(CAROL, "m.room.aliases", "c.example") },
		{ .draft = { .sender = CAROL, .type = "m.room.aliases" } } },
	{ "aliases_of_other_server", "4.2|-|-|-|-|-", 1, 5,
		{ .draft = KEYED(DAVE, "m.room.aliases", "d.example") },
		{ .draft = KEYED(DAVE, "m.room.aliases", "a.example") } },

	/* 5: m.room.member */
	{ "member_without_state_key", "5.1|4.1|4.1|4.1|4.1|5.1", 1, 12,
		{ .draft = MEMBER(CAROL, CAROL, "leave") },
		{ .draft = MEMBER(CAROL, CAROL, "leave"), .change = tweak_no_state_key } },
	{ "member_without_membership", "5.1|4.1|4.1|4.1|4.1|5.1", 1, 12,
		{ .draft = MEMBER(CAROL, CAROL, "leave") },
		{ .draft = KEYED(CAROL, "m.room.member", CAROL) } },
	{ "authoriser_signature_missing", "-|-|-|4.2.1|4.2.1|5.2.1", 8, 12,
		{ .draft = AUTHORISED_BY(BOB), .join_rule = "restricted" },
		{ .draft = { .sender = DAVE, .type = "m.room.member", .state_key = DAVE,
			  .content = "{'membership':'join','join_authorised_via_users_server':'" BOB
				     "'}" },
			.join_rule = "restricted" } },
	{ "authoriser_signature_empty", "-|-|-|4.2.1|4.2.1|5.2.1", 8, 12,
		{ .draft = AUTHORISED_BY(BOB), .join_rule = "restricted" },
		{ .draft = { .sender = DAVE, .type = "m.room.member", .state_key = DAVE,
			  .content = "{'membership':'join','join_authorised_via_users_server':'" BOB
				     "'}",
			  .signatures = "{'d.example':{'ed25519:1':'eA'},'b.example':{}}" },
			.join_rule = "restricted" } },
	{ "authoriser_no_user_id", "-|-|-|4.2.1|4.2.1|5.2.1", 8, 12,
		{ .draft = AUTHORISED_BY(BOB), .join_rule = "restricted" },
		{ .draft = AUTHORISED_BY("bob"), .join_rule = "restricted" } },

	{ "join_for_somebody_else", N_JOIN("2", "2"), 1, 12,
		{ .draft = MEMBER(DAVE, DAVE, "join"), .join_rule = "public" },
		{ .draft = MEMBER(CAROL, DAVE, "join"), .join_rule = "public" } },
	{ "join_while_banned", N_JOIN("3", "3"), 1, 12,
		{ .draft = MEMBER(GINA, GINA, "join"), .join_rule = "public" },
		{ .draft = MEMBER(FRANK, FRANK, "join"), .join_rule = "public" } },
	{ "join_uninvited", N_JOIN("6", "7"), 1, 12, { .draft = MEMBER(ERIN, ERIN, "join") },
		{ .draft = MEMBER(DAVE, DAVE, "join") } },
	{ "join_after_leaving", N_JOIN("6", "7"), 1, 12, { .draft = MEMBER(CAROL, CAROL, "join") },
		{ .draft = MEMBER(GINA, GINA, "join") } },
	{ "join_beside_create_by_other", N_JOIN("6", "7"), 1, 12,
		{ .draft = MEMBER(ALICE, ALICE, "join"), .change = tweak_prev_is_create },
		{ .draft = MEMBER(DAVE, DAVE, "join"), .change = tweak_prev_is_create } },
	{ "join_knock_room_uninvited", N_JOIN("6", "7"), 7, 12,
		{ .draft = MEMBER(ERIN, ERIN, "join"), .join_rule = "knock" },
		{ .draft = MEMBER(KIM, KIM, "join"), .join_rule = "knock" } },
	{ "join_knock_rule_unknown", N_JOIN("6", "7"), 1, 6, { .draft = MEMBER(ERIN, ERIN, "join") },
		{ .draft = MEMBER(ERIN, ERIN, "join"), .join_rule = "knock" } },
	{ "join_restricted_rule_unknown", N_JOIN("6", "7"), 1, 7,
		{ .draft = MEMBER(ERIN, ERIN, "join") },
		{ .draft = MEMBER(ERIN, ERIN, "join"), .join_rule = "restricted" } },
	{ "join_knock_restricted_rule_unknown", N_JOIN("6", "7"), 1, 9,
		{ .draft = MEMBER(ERIN, ERIN, "join") },
		{ .draft = MEMBER(ERIN, ERIN, "join"), .join_rule = "knock_restricted" } },
	{ "join_private_room", N_JOIN("6", "7"), 1, 12, { .draft = MEMBER(ERIN, ERIN, "join") },
		{ .draft = MEMBER(ERIN, ERIN, "join"), .join_rule = "private" } },
	{ "join_restricted_invited", "-|-|-|4.3.5.2|4.3.5.2|5.3.5.2", 8, 12,
		{ .draft = MEMBER(ERIN, ERIN, "join"), .join_rule = "restricted" },
		{ .draft = MEMBER(DAVE, DAVE, "join"), .join_rule = "restricted" } },
	{ "join_restricted_by_weak_member", "-|-|-|4.3.5.2|4.3.5.2|5.3.5.2", 8, 12,
		{ .draft = AUTHORISED_BY(BOB), .join_rule = "restricted" },
		{ .draft = AUTHORISED_BY(CAROL), .join_rule = "restricted" } },
	{ "join_restricted_by_outsider", "-|-|-|4.3.5.2|4.3.5.2|5.3.5.2", 8, 12,
		{ .draft = AUTHORISED_BY(CAROL), .join_rule = "restricted", .power = "'invite':0" },
		{ .draft = AUTHORISED_BY(DAVE), .join_rule = "restricted", .power = "'invite':0" } },
	{ "join_knock_restricted_by_weak_member", "-|-|-|-|4.3.5.2|5.3.5.2", 10, 12,
		{ .draft = AUTHORISED_BY(ALICE), .join_rule = "knock_restricted" },
		{ .draft = AUTHORISED_BY(CAROL), .join_rule = "knock_restricted" } },

	{ "third_party_banned", N_INVITE("1.1"), 1, 12,
		{ .draft = MEMBER(BOB, DAVE, "invite"), .change = tweak_invite_good },
		{ .draft = MEMBER(BOB, FRANK, "invite"), .change = tweak_invite_frank } },
	{ "third_party_no_signed", N_INVITE("1.2"), 1, 12,
		{ .draft = MEMBER(BOB, DAVE, "invite"), .change = tweak_invite_good },
		{ .draft = MEMBER(BOB, DAVE, "invite"), .change = tweak_invite_unsigned } },
	{ "third_party_no_mxid", N_INVITE("1.3"), 1, 12,
		{ .draft = MEMBER(BOB, DAVE, "invite"), .change = tweak_invite_good },
		{ .draft = MEMBER(BOB, DAVE, "invite"), .change = tweak_invite_no_mxid } },
	{ "third_party_no_token", N_INVITE("1.3"), 1, 12,
		{ .draft = MEMBER(BOB, DAVE, "invite"), .change = tweak_invite_good },
		{ .draft = MEMBER(BOB, DAVE, "invite"), .change = tweak_invite_no_token } },
	{ "third_party_other_mxid", N_INVITE("1.4"), 1, 12,
		{ .draft = MEMBER(BOB, DAVE, "invite"), .change = tweak_invite_good },
		{ .draft = MEMBER(BOB, DAVE, "invite"), .change = tweak_invite_other_mxid } },
	{ "third_party_other_token", N_INVITE("1.5"), 1, 12,
		{ .draft = MEMBER(BOB, DAVE, "invite"), .change = tweak_invite_good },
		{ .draft = MEMBER(BOB, DAVE, "invite"), .change = tweak_invite_other_token } },
	{ "third_party_other_sender", N_INVITE("1.6"), 1, 12,
		{ .draft = MEMBER(BOB, DAVE, "invite"), .change = tweak_invite_good },
		{ .draft = MEMBER(ALICE, DAVE, "invite"), .change = tweak_invite_good } },
	{ "third_party_other_key", N_INVITE("1.8"), 1, 12,
		{ .draft = MEMBER(BOB, DAVE, "invite"), .change = tweak_invite_first_of_list },
		{ .draft = MEMBER(BOB, DAVE, "invite"), .change = tweak_invite_other_key } },

	{ "third_party_odd_signatures", N_INVITE("1.8"), 1, 12,
		{ .draft = MEMBER(BOB, DAVE, "invite"), .change = tweak_invite_good_list },
		{ .draft = MEMBER(BOB, DAVE, "invite"), .change = tweak_invite_odd_signatures } },
	{ "third_party_no_signatures", N_INVITE("1.8"), 1, 12,
		{ .draft = MEMBER(BOB, DAVE, "invite"), .change = tweak_invite_other_algorithms },
		{ .draft = MEMBER(BOB, DAVE, "invite"), .change = tweak_invite_no_signatures } },
	{ "third_party_too_many_signatures", N_INVITE("1.8"), 1, 12,
		{ .draft = MEMBER(BOB, DAVE, "invite"), .change = tweak_invite_last_signature },
		{ .draft = MEMBER(BOB, DAVE, "invite"), .change = tweak_invite_many_signatures } },

	{ "invite_by_outsider", N_INVITE("2"), 1, 12,
		{ .draft = MEMBER(CAROL, DAVE, "invite"), .power = "'invite':0" },
		{ .draft = MEMBER(GINA, DAVE, "invite"), .power = "'invite':0" } },
	{ "invite_of_member", N_INVITE("3"), 1, 12, { .draft = MEMBER(BOB, GINA, "invite") },
		{ .draft = MEMBER(BOB, CAROL, "invite") } },
	{ "invite_of_banned", N_INVITE("3"), 1, 12, { .draft = MEMBER(BOB, ERIN, "invite") },
		{ .draft = MEMBER(BOB, FRANK, "invite") } },
	{ "invite_without_power", N_INVITE("5"), 1, 12, { .draft = MEMBER(BOB, DAVE, "invite") },
		{ .draft = MEMBER(CAROL, DAVE, "invite") } },

	{ "leave_after_leaving", N_LEAVE("1"), 1, 12, { .draft = MEMBER(CAROL, CAROL, "leave") },
		{ .draft = MEMBER(GINA, GINA, "leave") } },
	{ "leave_never_there", N_LEAVE("1"), 1, 12, { .draft = MEMBER(ERIN, ERIN, "leave") },
		{ .draft = MEMBER(DAVE, DAVE, "leave") } },
	{ "leave_while_banned", N_LEAVE("1"), 7, 12, { .draft = MEMBER(KIM, KIM, "leave") },
		{ .draft = MEMBER(FRANK, FRANK, "leave") } },
	{ "kick_by_outsider", N_LEAVE("2"), 1, 12,
		{ .draft = MEMBER(BOB, CAROL, "leave"), .power = "'users_default':0" },
		{ .draft = MEMBER(GINA, CAROL, "leave"), .power = "'users':{'" GINA "':50}" } },
	{ "unban_without_ban_level", N_LEAVE("3"), 1, 12, { .draft = MEMBER(BOB, FRANK, "leave") },
		{ .draft = MEMBER(BOB, FRANK, "leave"), .power = "'ban':60" } },
	{ "kick_without_power", N_LEAVE("5"), 1, 12, { .draft = MEMBER(BOB, CAROL, "leave") },
		{ .draft = MEMBER(CAROL, ERIN, "leave") } },
	{ "kick_of_equal", N_LEAVE("5"), 1, 12, { .draft = MEMBER(ALICE, PEER, "leave") },
		{ .draft = MEMBER(BOB, PEER, "leave") } },
	{ "kick_of_creator", N_LEAVE("5"), 1, 12, { .draft = MEMBER(BOB, CAROL, "leave") },
		{ .draft = MEMBER(BOB, ALICE, "leave") } },
	{ "unban_without_kick_level", N_LEAVE("5"), 1, 12, { .draft = MEMBER(BOB, FRANK, "leave") },
		{ .draft = MEMBER(BOB, FRANK, "leave"), .power = "'kick':60" } },

	{ "ban_by_outsider", N_BAN("1"), 1, 12,
		{ .draft = MEMBER(BOB, CAROL, "ban"), .power = "'users_default':0" },
		{ .draft = MEMBER(GINA, CAROL, "ban"), .power = "'users':{'" GINA "':50}" } },
	{ "ban_without_power", N_BAN("3"), 1, 12, { .draft = MEMBER(BOB, DAVE, "ban") },
		{ .draft = MEMBER(CAROL, DAVE, "ban") } },
	{ "ban_of_equal", N_BAN("3"), 1, 12, { .draft = MEMBER(ALICE, PEER, "ban") },
		{ .draft = MEMBER(BOB, PEER, "ban") } },
	{ "ban_of_creator", N_BAN("3"), 1, 12, { .draft = MEMBER(BOB, CAROL, "ban") },
		{ .draft = MEMBER(BOB, ALICE, "ban") } },

	{ "knock_on_invite_room", N_KNOCK("1"), 7, 12,
		{ .draft = MEMBER(DAVE, DAVE, "knock"), .join_rule = "knock" },
		{ .draft = MEMBER(DAVE, DAVE, "knock"), .join_rule = "invite" } },
	{ "knock_on_restricted_room", N_KNOCK("1"), 10, 12,
		{ .draft = MEMBER(DAVE, DAVE, "knock"), .join_rule = "knock_restricted" },
		{ .draft = MEMBER(DAVE, DAVE, "knock"), .join_rule = "restricted" } },
	{ "knock_on_knock_restricted_too_early", N_KNOCK("1"), 7, 9,
		{ .draft = MEMBER(DAVE, DAVE, "knock"), .join_rule = "knock" },
		{ .draft = MEMBER(DAVE, DAVE, "knock"), .join_rule = "knock_restricted" } },
	{ "knock_for_somebody_else", N_KNOCK("2"), 7, 12,
		{ .draft = MEMBER(DAVE, DAVE, "knock"), .join_rule = "knock" },
		{ .draft = MEMBER(GINA, DAVE, "knock"), .join_rule = "knock" } },
	{ "knock_while_banned", N_KNOCK("4"), 7, 12,
		{ .draft = MEMBER(GINA, GINA, "knock"), .join_rule = "knock" },
		{ .draft = MEMBER(FRANK, FRANK, "knock"), .join_rule = "knock" } },
	{ "knock_while_invited", N_KNOCK("4"), 7, 12,
		{ .draft = MEMBER(KIM, KIM, "knock"), .join_rule = "knock" },
		{ .draft = MEMBER(ERIN, ERIN, "knock"), .join_rule = "knock" } },
	{ "knock_while_joined", N_KNOCK("4"), 7, 12,
		{ .draft = MEMBER(GINA, GINA, "knock"), .join_rule = "knock" },
		{ .draft = MEMBER(CAROL, CAROL, "knock"), .join_rule = "knock" } },
	{ "knock_unknown", N_UNKNOWN, 1, 6, { .draft = MEMBER(ERIN, ERIN, "join") },
		{ .draft = MEMBER(DAVE, DAVE, "knock"), .join_rule = "knock" } },
	{ "membership_unknown", N_UNKNOWN, 1, 12, { .draft = MEMBER(CAROL, CAROL, "join") },
		{ .draft = MEMBER(CAROL, CAROL, "joined") } },
	{ "membership_number", N_UNKNOWN, 1, 12, { .draft = MEMBER(CAROL, CAROL, "join") },
		{ .draft = { .sender = CAROL, .type = "m.room.member", .state_key = CAROL,
			  .content = "{'membership':1}" } } },

	/* 6 to 9: members, levels, state keys */
	{ "message_by_outsider", "6|5|5|5|5|6", 1, 12, { .draft = MESSAGE(CAROL) },
		{ .draft = MESSAGE(DAVE) } },
	{ "message_by_invited", "6|5|5|5|5|6", 1, 12, { .draft = MESSAGE(CAROL) },
		{ .draft = MESSAGE(ERIN) } },
	{ "message_after_leaving", "6|5|5|5|5|6", 1, 12, { .draft = MESSAGE(CAROL) },
		{ .draft = MESSAGE(GINA) } },
	{ "message_while_banned", "6|5|5|5|5|6", 1, 12, { .draft = MESSAGE(CAROL) },
		{ .draft = MESSAGE(FRANK) } },
	{ "aliases_by_outsider", "-|5|5|5|5|6", 6, 12,
		{ .draft = KEYED(BOB, "m.room.aliases", "b.example") },
		{ .draft = KEYED(DAVE, "m.room.aliases", "d.example") } },
	{ "third_party_invite_without_power", "7.1|6.1|6.1|6.1|6.1|7.1", 1, 12,
		{ .draft = KEYED(BOB, "m.room.third_party_invite", "t") },
		{ .draft = KEYED(CAROL, "m.room.third_party_invite", "t") } },
	{ "message_below_events_default", "8|7|7|7|7|8", 1, 12, { .draft = MESSAGE(CAROL) },
		{ .draft = MESSAGE(CAROL), .power = "'events_default':1" } },
	{ "message_below_its_type", "8|7|7|7|7|8", 1, 12, { .draft = MESSAGE(CAROL) },
		{ .draft = { .sender = BOB, .type = "x.high" } } },
	{ "state_below_state_default", "8|7|7|7|7|8", 1, 12,
		{ .draft = STATE(BOB, "m.room.topic", "{}") },
		{ .draft = STATE(CAROL, "m.room.topic", "{}") } },
	{ "state_below_its_type", "8|7|7|7|7|8", 1, 12,
		{ .draft = STATE(BOB, "m.room.name", "{}") },
		{ .draft = STATE(BOB, "x.high", "{}") } },
	{ "state_without_power_levels", "8|7|7|7|7|8", 1, 12,
		{ .draft = STATE(ALICE, "m.room.topic", "{}"), .power = "none" },
		{ .draft = STATE(BOB, "m.room.topic", "{}"), .power = "none" } },
	{ "state_key_of_other_user", "9|8|8|8|8|9", 1, 12, { .draft = KEYED(BOB, "x.state", BOB) },
		{ .draft = KEYED(BOB, "x.state", CAROL) } },
	{ "state_key_like_user", "9|8|8|8|8|9", 1, 12, { .draft = KEYED(BOB, "x.state", "b@") },
		{ .draft = KEYED(BOB, "x.state", "@") } },

	/* 10: m.room.power_levels */
	{ "levels_string_level", "-|-|-|-|9.1|10.1", 10, 11, { .draft = LEVELS(BOB, FULL(USERS_11)) },
		{ .draft = LEVELS(BOB, WITH(USERS_11, "'ban':'50','invite':25", EVENTS, NOTIFICATIONS)) } },
	{ "levels_string_level", "-|-|-|-|9.1|10.1", 12, 12, { .draft = LEVELS(BOB, FULL(USERS_12)) },
		{ .draft = LEVELS(BOB, WITH(USERS_12, "'ban':'50','invite':25", EVENTS, NOTIFICATIONS)) } },
	{ "levels_null_level", "-|-|-|-|9.1|10.1", 10, 12,
		{ .draft = LEVELS(ALICE, "{'users':{'" BOB "':50}}") },
		{ .draft = LEVELS(ALICE, "{'users':{'" BOB "':50},'users_default':null}") } },
	{ "levels_first_string_level", "-|-|-|-|9.1|10.1", 10, 12,
		{ .draft = LEVELS(ALICE, "{'invite':1}"), .power = "none" },
		{ .draft = LEVELS(ALICE, "{'invite':'1'}"), .power = "none" } },
	{ "levels_events_list", "-|-|-|-|9.2|10.2", 10, 12,
		{ .draft = LEVELS(ALICE, "{'events':{}}") }, { .draft = LEVELS(ALICE, "{'events':[]}") } },
	{ "levels_events_string", "-|-|-|-|9.2|10.2", 10, 12,
		{ .draft = LEVELS(ALICE, "{'events':{'a':1}}") },
		{ .draft = LEVELS(ALICE, "{'events':{'a':'1'}}") } },
	{ "levels_notifications_string", "-|-|-|-|9.2|10.2", 10, 12,
		{ .draft = LEVELS(ALICE, "{'notifications':{'room':1}}") },
		{ .draft = LEVELS(ALICE, "{'notifications':{'room':'1'}}") } },
	{ "levels_users_list", N_POWER("1", "3", "3"), 1, 12,
		{ .draft = LEVELS(ALICE, "{'users':{}}") }, { .draft = LEVELS(ALICE, "{'users':[]}") } },
	{ "levels_users_no_user_id", N_POWER("1", "3", "3"), 1, 12,
		{ .draft = LEVELS(ALICE, "{'users':{'" BOB "':50}}") },
		{ .draft = LEVELS(ALICE, "{'users':{'bob':50}}") } },
	{ "levels_users_word", N_POWER("1", "3", "3"), 1, 12,
		{ .draft = LEVELS(ALICE, "{'users':{'" BOB "':50}}") },
		{ .draft = LEVELS(ALICE, "{'users':{'" BOB "':'high'}}") } },
	{ "levels_users_object", N_POWER("1", "3", "3"), 1, 12,
		{ .draft = LEVELS(ALICE, "{'users':{'" BOB "':50}}") },
		{ .draft = LEVELS(ALICE, "{'users':{'" BOB "':{}}}") } },
	{ "levels_users_string_where_strict", N_POWER("1", "3", "3"), 10, 12,
		{ .draft = LEVELS(ALICE, "{'users':{'" BOB "':50}}") },
		{ .draft = LEVELS(ALICE, "{'users':{'" BOB "':'50'}}") } },
	{ "levels_beyond_double", N_POWER("1", "3", "3"), 1, 5,
		{ .draft = LEVELS(ALICE, "{'kick':1.5e1}"), .power = "none" },
		{ .draft = LEVELS(ALICE, "{'kick':1.5e309}"), .power = "none" } },
	{ "levels_name_creator", "-|-|-|-|-|10.4", 12, 12,
		{ .draft = LEVELS(ALICE, "{'users':{'" BOB "':1}}") },
		{ .draft = LEVELS(ALICE, "{'users':{'" BOB "':1,'" ALICE "':100}}") } },
	{ "levels_name_additional_creator", "-|-|-|-|-|10.4", 12, 12,
		{ .draft = LEVELS(ALICE, "{'users':{'" CAROL "':1}}") },
		{ .draft = LEVELS(ALICE, "{'users':{'" CAROL "':1}}"),
			.create = "'additional_creators':['" DAVE "','" CAROL "']" } },
	{ "levels_first_names_creator", "-|-|-|-|-|10.4", 12, 12,
		{ .draft = LEVELS(ALICE, "{'users':{'" CAROL "':1}}"), .power = "none" },
		{ .draft = LEVELS(ALICE, "{'users':{'" ALICE "':1}}"), .power = "none" } },
#define CHANGE_CASES(users, from, to) \
	{ "levels_lower_high_level", N_LEVEL("1"), from, to, { .draft = LEVELS(BOB, FULL(users)) }, \
		{ .draft = LEVELS(BOB, FULL(users)), .power = "'ban':75" } }, \
	{ "levels_remove_high_level", N_LEVEL("1"), from, to, \
		{ .draft = LEVELS(BOB, FULL(users)), .power = "'users_default':25" }, \
		{ .draft = LEVELS(BOB, FULL(users)), .power = "'state_default':75" } }, \
	{ "levels_raise_level", N_LEVEL("2"), from, to, { .draft = LEVELS(BOB, FULL(users)) }, \
		{ .draft = LEVELS(BOB, WITH(users, "'invite':51,'ban':50,'kick':50,'redact':50", \
						 EVENTS, NOTIFICATIONS)) } }, \
	{ "levels_add_high_level", N_LEVEL("2"), from, to, { .draft = LEVELS(BOB, FULL(users)) }, \
		{ .draft = LEVELS(BOB, WITH(users, LEVELS_REST ",'events_default':51", EVENTS, \
						 NOTIFICATIONS)) } }, \
	{ "levels_lower_high_event", N_POWER("4.1", "6.1", "7.1"), from, to, \
		{ .draft = LEVELS(BOB, FULL(users)) }, \
		{ .draft = LEVELS(BOB, WITH(users, LEVELS_REST, \
						 "'events':{'m.room.power_levels':50," \
						 "'m.room.name':50,'x.high':50}", \
						 NOTIFICATIONS)) } }, \
	{ "levels_remove_high_event", N_POWER("4.1", "6.1", "7.1"), from, to, \
		{ .draft = LEVELS(BOB, WITH(users, LEVELS_REST, \
						 "'events':{'x.high':75,'m.room.name':50}", \
						 NOTIFICATIONS)) }, \
		{ .draft = LEVELS(BOB, WITH(users, LEVELS_REST, "'x':1", NOTIFICATIONS)) } }, \
	{ "levels_raise_event", N_POWER("5.1", "7.1", "8.1"), from, to, \
		{ .draft = LEVELS(BOB, FULL(users)) }, \
		{ .draft = LEVELS(BOB, WITH(users, LEVELS_REST, \
						 "'events':{'m.room.power_levels':50," \
						 "'m.room.name':51,'x.high':75}", \
						 NOTIFICATIONS)) } }, \
	{ "levels_add_high_event", N_POWER("5.1", "7.1", "8.1"), from, to, \
		{ .draft = LEVELS(BOB, FULL(users)) }, \
		{ .draft = LEVELS(BOB, WITH(users, LEVELS_REST, \
						 "'events':{'m.room.power_levels':50," \
						 "'m.room.name':50,'x.high':75,'x':51}", \
						 NOTIFICATIONS)) } }, \
	{ "levels_change_equal_user", N_POWER("6.1", "8.1", "9.1"), from, to, \
		{ .draft = LEVELS(BOB, FULL(users)), .power = "'users':{'" PEER "':49,'" BOB "':50" \
			  SAME_ALICE_##from "}" }, \
		{ .draft = LEVELS(BOB, FULL(users)), .power = "'users':{'" CAROL "':50,'" BOB "':50,'" \
			  PEER "':50" SAME_ALICE_##from "}" } }, \
	{ "levels_raise_user", N_POWER("7.1", "9.1", "10.1"), from, to, \
		{ .draft = LEVELS(BOB, "{" users ",'x':{'" CAROL "':50}," LEVELS_REST "," EVENTS "," \
					   NOTIFICATIONS "}") }, \
		{ .draft = LEVELS(BOB, "{'users':{'" CAROL "':51,'" BOB "':50,'" PEER \
					   "':50" SAME_ALICE_##from "}," LEVELS_REST "," EVENTS "," \
					   NOTIFICATIONS "}") } }, \
	{ "levels_raise_self", N_POWER("7.1", "9.1", "10.1"), from, to, \
		{ .draft = LEVELS(BOB, "{'users':{'" BOB "':49,'" PEER "':50" SAME_ALICE_##from "}," \
					   LEVELS_REST "," EVENTS "," NOTIFICATIONS "}") }, \
		{ .draft = LEVELS(BOB, "{'users':{'" BOB "':51,'" PEER "':50" SAME_ALICE_##from "}," \
					   LEVELS_REST "," EVENTS "," NOTIFICATIONS "}") } }
#define SAME_ALICE_1  ",'" ALICE "':100"
#define SAME_ALICE_12 ""
	CHANGE_CASES(USERS_11, 1, 11),
	CHANGE_CASES(USERS_12, 12, 12),
	{ "levels_lower_high_notification", N_POWER("4.1", "6.1", "7.1"), 6, 11,
		{ .draft = LEVELS(BOB, FULL(USERS_11)) },
		{ .draft = LEVELS(BOB, WITH(USERS_11, LEVELS_REST, EVENTS, "'x':1")) } },
	{ "levels_lower_high_notification", N_POWER("4.1", "6.1", "7.1"), 12, 12,
		{ .draft = LEVELS(BOB, FULL(USERS_12)) },
		{ .draft = LEVELS(BOB, WITH(USERS_12, LEVELS_REST, EVENTS, "'notifications':{}")) } },
	{ "levels_raise_notification", N_POWER("5.1", "7.1", "8.1"), 6, 11,
		{ .draft = LEVELS(BOB, FULL(USERS_11)) },
		{ .draft = LEVELS(BOB, WITH(USERS_11, LEVELS_REST, EVENTS,
						 "'notifications':{'room':51,'high':75}")) } },
	{ "levels_raise_notification", N_POWER("5.1", "7.1", "8.1"), 12, 12,
		{ .draft = LEVELS(BOB, FULL(USERS_12)) },
		{ .draft = LEVELS(BOB, WITH(USERS_12, LEVELS_REST, EVENTS,
						 "'notifications':{'room':51,'high':75}")) } },
	{ "levels_unreadable_level", N_LEVEL("2"), 1, 9, { .draft = LEVELS(BOB, FULL(USERS_11)) },
		{ .draft = LEVELS(BOB, WITH(USERS_11, "'invite':25,'ban':{},'kick':50,'redact':50",
						 EVENTS, NOTIFICATIONS)) } },
	{ "levels_unreadable_event", N_POWER("5.1", "7.1", "8.1"), 1, 9,
		{ .draft = LEVELS(BOB, FULL(USERS_11)) },
		{ .draft = LEVELS(BOB, WITH(USERS_11, LEVELS_REST,
						 "'events':{'m.room.power_levels':50,"
						 "'m.room.name':'x','x.high':75}",
						 NOTIFICATIONS)) } },

	/* 11: m.room.redaction */
	{ "redaction_of_foreign_event", "11.3|-|-|-|-|-", 1, 2,
		{ .draft = { .sender = CAROL, .type = "m.room.redaction" }, .change = tweak_redacts_own },
		{ .draft = { .sender = CAROL, .type = "m.room.redaction" },
			.change = tweak_redacts_foreign } },
	{ "redaction_of_nothing", "11.3|-|-|-|-|-", 1, 2,
		{ .draft = { .sender = BOB, .type = "m.room.redaction" },
			.change = tweak_redacts_foreign },
		{ .draft = { .sender = CAROL, .type = "m.room.redaction" },
			.change = tweak_redacts_nothing } },
};

/* clang-format on */

/* ---- running the table ---- */

static struct verdict judge(const struct side *side, int version)
{
	build(side, version);
	const struct str room_id = room.room_id;
	const bool is_create = strcmp(side->draft.type, "m.room.create") == 0;
	if (is_create && room.version->room_id_is_create_hash) {
		room.room_id = (struct str){0}; /* such create events have no room id of their own */
	}
	struct event *event = ARENA_NEW(arena, struct event);
	*event = *made_room_make(&room, &side->draft);
	room.room_id = room_id;
	if (side->change != NULL) {
		side->change(&room, event);
	}
	const struct state_view view = state_map_view(&room.state);
	const struct verdict verdict = auth_check(event, &view);
	made_room_builder_fini(&room);
	return verdict;
}

/* "5.2.2" from "5.2.2|4.2.2|…" for the version. */
static struct str expected_number(const char *numbers, int version)
{
	static const int numbering[LAST + 1] = {0, 0, 0, 0, 0, 0, 1, 2, 3, 3, 4, 4, 5};
	struct str rest = str_of(numbers);
	struct str number = rest;
	for (int i = 0; i <= numbering[version]; i++) {
		(void)str_split(rest, '|', &number, &rest);
	}
	return number;
}

static void note_hit(int version, const char *rule)
{
	const struct room_version *row = room_version_find(str_of(arena_printf(arena, "%d", version)));
	for (size_t i = 0; i < AUTH_RULE_COUNT; i++) {
		const char *number = auth_rule_number(row, (enum auth_rule)i);
		if (number != NULL && strcmp(number, rule) == 0) {
			is_hit[version][i] = true;
		}
	}
}

struct run {
	const struct rule_case *row;
	int version;
};

static void rule__flaw__refused_by_it_alone(void **state)
{
	const struct run *run = *state;
	arena = arena_create();
	const struct verdict good = judge(&run->row->good, run->version);
	if (!good.allowed) {
		print_error("without the flaw: %s %s\n", good.rule, good.text);
	}
	assert_true(good.allowed);
	const struct verdict bad = judge(&run->row->bad, run->version);
	assert_false(bad.allowed);
	assert_non_null(bad.text);
	const struct str number = expected_number(run->row->numbers, run->version);
	assert_string_equal(bad.rule, arena_printf(arena, "auth.%.*s", STR_ARG(number)));
	note_hit(run->version, bad.rule);
	arena_destroy(arena);
}

/* ---- the rules on auth_events, which have a function of their own ---- */

static const struct event *in_state(const char *type, const char *key)
{
	const struct event *event = state_map_get(&room.state, str_of(type), str_of(key));
	invariant(event != NULL);
	return event;
}

static struct verdict judge_auth(const struct event *const *auth, size_t n, size_t rejected)
{
	const struct room_draft message = MESSAGE(CAROL);
	bool is_rejected[8] = {false};
	if (rejected < n) {
		is_rejected[rejected] = true;
	}
	return auth_check_auth_events(made_room_make(&room, &message), auth, is_rejected, n);
}

static void expect_auth(struct verdict verdict, int version, const char *numbers)
{
	const struct str number = expected_number(numbers, version);
	assert_false(verdict.allowed);
	assert_string_equal(verdict.rule, arena_printf(arena, "auth.%.*s", STR_ARG(number)));
	note_hit(version, verdict.rule);
}

static void sec_5_6__auth_events_of_another_room_and_other_flaws__refused(void **state)
{
	const int version = ((const struct run *)*state)->version;
	arena = arena_create();
	build(&(const struct side){0}, version);
	const bool names_create = !room.version->room_id_is_create_hash;
	const struct event *create = in_state("m.room.create", "");
	const struct event *levels = in_state("m.room.power_levels", "");
	const struct event *member = in_state("m.room.member", CAROL);
	const struct event *other = in_state("m.room.member", BOB);
	struct event foreign = *levels;
	foreign.room_id.s = STR("!foreign:a.example");

	/* Without create events first; they stand in front where the version wants them. */
	const struct event *list[] = {create, levels, member, levels};
	const struct event *const *auth = names_create ? list : list + 1;
	const size_t n = names_create ? 3 : 2;
	assert_true(judge_auth(auth, n, SIZE_MAX).allowed);
	/* Rule 1 alone decides on create events. */
	static const bool all_rejected[] = {true, true};
	assert_true(auth_check_auth_events(create, auth, all_rejected, 2).allowed);
	expect_auth(judge_auth(auth, n + 1, SIZE_MAX), version, "2.1|2.1|2.1|2.1|2.1|3.1");
	expect_auth(judge_auth(auth, n, n - 1), version, "2.3|2.3|2.3|2.3|2.3|3.3");
	expect_auth(judge_auth(auth, n, 0), version, "2.3|2.3|2.3|2.3|2.3|3.3");

	list[3] = other; /* another's membership */
	expect_auth(judge_auth(auth, n + 1, SIZE_MAX), version, "2.2|2.2|2.2|2.2|2.2|3.2");
	list[3] = made_room_make(&room, &(struct room_draft)MESSAGE(CAROL)); /* no state at all */
	expect_auth(judge_auth(auth, n + 1, SIZE_MAX), version, "2.2|2.2|2.2|2.2|2.2|3.2");
	list[3] = in_state("m.room.join_rules", "");
	expect_auth(judge_auth(auth, n + 1, SIZE_MAX), version, "2.2|2.2|2.2|2.2|2.2|3.2");

	list[1] = &foreign;
	expect_auth(judge_auth(auth, n, SIZE_MAX), version, "2.5|2.5|2.5|2.5|2.5|3.5");
	list[1] = levels;
	if (names_create) {
		expect_auth(judge_auth(list + 1, 2, SIZE_MAX), version, "2.4|2.4|2.4|2.4|2.4|-");
	} else {
		expect_auth(judge_auth(list, 3, SIZE_MAX), version, "-|-|-|-|-|3.2");
	}
	made_room_builder_fini(&room);
	arena_destroy(arena);
}

static void sec_5_18__redaction_of_foreign_event__power_or_own_domain(void **state)
{
	(void)state;
	arena = arena_create();
	struct side side = {.draft = {.sender = BOB, .type = "m.room.redaction"}};
	for (int version = FIRST; version <= LAST; version++) {
		side.change = tweak_redacts_foreign;
		side.draft.sender = BOB;
		assert_true(judge(&side, version).allowed);
		side.draft.sender = CAROL; /* from version 3 on it is judged when it is applied */
		assert_int_equal(judge(&side, version).allowed, version > 2);
		side.change = tweak_redacts_own;
		assert_true(judge(&side, version).allowed);
	}
	arena_destroy(arena);
}

/* Before version 8 the key means nothing, so nobody has to sign for it. */
static void authoriser__that_has_not_signed__refused_from_version_8_on(void **state)
{
	(void)state;
	arena = arena_create();
	const struct side side = {.draft = {.sender = CAROL,
								  .type = "m.room.member",
								  .state_key = CAROL,
								  .content = "{'membership':'leave',"
											 "'join_authorised_via_users_server':'" BOB "'}"}};
	for (int version = FIRST; version <= LAST; version++) {
		assert_int_equal(judge(&side, version).allowed, version < 8);
	}
	arena_destroy(arena);
}

static void defaults_of_levels__raised_to_the_senders_own_and_above__only_the_first(void **state)
{
	(void)state;
	static const char *const names[] = {"users_default", "events_default", "state_default"};
	arena = arena_create();
	for (int version = FIRST; version <= LAST; version++) {
		for (size_t i = 0; i < COUNT_OF(names); i++) {
			for (int level = 50; level <= 51; level++) {
				const char *content =
					arena_printf(arena, "{%s,'%s':%d," LEVELS_REST "," EVENTS "," NOTIFICATIONS "}",
						version < 12 ? USERS_11 : USERS_12, names[i], level);
				const struct side side = {.draft = LEVELS(BOB, content)};
				assert_int_equal(judge(&side, version).allowed, level == 50);
			}
		}
	}
	arena_destroy(arena);
}

static void sec_5_3__all_rules_of_each_version__were_the_reason_once(void **state)
{
	(void)state;
	arena = arena_create();
	size_t missing = 0;
	for (int version = FIRST; version <= LAST; version++) {
		const struct room_version *row =
			room_version_find(str_of(arena_printf(arena, "%d", version)));
		for (size_t i = 0; i < AUTH_RULE_COUNT; i++) {
			const char *number = auth_rule_number(row, (enum auth_rule)i);
			if (number != NULL && !is_hit[version][i]) {
				print_error("version %d: nothing was refused by %s\n", version, number);
				missing++;
			}
		}
	}
	arena_destroy(arena);
	assert_int_equal(missing, 0);
}

int main(void)
{
	const struct CMUnitTest of_all_versions[] = {
		cmocka_unit_test(sec_5_18__redaction_of_foreign_event__power_or_own_domain),
		cmocka_unit_test(authoriser__that_has_not_signed__refused_from_version_8_on),
		cmocka_unit_test(defaults_of_levels__raised_to_the_senders_own_and_above__only_the_first),
		cmocka_unit_test(sec_5_3__all_rules_of_each_version__were_the_reason_once),
	};
	struct arena *own = arena_create();
	const size_t most = (COUNT_OF(cases) + 1) * LAST + COUNT_OF(of_all_versions);
	struct CMUnitTest *tests = ARENA_NEW_ARRAY(own, struct CMUnitTest, most);
	struct run *runs = ARENA_NEW_ARRAY(own, struct run, most);
	size_t n = 0;
	for (int version = FIRST; version <= LAST; version++) {
		for (size_t i = 0; i < COUNT_OF(cases); i++) {
			if (version < cases[i].from || version > cases[i].to) {
				continue;
			}
			runs[n] = (struct run){.row = &cases[i], .version = version};
			tests[n] = (struct CMUnitTest){
				.name = arena_printf(own, "auth_v%d__%s__refused", version, cases[i].name),
				.test_func = rule__flaw__refused_by_it_alone,
				.initial_state = &runs[n],
			};
			n++;
		}
		runs[n] = (struct run){.version = version};
		tests[n] = (struct CMUnitTest){
			.name = arena_printf(own, "sec_5_6__auth_events_of_v%d__refused", version),
			.test_func = sec_5_6__auth_events_of_another_room_and_other_flaws__refused,
			.initial_state = &runs[n],
		};
		n++;
	}
	memcpy(tests + n, of_all_versions, sizeof(of_all_versions));
	n += COUNT_OF(of_all_versions);
	const int failed = _cmocka_run_group_tests("auth_rules", tests, n, NULL, NULL);
	arena_destroy(own);
	return failed;
}
