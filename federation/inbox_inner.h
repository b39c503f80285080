/**
 * Inside of the inbox: what inbox.c (queues and threads), inbox_take.c (staging) and inbox_work.c (working off) share.
 */
#ifndef BELFRY_FEDERATION_INBOX_INNER_H
#define BELFRY_FEDERATION_INBOX_INNER_H

#include "base/lock.h"
#include "base/map.h"
#include "federation/inbox.h"

#include <stdatomic.h>

enum {
	INBOX_BATCH = 50, /**< items of a queue that are looked at together */
	INBOX_FAST_THREADS = 3,
	INBOX_SLOW_THREADS = 8,
	INBOX_LONGEST_PAUSE_MS = 3600000, /**< between attempts */
};

/** Which threads take a queue. */
enum inbox_lane {
	INBOX_FAST, /**< database only */
	INBOX_SLOW, /**< may wait for other servers */
	INBOX_LANES,
};

/** A queue in which something may be due. All guarded by the inbox's lock, but the name. */
struct inbox_queue {
	struct str name; /**< heap */
	bool is_running;
	bool is_woken; /**< while it runs: something came */
	struct inbox_queue *next;
};

struct inbox_line {
	struct inbox_queue *first;
	struct inbox_queue *last;
	struct cond work;
};

struct inbox {
	struct federation *federation;
	struct db *leases;       /**< one connection */
	atomic_bool is_ours;     /**< this process works off the queues of servers */
	_Atomic int64_t waiting; /**< items, as far as this process knows */
	struct lock lock;        /**< guards all below */
	struct map queues; /**< name → struct inbox_queue *: those that stand in a line or run */
	struct inbox_line lines[INBOX_LANES];
	int64_t next_look_ms; /**< when the database is asked for queues; monotonic */
	int64_t next_tidy_ms;
	bool is_stopping;
	pthread_t threads[INBOX_FAST_THREADS + INBOX_SLOW_THREADS];
	size_t thread_n;
};

/** Whether a queue is a room's; else it is a server's. */
static inline bool inbox_is_of_room(struct str queue)
{
	return queue.p[0] == '!';
}

/* --- inbox_work.c -------------------------------------------------------------------------------------- */

/** How a visit to a queue ended. */
enum inbox_visit {
	INBOX_VISIT_DONE,  /**< nothing is due, or not before something wakes the queue */
	INBOX_VISIT_MORE,  /**< it goes on */
	INBOX_VISIT_WAITS, /**< only a slow thread can go on */
	INBOX_VISIT_FAILED /**< the database is away, or nobody gives the rest of a room: later */
};
/** Works off some of a queue. The arena of ctx is reset by the caller. */
enum inbox_visit inbox_visit(struct ctx *ctx, struct inbox *inbox, struct str queue,
	enum inbox_lane lane);

#endif
