/*
 * The address is the token, as these forms have no place for another. So it is in no log line of ours, no answer, and no metric: those
 * name the route.
 */
#include "notices/notice_hooks.h"

#include "homeserver/homeserver.h"
#include "http/uri.h"
#include "notices/notice_hook_forms.h"
#include "notices/notice_job.h"
#include "notices/notice_request.h"
#include "notices/notices.h"

enum { SIGNATURE_CHARS = 2 * SHA256_BYTES };

/* Spec: docs.github.com, "Validating webhook deliveries". Others may sign the same way. */
static enum err require_signature(struct call *call)
{
	static const char digits[] = "0123456789abcdef";
	const struct str prefix = STR("sha256=");
	unsigned char sum[SHA256_BYTES];
	char hex[SIGNATURE_CHARS];
	struct str shown = call_header(call, "X-Hub-Signature-256");
	if (!notice_token_of(call)->is_signed) {
		return ERR_OK;
	}
	struct str secret =
		notice_hook_secret(call->ctx.arena, hs_of(call)->secrets_key, call_path(call, "hookToken"));
	crypto_hmac_sha256(secret, call_body(call), sum);
	for (size_t i = 0; i < SHA256_BYTES; i++) {
		hex[2 * i] = digits[sum[i] >> 4];
		hex[2 * i + 1] = digits[sum[i] & 15];
	}
	bool is_right = str_starts_with(shown, prefix) &&
		crypto_equals(str_slice(shown, prefix.n, shown.n), str_from(hex, sizeof(hex)));
	return is_right
		? ERR_OK
		: fail(&call->ctx, ERR_DENIED, M_FORBIDDEN,
			  "This hook takes only what is signed with its secret, in X-Hub-Signature-256");
}

/* The object of a body, which may also be the field `payload` of a form. */
static enum err read_payload(struct call *call, const struct json **out)
{
	struct ctx *ctx = &call->ctx;
	struct uri_pair *pairs;
	size_t count;
	struct json *payload;
	struct str type = call_header(call, "Content-Type");
	if (!str_starts_with(type, STR("application/x-www-form-urlencoded"))) {
		return call_json(call, out);
	}
	if (!uri_parse_query(ctx->arena, call_body(call), &pairs, &count)) {
		return fail(ctx, ERR_INPUT, M_NOT_JSON, "The body is no form");
	}
	payload = ARENA_NEW(ctx->arena, struct json);
	for (size_t i = 0; i < count; i++) {
		if (str_equals(pairs[i].name, STR("payload")) &&
			json_parse(ctx->arena, pairs[i].value, NULL, payload, NULL) == JSON_OK) {
			*out = payload;
			return payload->type == JSON_OBJECT
				? ERR_OK
				: fail(ctx, ERR_INPUT, M_BAD_JSON, "'payload' must be a JSON object");
		}
	}
	return fail(ctx, ERR_INPUT, M_NOT_JSON, "The form has no JSON in a field 'payload'");
}

static enum err take(struct call *call, const struct notice_post *post, int64_t *out_notice_id)
{
	const struct homeserver *hs = hs_of(call);
	const struct account_desk desk = notice_desk(hs);
	TRY(notices_post(&call->ctx, &desk, post, out_notice_id));
	notice_job_wake(hs->notices);
	return ERR_OK;
}

static enum err reply_number(struct call *call, int64_t notice_id)
{
	struct json_out *out = reply_json(call, 200);
	json_out_object(out);
	json_out_key_int(out, "notice_id", notice_id);
	json_out_end(out);
	return ERR_OK;
}

/* A notice of one text, to all that the hook is for. */
static enum err take_text(struct call *call, struct str markdown, struct str request_key,
	int64_t *out_notice_id)
{
	const struct notice_token_row *token = notice_token_of(call);
	const struct notice_text text = {.lang = STR(""), .markdown = markdown};
	const struct notice_post post = {.sender = token->sender,
		.token = token,
		.texts = &text,
		.text_count = 1,
		.request_key = request_key};
	return take(call, &post, out_notice_id);
}

static enum err post_plain(struct call *call)
{
	struct notice_post post;
	int64_t notice_id;
	TRY(require_signature(call));
	TRY(notice_request_post(call, &post));
	TRY(take(call, &post, &notice_id));
	return reply_number(call, notice_id);
}

static enum err post_slack(struct call *call)
{
	const struct json *payload;
	struct str markdown;
	int64_t notice_id;
	TRY(require_signature(call));
	TRY(read_payload(call, &payload));
	TRY(hook_form_slack(&call->ctx, payload, &markdown));
	TRY(take_text(call, markdown, str_from(NULL, 0), &notice_id));
	return reply_bytes(call, 200, "text/plain", STR("ok"));
}

static enum err post_github(struct call *call)
{
	const struct json *payload;
	struct str markdown;
	int64_t notice_id;
	struct str event = call_header(call, "X-GitHub-Event");
	TRY(require_signature(call));
	TRY(read_payload(call, &payload));
	if (event.p == NULL) {
		return fail(&call->ctx, ERR_INPUT, M_MISSING_PARAM, "The header X-GitHub-Event is missing");
	}
	hook_form_github(&call->ctx, event, payload, &markdown);
	if (markdown.n == 0) {
		return reply_empty(call);
	}
	TRY(take_text(call, markdown, call_header(call, "X-GitHub-Delivery"), &notice_id));
	return reply_number(call, notice_id);
}

#define HOOK "/_belfry/notices/v1/hooks/{hookToken}"

enum { GITHUB_MAX_BYTES = 1024 * 1024 /* a push carries the names of all files that it changes */ };

const struct route notice_hook_routes[] = {
	{"noticeHook", "POST", HOOK, AUTH_NOTICE_HOOK, LANE_LOCAL, RATE_NOTICE, 0, post_plain},
	{"noticeHookSlack", "POST", HOOK "/slack", AUTH_NOTICE_HOOK, LANE_LOCAL, RATE_NOTICE, 0,
		post_slack},
	{"noticeHookGithub", "POST", HOOK "/github", AUTH_NOTICE_HOOK, LANE_LOCAL, RATE_NOTICE,
		GITHUB_MAX_BYTES, post_github},
};
const size_t notice_hook_route_count = COUNT_OF(notice_hook_routes);
