/*
 * Mutexes with a rank. Debug builds keep the locks that a thread holds in a small thread-local
 * stack, and end the process at the first lock taken out of order: a deadlock that needs two threads
 * and bad luck is found by one thread on the first run.
 */
#include "base/lock.h"

#include <errno.h>
#include <signal.h>
#include <time.h>

#ifndef NDEBUG
enum { MAX_HELD = 16 };

static _Thread_local const struct lock *held[MAX_HELD];
static _Thread_local size_t held_n;

static void note_taking(const struct lock *lock)
{
	for (size_t i = 0; i < held_n; i++) {
		invariant(held[i]->rank < lock->rank);
	}
	invariant(held_n < MAX_HELD);
	held[held_n++] = lock;
}

static void note_giving(const struct lock *lock)
{
	size_t at = held_n;
	while (at > 0 && held[at - 1] != lock) {
		at--;
	}
	invariant(at > 0);
	for (; at < held_n; at++) {
		held[at - 1] = held[at];
	}
	held_n--;
}
#endif

void lock_init(struct lock *lock, enum lock_rank rank)
{
	int failed = pthread_mutex_init(&lock->mutex, NULL);
	invariant(failed == 0);
	lock->rank = rank;
}

void lock_fini(struct lock *lock)
{
	int failed = pthread_mutex_destroy(&lock->mutex);
	invariant(failed == 0);
}

void lock_take(struct lock *lock)
{
#ifndef NDEBUG
	note_taking(lock);
#endif
	int failed = pthread_mutex_lock(&lock->mutex);
	invariant(failed == 0);
}

void lock_give(struct lock *lock)
{
#ifndef NDEBUG
	note_giving(lock);
#endif
	int failed = pthread_mutex_unlock(&lock->mutex);
	invariant(failed == 0);
}

void lock_assert_held(const struct lock *lock)
{
#ifndef NDEBUG
	bool is_held = false;
	for (size_t i = 0; i < held_n; i++) {
		is_held = is_held || held[i] == lock;
	}
	invariant(is_held);
#else
	(void)lock;
#endif
}

void lock_assert_none_held(void)
{
#ifndef NDEBUG
	invariant(held_n == 0);
#endif
}

struct lock *lock_scope_begin(struct lock *lock)
{
	lock_take(lock);
	return lock;
}

void lock_scope_end(struct lock **lock)
{
	lock_give(*lock);
}

void cond_init(struct cond *cond)
{
	pthread_condattr_t attributes;
	int failed = pthread_condattr_init(&attributes);
	invariant(failed == 0);
	failed = pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	invariant(failed == 0);
	failed = pthread_cond_init(&cond->cond, &attributes);
	invariant(failed == 0);
	(void)pthread_condattr_destroy(&attributes);
}

void cond_fini(struct cond *cond)
{
	int failed = pthread_cond_destroy(&cond->cond);
	invariant(failed == 0);
}

void cond_wait(struct cond *cond, struct lock *lock)
{
	lock_assert_held(lock);
	int failed = pthread_cond_wait(&cond->cond, &lock->mutex);
	invariant(failed == 0);
}

bool cond_wait_until(struct cond *cond, struct lock *lock, int64_t deadline_mono_ms)
{
	lock_assert_held(lock);
	int64_t deadline_ms = MAX_OF(deadline_mono_ms, (int64_t)0);
	struct timespec deadline = {.tv_sec = (time_t)(deadline_ms / 1000),
		.tv_nsec = (long)(deadline_ms % 1000) * 1000000};
	int failed = pthread_cond_timedwait(&cond->cond, &lock->mutex, &deadline);
	invariant(failed == 0 || failed == ETIMEDOUT);
	return failed == 0;
}

void cond_signal(struct cond *cond)
{
	(void)pthread_cond_signal(&cond->cond);
}

void cond_broadcast(struct cond *cond)
{
	(void)pthread_cond_broadcast(&cond->cond);
}

/*
 * The system's 8 MiB a thread are address space only, but huge pages can make them memory. No function
 * here recurses on outside data; sanitizers need more for their shadows.
 */
enum { STACK_BYTES = 512 * 1024 };

static int create_thread(pthread_t *out, void *(*run)(void *data), void *data)
{
	pthread_attr_t attributes;
	int failed = pthread_attr_init(&attributes);
	invariant(failed == 0);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) && defined(NDEBUG)
	failed = pthread_attr_setstacksize(&attributes, STACK_BYTES);
	invariant(failed == 0);
#endif
	failed = pthread_create(out, &attributes, run, data);
	(void)pthread_attr_destroy(&attributes);
	return failed;
}

pthread_t thread_start(const char *name, void *(*run)(void *data), void *data)
{
	sigset_t all;
	sigset_t before;
	(void)sigfillset(&all);
	/* A new thread inherits the mask: signals go to the main thread, which waits for them. */
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	pthread_t thread;
	int failed = create_thread(&thread, run, data);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	invariant(failed == 0);
	char short_name[16] = {0};
	for (size_t i = 0; i + 1 < sizeof(short_name) && name[i] != '\0'; i++) {
		short_name[i] = name[i];
	}
	(void)pthread_setname_np(thread, short_name);
	return thread;
}
