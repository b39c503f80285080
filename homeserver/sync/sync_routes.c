/*
 * GET /sync, and simplified sliding sync.
 */
#include "homeserver/sync/sync_routes.h"

#include "homeserver/sync/sliding.h"
#include "homeserver/sync/sync.h"

enum { SLIDING_BODY_BYTES = 256 << 10 };

static enum err get_sync(struct call *call)
{
	struct sync_request *request;
	TRY(sync_request_of(call, &request));
	return sync_serve(call, request);
}

static enum err post_sliding_sync(struct call *call)
{
	struct sliding_request *request;
	TRY(sliding_request_of(call, &request));
	return sliding_serve(call, request);
}

const struct route sync_routes[] = {
	{"sync", "GET", "/_matrix/client/(r0|v3)/sync", AUTH_GUEST, LANE_INLINE, RATE_READ, 0,
		get_sync},
	{"slidingSync", "POST", "/_matrix/client/unstable/org.matrix.simplified_msc3575/sync",
		AUTH_GUEST, LANE_INLINE, RATE_READ, SLIDING_BODY_BYTES, post_sliding_sync},
};
const size_t sync_route_count = COUNT_OF(sync_routes);
