/**
 * Inside of a write: what writer.c (queue, thread) and write_group.c (transaction) share.
 */
#ifndef BELFRY_STORAGE_WRITE_H
#define BELFRY_STORAGE_WRITE_H

#include "base/vec.h"
#include "base/wakeup.h"
#include "storage/pg.h"
#include "storage/writer.h"

struct write_row {
	enum stmt_id stmt;
	const struct db_value *values;
	size_t count;
};

struct write {
	struct arena *arena; /**< of the request; nothing is added once submitted */
	size_t positions;
	VEC(struct write_row) rows;
	void (*committed)(void *data, int64_t first_position);
	void *committed_data;
	void (*failed)(void *data);
	void *failed_data;
	void (*told)(void *data, enum err err);
	void *told_data;
	bool is_submitted;
	struct write *next;     /**< in the queue, then among those of which not all peers have heard */
	int64_t group_position; /**< newest of its group */
	int64_t patience_until_ms; /**< monotonic; then nobody is waited for any more */
	/* Set by the writer's thread before `done`: */
	int64_t first_position;
	enum err err;
	char cause[160];    /**< for the log; copied, for the writer's arena goes first */
	struct wakeup done; /**< sent once; its caller may free the write, unless it has `told` */
};

/** By what the transactions of one writer are known. The writer's thread only. */
struct write_marks {
	int64_t writer_id;
	int64_t
		serial; /**< of the newest transaction that was begun, or of the one that can no more begin instead */
	bool
		has_head; /**< as far as is known the marks are in stream_head, which takes no statement of their own */
};

/**
 * What other processes are told of a group (news.h), but for its position, which PostgreSQL puts in front.
 * @param positions  of the group; raised to 1 when something is told: by its position it is known whether all have heard of it
 * @param out_kinds  what news_kinds() says of it
 * @return           in the arena
 */
struct str news_write(struct arena *arena, int64_t writer_id, struct write *const *writes,
	size_t count, int64_t *positions, uint32_t *out_kinds);

/** What became of a group. */
struct write_result {
	int64_t before; /**< the newest position before the group's */
	int64_t
		position; /**< the newest one; like the other also set when it is not known whether it was committed */
	bool is_unknown;
	uint32_t kinds; /**< of its news, as a set (news.h) */
};

/**
 * Commits a group in one transaction: one round trip; two when it is not known, or not so, what was before.
 *
 * @param before  the newest position, as far as is known; -1: others may take some at any time
 * Errors: CONFLICT, MISSING, INPUT, INTERNAL when a statement fails (nothing happened); STORE when the connection failed (nothing
 * happened, or out->is_unknown: it may have), or PostgreSQL ended a deadlock (nothing happened)
 */
MUST_CHECK enum err write_group(struct ctx *ctx, struct pg *pg, struct write_marks *marks,
	struct write *const *writes, size_t count, int64_t before, struct write_result *out);

/**
 * Whether the transaction that was begun last has been committed. Waits for it while it is under way; if not, it never will be.
 * Errors: STORE when the database cannot say (now)     Cost: one round trip.
 */
MUST_CHECK enum err write_outcome(struct ctx *ctx, struct pg *pg, struct write_marks *marks,
	bool *out_committed);

#endif
