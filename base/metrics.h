/**
 * Counters, gauges and histograms, printed as Prometheus text. Static registration, no locks on use.
 *
 *     static struct metric sent = METRIC_COUNTER("belfry_events_sent_total", "Events sent by local users");
 *     metric_add(&sent, 1);
 *
 * A metric registers itself at its first use. Labels come from small fixed sets only.
 */
#ifndef BELFRY_BASE_METRICS_H
#define BELFRY_BASE_METRICS_H

#include "base/buf.h"

#include <stdatomic.h>

enum metric_kind { METRIC_KIND_COUNTER, METRIC_KIND_GAUGE, METRIC_KIND_HISTOGRAM };

enum { METRIC_BUCKETS = 16 };

struct metric {
	enum metric_kind kind;
	const char *name;
	const char *help;
	const char *labels; /**< e.g. `lane="local"`; NULL: none */
	_Atomic int64_t value;
	_Atomic int64_t sum;                     /**< histogram: microseconds */
	_Atomic int64_t buckets[METRIC_BUCKETS]; /**< histogram: not cumulative */
	atomic_bool registered;
	struct metric *next;
};

#define METRIC_COUNTER(name_, help_) \
	{ \
		.kind = METRIC_KIND_COUNTER, .name = (name_), .help = (help_) \
	}
#define METRIC_GAUGE(name_, help_) \
	{ \
		.kind = METRIC_KIND_GAUGE, .name = (name_), .help = (help_) \
	}
/**
 * Durations; observed in microseconds, printed in seconds; buckets double from 100 µs to 204.8 ms, then
 * quadruple to 52.4 s.
 */
#define METRIC_HISTOGRAM(name_, help_) \
	{ \
		.kind = METRIC_KIND_HISTOGRAM, .name = (name_), .help = (help_) \
	}

/** Registers the metric when it is the first time. Any thread, no lock. A counter only grows. */
void metric_add(struct metric *metric, int64_t delta);
/** The same, of a gauge. */
void metric_set(struct metric *metric, int64_t value);
/** The same, of a histogram: one more, of so many microseconds. */
void metric_observe_us(struct metric *metric, int64_t duration_us);

/** Prometheus text (version 0.0.4) of everything registered. */
void metrics_write(struct buf *out);

#endif
