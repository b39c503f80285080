/*
 * What is asked of the list of published rooms, by clients and by other servers alike.
 */
#include "homeserver/directory/directory.h"

static size_t room_limit(int64_t limit)
{
	return limit == 0 ? DIRECTORY_ROOMS_DEFAULT
					  : (size_t)MIN_OF(limit, (int64_t)DIRECTORY_ROOMS_MAX);
}

/* @param network  an instance_id of GET /thirdparty/protocols: "service|network" */
static enum err read_networks(struct call *call, bool all_networks, struct str network,
	struct public_rooms_ask *ask)
{
	if (all_networks && network.p != NULL) {
		return fail(&call->ctx, ERR_INPUT, M_INVALID_PARAM,
			"include_all_networks and third_party_instance_id exclude each other");
	}
	ask->has_all_networks = all_networks;
	if (network.p != NULL) {
		(void)str_split(network, '|', &ask->network.appservice_id, &ask->network.network_id);
	}
	return ERR_OK;
}

enum err public_rooms_read_query(struct call *call, struct public_rooms_ask *out)
{
	int64_t limit;
	bool all_networks;
	struct str network = call_query(call, "third_party_instance_id");
	*out = (struct public_rooms_ask){.since = call_query(call, "since")};
	TRY(call_query_int(call, "limit", 0, INT64_MAX, 0, &limit));
	TRY(call_query_bool(call, "include_all_networks", false, &all_networks));
	out->limit = room_limit(limit);
	return read_networks(call, all_networks, network, out);
}

static enum err read_types(struct call *call, const struct json *filter,
	struct public_rooms_ask *ask)
{
	const struct json *types;
	TRY(body_opt_array(call, filter, "room_types", &types));
	if (types == NULL) {
		return ERR_OK;
	}
	struct str *list = ARENA_NEW_ARRAY(call->ctx.arena, struct str, types->count + 1);
	for (size_t i = 0; i < types->count; i++) {
		const struct json *type = &types->items[i];
		if (type->type != JSON_STRING && type->type != JSON_NULL) {
			return fail(&call->ctx, ERR_INPUT, M_BAD_JSON, "room_types holds texts and null");
		}
		list[i] = type->type == JSON_STRING ? json_text(type) : STR("");
	}
	ask->types = list;
	ask->type_count = types->count;
	return ERR_OK;
}

static enum err read_filter(struct call *call, const struct json *filter,
	struct public_rooms_ask *ask)
{
	TRY(body_opt_str(call, filter, "generic_search_term", &ask->term));
	if (ask->term.n > DIRECTORY_TERM_MAX_BYTES) {
		return fail(&call->ctx, ERR_INPUT, M_INVALID_PARAM, "generic_search_term is too long");
	}
	return read_types(call, filter, ask);
}

enum err public_rooms_read_body(struct call *call, const struct json *body,
	struct public_rooms_ask *out)
{
	const struct json *filter;
	struct str network;
	int64_t limit;
	bool all_networks;
	*out = (struct public_rooms_ask){0};
	TRY(body_opt_int(call, body, "limit", 0, INT64_MAX, 0, &limit));
	TRY(body_opt_str(call, body, "since", &out->since));
	TRY(body_opt_object(call, body, "filter", &filter));
	TRY(body_opt_bool(call, body, "include_all_networks", false, &all_networks));
	TRY(body_opt_str(call, body, "third_party_instance_id", &network));
	out->limit = room_limit(limit);
	if (filter != NULL) {
		TRY(read_filter(call, filter, out));
	}
	return read_networks(call, all_networks, network, out);
}
