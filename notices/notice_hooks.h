/**
 * Webhooks that other programs call to post notices: docs/notices-api.md.
 */
#ifndef BELFRY_NOTICES_NOTICE_HOOKS_H
#define BELFRY_NOTICES_NOTICE_HOOKS_H

#include "http/route.h"

extern const struct route notice_hook_routes[];
extern const size_t notice_hook_route_count;

#endif
