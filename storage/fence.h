/**
 * The fence around an old primary: of several servers that take writes only the newest is used. When a standby takes over, PostgreSQL begins a new
 * timeline; a machine that hung meanwhile comes back on the old one, and takes writes until somebody stops it. What a process
 * has seen of the newest server stands here, once for all its connections; who follows an older timeline is refused.
 */
#ifndef BELFRY_STORAGE_FENCE_H
#define BELFRY_STORAGE_FENCE_H

#include "base/lock.h"
#include "storage/pg.h"

struct fence {
	/** Moves when the connections that there are have to be given up: see fence_raise(). */
	_Atomic int64_t moves;
	atomic_bool is_blind; /**< a server did not say what it follows; the log knows */
	struct lock lock;     /**< guards all below */
	int64_t system;       /**< identifier of the database cluster; 0: none seen yet */
	int64_t timeline;     /**< the newest that was seen of it */
	char *host;           /**< where, as libpq names it; heap */
	char *address;
	char *port;
};

void fence_init(struct fence *fence);
void fence_fini(struct fence *fence);

/** What connections compare with pg.moves_seen. */
int64_t fence_moves(const struct fence *fence);

/** All connections that there are now are given up, those on which an answer is waited for within half a second; each is opened anew when it is used. */
void fence_raise(struct fence *fence);

/**
 * Asks the server of a new connection which timeline it follows. A newer one than all before raises the fence, for the others; so
 * does another database cluster, which cannot be compared. A server that does not say (a replica; one that refuses) passes.
 * @param out_is_old  a newer one was seen: the connection must not be used
 * Cost: a statement that is used once. Errors: STORE. Threads: any.
 */
MUST_CHECK enum err fence_judge(struct ctx *ctx, struct fence *fence, struct pg *pg,
	bool *out_is_old);

/** Where the newest server is, in the ctx's arena; all NULL when none was seen. */
struct pg_server fence_newest(struct ctx *ctx, struct fence *fence);

#endif
