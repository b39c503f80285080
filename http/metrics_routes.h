/**
 * The routes of metrics listeners: /metrics for Prometheus, /health for load balancers.
 */
#ifndef BELFRY_HTTP_METRICS_ROUTES_H
#define BELFRY_HTTP_METRICS_ROUTES_H

#include "http/state.h"

/** Adds them to a router; `server` is their service. */
void metrics_routes_add(struct router *router, struct http_server *server);

#endif
