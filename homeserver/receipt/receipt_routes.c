/*
 * Receipts and read markers.
 */
#include "homeserver/receipt/receipt_routes.h"

#include "homeserver/receipt/receipts.h"

static enum err post_receipt(struct call *call)
{
	struct str type = call_path(call, "receiptType");
	bool is_marker = str_equals(type, STR("m.fully_read"));
	const struct json *body;
	struct field_error error;
	struct receipt_mark mark = {.event_id = call_path(call, "eventId")};
	struct str user_id = principal_of(call)->user.s;
	struct str room_id = call_path(call, "roomId");
	TRY(call_json_optional(call, &body));
	if (!is_marker && !receipt_type_parse(type, &mark.type)) {
		return fail(&call->ctx, ERR_INPUT, M_INVALID_PARAM,
			"receiptType must be m.read, m.read.private or m.fully_read");
	}
	if (!receipt_thread_read(body, is_marker, &mark.thread_id, &error)) {
		return fail(&call->ctx, ERR_INPUT, error.errcode, "%.*s %s", STR_ARG(error.field),
			error.text);
	}
	if (is_marker) {
		TRY(receipts_set_fully_read(&call->ctx, hs_of(call), user_id, room_id, mark.event_id));
	} else {
		TRY(receipts_set(&call->ctx, hs_of(call), user_id, room_id, &mark, 1));
	}
	return reply_empty(call);
}

static enum err post_read_markers(struct call *call)
{
	const struct json *body;
	struct str fully_read;
	struct str event_ids[2];
	struct receipt_mark marks[2];
	size_t count = 0;
	struct str user_id = principal_of(call)->user.s;
	struct str room_id = call_path(call, "roomId");
	TRY(call_json(call, &body));
	TRY(body_opt_str(call, body, "m.fully_read", &fully_read));
	TRY(body_opt_str(call, body, "m.read", &event_ids[RECEIPT_READ]));
	TRY(body_opt_str(call, body, "m.read.private", &event_ids[RECEIPT_READ_PRIVATE]));
	for (size_t type = 0; type < COUNT_OF(event_ids); type++) {
		if (event_ids[type].p != NULL) {
			marks[count++] =
				(struct receipt_mark){.type = (enum receipt_type)type, .event_id = event_ids[type]};
		}
	}
	TRY(receipts_set(&call->ctx, hs_of(call), user_id, room_id, marks, count));
	if (fully_read.p != NULL) {
		TRY(receipts_set_fully_read(&call->ctx, hs_of(call), user_id, room_id, fully_read));
	}
	return reply_empty(call);
}

const struct route receipt_routes[] = {
	{"postReceipt", "POST",
		"/_matrix/client/(r0|v3)/rooms/{roomId}/receipt/{receiptType}/{eventId}", AUTH_USER,
		LANE_LOCAL, RATE_WRITE, 0, post_receipt},
	{"setReadMarker", "POST", "/_matrix/client/(r0|v3)/rooms/{roomId}/read_markers", AUTH_USER,
		LANE_LOCAL, RATE_WRITE, 0, post_read_markers},
};
const size_t receipt_route_count = COUNT_OF(receipt_routes);
