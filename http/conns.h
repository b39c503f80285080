/**
 * Open connections: limits in number, and deadlines that libmicrohttpd does not have (it only knows
 * inactivity, so a client that sends a byte now and then could hold a connection for ever).
 */
#ifndef BELFRY_HTTP_CONNS_H
#define BELFRY_HTTP_CONNS_H

#include "http/address.h"

#include <stdatomic.h>

struct conns;

/** One connection. The I/O thread of the connection owns it; others see it under the table's lock. */
struct conn {
	struct conn *next;
	struct conn *prev;
	struct conns *conns;
	struct address peer;
	bool is_trusted_proxy;
	bool is_counted;     /**< against its address's limit */
	bool is_held;        /**< without libmicrohttpd (held.h); the I/O thread's, as the next two */
	bool is_uncountable; /**< what came cannot be compared with request_bytes */
	uint64_t request_bytes; /**< of all its complete requests */
	_Atomic size_t *open;   /**< its listener's connections; conns_close() counts it down */
	int fd;
	struct tls *tls; /**< what its handshake shows (tls.h); NULL: it has none */
	void *
		request; /**< begun and not yet completed; touched by the I/O thread only; see listener.c */
	_Atomic int64_t deadline_ms; /**< monotonic; shut down when it passes; 0: none */
};

struct conns_limits {
	size_t max_per_address;
	const struct address_range *trusted; /**< borrowed; not counted per address */
	size_t trusted_count;
};

struct conns *conns_create(const struct conns_limits *limits);
/** All connections must be closed. NULL does nothing. */
void conns_destroy(struct conns *conns);

/** Whether another connection from there may be accepted. Threads: any. */
bool conns_may_accept(struct conns *conns, const struct sockaddr *peer);

/** Enters a connection. */
struct conn *conns_open(struct conns *conns, const struct sockaddr *peer, int fd,
	int64_t deadline_ms);
/** Takes it out and frees it; the socket must still be open (its number not yet reused). */
void conns_close(struct conn *conn);

/** It is another descriptor of the same socket from here on, and held. */
void conns_hold(struct conn *conn, int fd);

/** @param deadline_ms  monotonic; 0: none */
static inline void conn_set_deadline(struct conn *conn, int64_t deadline_ms)
{
	atomic_store_explicit(&conn->deadline_ms, deadline_ms, memory_order_relaxed);
}

/** Shuts down every socket whose deadline has passed; its I/O thread then closes it. */
void conns_enforce(struct conns *conns, int64_t now_ms);

size_t conns_count(struct conns *conns);

#endif
