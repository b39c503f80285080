/**
 * Inside of the writer: what writer.c (queue, groups), writer_hear.c (what others commit), writer_tell.c (what is said beside commits) and
 * writer_peers.c (who they are) share.
 */
#ifndef BELFRY_STORAGE_WRITER_INNER_H
#define BELFRY_STORAGE_WRITER_INNER_H

#include "base/lock.h"
#include "storage/write.h"

#include <stdatomic.h>

enum {
	WRITER_TIMEOUT_MS = 4000, /* of its statements */
	PEERS_MAX = 64,
	PATIENCE_MS = 1000,
	PEER_FORGOTTEN_MS = 60 * 1000, /* silent for so long: it is gone */
};

/* Other processes on the database. */
struct peer {
	int64_t writer_id;
	int64_t heard;           /* it knows everything up to this position */
	int64_t knows;           /* what it has heard of what this process said: its number */
	int64_t owed;            /* newest number of what it said, and was not answered; 0: none */
	int64_t silent_since_ms; /* monotonic; not waited for since; 0: it answers */
};
struct peers {
	struct peer list[PEERS_MAX];
	size_t n;
};

/* What somebody says. */
struct tell {
	enum news_kind kind;
	struct str line; /* heap */
	bool is_awaited; /* then it is its caller's, on whose stack it lives */
	bool is_done;    /* guarded by the writer's lock */
	int64_t number;  /* of the notification with which it went */
	int64_t patience_until_ms;
	struct tell *next;
};

struct writer {
	struct writer_config config;
	char *url;
	pthread_t thread;
	_Atomic int64_t position;
	_Atomic int64_t ephemeral;
	_Atomic size_t peer_n;
	int wake_fd;       /* an eventfd: there is something in the queue, or it is time to stop */
	struct lock lock;  /* guards all below */
	struct cond moved; /* the position; told while somebody waits for one */
	int awaiting;
	struct write *first;
	struct write *last;
	size_t queued;
	struct tell *tells; /* not said yet */
	struct tell *tells_last;
	size_t tell_n;
	struct cond tells_done; /* somebody's tell is done */
	bool is_stopping;
	/* The thread's own: */
	struct pg pg;
	struct write_marks marks;
	bool is_in_doubt;          /* whether the newest transaction was committed */
	int64_t doubtful_position; /* the newest position, if it was */
	int64_t heard_since;       /* the connection on which all that others commit is heard */
	struct peers peers;        /* the other processes */
	bool has_looked;           /* since the last group: what came with its answers was heard */
	bool is_quiet;             /* nothing has come during the rest */
	bool owes_heard;           /* others' groups were taken in, and nothing has told them so yet */
	bool owes_answers;         /* the same of what they said beside commits */
	struct write *
		unheard; /* committed and in memory here; its caller waits until all peers have heard of it */
	struct write *unheard_last;
	int64_t said;        /* number of the newest notification of ours that was no group */
	int64_t said_heard;  /* the newest that came back */
	struct tell *untold; /* said; their callers wait until all have heard */
	struct tell *untold_last;
};

/* --- writer.c ----------------------------------------------------------------------------------------- */

/** Its thread looks at what there is to do. Any thread. */
void writer_wake(struct writer *writer);
/** The caller goes on. */
void write_finish(struct write *write);

/* --- writer_hear.c ------------------------------------------------------------------------------------ */

/** Moves the position, for those who wait for one, and calls `published`. `kinds`: see there. */
void writer_publish(struct writer *writer, int64_t position, uint32_t kinds);
/** The same in two steps. */
void writer_move_to(struct writer *writer, int64_t position);
/** A connection that hears, and nothing missed before it. A new connection costs two round trips, else none. Errors: STORE, INTERNAL */
MUST_CHECK enum err writer_listen(struct writer *writer, struct ctx *ctx);
/** Before a group of ours is shown, whose positions begin behind `before`: what others committed before it. */
void writer_hear_before(struct writer *writer, struct ctx *ctx, int64_t before);
/**
 * The newest position in the database, after whose connection was opened. Never behind what is
 * published here, and kept by the standby, when there is a synchronous one. One round trip. Errors: STORE, INTERNAL
 */
MUST_CHECK enum err writer_settle_position(struct writer *writer, struct ctx *ctx, int64_t *out);
/** What has come of others meanwhile; and lets those go on of whose writes all have heard. */
void writer_hear(struct writer *writer, struct ctx *ctx);
/** Tells others how much was heard, if that is owed (owes_heard, owes_answers); a round trip. */
void writer_tell_heard(struct writer *writer, struct ctx *ctx);
/** Others need not wait for this process any more. */
void writer_say_bye(struct writer *writer, struct ctx *ctx);
/** The caller of a write goes on when all peers have heard of it: at once where there are none. */
void writer_finish_heard(struct writer *writer, struct write *write, int64_t position);
/** Lets those go on who have waited for peers long enough; these peers are not waited for any more. */
void writer_lose_patience(struct writer *writer);
/** How long the thread may wait for that; -1: nobody waits. */
int writer_patience_ms(const struct writer *writer);
/** How long a caller waits for peers at the most. */
int64_t writer_patience(const struct writer *writer);

/* --- writer_tell.c ------------------------------------------------------------------------------------ */

/** Whether there is something to say. */
bool writer_has_tells(struct writer *writer);
/** Says it: a round trip for each notification that it fills. */
void writer_say_tells(struct writer *writer, struct ctx *ctx);
/** The database is away: it is not said. */
void writer_lose_tells(struct writer *writer);
/** Lines that were said, here or elsewhere. */
void writer_take_in_tells(struct writer *writer, const struct news_group *group);
/** Those go on whose words all have heard. */
void writer_let_tellers_go(struct writer *writer);
/** Nobody waits for anything that was said so far. */
void writer_give_up_tells(struct writer *writer);

/* --- writer_peers.c ----------------------------------------------------------------------------------- */

/**
 * A peer speaks, and knows everything up to a position.
 * @param said  what this process has said so far: a new one need not hear it
 * @return whether it was not known before
 */
bool peers_note(struct peers *peers, int64_t writer_id, int64_t position, int64_t said);
void peers_remove(struct peers *peers, int64_t writer_id);
/** Up to where all that answer know everything; INT64_MAX: there are none. */
int64_t peers_heard(const struct peers *peers);
/** The same of what this process said. */
int64_t peers_know(const struct peers *peers);
/** A peer that is known has said something, which will be answered. */
void peers_owe(struct peers *peers, int64_t writer_id, int64_t number);
/** What a peer answered. */
void peers_answered(struct peers *peers, int64_t writer_id, int64_t number);
/** Those who do not know a position, or what was said, are not waited for before they speak. @return how many */
size_t peers_drop_behind(struct peers *peers, int64_t position, int64_t said, int64_t now_ms);
/** Those who have been silent for long are gone. */
void peers_forget_silent(struct peers *peers, int64_t before_ms);

#endif
