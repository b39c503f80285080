/**
 * Inside of the writer: what writer.c (queue, groups), writer_hear.c (what others commit) and writer_peers.c (who they are) share.
 */
#ifndef BELFRY_STORAGE_WRITER_INNER_H
#define BELFRY_STORAGE_WRITER_INNER_H

#include "storage/write.h"

#include <stdatomic.h>

enum {
	WRITER_TIMEOUT_MS = 4000, /* of its statements */
	PEERS_MAX = 64,
	PATIENCE_MS = 1000,
};

/* Other processes on the database. */
struct peer {
	int64_t writer_id;
	int64_t heard; /* it knows everything up to this position */
};
struct peers {
	struct peer list[PEERS_MAX];
	size_t n;
};

struct writer {
	struct writer_config config;
	char *url;
	pthread_t thread;
	_Atomic int64_t position;
	int wake_fd;       /* an eventfd: there is something in the queue, or it is time to stop */
	struct lock lock;  /* guards all below */
	struct cond moved; /* the position; told while somebody waits for one */
	int awaiting;
	struct write *first;
	struct write *last;
	size_t queued;
	bool is_stopping;
	/* The thread's own: */
	struct pg pg;
	struct write_marks marks;
	bool is_in_doubt;          /* whether the newest transaction was committed */
	int64_t doubtful_position; /* the newest position, if it was */
	int64_t heard_since;       /* the connection on which all that others commit is heard */
	uint64_t place;            /* hash of where the database is; 0: not known yet */
	struct peers peers;        /* the other processes */
	bool has_looked;           /* since the last group: what came with its answers was heard */
	bool owes_heard;           /* others' groups were taken in, and nothing has told them so yet */
	struct write *
		unheard; /* committed and in memory here; its caller waits until all peers have heard of it */
	struct write *unheard_last;
};

/* --- writer.c ----------------------------------------------------------------------------------------- */

/** The caller goes on. */
void write_finish(struct write *write);

/* --- writer_hear.c ------------------------------------------------------------------------------------ */

/** Moves the position, for those who wait for one, and calls `published`. */
void writer_publish(struct writer *writer, int64_t position);
/** The same in two steps. */
void writer_move_to(struct writer *writer, int64_t position);
/** A connection that hears, and nothing missed before it. A new connection costs two round trips, else none. Errors: STORE, INTERNAL */
MUST_CHECK enum err writer_listen(struct writer *writer, struct ctx *ctx);
/** Before a group of ours is shown, whose positions begin behind `before`: what others committed before it. */
void writer_hear_before(struct writer *writer, struct ctx *ctx, int64_t before);
/**
 * The newest position in the database, after whose connection was opened; also notes where the database is. Never behind what is
 * published here, and kept by the standby, when there is a synchronous one. One round trip. Errors: STORE, INTERNAL
 */
MUST_CHECK enum err writer_settle_position(struct writer *writer, struct ctx *ctx, int64_t *out);
/** What has come of others meanwhile; and lets those go on of whose writes all have heard. */
void writer_hear(struct writer *writer, struct ctx *ctx);
/** Tells others how much was heard, if that is owed; a round trip. */
void writer_tell_heard(struct writer *writer, struct ctx *ctx);
/** Others need not wait for this process any more. */
void writer_say_bye(struct writer *writer, struct ctx *ctx);
/** The caller of a write goes on when all peers have heard of it: at once where there are none. */
void writer_finish_heard(struct writer *writer, struct write *write, int64_t position);
/** Lets those go on who have waited for peers long enough; these peers are not waited for any more. */
void writer_lose_patience(struct writer *writer);
/** How long the thread may wait for that; -1: nobody waits. */
int writer_patience_ms(const struct writer *writer);

/* --- writer_peers.c ----------------------------------------------------------------------------------- */

/** A peer knows everything up to a position. @return whether it was not known before */
bool peers_note(struct peers *peers, int64_t writer_id, int64_t position);
void peers_remove(struct peers *peers, int64_t writer_id);
/** Up to where all know everything; INT64_MAX: there are none. */
int64_t peers_heard(const struct peers *peers);
/** Those who do not know a position are not waited for any more. @return how many */
size_t peers_drop_behind(struct peers *peers, int64_t position);

#endif
