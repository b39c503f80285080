/*
 * Parses what was asked into typed values; search.c answers.
 */
#include "homeserver/search/search_routes.h"

#include "homeserver/search/search.h"
#include "storage/search.h"

static enum err bad(struct call *call, const char *text)
{
	return fail(&call->ctx, ERR_INPUT, M_INVALID_PARAM, "%s", text);
}

static enum err read_term(struct call *call, const struct json *criteria, struct str *out)
{
	TRY(body_str(call, criteria, "search_term", out));
	return out->n <= SEARCH_TERM_MAX_BYTES ? ERR_OK : bad(call, "search_term is too long");
}

static enum err read_keys(struct call *call, const struct json *criteria,
	struct search_request *request)
{
	static const struct str names[] = {[SEARCH_BODY] = STR_INIT("content.body"),
		[SEARCH_NAME] = STR_INIT("content.name"),
		[SEARCH_TOPIC] = STR_INIT("content.topic")};
	const struct json *keys;
	TRY(body_opt_array(call, criteria, "keys", &keys));
	for (size_t key = SEARCH_BODY; key < COUNT_OF(names); key++) {
		request->wants_key[key] = keys == NULL;
	}
	for (size_t i = 0; keys != NULL && i < keys->count; i++) {
		size_t key = SEARCH_BODY;
		while (key < COUNT_OF(names) && !str_equals(names[key], json_text(&keys->items[i]))) {
			key++;
		}
		if (key == COUNT_OF(names)) {
			return bad(call, "keys: only content.body, content.name and content.topic are known");
		}
		request->wants_key[key] = true;
	}
	return ERR_OK;
}

static enum err read_filter(struct call *call, const struct json *criteria,
	struct search_request *request)
{
	const struct json *json;
	struct field_error error;
	struct event_filter *filter = ARENA_NEW(call->ctx.arena, struct event_filter);
	TRY(body_opt_object(call, criteria, "filter", &json));
	event_filter_init(filter);
	if (json != NULL && !event_filter_parse(call->ctx.arena, json, filter, &error)) {
		return fail(&call->ctx, ERR_INPUT, error.errcode, "filter: %.*s %s", STR_ARG(error.field),
			error.text);
	}
	request->filter = filter;
	return ERR_OK;
}

static enum err read_order(struct call *call, const struct json *criteria,
	struct search_request *request)
{
	struct str order;
	TRY(body_opt_str(call, criteria, "order_by", &order));
	request->is_by_rank = order.p == NULL || str_equals(order, STR("rank"));
	bool is_known = request->is_by_rank || str_equals(order, STR("recent"));
	return is_known ? ERR_OK : bad(call, "order_by must be rank or recent");
}

static enum err read_context(struct call *call, const struct json *criteria,
	struct search_request *request)
{
	const struct json *context;
	int64_t before;
	int64_t after;
	TRY(body_opt_object(call, criteria, "event_context", &context));
	if (context == NULL) {
		return ERR_OK;
	}
	TRY(body_opt_int(call, context, "before_limit", 0, INT64_MAX, SEARCH_CONTEXT_DEFAULT, &before));
	TRY(body_opt_int(call, context, "after_limit", 0, INT64_MAX, SEARCH_CONTEXT_DEFAULT, &after));
	TRY(body_opt_bool(call, context, "include_profile", false, &request->with_profiles));
	request->with_context = true;
	request->context_before = (size_t)MIN_OF(before, (int64_t)SEARCH_CONTEXT_MAX);
	request->context_after = (size_t)MIN_OF(after, (int64_t)SEARCH_CONTEXT_MAX);
	return ERR_OK;
}

static enum err read_groups(struct call *call, const struct json *criteria,
	struct search_request *request)
{
	const struct json *groupings;
	const struct json *group_by = NULL;
	TRY(body_opt_object(call, criteria, "groupings", &groupings));
	if (groupings != NULL) {
		TRY(body_opt_array(call, groupings, "group_by", &group_by));
	}
	for (size_t i = 0; group_by != NULL && i < group_by->count; i++) {
		struct str key = json_get_str(&group_by->items[i], STR("key"));
		if (key.p != NULL && str_equals(key, STR("room_id"))) {
			request->by_room = true;
		} else if (key.p != NULL && str_equals(key, STR("sender"))) {
			request->by_sender = true;
		} else {
			return bad(call, "groupings: only room_id and sender are known");
		}
	}
	return ERR_OK;
}

static enum err read_request(struct call *call, const struct json *criteria,
	struct search_request *out)
{
	struct str token = call_query(call, "next_batch");
	*out = (struct search_request){.who = principal_of(call), .has_token = token.p != NULL};
	if (out->has_token) {
		TRY(search_token_read(&call->ctx, hs_of(call), token, &out->token));
	}
	TRY(read_term(call, criteria, &out->term));
	TRY(read_keys(call, criteria, out));
	TRY(read_filter(call, criteria, out));
	TRY(read_order(call, criteria, out));
	TRY(read_context(call, criteria, out));
	TRY(body_opt_bool(call, criteria, "include_state", false, &out->with_state));
	return read_groups(call, criteria, out);
}

static enum err post_search(struct call *call)
{
	const struct json *body;
	const struct json *categories;
	const struct json *criteria;
	struct search_request request;
	TRY(call_json(call, &body));
	TRY(body_opt_object(call, body, "search_categories", &categories));
	if (categories == NULL) {
		return fail(&call->ctx, ERR_INPUT, M_MISSING_PARAM, "'search_categories' is missing");
	}
	TRY(body_opt_object(call, categories, "room_events", &criteria));
	if (criteria == NULL) {
		struct json_out *out = reply_json(call, 200);
		json_out_object(out);
		json_out_key_object(out, "search_categories");
		json_out_end(out);
		json_out_end(out);
		return ERR_OK;
	}
	TRY(read_request(call, criteria, &request));
	return search_events(&call->ctx, hs_of(call), &request, reply_json(call, 200));
}

const struct route search_routes[] = {
	{"search", "POST", "/_matrix/client/(r0|v3)/search", AUTH_USER, LANE_LOCAL, RATE_READ, 0,
		post_search},
};
const size_t search_route_count = COUNT_OF(search_routes);
