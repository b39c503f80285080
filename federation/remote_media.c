/*
 * The bytes go into a file as they come; what of them is the file that was meant, is looked at when all are there. Servers from
 * before authenticated media are asked again in the old way, which needs no signature.
 */
#include "federation/remote_media.h"

#include <errno.h>
#include <unistd.h>

#include "base/file.h"
#include "federation/answers.h"
#include "federation/fed_client.h"
#include "federation/refusal.h"
#include "homeserver/media/media.h"
#include "http/header_value.h"
#include "http/multipart.h"
#include "http/uri.h"

enum {
	EXTRA_MS = 30 * 1000, /* for the transfer, besides the wait for the upload */
	ERROR_BYTES = 64 * 1024,
	PIECE_BYTES = 64 * 1024,
	REDIRECTS = 3,
	MISSING_KEPT_MS = 60 * 1000,
};

/* What arrives. */
struct arriving {
	int fd;
	int64_t ceiling;
	int64_t size;
};

struct wanted {
	struct federation *federation;
	struct server_name origin;
	struct str media_id;
	int64_t timeout_ms;
	struct arriving arriving;
};

static enum err write_piece(void *data, struct str piece)
{
	struct arriving *arriving = data;
	arriving->size += (int64_t)piece.n;
	if (arriving->size > arriving->ceiling) {
		return ERR_LIMIT;
	}
	while (piece.n > 0) {
		ssize_t n = write(arriving->fd, piece.p, piece.n);
		if (n < 0 && errno != EINTR) {
			return ERR_STORE;
		}
		piece = str_slice(piece, n > 0 ? (size_t)n : 0, piece.n);
	}
	return ERR_OK;
}

/* Ready for another try. */
static enum err begin_anew(struct ctx *ctx, struct arriving *arriving)
{
	arriving->size = 0;
	return ftruncate(arriving->fd, 0) == 0 && lseek(arriving->fd, 0, SEEK_SET) == 0
		? ERR_OK
		: fail_cause(ctx, ERR_STORE, "media: truncate: %s", file_error_text(ctx->arena, errno));
}

/* --- what came ---------------------------------------------------------------------------------------------------- */

static enum err malformed(struct ctx *ctx)
{
	(void)fail(ctx, ERR_REMOTE, M_UNKNOWN, "The other server's answer is malformed");
	return ERR_REMOTE;
}

/* Where the file ends: before the next delimiter. */
static enum err find_end(struct ctx *ctx, const struct arriving *arriving, struct str boundary,
	int64_t begin, int64_t *out)
{
	char *piece = arena_alloc(ctx->arena, PIECE_BYTES);
	int64_t at = begin - 2; /* a file without bytes may have no line break of its own */
	for (;;) {
		ssize_t n = pread(arriving->fd, piece, PIECE_BYTES, (off_t)at);
		if (n <= 0) {
			return malformed(ctx);
		}
		size_t found = multipart_find_end(str_from(piece, (size_t)n), boundary);
		if (found != SIZE_MAX) {
			*out = MAX_OF(at + (int64_t)found, begin);
			return ERR_OK;
		}
		if (n <= MULTIPART_DELIMITER_MAX) {
			return malformed(ctx);
		}
		at += n - MULTIPART_DELIMITER_MAX; /* it may have begun at the end of this piece */
	}
}

static void describe(struct ctx *ctx, struct str content_type, struct str disposition,
	struct media_fetched *out)
{
	out->content_type = content_type;
	out->file_name = header_file_name(ctx->arena, disposition);
}

/* The file lies elsewhere, for whoever has the link. */
static enum err follow(struct ctx *ctx, struct wanted *wanted, struct str url,
	struct media_fetched *out)
{
	struct fetched answer;
	TRY(begin_anew(ctx, &wanted->arriving));
	enum err err = http_client_fetch(ctx, wanted->federation->hs->http_client,
		&(struct fetch){.method = "GET",
			.url = url,
			.answer_ceiling_bytes = ERROR_BYTES,
			.timeout_ms = EXTRA_MS,
			.redirects_allowed = REDIRECTS,
			.is_https_only = true,
			.sink = write_piece,
			.sink_data = &wanted->arriving},
		&answer);
	if (err == ERR_INPUT || err == ERR_DENIED) {
		return malformed(ctx); /* no address, or one of this network */
	}
	TRY(err);
	if (answer.status < 200 || answer.status > 299) {
		return fail_cause(ctx, ERR_REMOTE, "media: redirect has status %d", answer.status);
	}
	describe(ctx, fetched_header(&answer, "Content-Type"),
		fetched_header(&answer, "Content-Disposition"), out);
	out->begin = 0;
	out->end = wanted->arriving.size;
	return ERR_OK;
}

static enum err read_parts(struct ctx *ctx, struct wanted *wanted, struct str content_type,
	struct media_fetched *out)
{
	struct str boundary;
	struct multipart_file file;
	char *head = arena_alloc(ctx->arena, MULTIPART_HEAD_MAX);
	ssize_t n = pread(wanted->arriving.fd, head, MULTIPART_HEAD_MAX, 0);
	if (n <= 0 || !multipart_boundary(ctx->arena, content_type, &boundary) ||
		!multipart_read_head(str_from(head, (size_t)n), boundary, &file)) {
		return malformed(ctx);
	}
	if (file.location.n > 0) {
		return follow(ctx, wanted, file.location, out);
	}
	describe(ctx, file.content_type, file.content_disposition, out);
	out->begin = (int64_t)file.begin;
	return find_end(ctx, &wanted->arriving, boundary, out->begin, &out->end);
}

/* --- asking --------------------------------------------------------------------------------------------------------- */

static enum err ask(struct ctx *ctx, struct wanted *wanted, struct str target, bool is_unsigned,
	struct fed_answer *out, struct fed_refusal *out_refusal)
{
	TRY(begin_anew(ctx, &wanted->arriving));
	const struct fed_request request = {
		.server = wanted->origin,
		.method = "GET",
		.target = target,
		.answer_ceiling_bytes = ERROR_BYTES,
		.timeout_ms = wanted->timeout_ms + EXTRA_MS,
		.is_unsigned = is_unsigned,
		.is_about_one_thing = true,
		.sink = write_piece,
		.sink_data = &wanted->arriving,
	};
	return fed_ask(ctx, wanted->federation, &request, out, out_refusal);
}

static enum err fetch_new_way(struct ctx *ctx, struct wanted *wanted, struct fed_refusal *refusal,
	struct media_fetched *out)
{
	struct fed_answer answer;
	struct str target =
		str_printf(ctx->arena, "/_matrix/federation/v1/media/download/%.*s?timeout_ms=%lld",
			STR_ARG(wanted->media_id), (long long)wanted->timeout_ms);
	TRY(ask(ctx, wanted, target, false, &answer, refusal));
	return read_parts(ctx, wanted, fetched_header(answer.fetched, "Content-Type"), out);
}

static enum err fetch_old_way(struct ctx *ctx, struct wanted *wanted, struct fed_refusal *refusal,
	struct media_fetched *out)
{
	struct fed_answer answer;
	struct str target = str_printf(ctx->arena,
		"/_matrix/media/v3/download/%.*s/%.*s?allow_remote=false&timeout_ms=%lld",
		STR_ARG(uri_encode(ctx->arena, wanted->origin.s)), STR_ARG(wanted->media_id),
		(long long)wanted->timeout_ms);
	TRY(ask(ctx, wanted, target, true, &answer, refusal));
	describe(ctx, fetched_header(answer.fetched, "Content-Type"),
		fetched_header(answer.fetched, "Content-Disposition"), out);
	out->begin = 0;
	out->end = wanted->arriving.size;
	return ERR_OK;
}

/* Whether the refusal comes from a server that does not know the endpoint: one that does tells a reason. */
static bool is_unknown_way(enum err err, const struct fed_refusal *refusal)
{
	return refusal_is_unrecognized(err, refusal) ||
		(err == ERR_INPUT && str_is_empty(refusal->errcode));
}

/* What the client is told. */
static enum err explain(struct ctx *ctx, enum err err, const struct fed_refusal *refusal)
{
	if (err == ERR_LIMIT) {
		return fail_status(ctx, ERR_REMOTE, 502, M_TOO_LARGE,
			"The file is larger than this server takes");
	}
	if (err == ERR_REMOTE && str_equals(refusal->errcode, STR("M_NOT_YET_UPLOADED"))) {
		return fail_status(ctx, ERR_TIMEOUT, 504, M_NOT_YET_UPLOADED,
			"The file has not yet been uploaded");
	}
	if (err == ERR_REMOTE && str_equals(refusal->errcode, STR("M_TOO_LARGE"))) {
		return fail_status(ctx, ERR_REMOTE, 502, M_TOO_LARGE,
			"The file is larger than its server gives away");
	}
	return err == ERR_INPUT ? fail(ctx, ERR_MISSING, M_NOT_FOUND, "There is no such file") : err;
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* "..", "-" and "123" have the form of a server name, but no host is called so. */
static bool is_host(struct server_name name)
{
	struct str host = server_name_host(name);
	bool is_number = true;
	for (size_t i = 0; i < host.n; i++) {
		is_number = is_number && is_digit(host.p[i]);
	}
	char c = host.n > 0 ? host.p[0] : '-';
	bool is_begun = c == '[' || is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
	return is_begun && !is_number;
}

static enum err fetch(void *self, struct ctx *ctx, struct server_name origin, struct str media_id,
	int64_t timeout_ms, int fd, struct media_fetched *out)
{
	struct federation *federation = self;
	struct fed_refusal refusal = {0};
	struct json nothing = {.type = JSON_NULL};
	struct str key = str_printf(ctx->arena, "%.*s/%.*s", STR_ARG(origin.s), STR_ARG(media_id));
	struct wanted wanted = {
		.federation = federation,
		.origin = origin,
		.media_id = media_id,
		.timeout_ms = timeout_ms,
		.arriving = {.fd = fd,
			.ceiling = federation->hs->settings.media.max_upload_bytes + MULTIPART_HEAD_MAX},
	};
	if (!is_host(origin) || answers_get(ctx, federation->missing_media, key, &nothing)) {
		return fail(ctx, ERR_MISSING, M_NOT_FOUND, "There is no such file");
	}
	enum err err = fetch_new_way(ctx, &wanted, &refusal, out);
	if (is_unknown_way(err, &refusal)) {
		err = fetch_old_way(ctx, &wanted, &refusal, out);
	}
	if (err == ERR_MISSING) {
		answers_put(ctx, federation->missing_media, key, &nothing, MISSING_KEPT_MS);
	}
	if (err == ERR_OK && out->end - out->begin > federation->hs->settings.media.max_upload_bytes) {
		err = ERR_LIMIT;
	}
	return err == ERR_OK ? ERR_OK : explain(ctx, err, &refusal);
}

void remote_media_fill_port(struct federation *federation)
{
	federation->media = (struct media_ports){.self = federation, .fetch = fetch};
	media_set_ports(federation->hs->media, &federation->media);
}
