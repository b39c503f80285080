/*
 * The things are cut into parts of one grain, and whoever is free takes the next: so nobody waits for a processor that others use.
 */
#include "base/parallel.h"

#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#include "base/lock.h"

struct job {
	parallel_work *work;
	void *data;
	size_t count;
	size_t grain;
	_Atomic size_t next; /* first thing that nobody has taken */
};

static void *take_parts(void *data)
{
	struct job *job = data;
	size_t from = atomic_fetch_add(&job->next, job->grain);
	while (from < job->count) {
		job->work(job->data, from, MIN_OF(from + job->grain, job->count));
		from = atomic_fetch_add(&job->next, job->grain);
	}
	return NULL;
}

/* How many threads are worth it. */
static size_t thread_count(size_t count, size_t grain)
{
	long processors = sysconf(_SC_NPROCESSORS_ONLN);
	size_t most = processors > 1 ? MIN_OF((size_t)processors, (size_t)PARALLEL_MAX_THREADS) : 1;
	return MAX_OF(MIN_OF(count / grain, most), (size_t)1);
}

void parallel_for(size_t count, size_t grain, parallel_work *work, void *data)
{
	invariant(grain > 0);
	lock_assert_none_held();
	struct job job = {.work = work, .data = data, .count = count, .grain = grain};
	pthread_t helpers[PARALLEL_MAX_THREADS];
	size_t helper_count = thread_count(count, grain) - 1;
	for (size_t i = 0; i < helper_count; i++) {
		helpers[i] = thread_start("parallel", take_parts, &job);
	}
	(void)take_parts(&job);
	for (size_t i = 0; i < helper_count; i++) {
		int failed = pthread_join(helpers[i], NULL);
		invariant(failed == 0);
	}
}
