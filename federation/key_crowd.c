/*
 * A counter under a lock. That of a parked call begins at one, which is taken off when all are added: so it is not woken by the first.
 */
#include "federation/key_crowd.h"

#include "base/lock.h"
#include "base/mem.h"
#include "base/refc.h"

struct key_crowd {
	struct refc refc;
	struct lock lock;
	struct cond fewer;
	size_t waiting; /* guarded by lock */
	struct memo_wait
		*wait; /* NULL: a thread waits; its reference is given up by the last to tell */
};

struct key_crowd *key_crowd_create(struct memo *memo)
{
	struct key_crowd *crowd = mem_alloc(sizeof(*crowd));
	refc_init(&crowd->refc);
	lock_init(&crowd->lock, RANK_LEAF);
	cond_init(&crowd->fewer);
	if (memo != NULL) {
		crowd->wait = memo_wait_create(memo);
		key_crowd_add(crowd);
	}
	return crowd;
}

void key_crowd_unref(struct key_crowd *crowd)
{
	if (refc_drop(&crowd->refc)) {
		cond_fini(&crowd->fewer);
		lock_fini(&crowd->lock);
		mem_free(crowd);
	}
}

void key_crowd_add(struct key_crowd *crowd)
{
	refc_take(&crowd->refc);
	LOCK_SCOPE(&crowd->lock);
	crowd->waiting++;
}

void key_crowd_tell(void *data)
{
	struct key_crowd *crowd = data;
	lock_take(&crowd->lock);
	bool is_last = --crowd->waiting == 0;
	cond_signal(&crowd->fewer);
	lock_give(&crowd->lock);
	if (is_last && crowd->wait != NULL) {
		memo_wake(crowd->wait);
	}
	key_crowd_unref(crowd);
}

bool key_crowd_wait(struct key_crowd *crowd, size_t limit, int64_t deadline_ms)
{
	LOCK_SCOPE(&crowd->lock);
	while (crowd->waiting > limit) {
		if (!cond_wait_until(&crowd->fewer, &crowd->lock, deadline_ms)) {
			return false;
		}
	}
	return true;
}

enum err key_crowd_park(struct ctx *ctx, struct key_crowd *crowd, int64_t deadline_ms)
{
	struct memo_wait *wait = crowd->wait; /* the memo has a reference until the request ends */
	key_crowd_tell(crowd);
	return memo_park(ctx, wait, deadline_ms);
}
