/*
 * One conditional GET; what goes wrong becomes a sentence that an office worker can act on.
 */
#include "notices/source_fetch.h"

#include "matrix/errcode.h"
#include "notices/feed.h"

enum { REDIRECTS = 5, FIELD_MAX_BYTES = 500 };

static enum err explain(struct ctx *ctx, enum err err)
{
	struct str cause = ctx->fault.cause.n > 0 ? ctx->fault.cause : ctx->fault.text;
	ctx->fault = (struct fault){0};
	switch (err) {
	case ERR_DENIED:
		return fail(ctx, err, M_FORBIDDEN,
			"Its address belongs to this machine or its network, which is not asked; "
			"network.allow_addresses of the server's options can allow it");
	case ERR_LIMIT:
		return fail(ctx, ERR_INPUT, M_TOO_LARGE, "It has more than %d MiB",
			(int)FEED_MAX_BYTES / 1024 / 1024);
	case ERR_TIMEOUT:
		return fail(ctx, err, M_UNKNOWN,
			"It did not answer as a whole in time (notices.source_timeout of the server's options)");
	case ERR_INPUT:
		return fail(ctx, err, M_INVALID_PARAM, "Its address cannot be asked: %.*s", STR_ARG(cause));
	case ERR_SHUTDOWN:
		return err;
	case ERR_OK:
	case ERR_MISSING:
	case ERR_CONFLICT:
	case ERR_REMOTE:
	case ERR_STORE:
	case ERR_INTERNAL:
	case ERR_DEFER:
		break;
	}
	return fail(ctx, ERR_REMOTE, M_UNKNOWN, "It cannot be reached: %.*s", STR_ARG(cause));
}

static enum err explain_status(struct ctx *ctx, int status)
{
	const char *hint = status == 404 || status == 410 ? "nothing is there; look for its new address"
		: status == 401 || status == 403 ? "it asks for a login; take its public address"
		: status == 429                  ? "it is asked too often; choose a longer --every"
		: status >= 500                  ? "it has trouble of its own"
										 : "that is no feed and no calendar";
	return fail(ctx, status >= 500 || status == 429 ? ERR_REMOTE : ERR_INPUT, M_UNKNOWN,
		"It answers %d: %s", status, hint);
}

/* A header field to be sent back, if it is not too long for that. */
static struct str field_of(const struct fetched *fetched, const char *name)
{
	struct str field = fetched_header(fetched, name);
	return field.n > 0 && field.n <= FIELD_MAX_BYTES ? field : (struct str){0};
}

enum err source_fetch(struct ctx *ctx, struct http_client *client, struct str url,
	int64_t timeout_ms, struct source_answer *answer)
{
	struct fetched fetched;
	struct fetch_header headers[3] = {{STR("Accept"),
		STR("application/atom+xml,application/rss+xml,text/calendar,application/xml;q=0.9,*/*;q=0.5")}};
	size_t count = 1;
	if (answer->etag.n > 0) {
		headers[count++] = (struct fetch_header){STR("If-None-Match"), answer->etag};
	}
	if (answer->modified.n > 0) {
		headers[count++] = (struct fetch_header){STR("If-Modified-Since"), answer->modified};
	}
	enum err err = http_client_fetch(ctx, client,
		&(struct fetch){.method = "GET",
			.url = url,
			.headers = headers,
			.header_count = count,
			.answer_ceiling_bytes = FEED_MAX_BYTES,
			.timeout_ms = timeout_ms,
			.redirects_allowed = REDIRECTS},
		&fetched);
	if (err != ERR_OK) {
		return explain(ctx, err);
	}
	answer->is_unchanged = fetched.status == 304 && count > 1;
	if (answer->is_unchanged) {
		return ERR_OK;
	}
	if (fetched.status != 200) {
		return explain_status(ctx, fetched.status);
	}
	answer->body = fetched.body;
	answer->etag = field_of(&fetched, "ETag");
	answer->modified = field_of(&fetched, "Last-Modified");
	return ERR_OK;
}
