/*
 * The Prometheus page: kinds, labels, grouping, buckets.
 */
#include "check.h"

#include <pthread.h>

#include "base/metrics.h"

static struct metric b_local = {.kind = METRIC_KIND_COUNTER,
	.name = "belfry_test_b_total",
	.help = "Counted",
	.labels = "lane=\"local\""};
static struct metric a_gauge = METRIC_GAUGE("belfry_test_a", "Measured");
static struct metric b_remote = {.kind = METRIC_KIND_COUNTER,
	.name = "belfry_test_b_total",
	.help = "Counted",
	.labels = "lane=\"remote\""};
static struct metric c_seconds = METRIC_HISTOGRAM("belfry_test_c_seconds", "Timed");
static struct metric unused = METRIC_COUNTER("belfry_test_unused_total", "Never used");
static struct metric shared = METRIC_COUNTER("belfry_test_z_total", "Used by threads");

static void write__counters_and_gauges__grouped_by_name(void **state)
{
	(void)state;
	struct buf page CLEANUP(buf_fini);
	buf_init(&page, 1 << 20);
	metrics_write(&page);
	assert_int_equal(page.n, 0);
	metric_add(&b_remote, 1);
	metric_set(&a_gauge, -5);
	metric_add(&b_local, 2);
	metric_add(&b_local, 3);
	(void)unused;
	metrics_write(&page);
	assert_text(buf_str(&page),
		"# HELP belfry_test_a Measured\n"
		"# TYPE belfry_test_a gauge\n"
		"belfry_test_a -5\n"
		"# HELP belfry_test_b_total Counted\n"
		"# TYPE belfry_test_b_total counter\n"
		"belfry_test_b_total{lane=\"local\"} 5\n"
		"belfry_test_b_total{lane=\"remote\"} 1\n");
}

static void write__histogram__cumulative_buckets(void **state)
{
	(void)state;
	metric_observe_us(&c_seconds, 0);
	metric_observe_us(&c_seconds, 100);
	metric_observe_us(&c_seconds, 101);
	metric_observe_us(&c_seconds, -3);
	metric_observe_us(&c_seconds, 1000000);
	metric_observe_us(&c_seconds, 999000000);
	struct buf page CLEANUP(buf_fini);
	buf_init(&page, 1 << 20);
	metrics_write(&page);
	static const struct str lines[] = {
		STR_INIT("# TYPE belfry_test_c_seconds histogram\n"),
		STR_INIT("\nbelfry_test_c_seconds_bucket{le=\"0.000100\"} 3\n"),
		STR_INIT("\nbelfry_test_c_seconds_bucket{le=\"0.000200\"} 4\n"),
		STR_INIT("\nbelfry_test_c_seconds_bucket{le=\"0.819200\"} 4\n"),
		STR_INIT("\nbelfry_test_c_seconds_bucket{le=\"3.276800\"} 5\n"),
		STR_INIT("\nbelfry_test_c_seconds_bucket{le=\"52.428800\"} 5\n"),
		STR_INIT("\nbelfry_test_c_seconds_bucket{le=\"+Inf\"} 6\n"),
		STR_INIT("\nbelfry_test_c_seconds_sum 1000.000201\n"),
		STR_INIT("\nbelfry_test_c_seconds_count 6\n"),
	};
	for (size_t i = 0; i < COUNT_OF(lines); i++) {
		if (!str_contains(buf_str(&page), lines[i])) {
			fail_msg("no line %.*s", STR_ARG(lines[i]));
		}
	}
}

static void *add_many(void *data)
{
	(void)data;
	for (int i = 0; i < 10000; i++) {
		metric_add(&shared, 1);
	}
	return NULL;
}

static void add__from_threads__registered_once_and_exact(void **state)
{
	(void)state;
	pthread_t threads[4];
	for (size_t i = 0; i < COUNT_OF(threads); i++) {
		assert_int_equal(pthread_create(&threads[i], NULL, add_many, NULL), 0);
	}
	for (size_t i = 0; i < COUNT_OF(threads); i++) {
		(void)pthread_join(threads[i], NULL);
	}
	struct buf page CLEANUP(buf_fini);
	buf_init(&page, 1 << 20);
	metrics_write(&page);
	assert_true(str_ends_with(buf_str(&page),
		STR("# TYPE belfry_test_z_total counter\n"
			"belfry_test_z_total 40000\n")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(write__counters_and_gauges__grouped_by_name),
		cmocka_unit_test(write__histogram__cumulative_buckets),
		cmocka_unit_test(add__from_threads__registered_once_and_exact),
	};
	return RUN_ALL(tests);
}
