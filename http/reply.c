/*
 * Answers: JSON that handlers write into one buffer, which libmicrohttpd then sends without a copy;
 * failures as errcode bodies; the headers that every answer has.
 */
#include "http/admission.h"
#include "http/call_state.h"
#include "http/observe.h"
#include "http/wrapped_file.h"

#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
	ERROR_BODY_CEILING = 64 * 1024,
	READ_AHEAD_BYTES = 4 * 1024 * 1024,
	REPLY_BYTES = 1024, /* most answers need no more */
	RETRY_LARGE_MS = 1000,
	RETRY_SOON_MS = 2000, /* the database fails over, is overloaded; a budget is used up */
};

static const char json_type[] = "application/json";

/* Spec: client-server API, "Web Browser Clients" */
#define COMMON_HEADERS(X) \
	X("Access-Control-Allow-Origin", "*") \
	X("Access-Control-Allow-Methods", "GET, HEAD, POST, PUT, DELETE, OPTIONS") \
	X("Access-Control-Allow-Headers", "X-Requested-With, Content-Type, Authorization") \
	X("Cache-Control", "no-store")

static const struct {
	struct str name;
	struct str line;
} common_headers[] = {
#define NAME_AND_LINE(name, value) {STR_INIT(name), STR_INIT(name ": " value "\r\n")},
	COMMON_HEADERS(NAME_AND_LINE)};

/* All that most answers have, in one piece. */
#define LINE(name, value) name ": " value "\r\n"
static const struct str usual_lines =
	STR_INIT(COMMON_HEADERS(LINE) LINE("Content-Type", "application/json"));

static bool is_own_header(const struct reply_header *own, struct str name)
{
	for (; own != NULL; own = own->next) {
		if (str_equals_nocase(str_of(own->name), name)) {
			return true;
		}
	}
	return false;
}

/* `own` headers replace common ones of the same name. */
static void dress(struct answer *answer, const char *content_type, const struct reply_header *own)
{
	if (own == NULL && content_type == json_type) {
		answer_add_lines(answer, usual_lines);
		return;
	}
	for (size_t i = 0; i < COUNT_OF(common_headers); i++) {
		if (!is_own_header(own, common_headers[i].name)) {
			answer_add_lines(answer, common_headers[i].line);
		}
	}
	answer_add(answer, MHD_HTTP_HEADER_CONTENT_TYPE, str_of(content_type));
	for (; own != NULL; own = own->next) {
		answer_add(answer, own->name, own->value);
	}
}

/* Takes the buffer's memory. */
static struct answer make_answer(int status, struct buf *body, const char *content_type,
	const struct reply_header *own)
{
	struct answer answer;
	answer_init(&answer, status);
	answer_set_body(&answer, body);
	dress(&answer, content_type, own);
	return answer;
}

/* Takes the file's descriptor. */
static struct answer make_file_answer(struct call_state *state)
{
	struct answer answer;
	answer_init(&answer, state->status);
	answer.body_bytes = state->part.bytes;
	if (state->file->before.n > 0) {
		answer.file = wrapped_file_response(state->file->fd, state->part.bytes, state->file->before,
			state->file->after);
		answer.body_bytes += state->file->before.n + state->file->after.n;
		state->file->fd = -1;
	} else if (state->part.bytes > 0) {
		answer.file = MHD_create_response_from_fd_at_offset64(state->part.bytes, state->file->fd,
			state->part.begin);
		state->file->fd = -1;
	}
	dress(&answer, state->content_type, state->headers);
	return answer;
}

static void write_error(struct buf *body, const char *errcode, struct str text, struct str extra,
	int64_t retry_after_ms)
{
	struct json_out out;
	json_out_init(&out, body);
	json_out_object(&out);
	json_out_key_str(&out, "errcode", str_of(errcode));
	json_out_key_str(&out, "error", text);
	if (retry_after_ms > 0) {
		json_out_key_int(&out, "retry_after_ms", retry_after_ms);
	}
	if (extra.n > 0) {
		buf_add_byte(body, ',');
		buf_add(body, extra);
	}
	json_out_end(&out);
}

static void add_retry_after(struct answer *answer, int64_t retry_after_ms)
{
	if (retry_after_ms > 0) {
		struct buf text;
		buf_init(&text, 32);
		buf_add_int(&text, (retry_after_ms + 999) / 1000);
		answer_add(answer, MHD_HTTP_HEADER_RETRY_AFTER, buf_str(&text));
		buf_fini(&text);
	}
}

/* As make_answer(); headers of its own that are too large are left out. */
static struct answer make_failure(int status, struct buf *body, const char *content_type,
	const struct reply_header *own, int64_t retry_after_ms)
{
	struct answer answer = make_answer(status, body, content_type, own);
	add_retry_after(&answer, retry_after_ms);
	if (!buf_ok(&answer.headers)) {
		buf_clear(&answer.headers);
		dress(&answer, content_type, NULL);
		add_retry_after(&answer, retry_after_ms);
	}
	return answer;
}

struct answer reply_refusal(const struct refusal *refusal, const char *allow, bool close_after)
{
	struct buf body;
	buf_init(&body, ERROR_BODY_CEILING);
	write_error(&body, refusal->errcode, str_of(refusal->text), (struct str){0},
		refusal->retry_after_ms);
	struct answer answer =
		make_failure(refusal->status, &body, json_type, NULL, refusal->retry_after_ms);
	answer_add(&answer, MHD_HTTP_HEADER_ALLOW, str_of(allow));
	if (close_after) {
		answer_close_after(&answer);
	}
	return answer;
}

/* Files and rendezvous sessions look at conditions too; whose path it is matters to nobody who asks before. */
struct answer reply_options(void)
{
	struct answer answer;
	const struct reply_header headers = {.name = "Access-Control-Allow-Headers",
		.value =
			STR_INIT("X-Requested-With, Content-Type, Authorization, If-Match, If-None-Match")};
	answer_init(&answer, MHD_HTTP_NO_CONTENT);
	dress(&answer, NULL, &headers);
	answer_add(&answer, "Access-Control-Max-Age", STR("86400"));
	return answer;
}

/* --- failures --------------------------------------------------------------------------------------- */

static struct str default_text(enum err err)
{
	switch (err) {
	case ERR_OK:
	case ERR_INTERNAL:
	case ERR_DEFER:
		return STR("Internal error");
	case ERR_INPUT:
		return STR("The request is wrong");
	case ERR_DENIED:
		return STR("Not allowed");
	case ERR_MISSING:
		return STR("Not found");
	case ERR_CONFLICT:
		return STR("Somebody else was first; try again");
	case ERR_LIMIT:
		return STR("Too much; try again later");
	case ERR_TIMEOUT:
		return STR("This took too long");
	case ERR_REMOTE:
		return STR("Another server failed");
	case ERR_STORE:
		return STR("The server cannot reach its storage; try again soon");
	case ERR_SHUTDOWN:
		return STR("The server is stopping; try again soon");
	}
	return STR("Internal error");
}

/* Whether the page for people stands in the call's state instead of what was begun there. */
static bool is_told_by_page(struct call *call, int status)
{
	struct call_state *state = call->state;
	const struct http_ports *ports = state->request->server->config.ports;
	bool is_for_people =
		call->route->auth == AUTH_PAGE && (status == 404 || status == 429 || status >= 500);
	if (!is_for_people || ports == NULL || ports->page_of_failure == NULL) {
		return false;
	}
	buf_fini(&state->body);
	state->headers = NULL;
	state->is_replied = false;
	return ports->page_of_failure(ports->self, call, status) == ERR_OK && buf_ok(&state->body);
}

struct answer reply_fault(struct call *call)
{
	struct fault *fault = &call->ctx.fault;
	int status = fault->http_status != 0 ? fault->http_status : err_http_status(fault->err);
	const char *errcode = fault->errcode != NULL ? fault->errcode : "M_UNKNOWN";
	observe_failure(call, status);
	/* "Homeservers SHOULD include a Retry-After header for any response with a 429 status code." */
	bool is_passing = status == 429 || status == 503 || status == 504;
	bool is_open = is_passing && fault->retry_after_ms == 0;
	int64_t retry_after_ms = is_open ? (int64_t)RETRY_SOON_MS : fault->retry_after_ms;
	if (is_told_by_page(call, status)) {
		struct call_state *state = call->state;
		return make_failure(status, &state->body, state->content_type, state->headers,
			retry_after_ms);
	}
	struct str text = fault->text.n > 0 ? fault->text : default_text(fault->err);
	struct buf body;
	buf_init(&body, ERROR_BODY_CEILING);
	write_error(&body, errcode, text, fault->extra, fault->retry_after_ms);
	if (!buf_ok(&body)) {
		buf_clear(&body);
		write_error(&body, errcode, default_text(fault->err), (struct str){0}, 0);
	}
	return make_failure(status, &body, json_type, call->state->headers, retry_after_ms);
}

/* Its headers may be too large yet. */
static struct answer make_own_answer(struct call *call)
{
	struct call_state *state = call->state;
	if (state->file != NULL && !request_may_get_file(state->request)) {
		(void)fail_cause(&call->ctx, ERR_INTERNAL, "only a worker's answer to a GET may be a file");
		return reply_fault(call);
	}
	if (state->file != NULL) {
		return make_file_answer(state);
	}
	if (!buf_ok(&state->body)) {
		(void)fail_cause(&call->ctx, ERR_INTERNAL, "answer larger than %zu bytes",
			state->body.ceiling);
		return reply_fault(call);
	}
	if (state->is_json && (state->out.depth != 0 || state->body.n == 0)) {
		(void)fail_cause(&call->ctx, ERR_INTERNAL, "the handler left its JSON unfinished");
		return reply_fault(call);
	}
	struct request *request = state->request;
	if (!budget_hold(request->server->answers, &request->answer_claim, admission_key(call),
			state->body.n)) {
		(void)fail(&call->ctx, ERR_LIMIT, "M_LIMIT_EXCEEDED",
			"The server has too many large answers under way; try again soon");
		call->ctx.fault.retry_after_ms = RETRY_LARGE_MS;
		return reply_fault(call);
	}
	return make_answer(state->status, &state->body, state->content_type, state->headers);
}

struct answer reply_answer(struct call *call)
{
	struct answer answer = make_own_answer(call);
	if (buf_ok(&answer.headers)) {
		return answer;
	}
	(void)fail_cause(&call->ctx, ERR_INTERNAL, "the answer's headers are larger than %zu bytes",
		answer.headers.ceiling);
	answer_fini(&answer);
	return reply_fault(call);
}

/* --- what handlers call --------------------------------------------------------------------------- */

static void begin_reply(struct call *call, int status, const char *content_type)
{
	struct call_state *state = call->state;
	invariant(!state->is_replied);
	state->is_replied = true;
	state->status = status;
	state->content_type = content_type;
	buf_init(&state->body, state->request->server->config.reply_ceiling_bytes);
	buf_reserve(&state->body, REPLY_BYTES);
}

struct json_out *reply_json(struct call *call, int status)
{
	begin_reply(call, status, json_type);
	call->state->is_json = true;
	json_out_init(&call->state->out, &call->state->body);
	return &call->state->out;
}

enum err reply_empty(struct call *call)
{
	begin_reply(call, 200, json_type);
	buf_add_lit(&call->state->body, "{}");
	return ERR_OK;
}

enum err reply_bytes(struct call *call, int status, const char *content_type, struct str body)
{
	begin_reply(call, status, str_cstr(call->ctx.arena, str_of(content_type)));
	buf_add(&call->state->body, body);
	reply_header(call, "X-Content-Type-Options", STR("nosniff"));
	return ERR_OK;
}

static void close_file(void *data)
{
	const struct reply_file *file = data;
	if (file->fd >= 0) {
		(void)close(file->fd);
	}
}

static struct range wanted_range(const struct call *call, struct str etag, int64_t size_bytes)
{
	const struct range_request wanted = {.range = call_header(call, "Range"),
		.if_range = call_header(call, "If-Range"),
		.if_none_match = call_header(call, "If-None-Match")};
	return range_choose(&wanted, etag, (uint64_t)size_bytes);
}

struct reply_part call_wanted_part(const struct call *call, struct str etag, int64_t size_bytes)
{
	const struct range range = wanted_range(call, etag, size_bytes);
	return (struct reply_part){(int64_t)range.begin, (int64_t)(range.begin + range.bytes)};
}

enum err reply_file(struct call *call, const struct reply_file *file)
{
	struct call_state *state = call->state;
	uint64_t size = (uint64_t)file->size_bytes;
	state->part = file->before.n > 0 ? (struct range){.status = 200, .bytes = size}
									 : wanted_range(call, file->etag, file->size_bytes);
	begin_reply(call, state->part.status, str_cstr(call->ctx.arena, str_of(file->content_type)));
	state->file = ARENA_NEW(call->ctx.arena, struct reply_file);
	*state->file = *file;
	arena_on_reset(call->ctx.arena, close_file, state->file);
	reply_header(call, "Accept-Ranges", file->before.n > 0 ? STR("none") : STR("bytes"));
	if (file->etag.p != NULL) {
		reply_header(call, "ETag", file->etag);
	}
	if (state->part.status == 206) {
		reply_header(call, "Content-Range",
			str_printf(call->ctx.arena, "bytes %" PRIu64 "-%" PRIu64 "/%" PRIu64, state->part.begin,
				state->part.begin + state->part.bytes - 1, size));
	} else if (state->part.status == 416) {
		reply_header(call, "Content-Range", str_printf(call->ctx.arena, "bytes */%" PRIu64, size));
	}
	/* The I/O thread sends it; what has to come from the disk should be on its way by then. */
	(void)posix_fadvise(file->fd, (off_t)state->part.begin,
		(off_t)MIN_OF(state->part.bytes, (uint64_t)READ_AHEAD_BYTES), POSIX_FADV_WILLNEED);
	return ERR_OK;
}

bool call_has_etag(const struct call *call, struct str etag)
{
	return range_has_etag(call_header(call, "If-None-Match"), etag);
}

void reply_date(struct call *call, const char *name, int64_t wall_ms)
{
	char text[ANSWER_DATE_BYTES];
	reply_header(call, name, answer_date((time_t)(wall_ms / 1000), text));
}

void reply_last_modified(struct call *call, int64_t wall_ms)
{
	/* By the clock of the header Date, which is a tick behind the other, and the row may be of a machine whose clock is ahead. */
	int64_t now_ms = (int64_t)time(NULL) * 1000;
	reply_date(call, "Last-Modified", MIN_OF(wall_ms, now_ms));
}

void reply_header(struct call *call, const char *name, struct str value)
{
	struct reply_header *header = ARENA_NEW(call->ctx.arena, struct reply_header);
	header->name = str_cstr(call->ctx.arena, str_of(name));
	header->value = str_dup(call->ctx.arena, value);
	header->next = call->state->headers;
	call->state->headers = header;
}
