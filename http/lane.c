/*
 * One lock, one list, one condition. A waiting worker is counted in `idle`, and whoever queues a job
 * takes one off that count before signalling: a thousand jobs queued in one go (a message to a large
 * room wakes everybody) signal each sleeping worker once, not a thousand times.
 */
#include "http/lane.h"

#include "base/clock.h"
#include "base/lock.h"
#include "base/mem.h"
#include "base/metrics.h"

#include <stdatomic.h>
#include <string.h>

enum { KNOWN_LANES = 3 };

/* Shared by all servers of the process; a row for each name that lanes have. */
struct lane_metrics {
	const char *name;
	struct metric busy;
	struct metric waiting;
	struct metric oldest;
	struct metric dropped;
	struct metric wait;
};

#define LANE_METRICS(name_) \
	{ \
		.name = (name_), \
		.busy = {.kind = METRIC_KIND_GAUGE, \
			.name = "belfry_http_lane_busy", \
			.help = "Workers that run a request", \
			.labels = "lane=\"" name_ "\""}, \
		.waiting = {.kind = METRIC_KIND_GAUGE, \
			.name = "belfry_http_lane_waiting", \
			.help = "Requests queued for a worker", \
			.labels = "lane=\"" name_ "\""}, \
		.oldest = {.kind = METRIC_KIND_GAUGE, \
			.name = "belfry_http_lane_oldest_milliseconds", \
			.help = "Age of the request that waits longest for a worker", \
			.labels = "lane=\"" name_ "\""}, \
		.dropped = {.kind = METRIC_KIND_COUNTER, \
			.name = "belfry_http_lane_dropped_total", \
			.help = "Requests refused because the queue was full", \
			.labels = "lane=\"" name_ "\""}, \
		.wait = {.kind = METRIC_KIND_HISTOGRAM, \
			.name = "belfry_http_lane_wait_seconds", \
			.help = "Time in the queue", \
			.labels = "lane=\"" name_ "\""}, \
	}

static struct lane_metrics lane_metrics[KNOWN_LANES] = {LANE_METRICS("local"), LANE_METRICS("slow"),
	LANE_METRICS("remote")};

struct worker {
	struct lane *lane;
	pthread_t thread;
	struct lane_job *current; /* guarded by lane->lock */
};

struct lane {
	struct lane_deps deps;
	struct lane_metrics *metrics;
	struct lock lock;     /* guards all below */
	struct cond has_work; /* a job was queued, or the lane closed */
	struct cond ended;    /* a worker ended */
	struct lane_job *first;
	struct lane_job **last;
	size_t queued;
	size_t idle;
	size_t alive;
	bool is_closed;
	struct worker *workers;
};

static struct lane_metrics *metrics_of(const char *name)
{
	size_t i = 0;
	while (i < KNOWN_LANES && strcmp(lane_metrics[i].name, name) != 0) {
		i++;
	}
	invariant(i < KNOWN_LANES);
	return &lane_metrics[i];
}

static struct lane_job *take_job_locked(struct lane *lane)
{
	struct lane_job *job = lane->first;
	if (job != NULL) {
		lane->first = job->next;
		if (lane->first == NULL) {
			lane->last = &lane->first;
		}
		job->next = NULL;
		lane->queued--;
	}
	return job;
}

/* Waits for a job. @return NULL when the lane is closed */
static struct lane_job *next_job(struct worker *worker)
{
	struct lane *lane = worker->lane;
	LOCK_SCOPE(&lane->lock);
	struct lane_job *job = take_job_locked(lane);
	while (job == NULL && !lane->is_closed) {
		lane->idle++;
		cond_wait(&lane->has_work, &lane->lock);
		job = take_job_locked(lane);
	}
	worker->current = job;
	return job;
}

static void finish_job(struct worker *worker, struct lane_job *job)
{
	struct lane *lane = worker->lane;
	lock_take(&lane->lock);
	worker->current = NULL;
	lock_give(&lane->lock);
	lane->deps.release(lane->deps.self, job);
}

static void *worker_run(void *data)
{
	struct worker *worker = data;
	struct lane *lane = worker->lane;
	struct lane_job *job = next_job(worker);
	while (job != NULL) {
		metric_add(&lane->metrics->waiting, -1);
		metric_add(&lane->metrics->busy, 1);
		metric_observe_us(&lane->metrics->wait, (clock_mono_us() / 1000 - job->queued_ms) * 1000);
		lane->deps.run(lane->deps.self, job);
		finish_job(worker, job);
		metric_add(&lane->metrics->busy, -1);
		job = next_job(worker);
	}
	LOCK_SCOPE(&lane->lock);
	lane->alive--;
	cond_broadcast(&lane->ended);
	return NULL;
}

struct lane *lane_create(const struct lane_deps *deps)
{
	struct lane *lane = mem_alloc(sizeof(*lane));
	lane->deps = *deps;
	lane->metrics = metrics_of(deps->name);
	lane->last = &lane->first;
	lane->alive = deps->workers;
	lock_init(&lane->lock, RANK_LANE);
	cond_init(&lane->has_work);
	cond_init(&lane->ended);
	lane->workers = mem_alloc_array(deps->workers, sizeof(*lane->workers));
	for (size_t i = 0; i < deps->workers; i++) {
		lane->workers[i].lane = lane;
		lane->workers[i].thread = thread_start(deps->name, worker_run, &lane->workers[i]);
	}
	return lane;
}

void lane_destroy(struct lane *lane)
{
	if (lane == NULL) {
		return;
	}
	invariant(lane->is_closed);
	for (size_t i = 0; i < lane->deps.workers; i++) {
		int failed = pthread_join(lane->workers[i].thread, NULL);
		invariant(failed == 0);
	}
	lock_fini(&lane->lock);
	cond_fini(&lane->has_work);
	cond_fini(&lane->ended);
	mem_free(lane->workers);
	mem_free(lane);
}

bool lane_push(struct lane *lane, struct lane_job *job, bool is_admitted)
{
	struct lane_metrics *metrics = lane->metrics;
	job->next = NULL;
	job->queued_ms = clock_mono_us() / 1000;
	lock_take(&lane->lock);
	bool is_taken = !lane->is_closed && (is_admitted || lane->queued < lane->deps.queue_limit);
	if (is_taken) {
		*lane->last = job;
		lane->last = &job->next;
		lane->queued++;
		if (lane->idle > 0) {
			lane->idle--;
			cond_signal(&lane->has_work);
		}
	}
	lock_give(&lane->lock);
	/* From here on a stopping server may already have freed the lane. */
	metric_add(is_taken ? &metrics->waiting : &metrics->dropped, 1);
	return is_taken;
}

struct lane_job *lane_close(struct lane *lane)
{
	LOCK_SCOPE(&lane->lock);
	struct lane_job *left = lane->first;
	metric_add(&lane->metrics->waiting, -(int64_t)lane->queued);
	lane->first = NULL;
	lane->last = &lane->first;
	lane->queued = 0;
	lane->is_closed = true;
	cond_broadcast(&lane->has_work);
	return left;
}

void lane_each_running(struct lane *lane, void (*each)(void *data, struct lane_job *job),
	void *data)
{
	LOCK_SCOPE(&lane->lock);
	for (size_t i = 0; i < lane->deps.workers; i++) {
		if (lane->workers[i].current != NULL) {
			each(data, lane->workers[i].current);
		}
	}
}

bool lane_wait_ended(struct lane *lane, int64_t deadline_mono_ms)
{
	LOCK_SCOPE(&lane->lock);
	invariant(lane->is_closed);
	bool in_time = true;
	while (lane->alive > 0 && in_time) {
		in_time = cond_wait_until(&lane->ended, &lane->lock, deadline_mono_ms);
	}
	return lane->alive == 0;
}

void lane_refresh_metrics(struct lane *lane)
{
	int64_t age_ms = 0;
	lock_take(&lane->lock);
	if (lane->first != NULL) {
		age_ms = clock_mono_us() / 1000 - lane->first->queued_ms;
	}
	lock_give(&lane->lock);
	metric_set(&lane->metrics->oldest, age_ms);
}
