/*
 * What libmicrohttpd has read beyond a request (one that was sent behind it, without waiting for the answer) would be lost with its
 * connection, and it does not tell. But the kernel tells how many bytes have come in all: where those are exactly the bytes of the
 * connection's requests, there is nothing else, neither in its memory nor in the socket.
 */
#include "http/held.h"

#include "base/mem.h"
#include "base/metrics.h"
#include "http/dispatch.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/tcp.h> /* glibc's struct tcp_info has no tcpi_bytes_received */
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum { HEAD_BYTES = 512, HEAD_CEILING = 64 * 1024 };

static struct metric held_gauge = METRIC_GAUGE("belfry_http_held",
	"Connections of waiting requests that take no memory of libmicrohttpd");

struct held_answer {
	struct held_answer *next; /* of the loop's, which the socket has not taken yet */
	struct held_answer *prev;
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
	conns_hold(request->conn, fd);
	request->connection = NULL;
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

/* --- answering ---------------------------------------------------------------------------------------- */

static enum MHD_Result add_line(void *data, enum MHD_ValueKind kind, const char *name,
	const char *value)
{
	(void)kind;
	struct buf *head = data;
	buf_add(head, str_of(name));
	buf_add_lit(head, ": ");
	buf_add(head, str_of(value));
	buf_add_lit(head, "\r\n");
	return MHD_YES;
}

static void add_date(struct buf *head)
{
	time_t now = time(NULL);
	struct tm parts;
	char text[64];
	if (gmtime_r(&now, &parts) != NULL &&
		strftime(text, sizeof(text), "%a, %d %b %Y %H:%M:%S GMT", &parts) > 0) {
		(void)add_line(head, MHD_HEADER_KIND, MHD_HTTP_HEADER_DATE, text);
	}
}

static void write_head(struct buf *head, const struct answer *answer)
{
	buf_init(head, HEAD_CEILING);
	buf_reserve(head, HEAD_BYTES);
	buf_printf(head, "HTTP/1.1 %d %s\r\n", answer->status,
		MHD_get_reason_phrase_for((unsigned)answer->status));
	add_date(head);
	(void)MHD_get_response_headers(answer->response, add_line, head);
	buf_printf(head, "Content-Length: %zu\r\n\r\n", answer->body_bytes);
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
			{answer->body_bytes > 0 ? answer->body + of_body : NULL, answer->body_bytes - of_body}};
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

/* The request is over. Its connection goes on in libmicrohttpd, or ends. */
static void finish(struct held_answer *held, bool may_go_on)
{
	struct request *request = held->request;
	struct conn *conn = request->conn;
	struct io_loop *loop = request->loop;
	bool goes_on = may_go_on && !server_is_stopping(request->server) &&
		MHD_get_response_header(request->answer.response, MHD_HTTP_HEADER_CONNECTION) == NULL;
	metric_add(&held_gauge, -1);
	buf_fini(&held->head);
	request_complete(request);
	if (goes_on) {
		io_loop_give_back(loop, conn);
		return;
	}
	int fd = conn->fd;
	conns_close(conn);
	if (fd >= 0) {
		(void)close(fd);
	}
}

/* Waits for the socket. The answer lies on the heap from here on. @return false when it cannot */
static bool keep_rest(const struct held_answer *begun)
{
	struct io_loop *loop = begun->request->loop;
	struct held_answer **first = io_loop_unsent(loop);
	struct held_answer *held = mem_alloc(sizeof(*held));
	if (!io_loop_watch(loop, begun->request->conn->fd, held)) {
		mem_free(held);
		return false;
	}
	*held = *begun;
	held->next = *first;
	if (held->next != NULL) {
		held->next->prev = held;
	}
	*first = held;
	return true;
}

static void drop_rest(struct held_answer *held, bool may_go_on)
{
	struct io_loop *loop = held->request->loop;
	io_loop_unwatch(loop, held->request->conn->fd);
	if (held->prev != NULL) {
		held->prev->next = held->next;
	} else {
		*io_loop_unsent(loop) = held->next;
	}
	if (held->next != NULL) {
		held->next->prev = held->prev;
	}
	finish(held, may_go_on);
	mem_free(held);
}

static bool is_sent(const struct held_answer *held)
{
	return held->sent == held->head.n + held->request->answer.body_bytes;
}

static void begin_answer(struct request *request)
{
	struct held_answer held = {.request = request};
	invariant(request->answer.body != NULL || request->answer.body_bytes == 0); /* no file */
	request_begin_sending(request);
	write_head(&held.head, &request->answer);
	bool is_well = send_some(&held);
	if (!is_well || is_sent(&held) || !keep_rest(&held)) {
		finish(&held, is_well && is_sent(&held));
	}
}

void held_resume(struct request *request)
{
	if (request->answer.response != NULL || dispatch_again(request)) {
		begin_answer(request);
	}
}

void held_go_on(struct held_answer *held)
{
	bool is_well = send_some(held);
	if (!is_well || is_sent(held)) {
		drop_rest(held, is_well);
	}
}

void held_abandon_all(struct io_loop *loop)
{
	while (*io_loop_unsent(loop) != NULL) {
		drop_rest(*io_loop_unsent(loop), false);
	}
}
