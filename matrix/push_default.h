/**
 * The predefined push rules, and how a user's own rules are kept beside them.
 * Spec: client-server API v1.19, "Predefined Rules"
 */
#ifndef BELFRY_MATRIX_PUSH_DEFAULT_H
#define BELFRY_MATRIX_PUSH_DEFAULT_H

#include "matrix/id.h"
#include "matrix/push_rule.h"

/**
 * The rules of a user who has changed nothing. All in the arena.
 * @param in_text  with the rules that find names and @room in the text of events without m.mentions
 *                 (specification v1.7 to v1.16; removed since)
 */
struct push_ruleset push_default_ruleset(struct arena *arena, struct user_id user, bool in_text);

/**
 * The predefined rules with what the user has made and changed.
 *
 * @param stored  what push_default_store() wrote, parsed; NULL: nothing. Lives as long as the
 *                ruleset. Parts that are malformed are left out
 */
struct push_ruleset push_default_load(struct arena *arena, struct user_id user, bool in_text,
	const struct json *stored);

/**
 * Whether the user has made or changed no rule: without rules for the text, push_eval_generic()
 * holds for the user then.
 */
bool push_default_is_unchanged(const struct push_ruleset *set);

/**
 * Writes what is the user's own: rules, and changes of predefined ones. Smaller than what clients
 * get.
 */
void push_default_store(struct json_out *out, const struct push_ruleset *set);

/** Writes the content of m.push_rules: {"global": {…}}. */
void push_default_write_account_data(struct json_out *out, const struct push_ruleset *set);

#endif
