/**
 * One I/O thread: it runs a libmicrohttpd daemon of its own, and resumes the connections whose
 * requests other threads have finished. Inner to http/.
 */
#ifndef BELFRY_HTTP_IO_LOOP_H
#define BELFRY_HTTP_IO_LOOP_H

#include "http/request.h"

struct io_loop;

/** Not running yet; `owner` is for the daemon's callbacks. */
struct io_loop *io_loop_create(struct http_server *server, const void *owner);
const void *io_loop_owner(const struct io_loop *loop);
struct http_server *io_loop_server(const struct io_loop *loop);

/** Starts the thread. Takes over the daemon, made without threads of its own, and its listening socket. */
void io_loop_start(struct io_loop *loop, struct MHD_Daemon *daemon, int listen_fd);

/**
 * Resumes a suspended connection. Any thread; its own thread does it soon.
 * @param is_batch  one of many: the threads are told by io_loops_flush(), which has to follow
 */
void io_loop_resume(struct io_loop *loop, struct request *request, bool is_batch);
/** Tells all I/O threads of the server that have something of a batch. */
void io_loops_flush(struct http_server *server);

/** Has its thread take the connection of a suspended request (held.h), if it still waits by then. Any thread. */
void io_loop_leave(struct io_loop *loop, struct request *request);

/* For held.c and listener.c; on the loop's own thread. */

/** Gives the socket to libmicrohttpd, for the next request. */
void io_loop_give_back(struct io_loop *loop, struct conn *conn);
/** Whose socket that is, while libmicrohttpd takes it. */
struct conn *io_loop_returning(const struct io_loop *loop);
/**
 * Calls held_on_event() for what has come and, when the socket had no room, for that there is some again: once each (edges), until
 * it is closed or given back. Where the kernel has no room for another, conn->is_watched stays false.
 */
void io_loop_watch(struct io_loop *loop, struct conn *conn);
/** Nothing is told of it any more, if it was; before its socket is closed. */
void io_loop_unwatch(struct conn *conn);
/** libmicrohttpd has called back: it gets on with something. */
void io_loop_note(struct io_loop *loop);
/** A body that comes in chunks begins, or is over. */
void io_loop_chunks_begin(struct io_loop *loop);
void io_loop_chunks_end(struct io_loop *loop);
/** What time it is, as an answer's Date has it; until the next call. */
struct str io_loop_date(struct io_loop *loop);
/** Where what has come may be read to, by one at a time. */
char *io_loop_buffer(struct io_loop *loop, size_t *out_bytes);

/** Of queries that were read on it. */
struct uri_memo *io_loop_uri_memo(struct io_loop *loop);

/** Makes it look at whether the server is stopping: then it closes its listening socket. */
void io_loop_poke(struct io_loop *loop);

/** Ends the thread, closes all connections (none suspended), frees. NULL does nothing. */
void io_loop_stop(struct io_loop *loop);

#endif
