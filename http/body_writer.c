/*
 * One thread for all bodies: together with the I/O threads it keeps the processors busy that an upload can use. It may wait for a
 * slow disk where it sends on what was written; meanwhile the I/O threads write their pieces themselves.
 */
#include "http/body_writer.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/fault_point.h"
#include "base/lock.h"
#include "base/mem.h"

/* So much is sent on to the disk at once: enough for long writes, little beside what a disk takes in a second. */
enum { SEND_BYTES = 8 << 20 };

struct body_writer {
	pthread_t thread;
	struct lock lock;
	struct cond pushed;
	struct cond done;
	struct body_tail *first; /* guarded by lock, as all that are queued */
	struct body_tail *last;  /* guarded by lock */
	bool is_ending;          /* guarded by lock */
};

/* --- a piece ------------------------------------------------------------------------------------------------ */

bool body_tail_write(struct body_tail *tail, struct str bytes)
{
	sha256_add(tail->hash, bytes);
	while (bytes.n > 0 && tail->error == 0) {
		ssize_t n = FAULT_POINT("media.write") ? -1 : write(tail->fd, bytes.p, bytes.n);
		if (n < 0 && errno != EINTR) {
			tail->error = errno != 0 ? errno : EIO;
		} else if (n > 0) {
			tail->written_bytes += n;
			bytes = str_slice(bytes, (size_t)n, bytes.n);
		}
	}
	return tail->error == 0;
}

static bool write_piece(struct body_tail *tail)
{
	bool is_written = body_tail_write(tail, str_from(tail->bytes, tail->n));
	mem_free(tail->bytes);
	tail->bytes = NULL;
	return is_written;
}

/* What has to be sent on to the disk now. */
struct stretch {
	int fd; /* -1: nothing; closed by who sends it, since the body may end meanwhile */
	int64_t from;
	int64_t n;
};

static struct stretch next_stretch(struct body_tail *tail)
{
	struct stretch stretch = {.fd = -1, .from = tail->sent_bytes};
	stretch.n = tail->written_bytes - tail->sent_bytes;
	if (stretch.n >= SEND_BYTES) {
		stretch.fd = fcntl(tail->fd, F_DUPFD_CLOEXEC, 0);
		tail->sent_bytes = tail->written_bytes;
	}
	return stretch;
}

/* Only begins it; whether it arrived is asked by fsync() in the end, so a failure here tells nothing. */
static void send_on(struct stretch stretch)
{
	if (stretch.fd >= 0) {
		(void)sync_file_range(stretch.fd, stretch.from, stretch.n, SYNC_FILE_RANGE_WRITE);
		(void)close(stretch.fd);
	}
}

/* --- the thread --------------------------------------------------------------------------------------------- */

/* NULL: it is time to end. */
static struct body_tail *take_first_locked(struct body_writer *writer)
{
	while (writer->first == NULL && !writer->is_ending) {
		cond_wait(&writer->pushed, &writer->lock);
	}
	struct body_tail *tail = writer->first;
	if (tail != NULL) {
		writer->first = tail->next;
		writer->last = writer->first == NULL ? NULL : writer->last;
		tail->is_queued = false;
		tail->is_under_way = true;
	}
	return tail;
}

static void *run(void *data)
{
	struct body_writer *writer = data;
	LOCK_SCOPE(&writer->lock);
	for (struct body_tail *tail; (tail = take_first_locked(writer)) != NULL;) {
		lock_give(&writer->lock);
		(void)write_piece(tail); /* its owner sees tail->error */
		struct stretch stretch = next_stretch(tail);
		lock_take(&writer->lock);
		tail->is_under_way = false;
		cond_broadcast(&writer->done);
		lock_give(&writer->lock);
		send_on(stretch);
		lock_take(&writer->lock);
	}
	return NULL;
}

struct body_writer *body_writer_create(void)
{
	struct body_writer *writer = mem_alloc(sizeof(*writer));
	lock_init(&writer->lock, RANK_LEAF);
	cond_init(&writer->pushed);
	cond_init(&writer->done);
	writer->thread = thread_start("body-writer", run, writer);
	return writer;
}

void body_writer_destroy(struct body_writer *writer)
{
	if (writer == NULL) {
		return;
	}
	lock_take(&writer->lock);
	writer->is_ending = true;
	cond_signal(&writer->pushed);
	lock_give(&writer->lock);
	(void)pthread_join(writer->thread, NULL);
	invariant(writer->first == NULL);
	cond_fini(&writer->pushed);
	cond_fini(&writer->done);
	lock_fini(&writer->lock);
	mem_free(writer);
}

/* --- who has pieces ----------------------------------------------------------------------------------------- */

void body_writer_push(struct body_writer *writer, struct body_tail *tail)
{
	LOCK_SCOPE(&writer->lock);
	tail->next = NULL;
	tail->is_queued = true;
	*(writer->last != NULL ? &writer->last->next : &writer->first) = tail;
	writer->last = tail;
	cond_signal(&writer->pushed);
}

static void take_out_locked(struct body_writer *writer, struct body_tail *tail)
{
	struct body_tail *before = NULL;
	for (struct body_tail *at = writer->first; at != tail; at = at->next) {
		before = at;
	}
	*(before != NULL ? &before->next : &writer->first) = tail->next;
	writer->last = writer->last == tail ? before : writer->last;
	tail->is_queued = false;
}

/* @return whether there is a piece that nobody has begun: it is the caller's now */
static bool take_back(struct body_writer *writer, struct body_tail *tail)
{
	LOCK_SCOPE(&writer->lock);
	while (tail->is_under_way) {
		cond_wait(&writer->done, &writer->lock);
	}
	bool is_left = tail->is_queued;
	if (is_left) {
		take_out_locked(writer, tail);
	}
	return is_left;
}

bool body_writer_settle(struct body_writer *writer, struct body_tail *tail)
{
	return take_back(writer, tail) ? write_piece(tail) : tail->error == 0;
}

void body_writer_give_up(struct body_writer *writer, struct body_tail *tail)
{
	if (take_back(writer, tail)) {
		mem_free(tail->bytes);
		tail->bytes = NULL;
	}
}
