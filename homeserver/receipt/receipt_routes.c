/*
 * Receipts and read markers.
 */
#include "homeserver/receipt/receipt_routes.h"

#include "homeserver/receipt/receipts.h"
#include "http/handover.h"

static enum err set_marks(struct call *call, const struct read_marks *marks)
{
	call_begin_handover(call);
	TRY(receipts_set(&call->ctx, hs_of(call), principal_of(call)->user.s, call_path(call, "roomId"),
		marks));
	return reply_empty(call);
}

static enum err post_receipt(struct call *call)
{
	struct str type = call_path(call, "receiptType");
	bool is_marker = str_equals(type, STR("m.fully_read"));
	const struct json *body;
	struct field_error error;
	struct receipt_mark mark = {.event_id = call_path(call, "eventId")};
	TRY(call_json_optional(call, &body));
	if (!is_marker && !receipt_type_parse(type, &mark.type)) {
		return fail(&call->ctx, ERR_INPUT, M_INVALID_PARAM,
			"receiptType must be m.read, m.read.private or m.fully_read");
	}
	if (!receipt_thread_read(body, is_marker, &mark.thread_id, &error)) {
		return fail(&call->ctx, ERR_INPUT, error.errcode, "%.*s %s", STR_ARG(error.field),
			error.text);
	}
	struct read_marks marks = {.receipts = &mark, .count = 1};
	if (is_marker) {
		marks = (struct read_marks){.fully_read = mark.event_id};
	}
	return set_marks(call, &marks);
}

static enum err post_read_markers(struct call *call)
{
	const struct json *body;
	struct str event_ids[2];
	struct receipt_mark receipts[2];
	struct read_marks marks = {.receipts = receipts};
	TRY(call_json(call, &body));
	TRY(body_opt_str(call, body, "m.fully_read", &marks.fully_read));
	TRY(body_opt_str(call, body, "m.read", &event_ids[RECEIPT_READ]));
	TRY(body_opt_str(call, body, "m.read.private", &event_ids[RECEIPT_READ_PRIVATE]));
	for (size_t type = 0; type < COUNT_OF(event_ids); type++) {
		if (event_ids[type].p != NULL) {
			receipts[marks.count++] =
				(struct receipt_mark){.type = (enum receipt_type)type, .event_id = event_ids[type]};
		}
	}
	return set_marks(call, &marks);
}

const struct route receipt_routes[] = {
	{"postReceipt", "POST",
		"/_matrix/client/(r0|v3)/rooms/{roomId}/receipt/{receiptType}/{eventId}", AUTH_USER,
		LANE_LOCAL, RATE_WRITE, 0, post_receipt},
	{"setReadMarker", "POST", "/_matrix/client/(r0|v3)/rooms/{roomId}/read_markers", AUTH_USER,
		LANE_LOCAL, RATE_WRITE, 0, post_read_markers},
};
const size_t receipt_route_count = COUNT_OF(receipt_routes);
