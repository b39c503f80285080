/*
 * The request: parsed once, kept while it waits.
 */
#include "base/mem.h"
#include "homeserver/sync/sync_inner.h"

static enum err parse_filter(struct ctx *ctx, struct arena *arena, struct str text,
	struct filter *out)
{
	struct json json;
	struct field_error error;
	if (text.n > FILTER_MAX_BYTES) {
		return fail(ctx, ERR_INPUT, M_TOO_LARGE, "The filter is too large");
	}
	if (json_parse(arena, text, NULL, &json, NULL) != JSON_OK) {
		return fail(ctx, ERR_INPUT, M_NOT_JSON, "filter is not valid JSON");
	}
	if (!filter_parse(arena, &json, out, &error)) {
		return fail(ctx, ERR_INPUT, error.errcode, "filter: %.*s %s", STR_ARG(error.field),
			error.text);
	}
	return ERR_OK;
}

static enum err read_filter(struct call *call, struct sync_request *request)
{
	struct str text = call_query(call, "filter");
	filter_init(&request->filter);
	if (text.p == NULL || text.n == 0) {
		return ERR_OK;
	}
	if (text.p[0] != '{') {
		struct str definition;
		enum err err =
			filter_load(&call->ctx, hs_of(call), principal_of(call)->user.s, text, &definition);
		if (err == ERR_MISSING) {
			return fail(&call->ctx, ERR_INPUT, M_INVALID_PARAM, "There is no such filter");
		}
		TRY(err);
		text = definition;
	}
	return parse_filter(&call->ctx, request->arena, str_dup(request->arena, text),
		&request->filter);
}

static enum err read_presence(struct call *call)
{
	struct str text = call_query(call, "set_presence");
	if (text.p == NULL || str_equals(text, STR("offline")) || str_equals(text, STR("online")) ||
		str_equals(text, STR("unavailable"))) {
		return ERR_OK;
	}
	return fail(&call->ctx, ERR_INPUT, M_INVALID_PARAM,
		"set_presence must be offline, online or unavailable");
}

static enum err read_request(struct call *call, struct sync_request *request)
{
	const struct homeserver *hs = hs_of(call);
	int64_t timeout_ms;
	TRY(call_query_int(call, "timeout", 0, INT64_MAX, 0, &timeout_ms));
	TRY(call_query_bool(call, "full_state", false, &request->is_full_state));
	TRY(call_query_bool(call, "use_state_after", false, &request->uses_state_after));
	TRY(read_presence(call));
	struct str since = call_query(call, "since");
	request->has_since = since.p != NULL;
	if (request->has_since) {
		TRY(token_read(&call->ctx, hs, since, &request->since));
	}
	TRY(read_filter(call, request));
	timeout_ms = MIN_OF(timeout_ms, hs->settings.sync_max_timeout_ms);
	if (timeout_ms > 0 && request->has_since && !request->is_full_state) {
		request->deadline_mono_ms = clock_mono_ms(&hs->clock) + timeout_ms;
	}
	return ERR_OK;
}

static void destroy_request(void *value)
{
	struct sync_request *request = value;
	arena_destroy(request->arena);
	mem_free(request);
}

enum err sync_request_of(struct call *call, struct sync_request **out)
{
	*out = call_kept(call);
	if (*out != NULL) {
		return ERR_OK;
	}
	struct sync_request *request = mem_alloc(sizeof(*request));
	request->arena = arena_create();
	call_keep(call, request, destroy_request);
	enum err err = read_request(call, request);
	if (err != ERR_OK) {
		call_keep(call, NULL, NULL);
		return err;
	}
	*out = request;
	return ERR_OK;
}
