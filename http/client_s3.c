/*
 * A transfer like others, but for its signature, its body from a file, and the address rules, which are for what users and
 * other servers name, not for what the operator has configured.
 */
#include "http/client_s3.h"

#include <errno.h>
#include <inttypes.h>
#include <unistd.h>

#include "base/buf.h"
#include "http/client_inner.h"

enum {
	TIMEOUT_MS = 30000,
	SLOWEST_BYTES_PER_S =
		64 * 1024,           /* a transfer gets the time that it takes at this rate on top */
	ERROR_BYTES = 64 * 1024, /* of an answer that tells an error */
	OK = 200,
	NO_CONTENT = 204,
	PARTIAL = 206,
	NOT_FOUND = 404,
};

static const struct str empty_sha256 =
	STR_INIT("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");

/* One request; lives with the one who waits. */
struct exchange {
	struct transfer *transfer; /* touched by the client's thread alone once it is submitted */
	int fd;
	int64_t at;  /* offset of the next piece */
	int64_t end; /* where there is no more to be read or written */
	int success; /* the status of an answer with an object */
};

static size_t on_send(char *bytes, size_t size, size_t count, void *data)
{
	struct exchange *exchange = data;
	size_t wanted = MIN_OF(size * count, (size_t)(exchange->end - exchange->at));
	ssize_t n = pread(exchange->fd, bytes, wanted, exchange->at);
	if (n < 0 || (n == 0 && wanted > 0)) {
		transfer_refuse(exchange->transfer, ERR_STORE, "the file cannot be read");
		return CURL_READFUNC_ABORT;
	}
	exchange->at += n;
	return (size_t)n;
}

/* libcurl begins again when a connection that it kept turns out to be dead. */
static int on_rewind(void *data, curl_off_t offset, int origin)
{
	struct exchange *exchange = data;
	if (origin != SEEK_SET) {
		return CURL_SEEKFUNC_CANTSEEK;
	}
	exchange->at = offset;
	return CURL_SEEKFUNC_OK;
}

static long status_of(const struct exchange *exchange)
{
	long status = 0;
	(void)curl_easy_getinfo(exchange->transfer->easy, CURLINFO_RESPONSE_CODE, &status);
	return status;
}

static bool is_object(const struct exchange *exchange)
{
	return exchange->success != 0 && status_of(exchange) == exchange->success;
}

static size_t on_receive(char *bytes, size_t size, size_t count, void *data)
{
	struct exchange *exchange = data;
	struct transfer *transfer = exchange->transfer;
	struct str piece = {bytes, size * count};
	if (exchange->success == PARTIAL && status_of(exchange) == OK) {
		transfer_refuse(transfer, ERR_CONFLICT, "the service gives all of the object for a part");
		return 0;
	}
	if (!is_object(exchange)) {
		buf_add(&transfer->body, str_slice(piece, 0, ERROR_BYTES - transfer->body.n));
		return piece.n;
	}
	if ((int64_t)piece.n > exchange->end - exchange->at) {
		transfer_refuse(transfer, ERR_LIMIT, "the object is larger than it was");
		return 0;
	}
	ssize_t n = pwrite(exchange->fd, piece.p, piece.n, exchange->at);
	if (n != (ssize_t)piece.n) {
		transfer_refuse(transfer, ERR_STORE, "the file cannot be written");
		return 0;
	}
	exchange->at += n;
	return piece.n;
}

static void sign(struct transfer *transfer, const struct s3_bucket *bucket, struct str sha256)
{
	CURL *easy = transfer->easy;
	struct arena *arena = transfer->arena;
	(void)curl_easy_setopt(easy, CURLOPT_AWS_SIGV4,
		arena_printf(arena, "aws:amz:%.*s:s3", STR_ARG(bucket->region)));
	(void)curl_easy_setopt(easy, CURLOPT_USERNAME, str_cstr(arena, bucket->access_key));
	(void)curl_easy_setopt(easy, CURLOPT_PASSWORD, str_cstr(arena, bucket->secret_key));
	/* No "Expect:" beside it, as elsewhere: libcurl signs what it is told not to send. */
	transfer->headers =
		curl_slist_append(NULL, arena_printf(arena, "x-amz-content-sha256: %.*s", STR_ARG(sha256)));
	(void)curl_easy_setopt(easy, CURLOPT_HTTPHEADER, transfer->headers);
}

static void set_up(struct exchange *exchange, const struct s3_bucket *bucket, struct str key)
{
	struct transfer *transfer = exchange->transfer;
	CURL *easy = transfer->easy;
	(void)curl_easy_setopt(easy, CURLOPT_URL,
		arena_printf(transfer->arena, "%.*s/%.*s/%.*s", STR_ARG(bucket->endpoint),
			STR_ARG(bucket->bucket), STR_ARG(key)));
	(void)curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "https,http");
	(void)curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_receive);
	(void)curl_easy_setopt(easy, CURLOPT_WRITEDATA, exchange);
	buf_init(&transfer->body, ERROR_BYTES);
}

static struct transfer *begin(struct http_client *client, int64_t size_bytes)
{
	return transfer_new(client, TIMEOUT_MS + size_bytes / SLOWEST_BYTES_PER_S * 1000);
}

/* @return the answer's status in *out_status */
static enum err run(struct ctx *ctx, struct http_client *client, struct exchange *exchange,
	int *out_status)
{
	struct fetched answer;
	struct client_waiter *waiter = client_waiter_new(ctx);
	exchange->transfer->finished = client_wait_finished;
	exchange->transfer->data = waiter;
	client_submit(client, exchange->transfer);
	TRY(client_wait(waiter, &answer));
	*out_status = answer.status;
	if (answer.status == OK || answer.status == NO_CONTENT || answer.status == NOT_FOUND ||
		answer.status == exchange->success) {
		return ERR_OK;
	}
	return fail_cause(ctx, ERR_REMOTE, "s3: status %d: %.*s", answer.status, STR_ARG(answer.body));
}

enum err s3_put(struct ctx *ctx, struct http_client *client, const struct s3_bucket *bucket,
	struct str key, int fd, int64_t size_bytes, struct str sha256)
{
	struct exchange exchange = {.transfer = begin(client, size_bytes), .fd = fd, .end = size_bytes};
	CURL *easy = exchange.transfer->easy;
	int status = 0;
	set_up(&exchange, bucket, key);
	sign(exchange.transfer, bucket, sha256);
	(void)curl_easy_setopt(easy, CURLOPT_UPLOAD, 1L);
	(void)curl_easy_setopt(easy, CURLOPT_INFILESIZE_LARGE, (curl_off_t)size_bytes);
	(void)curl_easy_setopt(easy, CURLOPT_READFUNCTION, on_send);
	(void)curl_easy_setopt(easy, CURLOPT_READDATA, &exchange);
	(void)curl_easy_setopt(easy, CURLOPT_SEEKFUNCTION, on_rewind);
	(void)curl_easy_setopt(easy, CURLOPT_SEEKDATA, &exchange);
	TRY(run(ctx, client, &exchange, &status));
	return status == OK ? ERR_OK : fail_cause(ctx, ERR_REMOTE, "s3: there is no such bucket");
}

enum err s3_get(struct ctx *ctx, struct http_client *client, const struct s3_bucket *bucket,
	struct str key, const struct s3_piece *piece)
{
	struct exchange exchange = {.transfer = begin(client, piece->end - piece->begin),
		.fd = piece->fd,
		.at = piece->begin,
		.end = piece->end,
		.success = piece->is_whole ? OK : PARTIAL};
	struct transfer *transfer = exchange.transfer;
	int status = 0;
	set_up(&exchange, bucket, key);
	sign(transfer, bucket, empty_sha256);
	if (!piece->is_whole) {
		(void)curl_easy_setopt(transfer->easy, CURLOPT_RANGE,
			arena_printf(transfer->arena, "%" PRId64 "-%" PRId64, piece->begin, piece->end - 1));
	}
	TRY(run(ctx, client, &exchange, &status));
	if (status == NOT_FOUND) {
		return ERR_MISSING;
	}
	return status == exchange.success && exchange.at == exchange.end
		? ERR_OK
		: fail_cause(ctx, ERR_REMOTE, "s3: status %d, and not all of what was asked for", status);
}

enum err s3_delete(struct ctx *ctx, struct http_client *client, const struct s3_bucket *bucket,
	struct str key)
{
	struct exchange exchange = {.transfer = begin(client, 0), .fd = -1};
	int status = 0;
	set_up(&exchange, bucket, key);
	sign(exchange.transfer, bucket, empty_sha256);
	(void)curl_easy_setopt(exchange.transfer->easy, CURLOPT_CUSTOMREQUEST, "DELETE");
	return run(ctx, client, &exchange, &status);
}
