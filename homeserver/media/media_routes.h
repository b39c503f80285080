/**
 * Endpoints of the content repository.
 */
#ifndef BELFRY_HOMESERVER_MEDIA_MEDIA_ROUTES_H
#define BELFRY_HOMESERVER_MEDIA_MEDIA_ROUTES_H

#include "homeserver/homeserver.h"
#include "http/route.h"

/** call->service is the struct homeserver. */
extern const struct route media_routes[];
extern const size_t media_route_count;

/**
 * Reads `serverName` and `mediaId` of a path: nothing that does not have their form gets near a store or another server.
 * Errors: INPUT M_INVALID_PARAM
 */
MUST_CHECK enum err media_read_id(struct call *call, struct server_name *out_origin,
	struct str *out_media_id);

#endif
