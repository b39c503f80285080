/**
 * Inner parts of the server that its files share. Nothing outside http/ includes this.
 */
#ifndef BELFRY_HTTP_STATE_H
#define BELFRY_HTTP_STATE_H

#include "http/arenas.h"
#include "http/conns.h"
#include "http/lane.h"
#include "http/park.h"
#include "http/router.h"
#include "http/server.h"

#include <stdatomic.h>

enum { LANE_COUNT = LANE_REMOTE + 1 };

struct io_loop;
struct tls;

struct http_server {
	struct http_config config;       /**< defaults filled in; arrays and strings lie in `memory` */
	struct arena *memory;            /**< what lives as long as the server */
	struct router *router;           /**< of API listeners */
	struct router *metrics_router;   /**< of metrics listeners */
	struct route_stats *other_stats; /**< for requests that met no route */
	struct address_range *trusted;   /**< config.trusted_proxies */
	struct lane *lanes[LANE_COUNT];  /**< LANE_INLINE has none */
	struct rate_table *rates;        /**< NULL: no limits */
	struct at_once *at_once;         /**< NULL: no limits */
	struct budget *bodies;           /**< memory of requests' bodies */
	struct budget *answers;          /**< memory of answers until they are sent */
	struct budget *parked;           /**< memory of parked requests that take much (memo.h) */
	struct arenas *arenas;
	struct conns *conns;
	struct park_set *parks;
	struct body_writer *body_writer; /**< NULL: no route streams */
	struct listener **listeners;     /**< config.listen_count */
	_Atomic(struct io_loop *) loops; /**< all that were started, last first */
	struct tls *tls;                 /**< of TLS listeners; NULL: there are none */
	size_t max_connections;          /**< of all listeners, as far as the process may open files */
	bool is_started;

	atomic_bool is_stopping;
	_Atomic int64_t under_way;   /**< complete requests not yet answered in full */
	_Atomic int64_t suspended;   /**< connections that MHD must get back before it may stop */
	_Atomic int64_t handed_over; /**< what requests handed over, and is not done yet */
	_Atomic int64_t
		not_alone; /**< so many more go to a worker, for others were under way when one came; about */
	_Atomic uint64_t last_request_id;
	_Atomic int64_t
		full_told_ms; /**< when the log was told last that nobody can be accepted; 0: never. Monotonic */
};

/** Whether it takes nothing new any more. Any thread. */
bool server_is_stopping(const struct http_server *server);

/** A connection that is still reading its head by then has got a byte now and then, and no more. Monotonic ms. */
int64_t server_head_deadline(const struct http_server *server);

#endif
