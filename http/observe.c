/*
 * Metrics register themselves for ever, so those of a route must never be freed: they hang in a list
 * by route id, shared by all servers of the process.
 */
#include "http/observe.h"

#include "base/clock.h"
#include "base/lock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "http/route.h"

#include <inttypes.h>
#include <string.h>

enum { STATUS_CLASSES = 5, LINES_PER_SECOND = 20 };

struct route_stats {
	struct route_stats *next;
	char *labels;
	struct metric duration;
	struct metric requests[STATUS_CLASSES];
};

static pthread_mutex_t stats_mutex = PTHREAD_MUTEX_INITIALIZER; /* guards stats_list */
static struct route_stats *stats_list;

static char *label_text(const char *route_id, int status_class)
{
	struct buf buf;
	buf_init(&buf, 1024);
	buf_printf(&buf, "route=\"%s\"", route_id);
	if (status_class > 0) {
		buf_printf(&buf, ",status=\"%dxx\"", status_class);
	}
	buf_add_byte(&buf, '\0');
	size_t n = 0;
	return buf_take(&buf, &n);
}

static struct route_stats *stats_create(const char *route_id)
{
	struct route_stats *stats = mem_alloc(sizeof(*stats));
	stats->labels = label_text(route_id, 0);
	stats->duration = (struct metric)METRIC_HISTOGRAM("belfry_http_request_duration_seconds",
		"Time from the complete request, or from its last waking, to the answer");
	stats->duration.labels = stats->labels;
	for (int i = 0; i < STATUS_CLASSES; i++) {
		stats->requests[i] = (struct metric)METRIC_COUNTER("belfry_http_requests_total", "Answers");
		stats->requests[i].labels = label_text(route_id, i + 1);
	}
	return stats;
}

struct route_stats *route_stats_of(const char *route_id)
{
	struct str labels = {0};
	(void)pthread_mutex_lock(&stats_mutex);
	struct route_stats *stats = stats_list;
	char *wanted = label_text(route_id, 0);
	labels = str_of(wanted);
	while (stats != NULL && !str_equals(str_of(stats->labels), labels)) {
		stats = stats->next;
	}
	if (stats == NULL) {
		stats = stats_create(route_id);
		stats->next = stats_list;
		stats_list = stats;
	}
	(void)pthread_mutex_unlock(&stats_mutex);
	mem_free(wanted);
	return stats;
}

void route_stats_count(struct route_stats *stats, int status, int64_t duration_us)
{
	int status_class = status / 100;
	if (status_class >= 1 && status_class <= STATUS_CLASSES) {
		metric_add(&stats->requests[status_class - 1], 1);
	}
	metric_observe_us(&stats->duration, duration_us);
}

/* Lets LINES_PER_SECOND lines pass in each second. */
struct damper {
	_Atomic int64_t second;
	_Atomic int64_t lines;
	_Atomic int64_t dropped;
};

static struct damper dampers[LOG_DEBUG + 1];

/* @param out_dropped  lines kept back since the last one, when this one may pass */
static bool damper_pass(struct damper *damper, int64_t *out_dropped)
{
	int64_t now = clock_mono_us() / 1000000;
	int64_t second = atomic_load(&damper->second);
	if (second != now && atomic_compare_exchange_strong(&damper->second, &second, now)) {
		atomic_store(&damper->lines, 0);
	}
	if (atomic_fetch_add(&damper->lines, 1) >= LINES_PER_SECOND) {
		atomic_fetch_add(&damper->dropped, 1);
		return false;
	}
	*out_dropped = atomic_exchange(&damper->dropped, 0);
	return true;
}

static enum log_level level_of(enum err err)
{
	switch (err) {
	case ERR_STORE:
	case ERR_REMOTE:
		return LOG_WARN;
	case ERR_INTERNAL:
	case ERR_DEFER:
		return LOG_ERROR;
	case ERR_OK:
	case ERR_INPUT:
	case ERR_DENIED:
	case ERR_MISSING:
	case ERR_CONFLICT:
	case ERR_LIMIT:
	case ERR_TIMEOUT:
	case ERR_SHUTDOWN:
		return LOG_DEBUG;
	}
	return LOG_ERROR;
}

void observe_failure(const struct call *call, int status)
{
	const struct fault *fault = &call->ctx.fault;
	enum log_level level = level_of(fault->err);
	int64_t dropped = 0;
	if (!log_is_on(level) || !damper_pass(&dampers[level], &dropped)) {
		return;
	}
	/* The client's text may name a user, which only debug lines may. */
	struct str cause = level == LOG_DEBUG && fault->cause.n == 0 ? fault->text : fault->cause;
	log_line(level, call->ctx.request_id, "http.request.failed",
		"route=%s kind=%s status=%d errcode=%s suppressed=%" PRId64 " cause=\"%.*s\"",
		call->route->id, err_name(fault->err), status,
		fault->errcode != NULL ? fault->errcode : "M_UNKNOWN", dropped, STR_ARG(cause));
}
