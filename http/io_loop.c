/*
 * Why not libmicrohttpd's own threads: in version 0.9.75 an I/O thread that gets exactly as many events as
 * its array takes (128) waits for further ones before it looks at any, without a limit of time. Driven
 * from outside it never waits at all. Besides, a wake-up of a thousand parked requests so costs their
 * waker a push to a list each, and one write to an eventfd, instead of a lock that the I/O thread holds
 * while it walks over all suspended connections.
 */
#include "http/io_loop.h"

#include "base/lock.h"
#include "base/mem.h"
#include "http/held.h"
#include "http/listener.h"
#include "http/turns.h"
#include "http/uri.h"

#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

enum {
	BATCH_AT_ONCE = 32,
	BUFFER_BYTES = 64 * 1024, /* more than an upload of keys; what is larger libmicrohttpd reads */
	ACCEPT_AGAIN_MS = 100,
};

struct io_loop {
	struct http_server *server;
	struct io_loop *next; /* of the server's, started before */
	const void *owner;
	struct MHD_Daemon *daemon;
	int listen_fd; /* -1: closed; the thread's own */
	int wake_fd;
	int epoll_fd; /* of the daemon's own, of wake_fd, and of the sockets that are held */
	pthread_t thread;
	_Atomic(struct request *) resumed; /* last first, linked by next_resumed */
	_Atomic(struct request *) woken;   /* those of batches, likewise */
	_Atomic(struct request *) leaving; /* to be held; a reference each, linked by next_waiting */
	/* The thread's own: */
	struct request *queued; /* taken from `woken`, first first */
	struct conn *returning; /* while libmicrohttpd takes it */
	enum comers comers;     /* who waits to be accepted */
	char buffer[BUFFER_BYTES];
	char date_text[ANSWER_DATE_BYTES];
	struct str date; /* what io_loop_date() wrote last */
	time_t date_s;   /* of when */
	struct uri_memo uri_memo;
	bool
		is_librarys_turn; /* libmicrohttpd has something to do, which may not be seen at its descriptor yet */
	bool has_moved; /* libmicrohttpd has called back since the thread waited */
	struct turns turns;
	size_t chunked; /* bodies that come in chunks */
	atomic_bool is_ending;
};

struct io_loop *io_loop_create(struct http_server *server, const void *owner)
{
	struct io_loop *loop = mem_alloc(sizeof(*loop));
	loop->server = server;
	loop->owner = owner;
	loop->listen_fd = -1;
	loop->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	invariant(loop->wake_fd >= 0 && loop->epoll_fd >= 0);
	return loop;
}

const void *io_loop_owner(const struct io_loop *loop)
{
	return loop->owner;
}

struct http_server *io_loop_server(const struct io_loop *loop)
{
	return loop->server;
}

void io_loop_poke(struct io_loop *loop)
{
	const uint64_t one = 1;
	ssize_t n = write(loop->wake_fd, &one, sizeof(one));
	invariant(n == sizeof(one) || errno == EAGAIN);
}

/* @return whether the list was empty */
static bool push(_Atomic(struct request *) *list, struct request *request)
{
	struct request *first = atomic_load(list);
	do {
		request->next_resumed = first;
	} while (!atomic_compare_exchange_weak(list, &first, request));
	return first == NULL;
}

void io_loop_resume(struct io_loop *loop, struct request *request, bool is_batch)
{
	bool was_empty = push(is_batch ? &loop->woken : &loop->resumed, request);
	if (was_empty && !is_batch) {
		io_loop_poke(loop);
	}
}

void io_loops_flush(struct http_server *server)
{
	for (struct io_loop *loop = atomic_load(&server->loops); loop != NULL; loop = loop->next) {
		if (atomic_load(&loop->woken) != NULL) {
			io_loop_poke(loop);
		}
	}
}

/* Everything in the list, oldest first. */
static struct request *take_all(_Atomic(struct request *) *list)
{
	struct request *newest_first = atomic_exchange(list, NULL);
	struct request *oldest_first = NULL;
	while (newest_first != NULL) {
		struct request *next = newest_first->next_resumed;
		newest_first->next_resumed = oldest_first;
		oldest_first = newest_first;
		newest_first = next;
	}
	return oldest_first;
}

void io_loop_leave(struct io_loop *loop, struct request *request)
{
	if (atomic_exchange(&request->is_leaving, true)) {
		return; /* from its last wait, when it was woken before its thread looked */
	}
	struct request *first = atomic_load(&loop->leaving);
	request_ref(request);
	do {
		request->next_waiting = first;
	} while (!atomic_compare_exchange_weak(&loop->leaving, &first, request));
	if (first == NULL) {
		io_loop_poke(loop);
	}
}

static void resume_in_library(struct request *request)
{
	request->loop->is_librarys_turn = true;
	MHD_resume_connection(request->connection);
}

/* They may have been woken, answered, or held meanwhile. */
static void let_leave(struct io_loop *loop)
{
	struct request *list = atomic_exchange(&loop->leaving, NULL);
	while (list != NULL) {
		struct request *request = list;
		list = request->next_waiting;
		atomic_store(&request->is_leaving, false);
		if (!request->is_completed && request->is_suspended && request->may_be_held) {
			request->is_suspended = false;
			request->is_let_out = true;
			resume_in_library(request);
		}
		request_unref(request);
	}
}

static void resume_one(struct request *request)
{
	if (request->conn->is_held) {
		held_resume(request);
		return;
	}
	request->is_ready = true;
	if (request->is_suspended) {
		request->is_suspended = false;
		resume_in_library(request);
	}
}

/* Goes on with up to `limit` requests. @return the rest */
static struct request *resume_some(struct request *list, size_t limit)
{
	for (size_t i = 0; i < limit && list != NULL; i++) {
		struct request *next = list->next_resumed;
		resume_one(list);
		list = next;
	}
	return list;
}

/* What was finished, all of it; of those woken together so many that others need not wait for the rest. */
static void resume_ready(struct io_loop *loop)
{
	(void)resume_some(take_all(&loop->resumed), SIZE_MAX);
	if (loop->queued == NULL) {
		loop->queued = take_all(&loop->woken);
	}
	loop->queued = resume_some(loop->queued, BATCH_AT_ONCE);
}

static bool has_ready(const struct io_loop *loop)
{
	return loop->queued != NULL || atomic_load(&loop->resumed) != NULL ||
		atomic_load(&loop->woken) != NULL || atomic_load(&loop->leaving) != NULL;
}

void io_loop_note(struct io_loop *loop)
{
	loop->has_moved = true;
}

void io_loop_chunks_begin(struct io_loop *loop)
{
	loop->chunked++;
}

void io_loop_chunks_end(struct io_loop *loop)
{
	invariant(loop->chunked > 0);
	loop->chunked--;
}

/* --- sockets without libmicrohttpd ------------------------------------------------------------------- */

void io_loop_give_back(struct io_loop *loop, struct conn *conn)
{
	static const struct sockaddr_in known = {
		.sin_family = AF_INET}; /* asked for when it is opened only */
	io_loop_unwatch(conn);
	request_head_destroy(conn->last_head);
	conn->last_head = NULL;
	loop->returning = conn;
	loop->is_librarys_turn = true;
	conn->is_held = false;
	conn_set_deadline(conn, server_head_deadline(loop->server));
	enum MHD_Result taken =
		MHD_add_connection(loop->daemon, conn->fd, (const struct sockaddr *)&known, sizeof(known));
	loop->returning = NULL;
	if (taken != MHD_YES) {
		conns_close(conn); /* it has closed the socket */
	}
}

struct conn *io_loop_returning(const struct io_loop *loop)
{
	return loop->returning;
}

void io_loop_watch(struct io_loop *loop, struct conn *conn)
{
	struct epoll_event event = {.events = (uint32_t)EPOLLIN | (uint32_t)EPOLLOUT |
			(uint32_t)EPOLLRDHUP | (uint32_t)EPOLLET,
		.data.ptr = conn};
	conn->has_news = false;
	conn->has_ended = false;
	conn->is_watched = epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, conn->fd, &event) == 0;
}

/* That it is closed is not enough: a child that has just been forked has it open until its program is loaded. */
void io_loop_unwatch(struct conn *conn)
{
	if (conn->is_watched) {
		int failed = epoll_ctl(conn->loop->epoll_fd, EPOLL_CTL_DEL, conn->fd, NULL);
		invariant(failed == 0);
	}
	conn->is_watched = false;
}

char *io_loop_buffer(struct io_loop *loop, size_t *out_bytes)
{
	*out_bytes = sizeof(loop->buffer);
	return loop->buffer;
}

struct uri_memo *io_loop_uri_memo(struct io_loop *loop)
{
	return &loop->uri_memo;
}

struct str io_loop_date(struct io_loop *loop)
{
	time_t now_s = time(NULL);
	if (now_s != loop->date_s) {
		loop->date = answer_date(now_s, loop->date_text);
		loop->date_s = now_s;
	}
	return loop->date;
}

/* --- the thread ---------------------------------------------------------------------------------------- */

static void close_listener(struct io_loop *loop)
{
	if (loop->listen_fd >= 0) {
		int failed = epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, loop->listen_fd, NULL);
		invariant(failed == 0);
		(void)close(loop->listen_fd);
		loop->comers = COMERS_NONE;
		loop->listen_fd = -1;
	}
}

/* How long libmicrohttpd can wait; -1: for whatever comes. */
static int library_limit_ms(const struct io_loop *loop)
{
	MHD_UNSIGNED_LONG_LONG timeout_ms = 0;
	bool has_limit = MHD_get_timeout(loop->daemon, &timeout_ms) == MHD_YES;
	return has_limit ? (int)MIN_OF(timeout_ms, (MHD_UNSIGNED_LONG_LONG)INT_MAX) : -1;
}

/* Nobody tells that a file descriptor has become free. */
static int wait_limit_ms(const struct io_loop *loop, int library_ms)
{
	if (has_ready(loop) || loop->comers == COMERS_MORE) {
		return 0;
	}
	int limit_ms = library_ms == 0 ? turns_pause_ms(&loop->turns, loop->chunked > 0) : library_ms;
	bool is_later = loop->comers == COMERS_LATER && (limit_ms < 0 || limit_ms > ACCEPT_AGAIN_MS);
	return is_later ? ACCEPT_AGAIN_MS : limit_ms;
}

/* Waits, and serves the sockets that are held. A limit of 0: some connection has more to read, as in the midst of an upload. */
static void wait_for_events(struct io_loop *loop)
{
	struct epoll_event events[BATCH_AT_ONCE];
	const int library_ms = library_limit_ms(loop);
	const int limit_ms = wait_limit_ms(loop, library_ms);
	int ready = epoll_wait(loop->epoll_fd, events, BATCH_AT_ONCE, limit_ms);
	invariant(ready >= 0 || errno == EINTR);
	turns_note(&loop->turns, library_ms == 0, loop->has_moved || ready != 0);
	loop->has_moved = false;
	loop->is_librarys_turn = library_ms == 0 || ready == 0; /* else its limit comes nearer */
	for (int i = 0; i < ready; i++) {
		if (events[i].data.ptr == loop->daemon) {
			loop->is_librarys_turn = true;
		} else if (events[i].data.ptr == &loop->listen_fd) {
			loop->comers = COMERS_MORE;
		} else if (events[i].data.ptr != &loop->wake_fd) {
			held_on_event(loop, events[i].data.ptr, events[i].events);
		}
	}
}

static void *loop_run(void *data)
{
	struct io_loop *loop = data;
	while (!atomic_load(&loop->is_ending)) {
		wait_for_events(loop);
		let_leave(loop);
		resume_ready(loop);
		if (server_is_stopping(loop->server)) {
			close_listener(loop);
		}
		if (loop->comers != COMERS_NONE) {
			loop->comers = listener_accept(loop, loop->listen_fd);
		}
		if (loop->is_librarys_turn) {
			(void)MHD_run(loop->daemon);
		}
	}
	while (has_ready(loop)) {
		let_leave(loop);
		resume_ready(loop);
	}
	held_close_all(loop);
	return NULL;
}

static void watch_for(const struct io_loop *loop, int fd, uint32_t events, void *whose)
{
	struct epoll_event event = {.events = events, .data.ptr = whose};
	int failed = epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, fd, &event);
	invariant(failed == 0);
}

void io_loop_start(struct io_loop *loop, struct MHD_Daemon *daemon, int listen_fd)
{
	const union MHD_DaemonInfo *info = MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_EPOLL_FD);
	invariant(info != NULL && info->epoll_fd >= 0);
	loop->daemon = daemon;
	loop->listen_fd = listen_fd;
	watch_for(loop, info->epoll_fd, EPOLLIN, daemon);
	/* By edges: each write is told, so nobody has to read what is written; and while there is no room for more connections, the thread is not
	 * told of them again and again. */
	const uint32_t edges = (uint32_t)EPOLLIN | (uint32_t)EPOLLET;
	watch_for(loop, loop->wake_fd, edges, &loop->wake_fd);
	watch_for(loop, listen_fd, edges, &loop->listen_fd);
	loop->next = atomic_load(&loop->server->loops);
	atomic_store(&loop->server->loops,
		loop); /* one thread starts them all, and requests come later */
	loop->thread = thread_start("http-io", loop_run, loop);
}

void io_loop_stop(struct io_loop *loop)
{
	if (loop == NULL) {
		return;
	}
	if (loop->daemon != NULL) {
		atomic_store(&loop->is_ending, true);
		io_loop_poke(loop);
		int failed = pthread_join(loop->thread, NULL);
		invariant(failed == 0);
		close_listener(loop);
		MHD_stop_daemon(loop->daemon);
	}
	(void)close(loop->epoll_fd);
	(void)close(loop->wake_fd);
	mem_free(loop);
}
