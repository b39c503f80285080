/**
 * Hashes and writes pieces of streamed bodies, on a thread beside the I/O threads that receive them, so that both go on at once.
 * A piece that nobody has begun when the next one is there is done by the I/O thread itself, so that it waits for the rest of one piece at
 * the most. What was written is sent on to the disk meanwhile, so that little is left to flush at the end. Inner to http/.
 */
#ifndef BELFRY_HTTP_BODY_WRITER_H
#define BELFRY_HTTP_BODY_WRITER_H

#include "base/crypto.h"

/** A body's open end: where the next piece goes. Used by one thread at a time, apart from the writer's. */
struct body_tail {
	int fd;
	struct sha256 *hash;
	char *bytes; /**< the piece under way; freed when it is written */
	size_t n;
	int64_t written_bytes;
	int64_t sent_bytes; /**< of them, on their way to the disk */
	int error;          /**< errno of the first write that failed; 0: none */
	/* Guarded by the writer's lock: */
	bool is_queued;
	bool is_under_way;
	struct body_tail *next;
};

struct body_writer;

/** Starts the thread. */
struct body_writer *body_writer_create(void);
/** No tail may have a piece under way. NULL does nothing. */
void body_writer_destroy(struct body_writer *writer);

/** Hands over tail->bytes; the one before has to be settled. */
void body_writer_push(struct body_writer *writer, struct body_tail *tail);
/**
 * Returns when nothing of the tail is under way; what nobody has begun is done by the caller.
 * @return false when a write failed, now or before (tail->error)
 */
MUST_CHECK bool body_writer_settle(struct body_writer *writer, struct body_tail *tail);
/** The same without doing what nobody has begun: the body is given up. */
void body_writer_give_up(struct body_writer *writer, struct body_tail *tail);
/** Hashes and writes bytes at once; they stay the caller's. The tail has to be settled. @return as body_writer_settle() */
MUST_CHECK bool body_tail_write(struct body_tail *tail, struct str bytes);

#endif
