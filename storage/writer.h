/**
 * Group commit. Whoever has something to write that a client can be told about hands a `struct write`
 * to the writer and waits; the writer takes all that are waiting and commits them in one transaction.
 *
 * Every write statement takes arrays (`unnest`): the rows that all waiting writes have for one statement become
 * one execution. Statements run in their order in storage/sql/write.sql. A statement that finds something else than
 * expected (optimistic checks, unique keys) fails its transaction; then each half of the group is tried alone, and so on, so that
 * only the culprit fails, and the others do not take a commit each.
 *
 * Order: positions come from the single row `stream_head`, updated (and so locked) first in the transaction, hence they
 * become visible in order, across processes too. After the commit, on the writer's thread and in order: each
 * write's `committed` callback (which brings the caches up to date), then the published position moves, then
 * the callers go on, then the waiters are woken.
 *
 * A connection that breaks at COMMIT: each transaction sets a mark, by which the next connection tells whether it was
 * committed. When there is no next connection for some seconds, the callers fail; the writer goes on asking, and commits
 * nothing before it knows.
 */
#ifndef BELFRY_STORAGE_WRITER_H
#define BELFRY_STORAGE_WRITER_H

#include "storage/db.h"
#include "storage/news.h"

struct writer;
struct write;

/** A new, empty write in the arena of ctx. Not shared between threads until submitted. */
struct write *write_new(struct ctx *ctx);

/** How many stream positions this write needs (default 0); db_position(0 … count-1) refer to them. */
void write_set_positions(struct write *write, size_t count);

/**
 * Adds one row for a statement of storage/sql/write.sql; `args` are scalars, copied into the arena.
 * Their texts must live until the write is done.
 */
void write_add(struct write *write, enum stmt_id stmt, struct db_args args);

/**
 * Called on the writer's thread after the commit, in order of positions, before anybody can see the
 * new position. May take ranked locks for moments; never blocks, queries or submits.
 */
void write_on_commit(struct write *write, void (*committed)(void *data, int64_t first_position),
	void *data);

/**
 * Called instead when the write failed, before the waiter goes on; on the writer's thread, or the submitter's when it was
 * refused. When the connection broke at the commit, it may have happened all the same: see writer_config.overtaken.
 */
void write_on_failure(struct write *write, void (*failed)(void *data), void *data);

/**
 * Called last, when writer_wait() would return, with what that returns; on the same thread as those above. Who has it called need not wait.
 * Nothing looks at the write after it.
 */
void write_on_done(struct write *write, void (*told)(void *data, enum err err), void *data);

/**
 * Queues without waiting. The order of submission is the order of positions. Arena of `write` must live until done, which
 * writer_wait() or write_on_done() tells: each submitted write has one of them. Any lock below RANK_WRITER may be held, none that a
 * callback takes: where the write is refused, those of a failure run inside.
 */
void writer_submit(struct writer *writer, struct write *write);

/**
 * Waits until the submitted write is done, whatever the ctx's deadline: the writer's own limits bound it.
 * Errors: CONFLICT (a check failed, unique violation: reload and try again); MISSING (what a row belongs to is gone); STORE; TIMEOUT; SHUTDOWN; LIMIT (queue full);
 * INPUT M_INVALID_PARAM (a text with NUL); INTERNAL
 * @param out_first_position  may be NULL; 0 when the write has no positions
 */
MUST_CHECK enum err writer_wait(struct ctx *ctx, struct write *write, int64_t *out_first_position);

/** Submit and wait. */
MUST_CHECK enum err writer_commit(struct ctx *ctx, struct writer *writer, struct write *write,
	int64_t *out_first_position);

/*
 * Several processes: each group tells the others what it changed (news.h), with its commit. A writer takes these in the order of
 * positions, on its own thread: those before its own group with the answer to its COMMIT, so before the group's callbacks; else when
 * they come. Where something may have been missed (another connection, a hole in the positions), everything is forgotten.
 *
 * A caller goes on when all processes have heard of its write, so that any of them, asked afterwards, answers with it. One that does not hear
 * within `patience_ms` hangs, or was killed: it is not waited for again before it speaks.
 */

struct writer_config {
	struct str url;
	size_t queue_limit; /**< writes waiting at the most */
	size_t group_limit; /**< writes in one transaction at the most */
	/** Called on the writer's thread once per group after the position moved. `kinds`: of what came with it, as a set (news.h). */
	void (*published)(void *self, int64_t position, uint32_t kinds);
	/**
	 * Called on the writer's thread when writes that failed because the connection broke turn out to have been
	 * committed, or when others may have committed what was not told, before their position is published: all that memory keeps of what is written through the writer has
	 * to be forgotten, and who waits has to look anew. Until then memory shows what was before them, and nothing else is
	 * committed. May be NULL.
	 */
	void (*overtaken)(void *self, int64_t position);
	/**
	 * Called on the writer's thread when another process has committed, before its newest position is published: what memory
	 * keeps of these things has to be forgotten, and who waits for them to look anew. May be NULL: then `overtaken` is.
	 */
	void (*told)(void *self, const struct news_group *group);
	/**
	 * Called on the writer's thread with each line that writer_tell() said, here or in another process: in the same order in all of them.
	 * The own ones come here too; each has the same `serial` everywhere (see writer_ephemeral()). May take ranked locks below
	 * RANK_WRITER for moments; never blocks, queries or submits.
	 */
	void (*heard)(void *self, const struct news *news, int64_t serial);
	/** Called on the writer's thread when something that writer_tell() said may have been missed. */
	void (*deaf)(void *self);
	/** Longest time that a caller waits until the other processes have heard of its write; 0: a second. */
	int64_t patience_ms;
	void *self;
	/** Whose fence (fence.h) is the writer's, too; may be NULL: it has none. */
	struct db *db;
};

/** Reads the position and starts the writer's thread. NULL (logged) when the database cannot be reached within some seconds. */
struct writer *writer_create(const struct writer_config *config);
/** Finishes what is queued, then stops. */
void writer_destroy(struct writer *writer);

/**
 * Waits until a position is published here that another process has committed: that takes moments. Errors: DEFER; TIMEOUT (it does not
 * come: the connection is broken)
 */
MUST_CHECK enum err writer_await(struct ctx *ctx, struct writer *writer, int64_t position);

/*
 * What is in memory only, and several processes have to know: it is told by NOTIFY without a commit, so without a flush. Where there is one
 * process nothing is said: whoever has something asks writer_has_peers() first, and does it alone if there are none.
 */

/** Whether there are other processes on the database, as far as is known. From memory. */
bool writer_has_peers(const struct writer *writer);
/** How many processes there are, this one included: at least 1. From memory. */
size_t writer_process_count(const struct writer *writer);

/**
 * Says a line to all processes, this one included (`heard`); goes on at once. Where the database is away, or there is too much to say, it is
 * lost. Any thread; any lock below RANK_WRITER may be held.
 * @param line  one of more than NEWS_LINE_MAX_BYTES, or with a NUL or line feed, is lost too; copied
 */
void writer_tell(struct writer *writer, enum news_kind kind, struct str line);
/**
 * The same, and waits until all have heard it, or have let `patience_ms` pass. Never on an I/O thread, no lock held.
 * Cost: a round trip here and one at each other process, no flush; what many say at once goes together.
 */
void writer_tell_all(struct writer *writer, enum news_kind kind, struct str line);

/**
 * The newest serial of what is never stored. One process counts by itself (typing/typing.h); of several each takes the serials of `heard`,
 * which are the same for all, and greater than any before.
 */
int64_t writer_ephemeral(const struct writer *writer);
/** What has a serial can be seen. Any thread. */
void writer_raise_ephemeral(struct writer *writer, int64_t serial);

/** The newest position whose effects are in the caches; readers may show everything up to it. */
int64_t writer_position(const struct writer *writer);

#endif
