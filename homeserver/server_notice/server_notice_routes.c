/*
 * Sending server notices, by the interface that Synapse has for it and tools know.
 */
#include "homeserver/server_notice/server_notice_routes.h"

#include "homeserver/server_notice/server_notices.h"

static enum err send(struct call *call, struct str txn_id)
{
	const struct json *body;
	struct server_notice_request request = {.who = principal_of(call), .txn_id = txn_id};
	TRY(call_json(call, &body));
	TRY(body_str(call, body, "user_id", &request.user_id));
	TRY(body_opt_object(call, body, "content", &request.content));
	TRY(body_opt_str(call, body, "type", &request.type));
	TRY(body_opt_str(call, body, "state_key", &request.state_key));
	if (request.content == NULL) {
		return fail(&call->ctx, ERR_INPUT, M_MISSING_PARAM, "'content' is missing");
	}
	struct str event_id;
	TRY(server_notices_send(&call->ctx, hs_of(call), &request, &event_id));
	struct json_out *out = reply_json(call, 200);
	json_out_object(out);
	json_out_key_str(out, "event_id", event_id);
	json_out_end(out);
	return ERR_OK;
}

static enum err post_notice(struct call *call)
{
	return send(call, str_from(NULL, 0));
}

static enum err put_notice(struct call *call)
{
	return send(call, call_path(call, "txnId"));
}

#define NOTICE "/_synapse/admin/v1/send_server_notice"

const struct route server_notice_routes[] = {
	{"synapseSendServerNotice", "POST", NOTICE, AUTH_ADMIN, LANE_LOCAL, RATE_MESSAGE, 0,
		post_notice},
	{"synapsePutServerNotice", "PUT", NOTICE "/{txnId}", AUTH_ADMIN, LANE_LOCAL, RATE_MESSAGE, 0,
		put_notice},
};
const size_t server_notice_route_count = COUNT_OF(server_notice_routes);
