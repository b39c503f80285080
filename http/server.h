/**
 * The HTTP server: listeners, router, lanes and parked requests together.
 *
 *     struct http_server *server = http_server_create(&config);
 *     http_server_add_table(server, &rooms_routes);
 *     TRY(http_server_start(server, ctx));
 *     …
 *     if (http_server_stop(server)) { http_server_destroy(server); }
 */
#ifndef BELFRY_HTTP_SERVER_H
#define BELFRY_HTTP_SERVER_H

#include "base/ctx.h"
#include "http/ports.h"
#include "http/rate.h"

enum http_listen_kind {
	HTTP_LISTEN_PLAIN,   /**< the API over plain HTTP, for a reverse proxy or for tests */
	HTTP_LISTEN_TLS,     /**< the API over TLS, with the certificate of the configuration */
	HTTP_LISTEN_METRICS, /**< /metrics and /health only, plain */
};

struct http_listen {
	enum http_listen_kind kind;
	const char *address; /**< "127.0.0.1:8008", "[::1]:8008", "*:8008"; port 0: any that is free */
};

struct http_lane_config {
	size_t workers;     /**< 0: local 8, slow 2, remote 16 */
	size_t queue_limit; /**< requests waiting for a worker; 0: 1,024 */
};

/** Zeroed fields mean the default that stands behind them. */
struct http_config {
	const struct http_listen *listen;
	size_t listen_count;
	const char *tls_certificate; /**< PEM file, chain included; needed for HTTP_LISTEN_TLS */
	const char *tls_key;         /**< PEM file */
	size_t io_threads;           /**< per API listener; 2 */
	struct http_lane_config local;
	struct http_lane_config slow;
	struct http_lane_config remote;

	size_t body_ceiling_bytes; /**< of routes that name none; 256 KiB */
	size_t body_budget_bytes;  /**< all request bodies in memory together; 256 MiB */
	size_t
		answer_budget_bytes; /**< all answers that wait to be read, but small ones, together; 1 GiB */
	size_t stream_ceiling_bytes; /**< of a body that goes to a file; 50 MiB */
	const char *
		stream_folder; /**< where such bodies go; must exist; NULL: no route may be BODY_STREAMED */
	size_t reply_ceiling_bytes; /**< of one JSON answer; 512 MiB */
	size_t
		header_ceiling_bytes; /**< request line and headers, roughly; also held by each connection but of waiting requests; 16 KiB */

	int64_t idle_timeout_ms;   /**< without any byte, between requests too; 65 s */
	int64_t header_timeout_ms; /**< a head that trickles in, beyond idle_timeout_ms; 15 s */
	int64_t body_timeout_ms;   /**< from the head to the last byte of the body; 30 s */
	int64_t send_timeout_ms;   /**< to take the answer, and as long again as its size needs; 60 s */
	size_t send_bytes_per_s;   /**< the slowest client that is worth waiting for; 16 KiB */
	int64_t call_timeout_ms;   /**< ctx.deadline_ms of a call; 60 s */
	int64_t stop_timeout_ms;   /**< for what is under way when stopping; 700 ms */

	size_t max_connections;             /**< of all listeners together, divided evenly; 16,384 */
	size_t max_connections_per_address; /**< trusted proxies exempt; half of max_connections */
	const char *const
		*trusted_proxies; /**< "127.0.0.1", "10.0.0.0/8"; their X-Forwarded-For counts */
	size_t trusted_proxy_count;

	bool rate_limits_enabled;
	struct rate_class rates[RATE_CLASS_COUNT];

	const struct http_ports *ports; /**< borrowed; NULL where no route has authentication */
};

struct http_server;

/** Copies the configuration; opens and starts nothing yet. */
struct http_server *http_server_create(const struct http_config *config);

/** Registers routes before the start; rows and service are borrowed until http_server_destroy(). */
void http_server_add_table(struct http_server *server, const struct route_table *table);

/**
 * Opens the listeners and starts the threads.
 *
 * Errors: INPUT if an address, a range or the certificate cannot be used; CONFLICT if an address is
 * taken; what file_read() says of the PEM files. Nothing runs then.
 */
MUST_CHECK enum err http_server_start(struct http_server *server, struct ctx *ctx);

/** Reads certificate and key of TLS listeners anew when their files have changed; new connections get them. One thread. */
void http_server_reload_tls(struct http_server *server);

/** So many processes share the callers: each gives out its part of the rate limits (rate.h). Any thread. */
void http_server_share_rates(struct http_server *server, size_t processes);

/** The port of config.listen[index], once started. */
uint16_t http_server_port(const struct http_server *server, size_t index);

/**
 * Stops: refuses new connections, wakes the parked, lets what is under way finish for
 * stop_timeout_ms, answers the rest with 503, closes the listeners. One that was not started has nothing to stop.
 *
 * @return false when a handler is still running on its worker; then only http_server_destroy(), which waits
 *         for it, or the end of the process may follow
 */
bool http_server_stop(struct http_server *server);

/** Frees a server that never started or was stopped; waits for handlers that still run. NULL does nothing. */
void http_server_destroy(struct http_server *server);

#endif
