/*
 * Deadlines lie in a binary heap under one lock. A wake-up decides who runs the request with one
 * compare-and-swap on the park's state, then takes the park out of the heap; waking thousands in a row
 * costs each a short lock and a push to its lane.
 *
 * The heap holds a reference of its own. A park enters it before it becomes WAITING, so a deadline
 * (or a stop) that fires in between finds it ARMED, marks it DONE, and park_commit() sees that.
 */
#include "http/park.h"

#include "base/clock.h"
#include "base/lock.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "base/refc.h"

#include <string.h>

enum park_state { PARK_ARMED, PARK_WAITING, PARK_DONE };

#define NOT_IN_HEAP SIZE_MAX

struct park {
	struct refc refs;
	_Atomic int state;
	struct park_set *set;
	struct request *request; /* valid until the state is DONE */
	int64_t deadline_ms;
	size_t heap_at; /* guarded by set->lock */
};

struct park_set {
	struct park_deps deps;
	pthread_t thread;
	struct lock lock;    /* guards all below */
	struct cond changed; /* an earlier deadline, or the end */
	struct park **heap;  /* earliest deadline first */
	size_t n;
	size_t room;
	int64_t next_tick_ms; /* the thread's own */
	int64_t sleeps_until_ms;
	bool is_ending;
};

static struct metric parked_gauge =
	METRIC_GAUGE("belfry_http_parked", "Requests that wait without a thread");
static struct metric woken_counter =
	METRIC_COUNTER("belfry_http_parks_woken_total", "Parked requests woken, deadlines included");

static void heap_put(struct park_set *set, struct park *park, size_t at)
{
	set->heap[at] = park;
	park->heap_at = at;
}

static void heap_up(struct park_set *set, struct park *park, size_t at)
{
	while (at > 0 && set->heap[(at - 1) / 2]->deadline_ms > park->deadline_ms) {
		heap_put(set, set->heap[(at - 1) / 2], at);
		at = (at - 1) / 2;
	}
	heap_put(set, park, at);
}

static void heap_down(struct park_set *set, struct park *park, size_t at)
{
	size_t child = 2 * at + 1;
	while (child < set->n) {
		if (child + 1 < set->n &&
			set->heap[child + 1]->deadline_ms < set->heap[child]->deadline_ms) {
			child++;
		}
		if (set->heap[child]->deadline_ms >= park->deadline_ms) {
			break;
		}
		heap_put(set, set->heap[child], at);
		at = child;
		child = 2 * at + 1;
	}
	heap_put(set, park, at);
}

static void heap_add_locked(struct park_set *set, struct park *park)
{
	lock_assert_held(&set->lock);
	if (set->n == set->room) {
		set->room = MAX_OF(set->room * 2, (size_t)64);
		set->heap = mem_realloc(set->heap, set->room * sizeof(struct park *));
	}
	park_ref(park);
	heap_up(set, park, set->n++);
	metric_add(&parked_gauge, 1);
}

/* @return whether it was in the heap; then the heap's reference is the caller's */
static bool heap_remove_locked(struct park_set *set, struct park *park)
{
	lock_assert_held(&set->lock);
	size_t at = park->heap_at;
	if (at == NOT_IN_HEAP) {
		return false;
	}
	struct park *last = set->heap[--set->n];
	if (last != park) {
		if (at > 0 && set->heap[(at - 1) / 2]->deadline_ms > last->deadline_ms) {
			heap_up(set, last, at);
		} else {
			heap_down(set, last, at);
		}
	}
	park->heap_at = NOT_IN_HEAP;
	metric_add(&parked_gauge, -1);
	return true;
}

static void heap_remove(struct park *park)
{
	lock_take(&park->set->lock);
	bool was_in = heap_remove_locked(park->set, park);
	lock_give(&park->set->lock);
	if (was_in) {
		park_unref(park);
	}
}

bool park_is_over(const struct park *park)
{
	return atomic_load(&park->state) == PARK_DONE;
}

void park_ref(struct park *park)
{
	refc_take(&park->refs);
}

void park_unref(struct park *park)
{
	if (refc_drop(&park->refs)) {
		mem_free(park);
	}
}

struct park *park_create(struct park_set *set, struct request *request, int64_t deadline_ms)
{
	struct park *park = mem_alloc(sizeof(*park));
	refc_init(&park->refs);
	refc_take(&park->refs);
	atomic_init(&park->state, PARK_ARMED);
	park->set = set;
	park->request = request;
	park->deadline_ms = deadline_ms;
	park->heap_at = NOT_IN_HEAP;
	return park;
}

/* @return whether the caller has to run the request again */
static bool take_out(struct park *park)
{
	int state = PARK_ARMED;
	if (atomic_compare_exchange_strong(&park->state, &state, PARK_DONE)) {
		return false; /* park_commit() will see it */
	}
	if (state != PARK_WAITING || !atomic_compare_exchange_strong(&park->state, &state, PARK_DONE)) {
		return false;
	}
	heap_remove(park);
	metric_add(&woken_counter, 1);
	return true;
}

void park_wake(struct park *park)
{
	struct park_set *set = park->set;
	struct request *request = park->request;
	if (take_out(park)) {
		set->deps.wake(set->deps.self, request, false);
	}
}

void park_wake_many(struct park *const *parks, size_t count)
{
	const struct park_deps *deps = NULL;
	for (size_t i = 0; i < count; i++) {
		struct park *park = parks[i];
		struct park_set *set = park->set;
		struct request *request = park->request;
		if (!take_out(park)) {
			continue;
		}
		/* Its connection is suspended until the wake-up, so the set and the server are still there. */
		if (deps == NULL) {
			deps = &set->deps;
			deps->batch_begin(deps->self);
		}
		invariant(deps == &set->deps);
		deps->wake(deps->self, request, true);
	}
	if (deps != NULL) {
		deps->batch_end(deps->self);
	}
}

bool park_commit(struct park *park)
{
	struct park_set *set = park->set;
	lock_take(&set->lock);
	heap_add_locked(set, park);
	bool is_sooner = park->deadline_ms < set->sleeps_until_ms;
	lock_give(&set->lock);
	int state = PARK_ARMED;
	bool waits = atomic_compare_exchange_strong(&park->state, &state, PARK_WAITING);
	if (!waits) {
		heap_remove(park);
	} else if (is_sooner) {
		cond_signal(&set->changed);
	}
	park_unref(park);
	return waits;
}

void park_cancel(struct park *park)
{
	atomic_store(&park->state, PARK_DONE);
	park_unref(park);
}

/* Takes out up to `room` parks that are due; their heap references become the caller's. */
static size_t take_due_locked(struct park_set *set, int64_t due_ms, struct park **out, size_t room)
{
	size_t n = 0;
	while (n < room && set->n > 0 && set->heap[0]->deadline_ms <= due_ms) {
		out[n] = set->heap[0];
		(void)heap_remove_locked(set, out[n]);
		n++;
	}
	return n;
}

static void wake_due(struct park_set *set, int64_t due_ms)
{
	struct park *due[64];
	size_t n = 0;
	do {
		lock_take(&set->lock);
		n = take_due_locked(set, due_ms, due, COUNT_OF(due));
		lock_give(&set->lock);
		for (size_t i = 0; i < n; i++) {
			park_wake(due[i]);
			park_unref(due[i]);
		}
	} while (n == COUNT_OF(due));
}

/* Sleeps until a deadline, a tick or the end. @return false at the end */
static bool wait_for_next(struct park_set *set)
{
	LOCK_SCOPE(&set->lock);
	bool in_time = true;
	while (!set->is_ending && in_time) {
		int64_t until_ms = set->next_tick_ms;
		if (set->n > 0) {
			until_ms = MIN_OF(until_ms, set->heap[0]->deadline_ms);
		}
		set->sleeps_until_ms = until_ms;
		in_time = until_ms > clock_os_ms() && cond_wait_until(&set->changed, &set->lock, until_ms);
	}
	return !set->is_ending;
}

static void *timer_run(void *data)
{
	struct park_set *set = data;
	while (wait_for_next(set)) {
		int64_t now = clock_os_ms();
		wake_due(set, now);
		if (now >= set->next_tick_ms) {
			set->deps.tick(set->deps.self, now);
			set->next_tick_ms = now + set->deps.tick_ms;
		}
	}
	return NULL;
}

struct park_set *park_set_create(const struct park_deps *deps)
{
	struct park_set *set = mem_alloc(sizeof(*set));
	set->deps = *deps;
	set->next_tick_ms = clock_os_ms() + deps->tick_ms;
	lock_init(&set->lock, RANK_PARK);
	cond_init(&set->changed);
	set->thread = thread_start("http-timer", timer_run, set);
	return set;
}

void park_set_destroy(struct park_set *set)
{
	if (set == NULL) {
		return;
	}
	lock_take(&set->lock);
	set->is_ending = true;
	cond_broadcast(&set->changed);
	lock_give(&set->lock);
	int failed = pthread_join(set->thread, NULL);
	invariant(failed == 0 && set->n == 0);
	lock_fini(&set->lock);
	cond_fini(&set->changed);
	mem_free(set->heap);
	mem_free(set);
}

void park_set_wake_all(struct park_set *set)
{
	wake_due(set, INT64_MAX);
}
