/*
 * The request: parsed once, kept while it waits, and then for the next one of the client, which mostly differs in its token only.
 */
#include "base/mem.h"
#include "homeserver/account/accounts.h"
#include "homeserver/sync/sync_inner.h"

/* Whether the filter that is there is what the client has written out. */
static bool is_same_filter(const struct sync_request *request, struct str text)
{
	return request->shared_filter != NULL && text.n > 0 && text.p[0] == '{' &&
		str_equals(request->shared_filter->definition, text);
}

static enum err read_filter(struct call *call, struct sync_request *request)
{
	if (is_same_filter(request, call_query(call, "filter"))) {
		return ERR_OK;
	}
	shared_filter_unref(request->shared_filter);
	request->shared_filter = NULL;
	enum err err = filter_load_named(&call->ctx, hs_of(call), principal_of(call)->user.s,
		call_query(call, "filter"), &request->shared_filter);
	if (err == ERR_MISSING) {
		return fail(&call->ctx, ERR_INPUT, M_INVALID_PARAM, "There is no such filter");
	}
	TRY(err);
	request->filter = &request->shared_filter->filter;
	return ERR_OK;
}

enum err sync_read_presence(struct call *call, enum presence_state *out)
{
	struct str text = call_query(call, "set_presence");
	*out = PRESENCE_ONLINE;
	if (text.p == NULL || presence_state_parse(text, out)) {
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
	TRY(sync_read_presence(call, &request->presence));
	struct str since = call_query(call, "since");
	request->has_since = since.p != NULL;
	request->since = (struct token){0};
	if (request->has_since) {
		TRY(token_read_since(&call->ctx, hs, since, &request->since));
	}
	TRY(read_filter(call, request));
	sessions_note_synced(hs_of(call), call, request->since.position);
	timeout_ms = MIN_OF(timeout_ms, hs->settings.sync_max_timeout_ms);
	bool may_wait = timeout_ms > 0 && request->has_since && !request->is_full_state;
	int64_t now_ms = call_began_ms(call);
	request->deadline_mono_ms = may_wait ? now_ms + timeout_ms : 0;
	return presence_synced(&call->ctx, hs_of(call), principal_of(call), request->presence,
		may_wait ? request->deadline_mono_ms : now_ms);
}

static void destroy_request(void *value)
{
	struct sync_request *request = value;
	shared_filter_unref(request->shared_filter);
	user_unref(request->user);
	mem_free(request);
}

/* With filter, user and known member of the request before; or an empty one. */
static struct sync_request *take_left(struct call *call)
{
	struct sync_request *request = call_take_left(call);
	if (request == NULL) {
		return mem_alloc(sizeof(*request));
	}
	/* A service acts as another user each time, or as another device; with tokens in queries anybody may come, by way of a proxy. */
	if (principal_of(call)->appservice_id.p != NULL ||
		call_header(call, "Authorization").p == NULL) {
		request->known_member = (struct known_member){0};
	}
	if (request->user != NULL &&
		!str_equals(user_id_of(request->user), principal_of(call)->user.s)) {
		user_unref(request->user);
		request->user = NULL;
	}
	return request;
}

enum err sync_request_of(struct call *call, struct sync_request **out)
{
	*out = call_kept(call);
	if (*out != NULL) {
		return ERR_OK;
	}
	struct sync_request *request = take_left(call);
	call_keep(call, request, destroy_request);
	enum err err = read_request(call, request);
	if (err != ERR_OK) {
		call_keep(call, NULL, NULL);
		return err;
	}
	call_keep_on(call);
	*out = request;
	return ERR_OK;
}
