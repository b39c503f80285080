/**
 * A lane: a fixed number of worker threads and a queue with a limit. Where jobs may wait for others, one caller has a quarter of both at the
 * most, and who has that is passed over: so nobody who asks for what takes long keeps the others waiting. Of a caller that is not known yet (0) nothing is
 * counted; whoever finds out who it is while the job runs tells the lane.
 */
#ifndef BELFRY_HTTP_LANE_H
#define BELFRY_HTTP_LANE_H

#include "base/defs.h"

/** Embedded in what is queued. Owned by the lane from lane_push() until run() gets it. */
struct lane_job {
	struct lane_job *next;
	int64_t queued_ms;
	/**
	 * Whose share it takes; 0: nobody's. To be set before lane_push(), or by lane_name_caller(). Workers that count read it meanwhile: of a job
	 * that is to be queued again, too.
	 */
	_Atomic uint64_t caller;
};

struct lane_deps {
	const char *name; /**< static; thread name and metrics label: "local", "slow", "remote" */
	size_t workers;
	size_t queue_limit;
	bool is_shared_out; /**< callers have shares */
	/** Runs a job on a worker. The job must stay valid until release() gets it. */
	void (*run)(void *self, struct lane_job *job);
	/** The lane is done with the job; called on the worker, once for each run(). */
	void (*release)(void *self, struct lane_job *job);
	void *self;
};

struct lane;

/** Starts the workers. */
struct lane *lane_create(const struct lane_deps *deps);
/** Needs lane_close(); waits for the workers to end. NULL does nothing. */
void lane_destroy(struct lane *lane);

/**
 * Queues a job.
 * @param is_admitted  the limits do not count (work that was let in before and comes back)
 * @return             false when the queue, or its caller's part of it, is full, or the lane closed; the job stays the caller's
 */
MUST_CHECK bool lane_push(struct lane *lane, struct lane_job *job, bool is_admitted);

/**
 * Says from within run() whose share a job takes of which that was not known when it was queued.
 * @return false when its caller has all workers that it may have, without this one: the job is to be queued again
 */
MUST_CHECK bool lane_name_caller(struct lane *lane, struct lane_job *job, uint64_t caller);

/**
 * Takes no more jobs, and lets the workers end after their current ones.
 * @return the jobs that were still queued, linked by `next`; they are the caller's
 */
struct lane_job *lane_close(struct lane *lane);

/** Calls back for each job that is running now, under the lane's lock. */
void lane_each_running(struct lane *lane, void (*each)(void *data, struct lane_job *job),
	void *data);

/** Whether all workers of a closed lane have ended before the deadline (monotonic ms). */
bool lane_wait_ended(struct lane *lane, int64_t deadline_mono_ms);

/** Brings the gauge of the oldest waiting job up to date; for the metrics page. */
void lane_refresh_metrics(struct lane *lane);

#endif
