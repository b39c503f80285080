/**
 * Open connections: limits in number, and deadlines that libmicrohttpd does not have (it only knows
 * inactivity, so a client that sends a byte now and then could hold a connection for ever).
 */
#ifndef BELFRY_HTTP_CONNS_H
#define BELFRY_HTTP_CONNS_H

#include "http/address.h"

#include <stdatomic.h>

struct conns;
struct held_answer;
struct io_loop;
struct request_head;

/** One connection. The I/O thread of the connection owns it; others see it under the table's lock. */
struct conn {
	struct conn *next;
	struct conn *prev;
	struct conns *conns;
	struct address peer;
	bool is_trusted_proxy;
	bool is_counted;      /**< against its address's limit */
	struct io_loop *loop; /**< its I/O thread, whose are those up to request_bytes */
	bool is_held;         /**< without libmicrohttpd (held.h) */
	bool is_watched;      /**< in the loop's epoll */
	bool has_news;        /**< something has come since a request of a held connection began */
	bool has_ended;       /**< no more comes than what is there */
	bool is_uncountable;  /**< what came cannot be compared with request_bytes */
	struct held_answer *unsent; /**< what the socket has not taken yet; NULL: nothing */
	uint64_t request_bytes;     /**< of all its complete requests */
	_Atomic size_t *open;       /**< its listener's connections; conns_close() counts it down */
	int fd;
	struct tls *tls; /**< what its handshake shows (tls.h); NULL: it has none */
	void *
		request; /**< begun and not yet completed; touched by the I/O thread only; see listener.c */
	struct request_head
		*last_head;              /**< of its last request, while it is held and idle; NULL: none */
	_Atomic int64_t deadline_ms; /**< monotonic; shut down when it passes; 0: none */
	atomic_bool
		is_idle; /**< that it passes is the way of the world: between requests of a held connection */
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
	struct io_loop *loop, int64_t deadline_ms);
/** Takes it out and frees it; the socket must still be open (its number not yet reused). */
void conns_close(struct conn *conn);

/** It is another descriptor of the same socket from here on, and held. */
void conns_hold(struct conn *conn, int fd);

/**
 * The connections of a loop that are held, for its end; on its thread.
 * @return an array of `*out_n`, for mem_free()
 */
MUST_CHECK struct conn **conns_held_of(struct conns *conns, const struct io_loop *loop,
	size_t *out_n);

/** @param deadline_ms  monotonic; 0: none */
static inline void conn_set_deadline(struct conn *conn, int64_t deadline_ms)
{
	atomic_store_explicit(&conn->is_idle, false, memory_order_relaxed);
	atomic_store_explicit(&conn->deadline_ms, deadline_ms, memory_order_relaxed);
}

/** The same for one that waits for its next request, which may never come. */
static inline void conn_set_idle(struct conn *conn, int64_t until_ms)
{
	atomic_store_explicit(&conn->is_idle, true, memory_order_relaxed);
	atomic_store_explicit(&conn->deadline_ms, until_ms, memory_order_relaxed);
}

/** Shuts down every socket whose deadline has passed; its I/O thread then closes it. */
void conns_enforce(struct conns *conns, int64_t now_ms);

/** Those that are open now, of all listeners. Any thread. */
size_t conns_count(struct conns *conns);

#endif
