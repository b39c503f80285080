/*
 * One lock, one list of jobs, one of sleeping workers. Whoever brings a job while a worker sleeps hands it over and wakes that
 * one: the worker that slept last, whose stack is still in the cache. It needs no lock to begin, and a thousand jobs in one
 * go wake each worker once.
 *
 * In a lane that is shared out a job may be queued while workers sleep: its caller has all that it may have. The worker that ends one of that
 * caller's looks for it.
 *
 * A job may be queued again by the worker that runs it, which counts as its caller's until it has ended that run.
 */
#include "http/lane.h"

#include "base/clock.h"
#include "base/lock.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "base/wakeup.h"

#include <stdatomic.h>
#include <string.h>

enum {
	KNOWN_LANES = 3,
	SHARE_OF_ONE = 4, /* a caller has this part of workers and places at the most: a quarter */
};

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
			.help = "Time that requests waited for a worker", \
			.labels = "lane=\"" name_ "\""}, \
	}

static struct lane_metrics lane_metrics[KNOWN_LANES] = {LANE_METRICS("local"), LANE_METRICS("slow"),
	LANE_METRICS("remote")};

struct worker {
	struct lane *lane;
	pthread_t thread;
	struct wakeup wakeup; /* it has a job, or the lane is closed */
	/* Guarded by lane->lock: */
	struct worker *next_idle;
	struct lane_job *current; /* one that sleeps gets it from who wakes it */
};

struct lane {
	struct lane_deps deps;
	struct lane_metrics *metrics;
	struct lock lock;  /* guards all below */
	struct cond ended; /* a worker ended */
	struct lane_job *first;
	struct lane_job **last;
	size_t queued;
	struct worker *idle; /* they sleep; there is none while jobs are queued that may run */
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

/* How many workers a caller has. */
static size_t count_running_locked(const struct lane *lane, uint64_t caller)
{
	size_t n = 0;
	for (size_t i = 0; lane->deps.is_shared_out && caller != 0 && i < lane->deps.workers; i++) {
		const struct lane_job *job = lane->workers[i].current;
		n += job != NULL && job->caller == caller ? 1 : 0;
	}
	return n;
}

static size_t share_of(size_t whole)
{
	return MAX_OF(whole / SHARE_OF_ONE, (size_t)1);
}

static bool may_run_locked(const struct lane *lane, const struct lane_job *job)
{
	return count_running_locked(lane, job->caller) < share_of(lane->deps.workers);
}

static bool has_place_locked(const struct lane *lane, const struct lane_job *job)
{
	size_t n = 0;
	if (lane->deps.is_shared_out && job->caller != 0) {
		for (const struct lane_job *other = lane->first; other != NULL; other = other->next) {
			n += other->caller == job->caller ? 1 : 0;
		}
	}
	return lane->queued < lane->deps.queue_limit && n < share_of(lane->deps.queue_limit);
}

/* Where the first job hangs that may run. NULL: none may. */
static struct lane_job **find_next_locked(struct lane *lane)
{
	for (struct lane_job **at = &lane->first; *at != NULL; at = &(*at)->next) {
		if (may_run_locked(lane, *at)) {
			return at;
		}
	}
	return NULL;
}

static struct lane_job *take_job_locked(struct lane *lane)
{
	struct lane_job **at = find_next_locked(lane);
	if (at == NULL) {
		return NULL;
	}
	struct lane_job *job = *at;
	*at = job->next;
	if (job->next == NULL) {
		lane->last = at;
	}
	job->next = NULL;
	lane->queued--;
	return job;
}

/* Gives the job to a worker that sleeps, which is to be woken then. NULL: none does. */
static struct worker *hand_over_locked(struct lane *lane, struct lane_job *job)
{
	struct worker *worker = lane->idle;
	if (worker != NULL) {
		lane->idle = worker->next_idle;
		worker->current = job;
	}
	return worker;
}

/* The next job, if one is queued. The worker's last one is over. */
static struct lane_job *take_queued(struct worker *worker)
{
	LOCK_SCOPE(&worker->lane->lock);
	worker->current = NULL;
	worker->current = take_job_locked(worker->lane);
	return worker->current;
}

/* Waits for a job. @return NULL when the lane is closed */
static struct lane_job *next_job(struct worker *worker)
{
	struct lane *lane = worker->lane;
	lock_take(&lane->lock);
	worker->current = take_job_locked(lane);
	bool sleeps = worker->current == NULL && !lane->is_closed;
	if (sleeps) {
		worker->next_idle = lane->idle;
		lane->idle = worker;
	}
	lock_give(&lane->lock);
	if (sleeps) {
		wakeup_wait(&worker->wakeup);
	}
	return worker->current;
}

static void run_job(struct lane *lane, struct lane_job *job)
{
	metric_add(&lane->metrics->waiting, -1);
	metric_add(&lane->metrics->busy, 1);
	metric_observe_us(&lane->metrics->wait, (clock_os_ms() - job->queued_ms) * 1000);
	lane->deps.run(lane->deps.self, job);
}

static void *worker_run(void *data)
{
	struct worker *worker = data;
	struct lane *lane = worker->lane;
	struct lane_job *job = next_job(worker);
	while (job != NULL) {
		run_job(lane, job);
		struct lane_job *next = take_queued(worker);
		lane->deps.release(lane->deps.self, job);
		metric_add(&lane->metrics->busy, -1);
		job = next != NULL ? next : next_job(worker);
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
	cond_init(&lane->ended);
	lane->workers = mem_alloc_array(deps->workers, sizeof(*lane->workers));
	for (size_t i = 0; i < deps->workers; i++) {
		lane->workers[i].lane = lane;
		wakeup_init(&lane->workers[i].wakeup);
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
		wakeup_fini(&lane->workers[i].wakeup);
	}
	lock_fini(&lane->lock);
	cond_fini(&lane->ended);
	mem_free(lane->workers);
	mem_free(lane);
}

bool lane_push(struct lane *lane, struct lane_job *job, bool is_admitted)
{
	struct lane_metrics *metrics = lane->metrics;
	job->next = NULL;
	job->queued_ms = clock_os_ms();
	lock_take(&lane->lock);
	bool is_taken = !lane->is_closed && (is_admitted || has_place_locked(lane, job));
	struct worker *worker =
		is_taken && may_run_locked(lane, job) ? hand_over_locked(lane, job) : NULL;
	if (is_taken && worker == NULL) {
		*lane->last = job;
		lane->last = &job->next;
		lane->queued++;
	}
	lock_give(&lane->lock);
	/* From here on a stopping server may already have freed the lane, but for a worker that was not woken. */
	if (worker != NULL) {
		wakeup_send(&worker->wakeup);
	}
	metric_add(is_taken ? &metrics->waiting : &metrics->dropped, 1);
	return is_taken;
}

bool lane_name_caller(struct lane *lane, struct lane_job *job, uint64_t caller)
{
	LOCK_SCOPE(&lane->lock);
	job->caller = caller;
	return count_running_locked(lane, caller) <= share_of(lane->deps.workers);
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
	struct worker *worker;
	while ((worker = hand_over_locked(lane, NULL)) != NULL) {
		wakeup_send(&worker->wakeup);
	}
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
		age_ms = clock_os_ms() - lane->first->queued_ms;
	}
	lock_give(&lane->lock);
	metric_set(&lane->metrics->oldest, age_ms);
}
