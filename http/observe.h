/**
 * What this layer tells operators: metrics by route and lane, and one log line for a failed request.
 */
#ifndef BELFRY_HTTP_OBSERVE_H
#define BELFRY_HTTP_OBSERVE_H

#include "http/call.h"

struct route_stats;

/** The metrics of a route id; made at first use and kept until the process ends. Threads: any. */
struct route_stats *route_stats_of(const char *route_id);

/** Counts an answer. */
void route_stats_count(struct route_stats *stats, int status, int64_t duration_us);

/**
 * Logs a failure: INTERNAL as error, STORE and REMOTE as warning, the rest at debug. Repeats beyond
 * a few per second are counted and told with the next line.
 */
void observe_failure(const struct call *call, int status);

#endif
