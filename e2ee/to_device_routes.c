/*
 * The endpoint of messages to devices: parse, one call, reply.
 */
#include "e2ee/to_device_routes.h"

#include "e2ee/to_device.h"
#include "http/handover.h"

enum { MESSAGES_BODY_BYTES = 8 << 20 };

static enum err put_send_to_device(struct call *call)
{
	const struct json *body;
	struct to_device_request request = {
		.sender = principal_of(call)->user.s,
		.device_id = principal_of(call)->device_id,
		.type = call_path(call, "eventType"),
		.txn_id = call_path(call, "txnId"),
	};
	TRY(call_json(call, &body));
	TRY(body_opt_object(call, body, "messages", &request.messages));
	if (request.messages == NULL) {
		return fail(&call->ctx, ERR_INPUT, M_MISSING_PARAM, "'messages' is missing");
	}
	call_begin_handover(call);
	TRY(to_device_send(&call->ctx, hs_of(call), &request));
	return reply_empty(call);
}

const struct route to_device_routes[] = {
	{"sendToDevice", "PUT", "/_matrix/client/(r0|v3)/sendToDevice/{eventType}/{txnId}", AUTH_GUEST,
		LANE_LOCAL, RATE_MESSAGE, MESSAGES_BODY_BYTES, put_send_to_device},
};
const size_t to_device_route_count = COUNT_OF(to_device_routes);
