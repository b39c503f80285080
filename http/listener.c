/*
 * The callbacks of libmicrohttpd. For each request it calls, always on the connection's I/O thread:
 * on_target (the request line is there), on_data (head complete; then once for each piece of the body;
 * then once more when all is there; and again after each resume), on_completed.
 */
#include "http/listener.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "http/address.h"
#include "http/dispatch.h"
#include "http/held.h"
#include "http/io_loop.h"
#include "http/tls.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"

enum {
	BACKLOG = 1024,
	ACCEPTED_AT_ONCE = 32, /* then connections that are open have their turn */
	FULL_TOLD_EACH_MS = 60 * 1000,
	/* What is read and thrown away of a body that is too large, so that the client gets to read the
	 * answer instead of a reset connection. */
	MAX_DISCARDED_BYTES = 4 * 1024 * 1024,
	LOG_TEXT_BYTES = 512,
};

struct listener {
	struct listener_deps deps;
	uint16_t port;
	struct io_loop **loops; /* deps.io_threads of them */
	_Atomic size_t *open;   /* its connections */
};

/* --- connections -------------------------------------------------------------------------------------- */

/* libmicrohttpd does not tell the end of a request whose target it has shown us and whose head it then finds too large for its memory. */
static void drop_unfinished(struct conn *conn)
{
	if (conn->request != NULL) {
		request_end_chunks(conn->request);
		request_unref(conn->request);
		conn->request = NULL;
	}
}

static bool has_room(const struct listener *listener)
{
	const struct http_server *server = listener->deps.server;
	bool is_watched =
		listener->deps.listen.kind == HTTP_LISTEN_METRICS; /* the more when all is full */
	return atomic_load(listener->open) < listener->deps.max_connections &&
		(is_watched || conns_count(server->conns) < server->max_connections);
}

/* The limits are kept here: libmicrohttpd does not count connections that are held. */
static bool may_accept(const struct listener *listener, const struct sockaddr *peer)
{
	struct http_server *server = listener->deps.server;
	return !server_is_stopping(server) && has_room(listener) &&
		conns_may_accept(server->conns, peer);
}

/* libmicrohttpd gets it when something comes that it has to read; with TLS at once. */
static void begin_conn(struct io_loop *loop, const struct sockaddr *peer, int fd)
{
	const struct listener *listener = io_loop_owner(loop);
	struct http_server *server = io_loop_server(loop);
	if (!may_accept(listener, peer)) {
		(void)close(fd);
		return;
	}
	struct conn *conn = conns_open(server->conns, peer, fd, loop, server_head_deadline(server));
	conn->tls = listener->deps.tls;
	conn->open = listener->open;
	atomic_fetch_add(conn->open, 1);
	if (conn->tls != NULL) {
		io_loop_give_back(loop, conn);
	} else {
		held_begin(loop, conn);
	}
}

/* Each thread tries ten times a second: the log hears of it once a minute. */
static void tell_full(struct http_server *server, int error)
{
	int64_t told_ms = atomic_load(&server->full_told_ms);
	int64_t now = clock_os_ms();
	char text[LOG_TEXT_BYTES];
	if ((told_ms != 0 && now - told_ms < FULL_TOLD_EACH_MS) ||
		!atomic_compare_exchange_strong(&server->full_told_ms, &told_ms, now)) {
		return;
	}
	log_error(0, "http.accept.waits", "connections=%zu cause=\"%s\" hint=\"%s\"",
		conns_count(server->conns), strerror_r(error, text, sizeof(text)),
		error == EMFILE       ? "raise LimitNOFILE= of the service, or lower http.max_connections"
			: error == ENFILE ? "raise fs.file-max of the machine"
							  : "the machine is short of memory");
}

enum comers listener_accept(struct io_loop *loop, int listen_fd)
{
	for (int i = 0; i < ACCEPTED_AT_ONCE; i++) {
		struct sockaddr_storage peer;
		socklen_t length = sizeof(peer);
		int fd =
			accept4(listen_fd, (struct sockaddr *)&peer, &length, SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (fd >= 0) {
			begin_conn(loop, (const struct sockaddr *)&peer, fd);
		} else if (errno == EAGAIN) {
			return COMERS_NONE;
		} else if (errno != ECONNABORTED && errno != EINTR) {
			tell_full(io_loop_server(loop), errno);
			return COMERS_LATER; /* no file descriptor left, or no memory of the kernel's */
		}
	}
	return COMERS_MORE;
}

/* Whom it takes was let in before, by listener_accept(). */
static void on_connection(void *data, struct MHD_Connection *connection, void **context,
	enum MHD_ConnectionNotificationCode code)
{
	(void)connection;
	struct io_loop *loop = data;
	struct conn *conn = *context;
	switch (code) {
	case MHD_CONNECTION_NOTIFY_STARTED:
		*context = io_loop_returning(loop);
		break;
	case MHD_CONNECTION_NOTIFY_CLOSED:
		*context = NULL;
		/* One that could not be taken is the giver's, who hears of it too. */
		if (!conn->is_held && conn != io_loop_returning(loop)) {
			drop_unfinished(conn);
			conns_close(conn);
		}
		break;
	}
}

/* --- requests ----------------------------------------------------------------------------------------- */

/*
 * libmicrohttpd makes an entry in its memory of each parameter of the query, which nobody reads; where there is no room for one it neither
 * answers nor closes. So it is shown a single one. What it passes is its own buffer, which it cuts up itself afterwards.
 */
static void join_parameters(const char *target)
{
	for (char *at = (void *)(uintptr_t)target; *at != '\0'; at++) {
		*at = *at == '&' ? '_' : *at;
	}
}

static void *on_target(void *data, const char *target, struct MHD_Connection *connection)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
	struct conn *conn = info->socket_context;
	drop_unfinished(conn);
	conn->request = request_create(data, connection, conn, str_of(target));
	join_parameters(target);
	return conn->request;
}

/* Queues the answer that the request has. */
static enum MHD_Result send_answer(struct request *request)
{
	request_begin_sending(request);
	return answer_queue(&request->answer, request->connection);
}

/*
 * Time for a body: some, and for one that goes to a file also what it takes at the slowest rate that is worth waiting
 * for, but never so long without a byte. libmicrohttpd does not tell when a client goes away in the middle.
 */
static void set_body_deadline(struct request *request, size_t received_bytes)
{
	const struct http_config *config = &request->server->config;
	int64_t size_ms = (int64_t)(received_bytes / config->send_bytes_per_s) * 1000;
	int64_t begun_ms = MIN_OF(request->body_begun_ms + size_ms, clock_os_ms());
	conn_set_deadline(request->conn, begun_ms + config->body_timeout_ms);
}

/* Answers before the body is read; libmicrohttpd closes the connection afterwards. */
static enum MHD_Result send_early(struct request *request)
{
	request->close_after = true;
	request->started_us = clock_mono_us();
	dispatch_refuse(request, &request->refusal);
	return send_answer(request);
}

/* The caller may send its body, or has its answer; that comes at once when the body is not worth reading. */
static enum MHD_Result begin_stream(struct request *request)
{
	request->phase = REQUEST_BODY;
	request->body_begun_ms = clock_os_ms();
	set_body_deadline(request, 0);
	if (request->answer.status == 0) {
		request_open_body(request);
		return MHD_YES;
	}
	bool waits = request_header(request, STR("expect")).p != NULL;
	bool is_large = request->content_length > MAX_DISCARDED_BYTES;
	return waits || is_large ? send_answer(request) : MHD_YES;
}

static enum MHD_Result begin_body(const struct listener *listener, struct request *request,
	const char *method, const char *version)
{
	request_read_head(request, method, version);
	request_route(request, listener->deps.router);
	request->phase = REQUEST_BODY;
	request->body_begun_ms = clock_os_ms();
	set_body_deadline(request, 0);
	if (request->is_chunked) {
		request->is_in_chunks = true;
		io_loop_chunks_begin(request->loop);
	}
	if (request->close_after) {
		return send_early(request);
	}
	if (request->content_length > request->body_ceiling) {
		if (request->refusal.status == 0) {
			request->refusal = (struct refusal){.status = 413,
				.errcode = "M_TOO_LARGE",
				.text = "The request's body is too large"};
		}
		bool waits = request_header(request, STR("expect")).p != NULL;
		if (waits || request->content_length - request->body_ceiling > MAX_DISCARDED_BYTES) {
			return send_early(request);
		}
	}
	if (request_is_streamed(request) && request->refusal.status == 0) {
		request->phase = REQUEST_ADMISSION;
		conn_set_deadline(request->conn, 0);
		return dispatch_admit(request) ? begin_stream(request) : MHD_YES;
	}
	return MHD_YES;
}

static enum MHD_Result read_body(struct request *request, const char *bytes, size_t *size)
{
	request_add_body(request, str_from(bytes, *size));
	*size = 0;
	size_t ceiling = request_is_streamed(request) ? 0 : request->body_ceiling;
	if (request->streamed != NULL) {
		set_body_deadline(request, (size_t)body_size(request->streamed));
	}
	bool too_much = request->discarded_bytes > ceiling + MAX_DISCARDED_BYTES;
	return too_much ? MHD_NO : MHD_YES;
}

/* Whether libmicrohttpd keeps the connection of a request that is not answered yet. */
static enum MHD_Result go_on(const struct request *request)
{
	return request->conn->is_held ? MHD_NO : MHD_YES;
}

static enum MHD_Result begin_request(struct request *request, const char *version)
{
	held_note(request, version);
	request_end_chunks(request);
	if (request->answer.status != 0) {
		return send_answer(request); /* it was refused before its body */
	}
	request_end_body(request);
	return dispatch_begin(request) ? send_answer(request) : go_on(request);
}

/* Suspended before, and called again. */
static enum MHD_Result resume_request(struct request *request)
{
	request->is_let_out = false;
	if (!request->is_ready) {
		dispatch_leave(request);
		return go_on(request);
	}
	if (request->answer.status == 0 && request->run_inline) {
		return dispatch_again(request) ? send_answer(request) : go_on(request);
	}
	invariant(request->answer.status != 0);
	return send_answer(request);
}

static enum MHD_Result on_data(void *data, struct MHD_Connection *connection, const char *path,
	const char *method, const char *version, const char *bytes, size_t *size, void **context)
{
	(void)connection;
	(void)path;
	const struct listener *listener = io_loop_owner(data);
	struct request *request = *context;
	io_loop_note(data);
	switch (request->phase) {
	case REQUEST_HEAD:
		return begin_body(listener, request, method, version);
	case REQUEST_ADMISSION:
		return begin_stream(request);
	case REQUEST_BODY:
		return *size > 0 ? read_body(request, bytes, size) : begin_request(request, version);
	case REQUEST_RUNNING:
		return resume_request(request);
	case REQUEST_ANSWERED:
		return MHD_YES;
	}
	return MHD_NO;
}

static void on_completed(void *data, struct MHD_Connection *connection, void **context,
	enum MHD_RequestTerminationCode reason)
{
	(void)data;
	(void)connection;
	(void)reason;
	struct request *request = *context;
	if (request == NULL) {
		return;
	}
	*context = NULL;
	if (request->is_let_out && !request->is_ready) {
		held_keep(
			request); /* its client has hung up: libmicrohttpd reads before it shows a request that was let out */
	} else if (!request->conn->is_held) {
		request_complete(request);
	}
}

/* Paths and queries are decoded by uri.c. */
static size_t leave_escaped(void *data, struct MHD_Connection *connection, char *text)
{
	(void)data;
	(void)connection;
	return strlen(text);
}

PRINTF_LIKE(2, 0)
static void on_library_log(void *data, const char *format, va_list args)
{
	(void)data;
	if (!log_is_on(LOG_DEBUG)) {
		return;
	}
	char text[LOG_TEXT_BYTES];
	int n = vsnprintf(text, sizeof(text), format, args);
	if (n > 0) {
		log_debug(0, "http.library", "text=\"%s\"", text);
	}
}

/* --- start and stop ----------------------------------------------------------------------------------- */

static const char *what_to_do(int error_number)
{
	switch (error_number) {
	case EADDRINUSE:
		return "; another program has this port: stop that one, or give this server another (listen.client, "
			   "listen.federation, listen.metrics)";
	case EADDRNOTAVAIL:
		return "; this machine has no such address: give one of its own, or * for all";
	case EACCES:
		return "; ports below 1024 are root's: give a higher one, and let a reverse proxy lead to it";
	default:
		return "";
	}
}

static enum err open_socket(struct ctx *ctx, const char *address, int *out)
{
	struct sockaddr_storage where;
	socklen_t length = 0;
	if (!address_parse_listen(str_of(address), &where, &length)) {
		return fail(ctx, ERR_INPUT, NULL, "'%s' is no address to listen on", address);
	}
	int fd = socket(where.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_TCP);
	if (fd < 0) {
		return fail(ctx, ERR_INPUT, NULL, "cannot listen on %s: %s", address,
			file_error_text(ctx->arena, errno));
	}
	int on = 1;
	/* A plain IPv6 address takes IPv6 only; "*" takes both. */
	int v6_only = address[0] == '[' ? 1 : 0;
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (where.ss_family == AF_INET6) {
		(void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &v6_only, sizeof(v6_only));
	}
	/* Inherited by accepted sockets. */
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (bind(fd, (const struct sockaddr *)&where, length) != 0 || listen(fd, BACKLOG) != 0) {
		int reason = errno;
		(void)close(fd);
		return fail(ctx, reason == EADDRINUSE ? ERR_CONFLICT : ERR_INPUT, NULL,
			"cannot listen on %s: %s%s", address, file_error_text(ctx->arena, reason),
			what_to_do(reason));
	}
	*out = fd;
	return ERR_OK;
}

static uint16_t socket_port(int fd)
{
	struct sockaddr_storage where = {0};
	socklen_t length = sizeof(where);
	int failed = getsockname(fd, (struct sockaddr *)&where, &length);
	invariant(failed == 0);
	if (where.ss_family == AF_INET6) {
		struct sockaddr_in6 ipv6;
		memcpy(&ipv6, &where, sizeof(ipv6));
		return ntohs(ipv6.sin6_port);
	}
	struct sockaddr_in ipv4;
	memcpy(&ipv4, &where, sizeof(ipv4));
	return ntohs(ipv4.sin_port);
}

/* libmicrohttpd gives GnuTLS's session its connection; when that began, it got its `struct conn`. */
static int show_certificate(gnutls_session_t session, const struct gnutls_cert_retr_st *info,
	gnutls_pcert_st **certificates, unsigned *count, gnutls_ocsp_data_st **ocsp,
	unsigned *ocsp_count, gnutls_privkey_t *key, unsigned *flags)
{
	(void)info;
	(void)ocsp;
	(void)flags; /* what is shown stays ours */
	*ocsp_count = 0;
	struct MHD_Connection *connection = gnutls_session_get_ptr(session);
	const union MHD_ConnectionInfo *context =
		MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
	const struct conn *conn = context->socket_context;
	return tls_show(conn->tls, certificates, count, key);
}

static struct MHD_Daemon *start_daemon(const struct listener_deps *deps, struct io_loop *loop)
{
	const struct http_config *config = &deps->server->config;
	bool tls = deps->listen.kind == HTTP_LISTEN_TLS;
	struct MHD_OptionItem tls_options[] = {
		{MHD_OPTION_HTTPS_CERT_CALLBACK2, 0, (void *)(uintptr_t)show_certificate},
		{MHD_OPTION_HTTPS_PRIORITIES, 0,
			(void *)(uintptr_t) "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2"},
		{MHD_OPTION_END, 0, NULL}};
	struct MHD_OptionItem no_options[] = {{MHD_OPTION_END, 0, NULL}};
	unsigned flags = (unsigned)MHD_USE_EPOLL | (unsigned)MHD_ALLOW_SUSPEND_RESUME |
		(unsigned)MHD_USE_ERROR_LOG | (unsigned)MHD_USE_NO_LISTEN_SOCKET |
		/* Without TLS: sockets that are held are not shut down when libmicrohttpd closes its own. */
		(tls ? (unsigned)MHD_USE_TLS : (unsigned)MHD_USE_TURBO);
	/* clang-format off */
	return MHD_start_daemon(flags, 0, NULL, NULL, on_data, loop,
		MHD_OPTION_EXTERNAL_LOGGER, on_library_log, NULL,
		MHD_OPTION_URI_LOG_CALLBACK, on_target, loop,
		MHD_OPTION_UNESCAPE_CALLBACK, leave_escaped, NULL,
		MHD_OPTION_NOTIFY_COMPLETED, on_completed, loop,
		MHD_OPTION_NOTIFY_CONNECTION, on_connection, loop,
		MHD_OPTION_CONNECTION_LIMIT, (unsigned)deps->max_connections,
		MHD_OPTION_CONNECTION_MEMORY_LIMIT, config->header_ceiling_bytes,
		MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)((config->idle_timeout_ms + 999) / 1000),
		MHD_OPTION_SIGPIPE_HANDLED_BY_APP, 1, /* thread_start() blocks all signals */
		MHD_OPTION_ARRAY, tls ? tls_options : no_options,
		MHD_OPTION_END);
	/* clang-format on */
}

/* A daemon and its thread. `fd` is duplicated: each closes its own. */
static enum err start_loop(struct ctx *ctx, struct listener *listener, int fd, struct io_loop **out)
{
	const struct listener_deps *deps = &listener->deps;
	int own_fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (own_fd < 0) {
		return fail(ctx, ERR_INPUT, NULL, "cannot listen on %s: %s", deps->listen.address,
			file_error_text(ctx->arena, errno));
	}
	struct io_loop *loop = io_loop_create(deps->server, listener);
	struct MHD_Daemon *daemon = start_daemon(deps, loop);
	if (daemon == NULL) {
		(void)close(own_fd);
		io_loop_stop(loop);
		bool tls = deps->listen.kind == HTTP_LISTEN_TLS;
		return fail(ctx, ERR_INPUT, NULL, "cannot serve on %s%s", deps->listen.address,
			tls ? ": this libmicrohttpd has no TLS" : "");
	}
	io_loop_start(loop, daemon, own_fd);
	*out = loop;
	return ERR_OK;
}

enum err listener_start(struct ctx *ctx, const struct listener_deps *deps, struct listener **out)
{
	int fd = -1;
	TRY(open_socket(ctx, deps->listen.address, &fd));
	struct listener *listener = mem_alloc(sizeof(*listener));
	listener->deps = *deps;
	listener->port = socket_port(fd);
	listener->open = mem_alloc(sizeof(*listener->open));
	listener->loops = mem_alloc_array(deps->io_threads, sizeof(*listener->loops));
	*out = listener; /* listener_stop() takes down what was started */
	enum err err = ERR_OK;
	for (size_t i = 0; i < deps->io_threads && err == ERR_OK; i++) {
		err = start_loop(ctx, listener, fd, &listener->loops[i]);
	}
	(void)close(fd);
	return err;
}

void listener_close(struct listener *listener)
{
	for (size_t i = 0; listener != NULL && i < listener->deps.io_threads; i++) {
		if (listener->loops[i] != NULL) {
			io_loop_poke(listener->loops[i]);
		}
	}
}

uint16_t listener_port(const struct listener *listener)
{
	return listener->port;
}

const struct router *listener_router(const struct listener *listener)
{
	return listener->deps.router;
}

void listener_stop(struct listener *listener)
{
	if (listener == NULL) {
		return;
	}
	for (size_t i = 0; i < listener->deps.io_threads; i++) {
		io_loop_stop(listener->loops[i]);
	}
	mem_free(listener->open);
	mem_free(listener->loops);
	mem_free(listener);
}
