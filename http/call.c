/*
 * What handlers see of their request.
 */
#include "http/call.h"

#include "http/call_state.h"
#include "http/io_loop.h"

#include <inttypes.h>
#include <string.h>

enum err call_begin(struct request *request, bool is_inline, struct call **out)
{
	struct http_server *server = request->server;
	struct arena *arena = arenas_take(server->arenas);
	struct call *call = ARENA_NEW(arena, struct call);
	struct call_state *state = ARENA_NEW(arena, struct call_state);
	ctx_init(&call->ctx, arena);
	call->ctx.request_id = request->id;
	call->ctx.deadline_ms = request->started_us / 1000 + server->config.call_timeout_ms;
	call->route = request->match.entry->route;
	call->service = request->match.entry->service;
	call->state = state;
	state->request = request;
	state->arena = arena;
	call->ctx.may_not_wait = is_inline;
	call->ctx.may_not_ask = !request->is_moved && call->route->lane != LANE_REMOTE;
	state->is_stopping = server_is_stopping(server);
	*out = call;
	if (request->is_resumed) {
		return ERR_OK; /* it was looked at in the first run, and may not be wanted again */
	}
	state->has_query = true;
	struct uri_memo *memo = is_inline ? io_loop_uri_memo(request->loop) : NULL;
	if (!uri_parse_query_again(arena, request->query, memo, &state->query, &state->query_count)) {
		return fail(&call->ctx, ERR_INPUT, "M_INVALID_PARAM",
			"The query is not valid percent-encoded UTF-8, or has more than %d parameters",
			URI_MAX_PAIRS);
	}
	return ERR_OK;
}

void call_end(struct call *call)
{
	struct call_state *state = call->state;
	buf_fini(&state->body);
	if (state->park != NULL) {
		park_cancel(state->park);
	}
	arenas_give(state->request->server->arenas, state->arena);
}

void call_rewind(struct call *call)
{
	struct call_state *state = call->state;
	buf_fini(&state->body);
	if (state->park != NULL) {
		park_cancel(state->park);
		state->park = NULL;
	}
	call->ctx.may_not_wait = false;
	call->ctx.handover = NULL; /* where it goes on it may have a memo */
	state->is_replied = false;
	state->file = NULL;
	state->headers = NULL;
	call->ctx.fault = (struct fault){0};
}

/* --- request ---------------------------------------------------------------------------------- */

/* Its place among the path parameters; their number when there is none. */
static size_t path_place(const struct router_match *match, const char *name)
{
	size_t i = 0;
	while (
		i < match->entry->param_count && !str_equals(match->entry->param_names[i], str_of(name))) {
		i++;
	}
	return i;
}

struct str call_path(const struct call *call, const char *name)
{
	const struct router_match *match = &call->state->request->match;
	size_t i = path_place(match, name);
	invariant(i < match->entry->param_count);
	return match->params[i];
}

bool call_has_path(const struct call *call, const char *name)
{
	const struct router_match *match = &call->state->request->match;
	return path_place(match, name) < match->entry->param_count;
}

/* The call's state, with its query parsed. */
static const struct call_state *with_query(const struct call *call)
{
	struct call_state *state = call->state;
	if (!state->has_query) {
		state->has_query = true;
		bool is_valid = uri_parse_query(call->ctx.arena, state->request->query, &state->query,
			&state->query_count);
		invariant(is_valid); /* else the first run had been the last */
	}
	return state;
}

struct str call_query(const struct call *call, const char *name)
{
	const struct call_state *state = with_query(call);
	const struct str wanted = str_of(name);
	for (size_t i = 0; i < state->query_count; i++) {
		if (str_equals(state->query[i].name, wanted)) {
			return state->query[i].value;
		}
	}
	return (struct str){0};
}

struct str *call_query_all(struct call *call, const char *name, size_t *out_n)
{
	const struct call_state *state = with_query(call);
	struct str *values = ARENA_NEW_ARRAY(call->ctx.arena, struct str, state->query_count + 1);
	size_t n = 0;
	for (size_t i = 0; i < state->query_count; i++) {
		if (str_equals(state->query[i].name, str_of(name))) {
			values[n++] = state->query[i].value;
		}
	}
	*out_n = n;
	return values;
}

enum err call_query_int(struct call *call, const char *name, int64_t min, int64_t max,
	int64_t otherwise, int64_t *out)
{
	struct str text = call_query(call, name);
	if (text.p == NULL) {
		*out = otherwise;
		return ERR_OK;
	}
	if (!str_to_int(text, min, max, out)) {
		return fail(&call->ctx, ERR_INPUT, "M_INVALID_PARAM",
			"Query parameter '%s' must be an integer from %" PRId64 " to %" PRId64, name, min, max);
	}
	return ERR_OK;
}

enum err call_query_bool(struct call *call, const char *name, bool otherwise, bool *out)
{
	struct str text = call_query(call, name);
	if (text.p == NULL) {
		*out = otherwise;
	} else if (str_equals(text, STR("true"))) {
		*out = true;
	} else if (str_equals(text, STR("false"))) {
		*out = false;
	} else {
		return fail(&call->ctx, ERR_INPUT, "M_INVALID_PARAM",
			"Query parameter '%s' must be 'true' or 'false'", name);
	}
	return ERR_OK;
}

struct str call_header(const struct call *call, const char *name)
{
	return request_header(call->state->request, str_of(name));
}

struct str call_method(const struct call *call)
{
	return call->state->request->method;
}

struct str call_raw_target(const struct call *call)
{
	return call->state->request->target;
}

struct str call_client_address(const struct call *call)
{
	return call->state->request->address;
}

struct str call_client_network(const struct call *call)
{
	return call->state->request->network;
}

struct str call_body(const struct call *call)
{
	return buf_str(&call->state->request->body);
}

const struct body_file *call_body_file(const struct call *call)
{
	return body_file(call->state->request->streamed);
}

enum err call_json_optional(struct call *call, const struct json **out)
{
	static const struct json empty = {.type = JSON_OBJECT};
	if (call_body(call).n == 0) {
		*out = &empty;
		return ERR_OK;
	}
	return call_json(call, out);
}

enum err call_json(struct call *call, const struct json **out)
{
	struct call_state *state = call->state;
	if (state->body_json != NULL) {
		*out = state->body_json;
		return ERR_OK;
	}
	struct str text = call_body(call);
	if (text.n == 0) {
		return fail(&call->ctx, ERR_INPUT, "M_NOT_JSON", "The body is missing");
	}
	struct json *json = ARENA_NEW(call->ctx.arena, struct json);
	size_t at = 0;
	enum json_error error = json_parse(call->ctx.arena, text, NULL, json, &at);
	switch (error) {
	case JSON_OK:
		break;
	case JSON_ERROR_SYNTAX:
		return fail(&call->ctx, ERR_INPUT, "M_NOT_JSON", "The body is not JSON: %s at byte %zu",
			json_error_text(error), at);
	case JSON_ERROR_DUPLICATE:
	case JSON_ERROR_LIMIT:
		return fail(&call->ctx, ERR_INPUT, "M_BAD_JSON", "The body cannot be taken: %s at byte %zu",
			json_error_text(error), at);
	}
	if (json->type != JSON_OBJECT) {
		return fail(&call->ctx, ERR_INPUT, "M_BAD_JSON", "The body must be a JSON object");
	}
	state->body_json = json;
	*out = json;
	return ERR_OK;
}

void call_set_json(struct call *call, const struct json *body)
{
	invariant(call_body(call).n > 0);
	call->state->body_json = body;
}

void *call_principal(const struct call *call)
{
	return call->state->request->principal;
}

void call_set_principal(struct call *call, void *principal, void (*release)(void *principal))
{
	struct request *request = call->state->request;
	request_drop_principal(request);
	request->principal = principal;
	request->principal_release = release;
}

void call_set_principal_of_headers(struct call *call, void *principal,
	void (*release)(void *principal))
{
	call_set_principal(call, principal, release);
	call->state->request->is_principal_of_headers = true;
}

void *call_last_principal(const struct call *call)
{
	return call->state->request->head->principal;
}

void call_confirm_principal(struct call *call)
{
	struct request_head *head = call->state->request->head;
	void *principal = head->principal;
	head->principal = NULL;
	call_set_principal_of_headers(call, principal, head->principal_release);
	head->principal_release = NULL;
}

/* --- typed body fields ------------------------------------------------------------------------------ */

static enum err wrong_type(struct call *call, const char *key, const char *wanted)
{
	return fail(&call->ctx, ERR_INPUT, "M_BAD_JSON", "'%s' must be %s", key, wanted);
}

/* The member, or NULL when it is absent or null. */
static const struct json *member(const struct json *object, const char *key)
{
	const struct json *value = json_get(object, str_of(key));
	return json_is(value, JSON_NULL) ? NULL : value;
}

enum err body_str(struct call *call, const struct json *object, const char *key, struct str *out)
{
	if (json_get(object, str_of(key)) == NULL) {
		return fail(&call->ctx, ERR_INPUT, "M_MISSING_PARAM", "'%s' is missing", key);
	}
	struct str text = {0};
	TRY(body_opt_str(call, object, key, &text));
	if (text.p == NULL) {
		return wrong_type(call, key, "a string");
	}
	*out = text;
	return ERR_OK;
}

enum err body_opt_str(struct call *call, const struct json *object, const char *key,
	struct str *out)
{
	const struct json *value = member(object, key);
	if (value == NULL) {
		*out = (struct str){0};
		return ERR_OK;
	}
	if (value->type != JSON_STRING) {
		return wrong_type(call, key, "a string");
	}
	*out = json_text(value).n > 0 ? json_text(value) : STR("");
	return ERR_OK;
}

enum err body_opt_bool(struct call *call, const struct json *object, const char *key,
	bool otherwise, bool *out)
{
	const struct json *value = member(object, key);
	if (value != NULL && value->type != JSON_BOOL) {
		return wrong_type(call, key, "a boolean");
	}
	*out = value != NULL ? value->boolean : otherwise;
	return ERR_OK;
}

enum err body_opt_int(struct call *call, const struct json *object, const char *key, int64_t min,
	int64_t max, int64_t otherwise, int64_t *out)
{
	const struct json *value = member(object, key);
	if (value == NULL) {
		*out = otherwise;
		return ERR_OK;
	}
	if (value->type != JSON_INT || value->integer < min || value->integer > max) {
		return fail(&call->ctx, ERR_INPUT, "M_BAD_JSON",
			"'%s' must be an integer from %" PRId64 " to %" PRId64, key, min, max);
	}
	*out = value->integer;
	return ERR_OK;
}

enum err body_opt_object(struct call *call, const struct json *object, const char *key,
	const struct json **out)
{
	const struct json *value = member(object, key);
	if (value != NULL && value->type != JSON_OBJECT) {
		return wrong_type(call, key, "an object");
	}
	*out = value;
	return ERR_OK;
}

enum err body_opt_array(struct call *call, const struct json *object, const char *key,
	const struct json **out)
{
	const struct json *value = member(object, key);
	if (value != NULL && value->type != JSON_ARRAY) {
		return wrong_type(call, key, "an array");
	}
	*out = value;
	return ERR_OK;
}

/* --- lanes and parking -------------------------------------------------------------------------------- */

bool call_is_inline(const struct call *call)
{
	return call->ctx.may_not_wait;
}

struct park *call_park(struct call *call, int64_t deadline_mono_ms)
{
	struct call_state *state = call->state;
	invariant(state->park == NULL);
	state->park = park_create(state->request->server->parks, state->request, deadline_mono_ms);
	return state->park;
}

bool call_is_resumed(const struct call *call)
{
	return call->state->request->is_resumed;
}

int64_t call_began_ms(const struct call *call)
{
	return call->state->request->started_us / 1000;
}

bool call_waited_for_admission(const struct call *call)
{
	return call->state->request->waited_for_admission;
}

bool call_is_stopping(const struct call *call)
{
	return call->state->is_stopping || server_is_stopping(call->state->request->server);
}

void *call_kept(const struct call *call)
{
	return call->state->request->kept;
}

void call_keep(struct call *call, void *value, void (*destroy)(void *value))
{
	struct request *request = call->state->request;
	if (request->kept_destroy != NULL) {
		request->kept_destroy(request->kept);
	}
	request->kept = value;
	request->kept_destroy = destroy;
	request->is_kept_on = false;
}

void call_keep_on(struct call *call)
{
	call->state->request->is_kept_on = true;
}

void *call_take_left(struct call *call)
{
	struct request *request = call->state->request;
	struct request_head *head = request->head;
	if (head->kept == NULL || head->entry != request->match.entry) {
		return NULL;
	}
	void *left = head->kept;
	head->kept = NULL;
	head->kept_destroy = NULL;
	return left;
}
