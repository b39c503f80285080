/*
 * A map under one lock. Names come from outside, so their number has a ceiling: pauses that are over go first, then
 * any.
 */
#include "federation/pauses.h"

#include "base/lock.h"
#include "base/map.h"
#include "base/mem.h"

enum { MAX_SERVERS = 10000, MAX_DOUBLINGS = 20 };

struct pause {
	int64_t until_ms;
	int failures;
};

struct pauses {
	struct rng rng;
	int64_t first_ms;
	int64_t longest_ms;
	struct lock lock;
	struct map by_server; /* guarded by lock */
};

struct pauses *pauses_create(const struct rng *rng, int64_t first_ms, int64_t longest_ms)
{
	struct pauses *pauses = mem_alloc(sizeof(*pauses));
	pauses->rng = *rng;
	pauses->first_ms = first_ms;
	pauses->longest_ms = longest_ms;
	lock_init(&pauses->lock, RANK_LEAF);
	map_init(&pauses->by_server);
	return pauses;
}

/* @param before_ms  only pauses that are over by then; INT64_MAX: all */
static void drop_locked(struct pauses *pauses, int64_t before_ms)
{
	size_t i = 0;
	struct str server;
	void *value;
	while (map_next(&pauses->by_server, &i, &server, &value)) {
		struct pause *pause = value;
		if (pause->until_ms < before_ms) {
			(void)map_remove(&pauses->by_server, server);
			mem_free(pause);
		}
	}
}

void pauses_destroy(struct pauses *pauses)
{
	if (pauses == NULL) {
		return;
	}
	lock_take(&pauses->lock);
	drop_locked(pauses, INT64_MAX);
	lock_give(&pauses->lock);
	map_fini(&pauses->by_server);
	lock_fini(&pauses->lock);
	mem_free(pauses);
}

int64_t pauses_left_ms(struct pauses *pauses, struct str server, int64_t now_mono_ms)
{
	LOCK_SCOPE(&pauses->lock);
	const struct pause *pause = map_get(&pauses->by_server, server);
	return pause != NULL ? MAX_OF(pause->until_ms - now_mono_ms, (int64_t)0) : 0;
}

static struct pause *make_locked(struct pauses *pauses, struct str server, int64_t now_mono_ms)
{
	if (pauses->by_server.n >= MAX_SERVERS) {
		drop_locked(pauses, now_mono_ms);
	}
	if (pauses->by_server.n >= MAX_SERVERS) {
		drop_locked(pauses, INT64_MAX);
	}
	struct pause *pause = mem_alloc(sizeof(*pause));
	(void)map_set(&pauses->by_server, server, pause);
	return pause;
}

bool pauses_failed(struct pauses *pauses, struct str server, int64_t now_mono_ms,
	int64_t at_least_ms)
{
	LOCK_SCOPE(&pauses->lock);
	struct pause *pause = map_get(&pauses->by_server, server);
	if (pause == NULL) {
		pause = make_locked(pauses, server, now_mono_ms);
	}
	if (pause->until_ms > now_mono_ms) {
		return false;
	}
	int64_t length_ms = pauses->first_ms << MIN_OF(pause->failures, (int)MAX_DOUBLINGS);
	length_ms = MAX_OF(MIN_OF(length_ms, pauses->longest_ms), at_least_ms);
	uint64_t chance_ms = rng_u64(&pauses->rng) % (uint64_t)(length_ms / 3 + 1);
	pause->until_ms = now_mono_ms + length_ms - (int64_t)chance_ms;
	pause->until_ms = MAX_OF(pause->until_ms, now_mono_ms + at_least_ms);
	pause->failures++;
	return true;
}

void pauses_ended(struct pauses *pauses, struct str server)
{
	LOCK_SCOPE(&pauses->lock);
	mem_free(map_remove(&pauses->by_server, server));
}
