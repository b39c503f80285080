/*
 * Push rules.
 */
#include "homeserver/push/push_routes.h"

#include "homeserver/push/push.h"
#include "http/handover.h"

static struct push_rule_name name_of(const struct call *call)
{
	return (struct push_rule_name){
		.user = principal_of(call)->user,
		.kind = call_path(call, "kind"),
		.rule_id = call_path(call, "ruleId"),
	};
}

static enum err get_push_rules(struct call *call)
{
	struct push_rules rules;
	TRY(push_rules_get(&call->ctx, hs_of(call), principal_of(call)->user, &rules));
	struct push_ruleset set = push_rules_set(call->ctx.arena, &rules, principal_of(call)->user);
	push_default_write_account_data(reply_json(call, 200), &set);
	return ERR_OK;
}

static enum err get_global_push_rules(struct call *call)
{
	struct push_rules rules;
	TRY(push_rules_get(&call->ctx, hs_of(call), principal_of(call)->user, &rules));
	struct push_ruleset set = push_rules_set(call->ctx.arena, &rules, principal_of(call)->user);
	push_ruleset_write(reply_json(call, 200), &set);
	return ERR_OK;
}

static enum err find_rule(struct call *call, const struct push_rule **out)
{
	struct push_rules rules;
	enum push_kind kind;
	TRY(push_rules_get(&call->ctx, hs_of(call), principal_of(call)->user, &rules));
	struct push_ruleset set = push_rules_set(call->ctx.arena, &rules, principal_of(call)->user);
	if (push_kind_parse(call_path(call, "kind"), &kind)) {
		*out = push_ruleset_find(&set, kind, call_path(call, "ruleId"));
		if (*out != NULL) {
			return ERR_OK;
		}
	}
	return fail(&call->ctx, ERR_MISSING, M_NOT_FOUND, "There is no such push rule");
}

static enum err get_push_rule(struct call *call)
{
	const struct push_rule *rule;
	TRY(find_rule(call, &rule));
	push_rule_write(reply_json(call, 200), rule);
	return ERR_OK;
}

static enum err get_push_rule_enabled(struct call *call)
{
	const struct push_rule *rule;
	TRY(find_rule(call, &rule));
	struct json_out *out = reply_json(call, 200);
	json_out_object(out);
	json_out_key_bool(out, "enabled", rule->is_enabled);
	json_out_end(out);
	return ERR_OK;
}

static enum err get_push_rule_actions(struct call *call)
{
	const struct push_rule *rule;
	TRY(find_rule(call, &rule));
	struct json_out *out = reply_json(call, 200);
	json_out_object(out);
	json_out_key_value(out, "actions", &rule->actions.json);
	json_out_end(out);
	return ERR_OK;
}

static enum err put_push_rule(struct call *call)
{
	const struct json *body;
	struct push_rule_name name = name_of(call);
	TRY(call_json(call, &body));
	call_begin_handover(call);
	TRY(push_rule_put(&call->ctx, hs_of(call), &name, body, call_query(call, "before"),
		call_query(call, "after")));
	return reply_empty(call);
}

static enum err delete_push_rule(struct call *call)
{
	struct push_rule_name name = name_of(call);
	call_begin_handover(call);
	TRY(push_rule_delete(&call->ctx, hs_of(call), &name));
	return reply_empty(call);
}

static enum err put_push_rule_enabled(struct call *call)
{
	const struct json *body;
	struct push_rule_name name = name_of(call);
	TRY(call_json(call, &body));
	const struct json *enabled = json_at(body, "enabled");
	if (enabled == NULL) {
		return fail(&call->ctx, ERR_INPUT, M_MISSING_PARAM, "enabled is missing");
	}
	if (enabled->type != JSON_BOOL) {
		return fail(&call->ctx, ERR_INPUT, M_BAD_JSON, "enabled must be true or false");
	}
	call_begin_handover(call);
	TRY(push_rule_enable(&call->ctx, hs_of(call), &name, enabled->boolean));
	return reply_empty(call);
}

static enum err put_push_rule_actions(struct call *call)
{
	const struct json *body;
	struct push_rule_name name = name_of(call);
	TRY(call_json(call, &body));
	call_begin_handover(call);
	TRY(push_rule_act(&call->ctx, hs_of(call), &name, json_at(body, "actions")));
	return reply_empty(call);
}

#define CLIENT "/_matrix/client/(r0|v3)"
#define RULE_PATH CLIENT "/pushrules/global/{kind}/{ruleId}"

const struct route push_routes[] = {
	{"getPushRules", "GET", CLIENT "/pushrules/", AUTH_USER, LANE_LOCAL, RATE_READ, 0,
		get_push_rules},
	{"getPushRulesGlobal", "GET", CLIENT "/pushrules/global/", AUTH_USER, LANE_LOCAL, RATE_READ, 0,
		get_global_push_rules},
	{"getPushRule", "GET", RULE_PATH, AUTH_USER, LANE_LOCAL, RATE_READ, 0, get_push_rule},
	{"setPushRule", "PUT", RULE_PATH, AUTH_USER, LANE_LOCAL, RATE_WRITE, 0, put_push_rule},
	{"deletePushRule", "DELETE", RULE_PATH, AUTH_USER, LANE_LOCAL, RATE_WRITE, 0, delete_push_rule},
	{"isPushRuleEnabled", "GET", RULE_PATH "/enabled", AUTH_USER, LANE_LOCAL, RATE_READ, 0,
		get_push_rule_enabled},
	{"setPushRuleEnabled", "PUT", RULE_PATH "/enabled", AUTH_USER, LANE_LOCAL, RATE_WRITE, 0,
		put_push_rule_enabled},
	{"getPushRuleActions", "GET", RULE_PATH "/actions", AUTH_USER, LANE_LOCAL, RATE_READ, 0,
		get_push_rule_actions},
	{"setPushRuleActions", "PUT", RULE_PATH "/actions", AUTH_USER, LANE_LOCAL, RATE_WRITE, 0,
		put_push_rule_actions},
};
const size_t push_route_count = COUNT_OF(push_routes);
