/**
 * Users' push rules: the face of the domain. Who is notified of what is decided by them; who delivers it is
 * pusher/, what they make of unread counts is receipt/.
 *
 * Stored of a user is only what differs from the predefined rules (matrix/push_default.h), as the account data m.push_rules, so that
 * a change has its place in the stream and devices hear of it by their sync. Rules of users that are asked for are kept in
 * memory, parsed; users who changed nothing cost next to nothing.
 * Spec: client-server API, "Push Notifications", "Push Rules"
 */
#ifndef BELFRY_HOMESERVER_PUSH_PUSH_H
#define BELFRY_HOMESERVER_PUSH_PUSH_H

#include "homeserver/homeserver.h"
#include "matrix/push_default.h"
#include "matrix/push_eval.h"

/** @param in_text  whether mentions are looked for in the text of events without m.mentions (push.mentions_in_text) */
struct push *push_create(bool in_text);
/** After the writer was destroyed: its commits come here. */
void push_destroy(struct push *push);
/** All rules are read anew: memory may be older than the database. Writer's thread. */
void push_forget(struct push *push);
/** Those of one user: another process has changed them. */
void push_forget_user(struct push *push, struct user_id user);

/** A user's rules as they are. */
struct push_rules {
	int64_t position; /**< of the newest change; 0: never changed */
	bool
		is_generic; /**< the predefined ones, none for text: push_eval_generic() holds for the user */
	struct push_ruleset set; /**< else; until the ctx's arena is reset; not to be changed */
};

/**
 * Rules of a local user. Errors: STORE     Cost: none but for the first time, then one round trip.
 */
MUST_CHECK enum err push_rules_get(struct ctx *ctx, struct homeserver *hs, struct user_id user,
	struct push_rules *out);

/** The whole set, also of a user who changed nothing: then it is made in the arena. */
struct push_ruleset push_rules_set(struct arena *arena, const struct push_rules *rules,
	struct user_id user);

/**
 * Content of m.push_rules as clients get it.
 * @param stored  content as it is in the database; p == NULL: nothing is stored
 */
struct str push_rules_content(struct arena *arena, const struct push *push, struct user_id user,
	struct str stored);

/* --- judging events ------------------------------------------------------------------------------- */

struct room;
struct stored_event;

/** A room as rules look at it: as it is now. */
struct push_scene {
	struct room *room;
	struct state_view state;
	int64_t member_count;
};
/** Valid until the ctx's arena is reset. Errors: STORE     Cost: from memory. */
MUST_CHECK enum err push_scene_init(struct ctx *ctx, struct homeserver *hs, struct room *room,
	struct push_scene *out);
/**
 * What a user's rules make of an event of the room. Does not look at whether the user may see it, ignores its sender, or has read it.
 * Errors: STORE     Cost: none while room and rules are in memory; as push_eval().
 */
MUST_CHECK enum err push_judge(struct ctx *ctx, struct homeserver *hs,
	const struct push_scene *scene, const struct push_rules *rules, struct user_id user,
	const struct stored_event *event, struct push_result *out);
/** Whether nothing in a room can notify a user with these rules: it is muted, or everything is off. From memory. */
bool push_rules_are_silent(const struct push_rules *rules, struct str room_id);
/** The result's actions, as rules write them: ["notify", …]; and its tweaks as one object. JSON text in the arena. */
struct str push_result_actions(struct arena *arena, const struct push_result *result);
struct str push_result_tweaks(struct arena *arena, const struct push_result *result);

/* --- changing ------------------------------------------------------------------------------------ */

/** Which rule, as the path of a request names it. */
struct push_rule_name {
	struct user_id user;
	struct str kind;
	struct str rule_id;
};

/**
 * Makes a rule of the user's own or replaces it.
 *
 * @param before, after  neighbours, p == NULL: not given; see push_ruleset_put()
 * Errors: INPUT M_INVALID_PARAM (kind, id, conditions), M_MISSING_PARAM, M_BAD_JSON, M_TOO_LARGE (413), M_UNKNOWN (no such neighbour);
 * STORE; SHUTDOWN
 */
MUST_CHECK enum err push_rule_put(struct ctx *ctx, struct homeserver *hs,
	const struct push_rule_name *name, const struct json *body, struct str before,
	struct str after);
/** Errors: MISSING M_NOT_FOUND (also of predefined rules: they cannot be deleted); STORE; SHUTDOWN. */
MUST_CHECK enum err push_rule_delete(struct ctx *ctx, struct homeserver *hs,
	const struct push_rule_name *name);
/** Errors: MISSING M_NOT_FOUND; STORE; SHUTDOWN. */
MUST_CHECK enum err push_rule_enable(struct ctx *ctx, struct homeserver *hs,
	const struct push_rule_name *name, bool is_enabled);
/** Errors: MISSING M_NOT_FOUND; INPUT as push_rule_put(); STORE; SHUTDOWN. */
MUST_CHECK enum err push_rule_act(struct ctx *ctx, struct homeserver *hs,
	const struct push_rule_name *name, const struct json *actions);
/**
 * Gives a user's rule for a room to another room too, unless that has one.
 * Errors: INPUT M_TOO_LARGE (413); STORE; SHUTDOWN     Cost: none without such a rule while rules are in memory.
 */
MUST_CHECK enum err push_rule_copy_room(struct ctx *ctx, struct homeserver *hs, struct user_id user,
	struct str from_room_id, struct str to_room_id);

#endif
