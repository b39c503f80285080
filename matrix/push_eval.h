/**
 * Which push rule an event meets, and what follows.
 * Spec: client-server API, "Push Rules", "Conditions"
 */
#ifndef BELFRY_MATRIX_PUSH_EVAL_H
#define BELFRY_MATRIX_PUSH_EVAL_H

#include "matrix/event.h"
#include "matrix/push_rule.h"
#include "matrix/state_map.h"

/** What is the same for everybody who gets the event. */
struct push_facts {
	const struct event *event;
	const struct state_view
		*state;           /**< the room's; asked for power levels and the create event only */
	int64_t member_count; /**< joined members */
};

/** What a rule decided. A zeroed struct is "nothing". */
struct push_result {
	bool notify;
	bool highlight;               /**< only with notify */
	struct str sound;             /**< p == NULL: none, or no notify */
	const struct push_rule *rule; /**< the one that matched, with all its tweaks; NULL: none */
};

/**
 * Evaluates a user's rules. Nobody is notified of own events.
 *
 * @param user          whose rules these are
 * @param display_name  the user's in this room; p == NULL: none
 * Cost: O(rules × event), plus the body's length for each rule that looks at it; no pattern makes
 * it worse.
 */
struct push_result push_eval(struct arena *arena, const struct push_ruleset *set,
	const struct push_facts *facts, struct user_id user, struct str display_name);

/**
 * What the predefined rules say to all members at once, so that counters need not be kept for each.
 * Equal to push_eval() for everybody whose ruleset is push_default_ruleset() without rules for text (see
 * push_generic_for()).
 */
struct push_generic {
	struct user_id sender; /**< is told nothing */
	bool notify;           /**< everybody else is notified … */
	bool highlight;        /**< … with highlight */
	struct str sound;      /**< p == NULL: none */
	/**
	 * Users who are notified with highlight and sound "default", whatever the above says; each once,
	 * sorted.
	 */
	const struct user_id *mentioned;
	size_t mentioned_count;
	/** An invite: the user of this id is notified with sound "default". p == NULL: no invite. */
	struct str invited;
};

/**
 * What the rules that are the same for all make of an event, once for all users. In the arena; borrows the facts.
 * Spec: client-server API, "Predefined Rules"
 */
struct push_generic push_eval_generic(struct arena *arena, const struct push_facts *facts);

/** What it means for one user (`rule` is NULL). Cost: O(log mentioned). */
struct push_result push_generic_for(const struct push_generic *generic, struct user_id user);

#endif
