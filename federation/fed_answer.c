/*
 * What an answer of another server means: its status and its text.
 */
#include "federation/fed_client_inner.h"
#include "federation/policy.h"

enum {
	MAX_DEPTH =
		2000, /* one event that is nested too deeply is refused alone, see EVENT_MAX_NESTING */
	LIST_LEVELS = 2, /* the answer and its lists, in which events are */
	LEAST_VALUES = 64 * 1024,
	BYTES_A_VALUE = 16,
	MOST_VALUES = 8 * 1000 * 1000,
};

/* The kind of failure that a status other than 2xx stands for. */
static enum err err_of_status(int status)
{
	if (status == 401 || status == 403) {
		return ERR_DENIED;
	}
	if (status == 404) {
		return ERR_MISSING;
	}
	return status >= 400 && status < 500 && status != 429 ? ERR_INPUT : ERR_REMOTE;
}

/* How much of memory an answer takes follows from how long it is, which is paid for by who sends it and bounded by who asks for it. */
size_t fed_answer_max_values(const struct fed_request *request, size_t text_bytes)
{
	return request->answer_max_values > 0
		? request->answer_max_values
		: MIN_OF(LEAST_VALUES + text_bytes / BYTES_A_VALUE, (size_t)MOST_VALUES);
}

static struct json_limits limits_of(const struct fed_request *request, struct str text)
{
	return (struct json_limits){
		.max_depth = MAX_DEPTH,
		.max_values = fed_answer_max_values(request, text.n),
		.levels = request->is_of_events ? LIST_LEVELS : 0,
	};
}

static void read_refusal(struct arena *arena, const struct raw_end *raw, struct fed_refusal *out)
{
	static const struct json_limits limits = {.max_depth = 0};
	*out = (struct fed_refusal){.status = raw->answer.status, .errcode = STR(""), .error = STR("")};
	struct str text = str_dup(arena, raw->answer.body);
	struct json json;
	if (json_parse(arena, text, &limits, &json, NULL) != JSON_OK || json.type != JSON_OBJECT) {
		return;
	}
	out->json = json;
	struct str errcode = json_get_str(&json, STR("errcode"));
	struct str error = json_get_str(&json, STR("error"));
	out->errcode = errcode.p != NULL ? errcode : STR("");
	out->error = error.p != NULL ? error : STR("");
}

enum err fed_answer_read(struct arena *arena, const struct fed_request *request,
	const struct raw_end *raw, struct fed_answer *answer, struct fed_refusal *refusal,
	struct str *out_cause)
{
	*out_cause = raw->cause;
	if (raw->err != ERR_OK) {
		return raw->err;
	}
	int status = raw->answer.status;
	if (status < 200 || status >= 300) {
		read_refusal(arena, raw, refusal);
		*out_cause = str_printf(arena, "status %d %.*s", status, STR_ARG(refusal->errcode));
		return err_of_status(status);
	}
	*answer = (struct fed_answer){.status = status, .fetched = &raw->answer, .text = raw->text};
	if (request->sink != NULL) {
		return ERR_OK;
	}
	const struct json_limits limits = limits_of(request, raw->answer.body);
	enum json_error error = json_parse(arena, raw->answer.body, &limits, &answer->json, NULL);
	if (error != JSON_OK) {
		*out_cause = str_of(json_error_text(error));
		return ERR_REMOTE;
	}
	if (answer->json.type != JSON_OBJECT && answer->json.type != JSON_ARRAY) {
		*out_cause = STR("the answer is no object");
		return ERR_REMOTE;
	}
	return ERR_OK;
}

enum err fed_answer_describe(struct ctx *ctx, struct federation *federation,
	const struct fed_request *request, enum err err, const struct fed_refusal *refusal,
	struct str cause)
{
	struct str server = request->server.s;
	bool is_ours = err == ERR_DENIED && refusal->status == 0;
	if (is_ours) {
		return fed_policy_refuse(ctx, federation, request->server);
	}
	(void)fail_cause(ctx, err, "%.*s: %.*s", STR_ARG(server), STR_ARG(cause));
	ctx->fault.text = refusal->error.n > 0
		? str_printf(ctx->arena, "%.*s says: %.*s", STR_ARG(server), STR_ARG(refusal->error))
		: str_printf(ctx->arena, "%.*s could not be asked", STR_ARG(server));
	switch (err) {
	case ERR_DENIED:
		ctx->fault.errcode = M_FORBIDDEN;
		ctx->fault.http_status = 403;
		break;
	case ERR_MISSING:
		ctx->fault.errcode = M_NOT_FOUND;
		break;
	default:
		break;
	}
	return err;
}
