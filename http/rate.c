/*
 * Buckets in the form of the generic cell rate algorithm: one time stamp per bucket, the moment at
 * which it will be full again. The table is an array of small sets; in a full set the bucket that is
 * full soonest gives way, so that a bucket in use is not forgotten as long as there is an idle one,
 * and no flood of addresses makes the table grow.
 */
#include "http/rate.h"

#include "base/lock.h"
#include "base/map.h"
#include "base/mem.h"

#include <stdatomic.h>
#include <string.h>

enum { SETS = 16384, WAYS = 4, LOCKS = 64 };

static const double us_per_second = 1e6;

struct bucket {
	uint64_t tag;    /* hash of class and key; 0: free */
	int64_t full_us; /* when the bucket is full again */
};

struct set {
	struct bucket ways[WAYS];
};

/* A class as the algorithm wants it. */
struct pace {
	int64_t interval_us; /* between two tokens; 0: no limit */
	int64_t burst; /* tokens of a full bucket: so many intervals, but one, full_us may lie ahead */
};

struct rate_table {
	struct pace paces[RATE_CLASS_COUNT];
	_Atomic int64_t processes; /* that share the callers */
	struct lock locks[LOCKS];  /* each guards the sets whose number gives its index */
	struct set *sets;
};

struct rate_table *rate_create(const struct rate_class *classes)
{
	struct rate_table *table = mem_alloc(sizeof(*table));
	for (size_t i = 0; i < RATE_CLASS_COUNT; i++) {
		if (i == RATE_NONE || classes[i].per_second <= 0) {
			continue;
		}
		int64_t interval = (int64_t)(us_per_second / classes[i].per_second);
		table->paces[i].interval_us = MAX_OF(interval, (int64_t)1);
		table->paces[i].burst = MAX_OF(classes[i].burst, (int64_t)1);
	}
	atomic_init(&table->processes, 1);
	for (size_t i = 0; i < LOCKS; i++) {
		lock_init(&table->locks[i], RANK_RATE);
	}
	table->sets = mem_alloc_array(SETS, sizeof(*table->sets));
	return table;
}

void rate_destroy(struct rate_table *table)
{
	if (table == NULL) {
		return;
	}
	for (size_t i = 0; i < LOCKS; i++) {
		lock_fini(&table->locks[i]);
	}
	mem_free(table->sets);
	mem_free(table);
}

void rate_share(struct rate_table *table, size_t processes)
{
	atomic_store(&table->processes, (int64_t)processes);
}

/* This process's part of a class. */
static struct pace share_of(const struct rate_table *table, enum route_rate rate)
{
	int64_t processes = atomic_load(&table->processes);
	const struct pace *pace = &table->paces[rate];
	return (struct pace){.interval_us = pace->interval_us * processes,
		.burst = (pace->burst + processes - 1) / processes};
}

static struct bucket *find_bucket(struct set *set, uint64_t tag)
{
	struct bucket *oldest = &set->ways[0];
	for (size_t i = 0; i < WAYS; i++) {
		struct bucket *bucket = &set->ways[i];
		if (bucket->tag == tag) {
			return bucket;
		}
		if (bucket->full_us < oldest->full_us) {
			oldest = bucket;
		}
	}
	*oldest = (struct bucket){.tag = tag};
	return oldest;
}

static uint64_t tag_of(enum route_rate rate, struct str key)
{
	return hash_int(hash_bytes(key) + (uint64_t)rate) | 1;
}

int64_t rate_take(struct rate_table *table, enum route_rate rate, struct str key, size_t tokens,
	int64_t now_us)
{
	const struct pace pace = share_of(table, rate);
	if (pace.interval_us == 0 || key.n == 0) {
		return 0;
	}
	int64_t wanted = MIN_OF((int64_t)tokens, pace.burst);
	uint64_t tag = tag_of(rate, key);
	size_t index = (size_t)(tag >> 32) % SETS;
	LOCK_SCOPE(&table->locks[index % LOCKS]);
	struct bucket *bucket = find_bucket(&table->sets[index], tag);
	int64_t full_us = MAX_OF(bucket->full_us, now_us);
	int64_t more_us = (wanted - 1) * pace.interval_us;
	int64_t over_us = full_us + more_us - now_us - (pace.burst - 1) * pace.interval_us;
	if (over_us > 0) {
		return (over_us + 999) / 1000;
	}
	bucket->full_us = full_us + more_us + pace.interval_us;
	return 0;
}

int64_t rate_take_more(struct rate_table *table, enum route_rate rate, struct str key,
	size_t tokens, int64_t now_us)
{
	const struct pace pace = share_of(table, rate);
	size_t more = MIN_OF(tokens, (size_t)MAX_OF(pace.burst - 1, (int64_t)0));
	int64_t wait_ms = more > 0 ? rate_take(table, rate, key, more, now_us) : 0;
	return wait_ms > 0 ? wait_ms + (pace.interval_us + 999) / 1000 : 0;
}

void rate_give(struct rate_table *table, enum route_rate rate, struct str key, int64_t now_us)
{
	uint64_t tag = tag_of(rate, key);
	size_t index = (size_t)(tag >> 32) % SETS;
	LOCK_SCOPE(&table->locks[index % LOCKS]);
	for (size_t i = 0; i < WAYS; i++) {
		struct bucket *bucket = &table->sets[index].ways[i];
		if (bucket->tag == tag && bucket->full_us > now_us) {
			bucket->full_us -= share_of(table, rate).interval_us;
		}
	}
}
