/*
 * A list and a count by address, under one lock that is taken when a connection begins and ends, and
 * by the timer thread now and then: never per request. Deadlines are plain atomics in the entries.
 */
#include "http/conns.h"

#include "base/lock.h"
#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/metrics.h"

#include <string.h>

enum { BLOCK_CONNS = 64 };

static struct metric open_gauge =
	METRIC_GAUGE("belfry_http_connections", "Open connections of all listeners");
static struct metric refused_counter = METRIC_COUNTER("belfry_http_connections_refused_total",
	"Connections refused because their address has too many");
static struct metric slow_counter = METRIC_COUNTER("belfry_http_connections_too_slow_total",
	"Connections cut because a request or an answer took too long");

struct address_count {
	size_t n;
};

/*
 * Entries lie together: one by one they would stand between what libmicrohttpd has for each connection, and keep the pages of that when it
 * is free. Blocks are kept for later connections.
 */
struct block {
	struct block *next;
	struct conn conns[BLOCK_CONNS];
};

struct conns {
	struct conns_limits limits;
	struct lock lock; /* guards all below */
	struct conn *first;
	struct conn *unused; /* linked by next */
	struct block *blocks;
	size_t n;
	struct map by_address; /* → struct address_count */
};

struct conns *conns_create(const struct conns_limits *limits)
{
	struct conns *conns = mem_alloc(sizeof(*conns));
	conns->limits = *limits;
	lock_init(&conns->lock, RANK_LISTENER);
	map_init(&conns->by_address);
	return conns;
}

void conns_destroy(struct conns *conns)
{
	if (conns == NULL) {
		return;
	}
	invariant(conns->n == 0);
	map_fini(&conns->by_address);
	while (conns->blocks != NULL) {
		struct block *block = conns->blocks;
		conns->blocks = block->next;
		mem_free(block);
	}
	lock_fini(&conns->lock);
	mem_free(conns);
}

static struct str count_key(const struct address *network)
{
	return str_from((const char *)network->bytes, sizeof(network->bytes));
}

static bool is_trusted(const struct conns *conns, const struct address *address)
{
	return address_in_ranges(address, conns->limits.trusted, conns->limits.trusted_count);
}

bool conns_may_accept(struct conns *conns, const struct sockaddr *peer)
{
	struct address address;
	if (!address_of_socket(peer, &address) || is_trusted(conns, &address)) {
		return true;
	}
	struct address network = address_network(&address);
	lock_take(&conns->lock);
	const struct address_count *count = map_get(&conns->by_address, count_key(&network));
	bool may = count == NULL || count->n < conns->limits.max_per_address;
	lock_give(&conns->lock);
	if (!may) {
		metric_add(&refused_counter, 1);
	}
	return may;
}

static void count_up_locked(struct conns *conns, const struct conn *conn)
{
	struct address network = address_network(&conn->peer);
	struct address_count *count = map_get(&conns->by_address, count_key(&network));
	if (count == NULL) {
		count = mem_alloc(sizeof(*count));
		(void)map_set(&conns->by_address, count_key(&network), count);
	}
	count->n++;
}

static void count_down_locked(struct conns *conns, const struct conn *conn)
{
	struct address network = address_network(&conn->peer);
	struct address_count *count = map_get(&conns->by_address, count_key(&network));
	invariant(count != NULL && count->n > 0);
	if (--count->n == 0) {
		(void)map_remove(&conns->by_address, count_key(&network));
		mem_free(count);
	}
}

static struct conn *take_locked(struct conns *conns)
{
	if (conns->unused == NULL) {
		struct block *block = mem_alloc(sizeof(*block));
		block->next = conns->blocks;
		conns->blocks = block;
		for (size_t i = 0; i < BLOCK_CONNS; i++) {
			block->conns[i].next = conns->unused;
			conns->unused = &block->conns[i];
		}
	}
	struct conn *conn = conns->unused;
	conns->unused = conn->next;
	*conn = (struct conn){.conns = conns};
	return conn;
}

static void give_locked(struct conns *conns, struct conn *conn)
{
	conn->next = conns->unused;
	conns->unused = conn;
}

struct conn *conns_open(struct conns *conns, const struct sockaddr *peer, int fd,
	struct io_loop *loop, int64_t deadline_ms)
{
	lock_take(&conns->lock);
	struct conn *conn = take_locked(conns);
	conn->fd = fd;
	conn->loop = loop;
	atomic_init(&conn->deadline_ms, deadline_ms);
	if (address_of_socket(peer, &conn->peer)) {
		conn->is_trusted_proxy = is_trusted(conns, &conn->peer);
		conn->is_counted = !conn->is_trusted_proxy;
	}
	conn->next = conns->first;
	if (conn->next != NULL) {
		conn->next->prev = conn;
	}
	conns->first = conn;
	conns->n++;
	if (conn->is_counted) {
		count_up_locked(conns, conn);
	}
	lock_give(&conns->lock);
	metric_add(&open_gauge, 1);
	return conn;
}

void conns_close(struct conn *conn)
{
	struct conns *conns = conn->conns;
	if (conn->open != NULL) {
		atomic_fetch_sub(conn->open, 1);
	}
	lock_take(&conns->lock);
	if (conn->prev != NULL) {
		conn->prev->next = conn->next;
	} else {
		conns->first = conn->next;
	}
	if (conn->next != NULL) {
		conn->next->prev = conn->prev;
	}
	conns->n--;
	if (conn->is_counted) {
		count_down_locked(conns, conn);
	}
	give_locked(conns, conn);
	lock_give(&conns->lock);
	metric_add(&open_gauge, -1);
}

void conns_hold(struct conn *conn, int fd)
{
	LOCK_SCOPE(&conn->conns->lock);
	conn->fd = fd;
	conn->is_held = true;
}

struct conn **conns_held_of(struct conns *conns, const struct io_loop *loop, size_t *out_n)
{
	LOCK_SCOPE(&conns->lock);
	struct conn **list = mem_alloc_array(conns->n + 1, sizeof(struct conn *));
	size_t n = 0;
	for (struct conn *conn = conns->first; conn != NULL; conn = conn->next) {
		if (conn->loop == loop &&
			conn->is_held) { /* is_held is another thread's, unless the loop is this one's */
			list[n++] = conn;
		}
	}
	*out_n = n;
	return list;
}

void conns_enforce(struct conns *conns, int64_t now_ms)
{
	size_t cut = 0;
	lock_take(&conns->lock);
	for (struct conn *conn = conns->first; conn != NULL; conn = conn->next) {
		int64_t deadline_ms = atomic_load_explicit(&conn->deadline_ms, memory_order_relaxed);
		if (deadline_ms != 0 && deadline_ms <= now_ms) {
			(void)shutdown(conn->fd, SHUT_RDWR);
			atomic_store_explicit(&conn->deadline_ms, 0, memory_order_relaxed);
			cut += !atomic_load_explicit(&conn->is_idle, memory_order_relaxed);
		}
	}
	lock_give(&conns->lock);
	if (cut > 0) {
		metric_add(&slow_counter, (int64_t)cut);
		log_debug(0, "http.connections.cut", "count=%zu", cut);
	}
}

size_t conns_count(struct conns *conns)
{
	LOCK_SCOPE(&conns->lock);
	return conns->n;
}
