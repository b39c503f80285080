/*
 * This server's own keys from memory, so on the I/O threads; others' from the database, or by asking.
 */
#include "federation/server_key_routes.h"

#include "federation/notary.h"
#include "federation/own_keys.h"

static enum err get_server_keys(struct call *call)
{
	return reply_bytes(call, 200, "application/json",
		own_keys_answer(call->ctx.arena, hs_of(call)));
}

static int64_t now_ms(const struct call *call)
{
	return clock_wall_ms(&hs_of(call)->clock);
}

static enum err answer(struct call *call, const struct notary_query *queries, size_t count)
{
	struct str *entries;
	size_t entry_count;
	TRY(notary_query(&call->ctx, hs_of(call)->federation, queries, count, &entries, &entry_count));
	struct json_out *out = reply_json(call, 200);
	json_out_object(out);
	json_out_key_array(out, "server_keys");
	for (size_t i = 0; i < entry_count; i++) {
		json_out_raw(out, entries[i]);
	}
	json_out_end(out);
	json_out_end(out);
	return ERR_OK;
}

static enum err get_query(struct call *call)
{
	struct notary_query query;
	if (!server_name_parse(call_path(call, "serverName"), &query.server)) {
		return fail(&call->ctx, ERR_INPUT, M_INVALID_PARAM, "That is no server name");
	}
	TRY(call_query_int(call, "minimum_valid_until_ts", 0, INT64_MAX, now_ms(call),
		&query.until_ms));
	return answer(call, &query, 1);
}

/* The latest of the times that are asked for a server's keys; `criteria` is by key id. */
static enum err read_until(struct call *call, const struct json *criteria, int64_t *out)
{
	*out = now_ms(call);
	if (criteria->type != JSON_OBJECT) {
		return fail(&call->ctx, ERR_INPUT, M_BAD_JSON, "'server_keys' must hold objects");
	}
	for (size_t i = 0; i < criteria->count; i++) {
		int64_t until_ms;
		TRY(body_opt_int(call, &criteria->members[i].value, "minimum_valid_until_ts", 0, INT64_MAX,
			0, &until_ms));
		*out = MAX_OF(*out, until_ms);
	}
	return ERR_OK;
}

static enum err post_query(struct call *call)
{
	const struct json *body;
	const struct json *servers;
	TRY(call_json(call, &body));
	TRY(body_opt_object(call, body, "server_keys", &servers));
	if (servers == NULL) {
		return fail(&call->ctx, ERR_INPUT, M_MISSING_PARAM, "'server_keys' is missing");
	}
	if (servers->count > NOTARY_MAX_SERVERS) {
		return fail(&call->ctx, ERR_INPUT, M_INVALID_PARAM, "At most %d servers a query",
			(int)NOTARY_MAX_SERVERS);
	}
	if (servers->count > 1) {
		TRY(call_charge(call, servers->count - 1));
	}
	struct notary_query *queries =
		ARENA_NEW_ARRAY(call->ctx.arena, struct notary_query, servers->count);
	for (size_t i = 0; i < servers->count; i++) {
		const struct json_member *member = &servers->members[i];
		if (!server_name_parse(member->key, &queries[i].server)) {
			return fail(&call->ctx, ERR_INPUT, M_INVALID_PARAM, "'server_keys' must name servers");
		}
		TRY(read_until(call, &member->value, &queries[i].until_ms));
	}
	return answer(call, queries, servers->count);
}

#define KEY "/_matrix/key/v2"

const struct route server_key_routes[] = {
	{"getServerKey", "GET", KEY "/server", AUTH_NONE, LANE_INLINE, RATE_NONE, 0, get_server_keys},
	/* As before v1.5, where the answer is the same; without a key's id it is what identity servers ask for. */
	{"getServerKeyById", "GET", KEY "/server/{keyId}", AUTH_NONE, LANE_INLINE, RATE_NONE, 0,
		get_server_keys},
	{"perspectivesKeyQuery", "GET", KEY "/query/{serverName}", AUTH_NONE, LANE_LOCAL, RATE_WRITE, 0,
		get_query},
	{"bulkPerspectivesKeyQuery", "POST", KEY "/query", AUTH_NONE, LANE_LOCAL, RATE_WRITE, 0,
		post_query},
};
const size_t server_key_route_count = COUNT_OF(server_key_routes);
