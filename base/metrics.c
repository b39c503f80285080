/*
 * The registry is a list that only grows; a metric puts itself on it with one compare-and-swap at
 * its first use, so that using one never takes a lock. The page is sorted by name, since Prometheus
 * wants all lines of a name together.
 */
#include "base/metrics.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

static _Atomic(struct metric *) registry;

/* Upper bounds in microseconds: doubling to 204.8 ms, where answers should lie, then quadrupling. */
static const int64_t bounds_us[METRIC_BUCKETS] = {100, 200, 400, 800, 1600, 3200, 6400, 12800,
	25600, 51200, 102400, 204800, 819200, 3276800, 13107200, 52428800};

static void register_once(struct metric *metric)
{
	if (atomic_load_explicit(&metric->registered, memory_order_relaxed) ||
		atomic_exchange(&metric->registered, true)) {
		return;
	}
	metric->next = atomic_load(&registry);
	while (!atomic_compare_exchange_weak(&registry, &metric->next, metric)) {
	}
}

void metric_add(struct metric *metric, int64_t delta)
{
	register_once(metric);
	atomic_fetch_add_explicit(&metric->value, delta, memory_order_relaxed);
}

void metric_set(struct metric *metric, int64_t value)
{
	register_once(metric);
	atomic_store_explicit(&metric->value, value, memory_order_relaxed);
}

void metric_observe_us(struct metric *metric, int64_t duration_us)
{
	register_once(metric);
	int64_t duration = MAX_OF(duration_us, (int64_t)0);
	for (size_t i = 0; i < METRIC_BUCKETS; i++) {
		if (duration <= bounds_us[i]) {
			atomic_fetch_add_explicit(&metric->buckets[i], 1, memory_order_relaxed);
			break;
		}
	}
	atomic_fetch_add_explicit(&metric->sum, duration, memory_order_relaxed);
	atomic_fetch_add_explicit(&metric->value, 1, memory_order_relaxed);
}

static const char *kind_name(enum metric_kind kind)
{
	switch (kind) {
	case METRIC_KIND_COUNTER:
		return "counter";
	case METRIC_KIND_GAUGE:
		return "gauge";
	case METRIC_KIND_HISTOGRAM:
		return "histogram";
	}
	return "untyped";
}

static void write_seconds(struct buf *out, int64_t value_us)
{
	buf_printf(out, "%" PRId64 ".%06" PRId64, value_us / 1000000, value_us % 1000000);
}

static void write_histogram(const struct metric *metric, struct buf *out)
{
	const char *labels = metric->labels != NULL ? metric->labels : "";
	const char *comma = metric->labels != NULL ? "," : "";
	int64_t cumulative = 0;
	for (size_t i = 0; i < METRIC_BUCKETS; i++) {
		cumulative += atomic_load_explicit(&metric->buckets[i], memory_order_relaxed);
		buf_printf(out, "%s_bucket{%s%sle=\"", metric->name, labels, comma);
		write_seconds(out, bounds_us[i]);
		buf_printf(out, "\"} %" PRId64 "\n", cumulative);
	}
	/* Read after the buckets: an observation in between may only make the whole larger. */
	int64_t count = atomic_load_explicit(&metric->value, memory_order_relaxed);
	count = MAX_OF(count, cumulative);
	buf_printf(out, "%s_bucket{%s%sle=\"+Inf\"} %" PRId64 "\n", metric->name, labels, comma, count);
	const char *open = metric->labels != NULL ? "{" : "";
	const char *close = metric->labels != NULL ? "}" : "";
	buf_printf(out, "%s_sum%s%s%s ", metric->name, open, labels, close);
	write_seconds(out, atomic_load_explicit(&metric->sum, memory_order_relaxed));
	buf_printf(out, "\n%s_count%s%s%s %" PRId64 "\n", metric->name, open, labels, close, count);
}

static void write_metric(const struct metric *metric, struct buf *out)
{
	if (metric->kind == METRIC_KIND_HISTOGRAM) {
		write_histogram(metric, out);
		return;
	}
	int64_t value = atomic_load_explicit(&metric->value, memory_order_relaxed);
	if (metric->labels != NULL) {
		buf_printf(out, "%s{%s} %" PRId64 "\n", metric->name, metric->labels, value);
	} else {
		buf_printf(out, "%s %" PRId64 "\n", metric->name, value);
	}
}

static int compare_metrics(const void *a, const void *b)
{
	const struct metric *first = *(const struct metric *const *)a;
	const struct metric *second = *(const struct metric *const *)b;
	int order = strcmp(first->name, second->name);
	if (order != 0) {
		return order;
	}
	return strcmp(first->labels != NULL ? first->labels : "",
		second->labels != NULL ? second->labels : "");
}

void metrics_write(struct buf *out)
{
	const struct metric *head = atomic_load(&registry);
	size_t n = 0;
	for (const struct metric *metric = head; metric != NULL; metric = metric->next) {
		n++;
	}
	if (n == 0) {
		return;
	}
	const struct metric **sorted = mem_alloc_array(n, sizeof(*sorted));
	size_t at = 0;
	for (const struct metric *metric = head; metric != NULL; metric = metric->next) {
		sorted[at++] = metric;
	}
	qsort(sorted, n, sizeof(*sorted), compare_metrics);
	for (size_t i = 0; i < n; i++) {
		if (i == 0 || strcmp(sorted[i - 1]->name, sorted[i]->name) != 0) {
			buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", sorted[i]->name, sorted[i]->help,
				sorted[i]->name, kind_name(sorted[i]->kind));
		}
		write_metric(sorted[i], out);
	}
	mem_free(sorted);
}
