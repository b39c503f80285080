/*
 * PUT /_matrix/federation/v1/send/{txnId}.
 */
#include "federation/inbox_routes.h"

#include "federation/fed_auth.h"
#include "federation/inbox.h"

enum { TRANSACTION_MAX_BYTES = 10 * 1024 * 1024 };

static enum err put_transaction(struct call *call)
{
	struct inbox_transaction transaction = {
		.origin = fed_origin(call),
		.txn_id = call_path(call, "txnId"),
	};
	struct str answer;
	TRY(call_json(call, &transaction.body));
	TRY(inbox_take(&call->ctx, hs_of(call)->federation->inbox, &transaction, &answer));
	return reply_bytes(call, 200, "application/json", answer);
}

const struct route inbox_routes[] = {
	{"sendTransaction", "PUT", "/_matrix/federation/v1/send/{txnId}", AUTH_SERVER, LANE_LOCAL,
		RATE_TRANSACTION, TRANSACTION_MAX_BYTES, put_transaction},
};
const size_t inbox_route_count = COUNT_OF(inbox_routes);
