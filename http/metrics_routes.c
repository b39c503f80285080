/*
 * These say nothing secret, but how busy a school is, is the school's business: they live on a
 * listener of their own, on a local address by default.
 */
#include "http/metrics_routes.h"

#include "base/metrics.h"
#include "base/str.h"

enum { PAGE_CEILING = 16 * 1024 * 1024 };

static enum err get_metrics(struct call *call)
{
	const struct http_server *server = call->service;
	for (size_t i = 0; i < LANE_COUNT; i++) {
		if (server->lanes[i] != NULL) {
			lane_refresh_metrics(server->lanes[i]);
		}
	}
	struct buf page CLEANUP(buf_fini);
	buf_init(&page, PAGE_CEILING);
	metrics_write(&page);
	return reply_bytes(call, 200, "text/plain; version=0.0.4; charset=utf-8", buf_str(&page));
}

static enum err get_health(struct call *call)
{
	const struct http_server *server = call->service;
	const struct http_ports *ports = server->config.ports;
	bool healthy = !server_is_stopping(server) &&
		(ports == NULL || ports->is_healthy == NULL || ports->is_healthy(ports->self));
	return healthy ? reply_bytes(call, 200, "text/plain", STR("OK\n"))
				   : reply_bytes(call, 503, "text/plain", STR("not ready\n"));
}

static const struct route metrics_rows[] = {
	{.id = "getMetrics",
		.method = "GET",
		.path = "/metrics",
		.auth = AUTH_NONE,
		.lane = LANE_INLINE,
		.rate = RATE_NONE,
		.handler = get_metrics},
	{.id = "getHealth",
		.method = "GET",
		.path = "/health",
		.auth = AUTH_NONE,
		.lane = LANE_INLINE,
		.rate = RATE_NONE,
		.handler = get_health},
};

void metrics_routes_add(struct router *router, struct http_server *server)
{
	const struct route_table table = {.rows = metrics_rows,
		.count = COUNT_OF(metrics_rows),
		.service = server};
	router_add_table(router, &table);
}
