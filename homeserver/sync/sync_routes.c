/*
 * GET /sync.
 */
#include "homeserver/sync/sync_routes.h"

#include "homeserver/sync/sync.h"

static enum err get_sync(struct call *call)
{
	struct sync_request *request;
	TRY(sync_request_of(call, &request));
	return sync_serve(call, request);
}

const struct route sync_routes[] = {
	{"sync", "GET", "/_matrix/client/(r0|v3)/sync", AUTH_GUEST, LANE_INLINE, RATE_READ, 0,
		get_sync},
};
const size_t sync_route_count = COUNT_OF(sync_routes);
