/*
 * Each change counts in all processes when it is answered.
 */
#include "federation/policy_routes.h"

#include "federation/policy.h"
#include "federation/processes.h"

static enum err get_policy(struct call *call)
{
	struct homeserver *hs = hs_of(call);
	struct policy_view view;
	TRY(fed_policy_read(&call->ctx, hs->db, &hs->settings.federation, &view));
	struct json_out *out = reply_json(call, 200);
	json_out_object(out);
	json_out_key_str(out, "policy", partner_policy_name(view.policy));
	json_out_key_bool(out, "is_configured", view.is_configured);
	json_out_key_array(out, "servers");
	for (size_t i = 0; i < view.count; i++) {
		json_out_object(out);
		json_out_key_str(out, "pattern", view.rules[i].pattern);
		json_out_key_str(out, "rule", view.rules[i].is_allowed ? STR("allow") : STR("deny"));
		json_out_key_bool(out, "is_configured", view.are_configured[i]);
		json_out_end(out);
	}
	json_out_end(out);
	json_out_end(out);
	return ERR_OK;
}

/* Answers once the change counts. */
static enum err reply_followed(struct call *call)
{
	TRY(fed_policy_follow(&call->ctx, hs_of(call)->federation));
	processes_policy_changed(hs_of(call)->federation);
	return reply_empty(call);
}

static enum err put_policy(struct call *call)
{
	const struct json *body;
	struct str policy;
	TRY(call_json(call, &body));
	TRY(body_opt_str(call, body, "policy", &policy));
	TRY(fed_policy_set(&call->ctx, hs_of(call)->db, policy));
	return reply_followed(call);
}

static enum err put_server(struct call *call)
{
	const struct json *body;
	struct str rule;
	TRY(call_json(call, &body));
	TRY(body_str(call, body, "rule", &rule));
	bool is_allowed = str_equals(rule, STR("allow"));
	if (!is_allowed && !str_equals(rule, STR("deny"))) {
		return fail(&call->ctx, ERR_INPUT, M_INVALID_PARAM, "'rule' is allow or deny");
	}
	TRY(fed_policy_put_server(&call->ctx, hs_of(call)->db, call_path(call, "serverPattern"),
		is_allowed));
	return reply_followed(call);
}

static enum err delete_server(struct call *call)
{
	TRY(fed_policy_remove_server(&call->ctx, hs_of(call)->db, call_path(call, "serverPattern")));
	return reply_followed(call);
}

#define FEDERATION "/_belfry/admin/v1/federation"

const struct route policy_routes[] = {
	{"belfryGetFederation", "GET", FEDERATION, AUTH_ADMIN, LANE_LOCAL, RATE_READ, 0, get_policy},
	{"belfryPutFederation", "PUT", FEDERATION, AUTH_ADMIN, LANE_LOCAL, RATE_WRITE, 0, put_policy},
	{"belfryPutFederationServer", "PUT", FEDERATION "/servers/{serverPattern}", AUTH_ADMIN,
		LANE_LOCAL, RATE_WRITE, 0, put_server},
	{"belfryDeleteFederationServer", "DELETE", FEDERATION "/servers/{serverPattern}", AUTH_ADMIN,
		LANE_LOCAL, RATE_WRITE, 0, delete_server},
};
const size_t policy_route_count = COUNT_OF(policy_routes);
