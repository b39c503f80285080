/**
 * Push rules as data: one rule, a user's whole ruleset, and their JSON.
 *
 * Texts and JSON values in rules are views of what they were read from, which has to live as long.
 * Spec: client-server API, "Push Rules"
 */
#ifndef BELFRY_MATRIX_PUSH_RULE_H
#define BELFRY_MATRIX_PUSH_RULE_H

#include "base/json_out.h"
#include "matrix/field_error.h"
#include "matrix/property_path.h"

enum {
	PUSH_MAX_RULES = 10000,     /**< of a user's own, all kinds together */
	PUSH_MAX_RULE_BYTES = 1024, /**< rule id, conditions, actions and pattern together */
};

/** In the order in which they are checked. */
enum push_kind {
	PUSH_OVERRIDE,
	PUSH_CONTENT,
	PUSH_ROOM,
	PUSH_SENDER,
	PUSH_UNDERRIDE,
};
enum { PUSH_KINDS = 5 };

enum push_condition_kind {
	PUSH_NEVER, /**< unknown or malformed: never matches */
	PUSH_EVENT_MATCH,
	PUSH_EVENT_PROPERTY_IS,
	PUSH_EVENT_PROPERTY_CONTAINS,
	PUSH_CONTAINS_DISPLAY_NAME,
	PUSH_ROOM_MEMBER_COUNT,
	PUSH_SENDER_NOTIFICATION_PERMISSION,
};

enum push_compare { PUSH_EQ, PUSH_LT, PUSH_GT, PUSH_LE, PUSH_GE };

struct push_condition {
	enum push_condition_kind kind;
	struct property_path path; /**< of the event_… kinds */
	bool is_body;              /**< the path is content.body: match words */
	struct str key;            /**< sender_notification_permission: e.g. "room" */
	struct str pattern;        /**< event_match */
	const struct json *value;  /**< event_property_…: string, integer, boolean or null */
	enum push_compare compare; /**< room_member_count */
	int64_t count;
};

struct push_tweak {
	struct str name;
	const struct json *value; /**< NULL: none given */
};

/** What a rule does. */
struct push_actions {
	struct json json; /**< the array as it was given */
	bool notify;
	bool highlight;
	struct str sound; /**< p == NULL: none */
	const struct push_tweak
		*tweaks; /**< all set_tweak actions in order, sound and highlight among them */
	size_t tweak_count;
};

struct push_rule {
	enum push_kind kind;
	struct str rule_id;
	bool is_default;  /**< one of the predefined rules */
	bool is_for_text; /**< holds only for events without m.mentions */
	bool is_enabled;
	bool is_enabled_changed; /**< predefined rules: the user decided */
	bool is_actions_changed;
	const struct json *conditions_json; /**< override, underride: array; NULL: none */
	const struct push_condition *conditions;
	size_t condition_count;
	struct str pattern; /**< content rules; else p == NULL */
	struct push_actions actions;
};

/** A user's rules, the most important of each kind first. */
struct push_ruleset {
	struct push_rule **rules[PUSH_KINDS]; /**< in the arena */
	size_t count[PUSH_KINDS];
	size_t capacity[PUSH_KINDS];
};

/** "override", … @return false when the name is none of them */
MUST_CHECK bool push_kind_parse(struct str name, enum push_kind *out);
/** Static. */
struct str push_kind_name(enum push_kind kind);

/* --- one rule --------------------------------------------------------------------------------- */

/**
 * Reads a rule that is known to be fine (our own data). What is malformed never matches and does
 * nothing.
 * @param rule  object with enabled, conditions, pattern, actions
 */
struct push_rule *push_rule_read(struct arena *arena, enum push_kind kind, struct str rule_id,
	const struct json *rule);

/**
 * Checks a rule made by a client (body of PUT …/pushrules/global/{kind}/{ruleId}) and reads it. It
 * is enabled. Unknown kinds of conditions are taken (they never match); known ones need their
 * parameters.
 *
 * @param rule_id    of room and sender rules any text is taken: one that is no id never matches
 * @param out_error  written when it returns false: M_INVALID_PARAM, M_MISSING_PARAM, M_BAD_JSON,
 *                   M_TOO_LARGE
 */
MUST_CHECK bool push_rule_make(struct arena *arena, enum push_kind kind, struct str rule_id,
	const struct json *body, struct push_rule **out, struct field_error *out_error);

/** Checks the `actions` of a client's request. */
MUST_CHECK bool push_actions_check(const struct json *actions, struct field_error *out_error);

/** Gives a rule other actions (checked before). */
void push_rule_set_actions(struct arena *arena, struct push_rule *rule, const struct json *actions);
void push_rule_set_enabled(struct push_rule *rule, bool is_enabled);

/** Writes it as clients get it. */
void push_rule_write(struct json_out *out, const struct push_rule *rule);

/* --- the ruleset ------------------------------------------------------------------------------ */

/** NULL when there is none. */
struct push_rule *push_ruleset_find(const struct push_ruleset *set, enum push_kind kind,
	struct str rule_id);

enum push_put {
	PUSH_PUT_DONE,
	PUSH_PUT_NO_NEIGHBOUR, /**< before/after names no rule of the user's own of that kind */
	PUSH_PUT_FULL,         /**< PUSH_MAX_RULES are there already */
};
/**
 * Adds a rule of the user's own, or puts it in the place of the one with the same id (which keeps
 * whether it is enabled).
 *
 * @param before  the rule stands just before this one; p == NULL: not asked for
 * @param after   the rule stands just after this one, unless `before` is given. With neither, a new
 *                rule comes first and a known one stays where it is
 */
MUST_CHECK enum push_put push_ruleset_put(struct arena *arena, struct push_ruleset *set,
	struct push_rule *rule, struct str before, struct str after);

/**
 * Takes a rule of the user's own out. @return false when there is no such rule, or it is predefined
 */
MUST_CHECK bool push_ruleset_remove(struct push_ruleset *set, enum push_kind kind,
	struct str rule_id);

/** Writes the object that `global` holds, as clients get it. */
void push_ruleset_write(struct json_out *out, const struct push_ruleset *set);

/** Appends a rule to its kind; for building rulesets. */
void push_ruleset_append(struct arena *arena, struct push_ruleset *set, struct push_rule *rule);

#endif
