/**
 * Connections of requests that wait, without libmicrohttpd, which keeps 14 KiB for each of its own. Inner to http/.
 *
 * A connection begins here, and stays for as long as its requests are plain ones (head.h), come whole, and are GETs for inline routes or POSTs and PUTs;
 * with the first that is not, still unread, its socket is given to libmicrohttpd. A request that is parked leaves that again where nothing is lost by it:
 * the socket is duplicated, libmicrohttpd closes what it has, and the answer is written here. All on the connection's I/O thread, but for what a worker sends.
 */
#ifndef BELFRY_HTTP_HELD_H
#define BELFRY_HTTP_HELD_H

#include "http/io_loop.h"

/** A connection that was just accepted. */
void held_begin(struct io_loop *loop, struct conn *conn);

/** Notes, when a request is complete, how it was framed. */
void held_note(struct request *request, const char *version);

/**
 * Takes the connection of a request that begins to wait. The caller then lets libmicrohttpd close its own (MHD_NO).
 * @return false when it has to stay: TLS, HTTP/1.0, the last request of its connection, or bytes that came behind it
 */
MUST_CHECK bool held_take(struct request *request);

/**
 * Keeps the connection that libmicrohttpd gives up while its request waits for somebody, or somebody works at it: until that is over the request
 * must not be.
 */
void held_keep(struct request *request);

/**
 * Sends as much of the answer as the socket takes, of a request that was read here (is_of_held). On the worker that has answered it, before it is resumed:
 * so the client does not wait until the I/O thread has woken, which sends the rest and goes on.
 */
void held_send_early(struct request *request);

/** Goes on with a request whose connection was taken: runs an inline handler that was woken, or sends the answer. */
void held_resume(struct request *request);

/** Something of a connection that is watched: its next request, room for more of an answer, its end. */
void held_on_event(struct io_loop *loop, struct conn *conn, uint32_t events);

/** The loop ends: closes what is idle, and gives up what is not sent yet. */
void held_close_all(struct io_loop *loop);

#endif
