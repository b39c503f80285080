/*
 * What libmicrohttpd has read beyond a request (one that was sent behind it, without waiting for the answer) would be lost with its
 * connection, and it does not tell. But the kernel tells how many bytes have come in all: where those are exactly the bytes of the
 * connection's requests, there is nothing else, neither in its memory nor in the socket.
 */
#include "http/held.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "http/dispatch.h"
#include "http/listener.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/tcp.h> /* glibc's struct tcp_info has no tcpi_bytes_received */
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

enum { HEAD_BYTES = 512, HEAD_CEILING = 128 * 1024 };

static struct metric held_gauge = METRIC_GAUGE("belfry_http_held",
	"Connections of waiting requests that take no memory of libmicrohttpd");

static struct metric read_counter = METRIC_COUNTER("belfry_http_held_requests_total",
	"Requests of held connections that were read without libmicrohttpd");

/* An answer; on the heap when the socket does not take it whole. */
struct held_answer {
	struct request *request;
	struct buf head;
	size_t sent; /* of head and body together */
};

/* --- leaving libmicrohttpd ---------------------------------------------------------------------------- */

void held_note(struct request *request, const char *version)
{
	struct conn *conn = request->conn;
	const union MHD_ConnectionInfo *head =
		MHD_get_connection_info(request->connection, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
	conn->is_uncountable = conn->is_uncountable || head == NULL || request->is_chunked;
	conn->request_bytes += head != NULL ? head->header_size + request->content_length : 0;
	request->may_be_held = !request->is_last && conn->tls == NULL &&
		str_equals(str_of(version), STR("HTTP/1.1")) && str_equals(request->method, STR("GET"));
}

/* Whether nothing has come but the requests that were answered, and this one. */
static bool has_read_all(const struct conn *conn)
{
	struct tcp_info info;
	socklen_t size = sizeof(info);
	const size_t needed =
		offsetof(struct tcp_info, tcpi_bytes_received) + sizeof(info.tcpi_bytes_received);
	return !conn->is_uncountable &&
		getsockopt(conn->fd, IPPROTO_TCP, TCP_INFO, &info, &size) == 0 && size >= needed &&
		info.tcpi_bytes_received == conn->request_bytes;
}

static void hold(struct request *request, int fd)
{
	struct conn *conn = request->conn;
	conns_hold(conn, fd);
	io_loop_watch(request->loop, conn);
	request->connection = NULL;
	request->fd = fd;
	metric_add(&held_gauge, 1);
}

bool held_take(struct request *request)
{
	struct conn *conn = request->conn;
	if (!request->may_be_held || server_is_stopping(request->server) || !has_read_all(conn)) {
		return false;
	}
	int fd = fcntl(conn->fd, F_DUPFD_CLOEXEC, 0);
	if (fd < 0) {
		return false; /* no file descriptor left */
	}
	hold(request, fd);
	return true;
}

void held_keep(struct request *request)
{
	/* -1, no file descriptor left: sending fails, as it does to a client that is gone. */
	hold(request, fcntl(request->conn->fd, F_DUPFD_CLOEXEC, 0));
}

void held_begin(struct io_loop *loop, struct conn *conn)
{
	conns_hold(conn, conn->fd);
	io_loop_watch(loop, conn);
	if (!conn->is_watched) {
		io_loop_give_back(loop, conn);
	}
}

static void read_next(struct io_loop *loop, struct conn *conn);

/* --- answering ---------------------------------------------------------------------------------------- */

static void write_head(struct str date, const struct answer *answer, struct buf *head)
{
	buf_init(head, HEAD_CEILING);
	buf_reserve(head, HEAD_BYTES);
	answer_write_head(answer, date, head);
	invariant(buf_ok(head));
}

/* Sends as much as the socket takes. @return false when it is broken */
static bool send_some(struct held_answer *held)
{
	const struct answer *answer = &held->request->answer;
	const size_t whole = held->head.n + answer->body_bytes;
	while (held->sent < whole) {
		const size_t of_head = MIN_OF(held->sent, held->head.n);
		const size_t of_body = held->sent - of_head;
		struct iovec parts[2] = {{held->head.p + of_head, held->head.n - of_head},
			{answer->body_bytes > 0 ? answer->body.p + of_body : NULL,
				answer->body_bytes - of_body}};
		const struct msghdr message = {.msg_iov = parts, .msg_iovlen = COUNT_OF(parts)};
		ssize_t n = sendmsg(held->request->conn->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0 && errno == EINTR) {
			continue;
		}
		if (n < 0) {
			return errno == EAGAIN;
		}
		held->sent += (size_t)n;
	}
	return true;
}

static void end(struct conn *conn)
{
	int fd = conn->fd;
	io_loop_unwatch(conn);
	request_head_destroy(conn->last_head);
	conns_close(conn);
	if (fd >= 0) {
		(void)close(fd);
	}
}

/* Its next request may come. */
static void go_on(struct io_loop *loop, struct conn *conn)
{
	if (!conn->is_watched) {
		io_loop_give_back(loop, conn);
		return;
	}
	const struct http_config *config = &io_loop_server(loop)->config;
	conn_set_idle(conn, clock_mono_about_ms() + config->idle_timeout_ms);
	if (conn->has_news || conn->has_ended) {
		read_next(loop, conn);
	}
}

/* The request is over. Its connection ends only if the answer said so, also of a server that stops meanwhile: the next request is told then. */
static void finish(struct held_answer *held, bool may_go_on)
{
	struct request *request = held->request;
	struct conn *conn = request->conn;
	struct io_loop *loop = request->loop;
	bool goes_on = may_go_on && !request->answer.is_last;
	metric_add(&held_gauge, -1);
	buf_fini(&held->head);
	conn->last_head = goes_on ? request_leave_head(request) : NULL;
	request_complete(request);
	if (goes_on) {
		go_on(loop, conn);
	} else {
		end(conn);
	}
}

/* Waits for the socket. @return false when it cannot */
static bool keep_rest(const struct held_answer *begun)
{
	struct conn *conn = begun->request->conn;
	if (!conn->is_watched) {
		return false;
	}
	conn->unsent = mem_alloc(sizeof(*begun));
	*conn->unsent = *begun;
	return true;
}

static void drop_rest(struct held_answer *held, bool may_go_on)
{
	held->request->conn->unsent = NULL;
	finish(held, may_go_on);
	mem_free(held);
}

static bool is_sent(const struct held_answer *held)
{
	return held->sent == held->head.n + held->request->answer.body_bytes;
}

void held_send_early(struct request *request)
{
	char date[ANSWER_DATE_BYTES];
	struct held_answer *held = mem_alloc(sizeof(*held));
	invariant(request->answer.file == NULL);
	held->request = request;
	write_head(answer_date(time(NULL), date), &request->answer, &held->head);
	(void)send_some(held); /* what is broken is so for who goes on, too */
	request->begun = held;
}

static void begin_answer(struct request *request)
{
	struct held_answer held = {.request = request};
	invariant(request->answer.file == NULL);
	request_begin_sending(request);
	if (request->begun != NULL) {
		held = *request->begun;
		mem_free(request->begun);
		request->begun = NULL;
	} else {
		write_head(io_loop_date(request->loop), &request->answer, &held.head);
	}
	bool is_well = send_some(&held);
	if (!is_well || is_sent(&held) || !keep_rest(&held)) {
		finish(&held, is_well && is_sent(&held));
	}
}

void held_resume(struct request *request)
{
	if (request->answer.status != 0 || dispatch_again(request)) {
		begin_answer(request);
	}
}

static void send_rest(struct held_answer *held)
{
	bool is_well = send_some(held);
	if (!is_well || is_sent(held)) {
		drop_rest(held, is_well);
	}
}

/* --- the next request -------------------------------------------------------------------------------- */

/* @return NULL when it is not a plain one */
static struct request *read_first(struct io_loop *loop, struct conn *conn, struct str bytes,
	struct str *out_body)
{
	struct head head;
	if (!head_read(bytes, io_loop_server(loop)->config.header_ceiling_bytes, &head)) {
		return NULL;
	}
	struct request *request = request_create(loop, NULL, conn, head.target);
	request_take_head(request, &head);
	*out_body = head.body;
	return request;
}

/* With the head of the one before, if it is the same. @return NULL when it is not a plain one */
static struct request *read_request(struct io_loop *loop, struct conn *conn, struct str bytes,
	struct str *out_body)
{
	size_t ceiling = io_loop_server(loop)->config.header_ceiling_bytes;
	struct request_head *last = conn->last_head;
	struct str target;
	conn->last_head = NULL;
	if (last != NULL && head_read_again(bytes, ceiling, last->rest, last->header_count, &target)) {
		struct request *request = request_create(loop, NULL, conn, target);
		request_take_last_head(request, last);
		*out_body = STR("");
		return request;
	}
	request_head_destroy(last);
	return read_first(loop, conn, bytes, out_body);
}

/* What is left: answers that may be files; bodies that go to a file, or are too large. */
static bool is_for_library(const struct request *request, struct str body)
{
	return request->match.entry == NULL || request_is_streamed(request) ||
		body.n > request->body_ceiling || request_may_get_file(request);
}

/* @return NULL when libmicrohttpd has to read it */
static struct request *make_request(struct io_loop *loop, struct conn *conn, struct str bytes)
{
	struct str body;
	struct request *request = read_request(loop, conn, bytes, &body);
	if (request == NULL) {
		return NULL;
	}
	request_route(request, listener_router(io_loop_owner(loop)));
	if (is_for_library(request, body)) {
		request_unref(request);
		return NULL;
	}
	request->is_of_held = true;
	if (body.n > 0) {
		request_add_body(request, body);
	}
	return request;
}

/* What was looked at is read. @return false when the socket is broken */
static bool consume(struct conn *conn, size_t n)
{
	conn->request_bytes += n;
	return recv(conn->fd, NULL, n, MSG_TRUNC | MSG_DONTWAIT) == (ssize_t)n;
}

static void read_next(struct io_loop *loop, struct conn *conn)
{
	size_t room = 0;
	char *buffer = io_loop_buffer(loop, &room);
	conn->has_news = false;
	ssize_t n = recv(conn->fd, buffer, room, MSG_PEEK | MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
		return;
	}
	if (n <= 0) {
		end(conn);
		return;
	}
	bool is_all = (size_t)n < room;
	struct request *request = is_all ? make_request(loop, conn, str_from(buffer, (size_t)n)) : NULL;
	if (request == NULL) {
		io_loop_give_back(loop, conn);
		return;
	}
	if (!consume(conn, (size_t)n)) {
		request_unref(request);
		end(conn);
		return;
	}
	conn->request = request;
	metric_add(&held_gauge, 1);
	metric_add(&read_counter, 1);
	if (dispatch_begin(request)) {
		begin_answer(request);
	}
}

void held_on_event(struct io_loop *loop, struct conn *conn, uint32_t events)
{
	const uint32_t ends = (uint32_t)EPOLLRDHUP | (uint32_t)EPOLLHUP | (uint32_t)EPOLLERR;
	conn->has_ended = conn->has_ended || (events & ends) != 0;
	if (conn->request == NULL) {
		read_next(loop, conn);
		return;
	}
	conn->has_news = conn->has_news || (events & (uint32_t)EPOLLIN) != 0;
	if (conn->unsent != NULL) {
		send_rest(conn->unsent);
	}
}

void held_close_all(struct io_loop *loop)
{
	size_t n = 0;
	struct conn **held = conns_held_of(io_loop_server(loop)->conns, loop, &n);
	for (size_t i = 0; i < n; i++) {
		if (held[i]->unsent != NULL) {
			drop_rest(held[i]->unsent, false);
		} else {
			invariant(held[i]->request == NULL); /* all are resumed by then */
			end(held[i]);
		}
	}
	mem_free(held);
}
