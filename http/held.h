/**
 * Connections of requests that wait, without libmicrohttpd, which keeps 14 KiB for each of its own. Inner to http/.
 *
 * A request that is parked leaves it where nothing is lost by that: the socket is duplicated, libmicrohttpd closes what it has,
 * the answer is written here, and the socket is given back to libmicrohttpd for the next request. All on the connection's I/O thread.
 */
#ifndef BELFRY_HTTP_HELD_H
#define BELFRY_HTTP_HELD_H

#include "http/io_loop.h"

/** An answer that the socket has not taken whole yet. */
struct held_answer;

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

/** Goes on with a request whose connection was taken: runs an inline handler that was woken, or sends the answer. */
void held_resume(struct request *request);

/** The socket takes more of an answer, or is broken. */
void held_go_on(struct held_answer *held);

/** The loop ends: gives up what is not sent yet. */
void held_abandon_all(struct io_loop *loop);

#endif
