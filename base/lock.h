/**
 * Mutexes and conditions with a rank. Locks are taken in rising order of rank; debug builds (not
 * NDEBUG) assert it per thread, and that none is held where lock_assert_none_held() stands.
 */
#ifndef BELFRY_BASE_LOCK_H
#define BELFRY_BASE_LOCK_H

#include "base/defs.h"

#include <pthread.h>

/** Outer locks first. Two locks of one rank are never held together. */
enum lock_rank {
	RANK_USER_TABLE = 1,
	RANK_USER,
	RANK_ROOM_TABLE,
	RANK_ROOM,
	RANK_SESSION,
	RANK_PRESENCE,
	RANK_TYPING,
	RANK_PARK,
	RANK_LANE,
	RANK_HANDSHAKE,
	RANK_WRITER,
	RANK_DB_POOL,
	RANK_CACHE,
	RANK_RATE,
	RANK_LISTENER,
	RANK_LEAF, /**< nothing is taken inside */
};

struct lock {
	pthread_mutex_t mutex;
	enum lock_rank rank;
};

void lock_init(struct lock *lock, enum lock_rank rank);
void lock_fini(struct lock *lock);
/** Waits for it. Debug builds: ends the process when the thread holds a lock of the same or a higher rank. */
void lock_take(struct lock *lock);
/** By the thread that took it. */
void lock_give(struct lock *lock);
/** Debug builds: ends the process when the calling thread holds no lock of this rank. */
void lock_assert_held(const struct lock *lock);
/** Debug builds: ends the process when the calling thread holds any ranked lock. */
void lock_assert_none_held(void);

/** For CLEANUP(): LOCK_SCOPE(&x->lock); gives the lock back at the end of the scope. */
struct lock *lock_scope_begin(struct lock *lock);
void lock_scope_end(struct lock **lock);
#define LOCK_SCOPE_NAME_(a, b) a##b
#define LOCK_SCOPE_NAME(line) LOCK_SCOPE_NAME_(lock_scope_, line)
#define LOCK_SCOPE(which) \
	MAYBE_UNUSED struct lock *LOCK_SCOPE_NAME(__LINE__) CLEANUP(lock_scope_end) = \
		lock_scope_begin(which)

/** Condition on the monotonic clock. */
struct cond {
	pthread_cond_t cond;
};
void cond_init(struct cond *cond);
void cond_fini(struct cond *cond);
/** Gives the lock, waits for a signal, takes it again. May return without one: the caller looks again. */
void cond_wait(struct cond *cond, struct lock *lock);
/** @return false when `deadline_mono_ms` (CLOCK_MONOTONIC, milliseconds) passed */
bool cond_wait_until(struct cond *cond, struct lock *lock, int64_t deadline_mono_ms);
void cond_signal(struct cond *cond);
void cond_broadcast(struct cond *cond);

/** Starts a named thread (≤ 15 bytes shown in top); all signals blocked in it. Ends the process on failure. */
pthread_t thread_start(const char *name, void *(*run)(void *data), void *data);

#endif
