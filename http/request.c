/*
 * Copies are made in two blocks: the target when the request line is there (libmicrohttpd cuts it up
 * in place afterwards), method and headers when the head is complete. The second one is the next request's, too, where that comes with
 * the same headers.
 */
#include "http/request.h"

#include "base/clock.h"
#include "base/mem.h"
#include "http/at_once.h"
#include "http/call_state.h"
#include "http/io_loop.h"

#include <string.h>

struct request *request_create(struct io_loop *loop, struct MHD_Connection *connection,
	struct conn *conn, struct str target)
{
	struct http_server *server = io_loop_server(loop);
	struct str path;
	struct str query;
	uri_split_target(target, &path, &query);
	char *block = mem_alloc(sizeof(struct request) + target.n + path.n + 2);
	struct request *request = (struct request *)(void *)block;
	char *text = block + sizeof(struct request);
	memcpy(text, target.p, target.n);
	request->target = str_from(text, target.n);
	request->path_scratch = text + target.n + 1;
	refc_init(&request->refs);
	request->server = server;
	request->loop = loop;
	request->connection = connection;
	request->conn = conn;
	request->fd = conn->fd;
	request->id = atomic_fetch_add(&server->last_request_id, 1) + 1;
	atomic_init(&request->is_answered, false);
	atomic_init(&request->is_leaving, false);
	uri_split_target(request->target, &request->path, &request->query);
	return request;
}

void request_drop_principal(struct request *request)
{
	if (request->principal_release != NULL) {
		request->principal_release(request->principal);
	}
	request->principal = NULL;
	request->principal_release = NULL;
	request->is_principal_of_headers = false;
}

static void drop_last_principal(struct request_head *head)
{
	if (head->principal_release != NULL) {
		head->principal_release(head->principal);
	}
	head->principal = NULL;
	head->principal_release = NULL;
}

static void drop_last_kept(struct request_head *head)
{
	if (head->kept_destroy != NULL) {
		head->kept_destroy(head->kept);
	}
	head->kept = NULL;
	head->kept_destroy = NULL;
}

void request_head_destroy(struct request_head *head)
{
	if (head != NULL) {
		drop_last_principal(head);
		drop_last_kept(head);
		mem_free(head);
	}
}

static void request_destroy(struct request *request)
{
	if (request->call != NULL) {
		call_end(request->call);
	}
	if (request->handed_over != NULL) {
		call_end(request->handed_over);
	}
	request_drop_principal(request);
	if (request->kept_destroy != NULL) {
		request->kept_destroy(request->kept);
	}
	answer_fini(&request->answer);
	budget_release(request->server->bodies, &request->body_claim);
	budget_release(request->server->answers, &request->answer_claim);
	if (request->group != NULL) {
		at_once_leave(request->server->at_once, request->group);
	} else if (request->turn_tag != 0) {
		at_once_pass(request->server->at_once, request->turn_tag);
	}
	buf_fini(&request->body);
	body_destroy(request->streamed);
	request_head_destroy(request->head);
	mem_free(request);
}

void request_ref(struct request *request)
{
	refc_take(&request->refs);
}

void request_unref(struct request *request)
{
	if (refc_drop(&request->refs)) {
		request_destroy(request);
	}
}

/* Two passes over libmicrohttpd's headers: count, then copy. */
struct head_copy {
	struct MHD_Connection *connection;
	struct request_head *head;
	size_t bytes;
	size_t count;
	char *at;
	const char *end; /* libmicrohttpd's, of the last value */
	bool is_folded;
};

static enum MHD_Result count_header(void *data, enum MHD_ValueKind kind, const char *name,
	size_t name_n, const char *value, size_t value_n)
{
	(void)kind;
	(void)name;
	(void)value;
	struct head_copy *copy = data;
	copy->count++;
	copy->bytes += name_n + value_n;
	return MHD_YES;
}

static struct str copy_text(struct head_copy *copy, const char *p, size_t n)
{
	char *at = copy->at;
	if (n > 0) {
		memcpy(at, p, n);
	}
	copy->at += n;
	return str_from(at, n);
}

/*
 * RFC 9112, 5.2. Of a line that goes on in the next one libmicrohttpd moves the name behind all that it has read, where it adds to it. Then it may also lose a
 * line of what was sent behind the request.
 */
static bool is_folded(const char *name, const char *value)
{
	return (uintptr_t)name > (uintptr_t)value;
}

static enum MHD_Result copy_header(void *data, enum MHD_ValueKind kind, const char *name,
	size_t name_n, const char *value, size_t value_n)
{
	(void)kind;
	struct head_copy *copy = data;
	struct header *header = &copy->head->headers[copy->count++];
	header->name = copy_text(copy, name, name_n);
	header->value = copy_text(copy, value, value_n);
	copy->end = value + value_n;
	copy->is_folded = copy->is_folded || is_folded(name, value);
	return MHD_YES;
}

static bool begins_like(struct str name, struct str other)
{
	return name.n > other.n && str_equals_nocase(str_slice(name, 0, other.n), other);
}

/*
 * RFC 9110, 5.1 and 5.5. libmicrohttpd takes whatever stands before the colon for the name (another reader "Content-Length : 5" for a
 * length), and adds to the name what follows on a folded line.
 */
static bool is_well_formed(const struct header *header)
{
	for (size_t i = 0; i < header->name.n; i++) {
		if (header->name.p[i] <= ' ' || header->name.p[i] > '~' ||
			strchr("\"(),/:;<=>?@[\\]{}", header->name.p[i]) != NULL) {
			return false;
		}
	}
	for (size_t i = 0; i < header->value.n; i++) {
		unsigned char c = (unsigned char)header->value.p[i];
		if ((c < ' ' && c != '\t') || c == 0x7F) {
			return false;
		}
	}
	return header->name.n > 0 && !begins_like(header->name, STR("content-length")) &&
		!begins_like(header->name, STR("transfer-encoding"));
}

/*
 * Where a message ends must be beyond doubt: what a proxy in front of us reads as one request we must
 * not read as two.
 */
static void check_framing(struct request *request, bool is_wrong)
{
	size_t lengths = 0;
	size_t encodings = 0;
	for (size_t i = 0; i < request->header_count; i++) {
		const struct header *header = &request->headers[i];
		is_wrong = is_wrong || !is_well_formed(header);
		if (str_equals_nocase(header->name, STR("content-length"))) {
			int64_t length = 0;
			lengths++;
			is_wrong = is_wrong || !str_to_int(header->value, 0, INT64_MAX, &length);
			request->content_length = (uint64_t)length;
		} else if (str_equals_nocase(header->name, STR("transfer-encoding"))) {
			encodings++;
			request->is_chunked = true;
			is_wrong = is_wrong || !str_equals_nocase(header->value, STR("chunked"));
		} else if (str_equals_nocase(header->name, STR("connection"))) {
			request->is_last =
				request->is_last || !str_equals_nocase(header->value, STR("keep-alive"));
		}
	}
	if (is_wrong || lengths + encodings > 1) {
		request->refusal = (struct refusal){.status = 400,
			.errcode = "M_UNKNOWN",
			.text = "A header is not well-formed, or the length of the request's body not clear"};
		request->close_after = true;
	}
}

/* Several headers are one list; the nearest proxy wrote the last of them. */
static void find_address(const struct request *request, struct request_head *head)
{
	const struct http_server *server = request->server;
	struct address client = request->conn->peer;
	for (size_t i = head->header_count; request->conn->is_trusted_proxy && i > 0; i--) {
		const struct header *header = &head->headers[i - 1];
		if (str_equals_nocase(header->name, STR("x-forwarded-for"))) {
			client = address_behind_proxies(&client, header->value, server->trusted,
				server->config.trusted_proxy_count);
		}
	}
	head->is_of_proxy = request->conn->is_trusted_proxy &&
		address_in_ranges(&client, server->trusted, server->config.trusted_proxy_count);
	head->address_n = address_write(&client, head->address_text);
	struct address network = address_network(&client);
	head->network_n = address_write(&network, head->network_text);
}

static void use_head(struct request *request, struct request_head *head)
{
	request->head = head;
	request->method = head->method;
	request->headers = head->headers;
	request->header_count = head->header_count;
	request->address = str_from(head->address_text, head->address_n);
	request->network = str_from(head->network_text, head->network_n);
	request->body_ceiling = request->server->config.body_ceiling_bytes;
}

static void use_new_head(struct request *request, struct request_head *head, bool is_wrong)
{
	find_address(request, head);
	use_head(request, head);
	check_framing(request, is_wrong);
}

/* RFC 9112, 3.2: one, which may be missing before HTTP/1.1. Two may lead a proxy and us to different places. */
static bool has_its_host(const struct request_head *head, struct str version)
{
	size_t count = 0;
	for (size_t i = 0; i < head->header_count; i++) {
		count += str_equals_nocase(head->headers[i].name, STR("host"));
	}
	return count == 1 || (count == 0 && str_equals(version, STR("HTTP/1.0")));
}

/*
 * Whether an empty line ended the head. For libmicrohttpd ": b" does too, and what follows is a body or another request. It has put zeros
 * where the last header and the empty line ended, and tells how long the head was, from the method on.
 */
static bool ends_in_empty_line(const struct head_copy *copy, const char *method)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(copy->connection, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
	const size_t two_ends = STR("\r\n\r\n").n;
	return copy->end == NULL ||
		(info != NULL && copy->end + two_ends == method + info->header_size);
}

/* With room for so many headers, and for so many bytes of text. */
static struct request_head *make_head(size_t header_count, size_t text_bytes, char **out_text)
{
	const size_t table_bytes = header_count * sizeof(struct header);
	struct request_head *head = mem_realloc(NULL, sizeof(*head) + table_bytes + text_bytes + 1);
	*head = (struct request_head){.header_count = header_count};
	head->headers = (struct header *)(void *)(head + 1);
	*out_text = (char *)(head + 1) + table_bytes;
	return head;
}

void request_read_head(struct request *request, const char *method, const char *version)
{
	struct head_copy copy = {.connection = request->connection};
	const struct str name = str_of(method);
	(void)MHD_get_connection_values_n(copy.connection, MHD_HEADER_KIND, count_header, &copy);
	copy.head = make_head(copy.count, copy.bytes + name.n, &copy.at);
	copy.head->method = copy_text(&copy, name.p, name.n);
	copy.count = 0;
	(void)MHD_get_connection_values_n(copy.connection, MHD_HEADER_KIND, copy_header, &copy);
	use_new_head(request, copy.head,
		copy.is_folded || !has_its_host(copy.head, str_of(version)) ||
			!ends_in_empty_line(&copy, method));
}

/* The same place in a copy. */
static struct str moved(struct str text, const char *from, const char *to)
{
	return str_from(to + (text.p - from), text.n);
}

void request_take_head(struct request *request, const struct head *read)
{
	char *text = NULL;
	struct request_head *head =
		make_head(read->header_count, read->rest.n + request->path.n, &text);
	memcpy(text, read->rest.p, read->rest.n);
	memcpy(text + read->rest.n, request->path.p, request->path.n);
	head->is_kept = str_equals(read->method, STR("GET"));
	head->rest = str_from(text, read->rest.n);
	head->path = str_from(text + read->rest.n, request->path.n);
	head->method = read->method;
	for (size_t i = 0; i < read->header_count; i++) {
		head->headers[i].name = moved(read->headers[i].name, read->rest.p, text);
		head->headers[i].value = moved(read->headers[i].value, read->rest.p, text);
	}
	use_new_head(request, head, false);
}

void request_take_last_head(struct request *request, struct request_head *last)
{
	use_head(request, last);
	if (last->entry != NULL && str_equals(last->path, request->path)) {
		request->match.entry = last->entry;
	}
}

static void leave_principal(struct request *request, struct request_head *head)
{
	drop_last_principal(head);
	head->principal = request->principal;
	head->principal_release = request->principal_release;
	request->principal = NULL;
	request->principal_release = NULL;
}

static void leave_kept(struct request *request, struct request_head *head)
{
	drop_last_kept(head);
	head->kept = request->kept;
	head->kept_destroy = request->kept_destroy;
	request->kept = NULL;
	request->kept_destroy = NULL;
}

/* Who asks is left to the next one, too, and what the handler made of it. */
struct request_head *request_leave_head(struct request *request)
{
	struct request_head *head = request->head;
	if (head == NULL || !head->is_kept || !refc_is_only(&request->refs)) {
		return NULL;
	}
	request->head = NULL;
	request->headers = NULL;
	request->header_count = 0;
	const struct router_entry *entry = request->match.entry;
	if (entry != NULL && entry->param_count == 0 && str_equals(head->path, request->path)) {
		head->entry = entry;
	}
	if (request->is_principal_of_headers) {
		leave_principal(request, head);
	}
	if (request->is_kept_on && entry == head->entry) {
		leave_kept(request, head);
	}
	return head;
}

static void refuse(struct request *request, int status, const char *errcode, const char *text)
{
	if (request->refusal.status == 0) {
		request->refusal = (struct refusal){.status = status, .errcode = errcode, .text = text};
	}
}

void request_route(struct request *request, const struct router *router)
{
	struct uri_path path;
	if (str_equals(request->method, STR("OPTIONS")) || request->match.entry != NULL) {
		return;
	}
	if (!uri_parse_path(request->path, request->path_scratch, &path)) {
		refuse(request, 400, "M_INVALID_PARAM", "The path is not valid percent-encoded UTF-8");
		return;
	}
	switch (router_match(router, request->method, &path, &request->match)) {
	case ROUTER_FOUND:
		break;
	case ROUTER_NO_PATH:
		refuse(request, 404, "M_UNRECOGNIZED", "Unrecognized request");
		return;
	case ROUTER_NO_METHOD:
		refuse(request, 405, "M_UNRECOGNIZED", "This path does not take this method");
		return;
	}
	size_t ceiling = request->match.entry->route->body_ceiling_bytes;
	if (ceiling == BODY_STREAMED) {
		request->body_ceiling = request->server->config.stream_ceiling_bytes;
	} else if (ceiling > 0) {
		request->body_ceiling = ceiling;
	}
}

/* Nobody knows yet who asks, so it is the address's; what comes from a proxy itself may be anybody's. */
static bool may_hold_body(struct request *request)
{
	struct str caller = request->head->is_of_proxy ? STR("") : request->network;
	return budget_hold(request->server->bodies, &request->body_claim, caller,
		request->body.capacity);
}

static void drop_body(struct request *request)
{
	buf_fini(&request->body);
	budget_release(request->server->bodies, &request->body_claim);
}

bool request_is_streamed(const struct request *request)
{
	const struct router_entry *entry = request->match.entry;
	return entry != NULL && entry->route->body_ceiling_bytes == BODY_STREAMED;
}

bool request_may_get_file(const struct request *request)
{
	const struct router_entry *entry = request->match.entry;
	return entry != NULL && entry->route->lane != LANE_INLINE &&
		(str_equals(request->method, STR("GET")) || str_equals(request->method, STR("HEAD")));
}

static void refuse_unwritable(struct request *request)
{
	refuse(request, 503, "M_UNKNOWN", "The server cannot reach its storage; try again soon");
	body_destroy(request->streamed);
	request->streamed = NULL;
}

void request_open_body(struct request *request)
{
	const struct http_server *server = request->server;
	request->streamed = body_create(server->body_writer, server->config.stream_folder, request->id);
	if (request->streamed == NULL) {
		refuse_unwritable(request);
	}
}

void request_end_chunks(struct request *request)
{
	if (request->is_in_chunks) {
		request->is_in_chunks = false;
		io_loop_chunks_end(request->loop);
	}
}

void request_end_body(struct request *request)
{
	if (request->streamed != NULL && !body_end(request->streamed)) {
		refuse_unwritable(request);
	}
}

static void stream_body(struct request *request, struct str bytes)
{
	if ((uint64_t)body_size(request->streamed) + bytes.n > request->body_ceiling) {
		refuse(request, 413, "M_TOO_LARGE", "The file is too large");
		body_destroy(request->streamed);
		request->streamed = NULL;
	} else if (!body_add(request->streamed, bytes)) {
		refuse_unwritable(request);
	}
}

void request_add_body(struct request *request, struct str bytes)
{
	bool takes_body = request->refusal.status == 0 && request->answer.status == 0 &&
		request->match.entry != NULL && !str_equals(request->method, STR("GET")) &&
		!str_equals(request->method, STR("HEAD"));
	if (!takes_body) {
		request->discarded_bytes += bytes.n;
		return;
	}
	if (request->streamed != NULL) {
		stream_body(request, bytes);
		return;
	}
	if (request->body.ceiling == 0) {
		buf_init(&request->body, request->body_ceiling);
	}
	buf_add(&request->body, bytes);
	if (!buf_ok(&request->body)) {
		refuse(request, 413, "M_TOO_LARGE", "The request's body is too large");
	} else if (!may_hold_body(request)) {
		refuse(request, 429, "M_LIMIT_EXCEEDED", "The server is busy; try again soon");
		request->refusal.retry_after_ms = 1000;
	}
	if (request->refusal.status != 0) {
		drop_body(request);
	}
}

void request_begin_sending(struct request *request)
{
	const struct http_config *config = &request->server->config;
	request->phase = REQUEST_ANSWERED;
	int64_t size_s = (int64_t)(request->answer.body_bytes / config->send_bytes_per_s);
	conn_set_deadline(request->conn,
		clock_mono_about_ms() + config->send_timeout_ms + size_s * 1000);
}

void request_complete(struct request *request)
{
	struct http_server *server = request->server;
	bool was_counted = request->is_counted;
	request->is_completed = true;
	request_end_chunks(request);
	request->conn->request = NULL;
	conn_set_deadline(request->conn, server_head_deadline(server));
	request_unref(request);
	if (was_counted) {
		atomic_fetch_sub(&server->under_way, 1);
	}
}

struct str request_header(const struct request *request, struct str name)
{
	for (size_t i = 0; i < request->header_count; i++) {
		if (str_equals_nocase(request->headers[i].name, name)) {
			struct str value = request->headers[i].value;
			return value.n > 0 ? value : STR("");
		}
	}
	return (struct str){0};
}
