/*
 * GET /hierarchy of other servers, kept for some minutes: a tree is walked anew for each of its pages.
 */
#include "federation/remote_space.h"

#include "federation/answers.h"
#include "federation/fed_client.h"
#include "http/memo.h"
#include "http/uri.h"

enum {
	ANSWER_BYTES = 2 << 20,     /* a request asks up to 20 times, and keeps what it is told */
	ANSWER_VALUES = 100 * 1000, /* a thousand rooms have a third of that */
	ASK_MS = 10 * 1000,
	KEPT_MS = 5 * 60 * 1000,
};

/* Whether the call is parked for a question: decided once, for its later runs have more in their arena. */
static bool is_parked_for(struct ctx *ctx, struct server_name server, struct str target)
{
	struct str key =
		str_printf(ctx->arena, "parked for %.*s%.*s", STR_ARG(server.s), STR_ARG(target));
	bool *is_parked = memo_get(ctx->memo, key);
	if (is_parked == NULL) {
		is_parked = ARENA_NEW(ctx->arena, bool);
		*is_parked = memo_hold(ctx, 0);
		memo_put(ctx->memo, key, is_parked);
	}
	return *is_parked;
}

static enum err fetch(struct federation *federation, struct ctx *ctx, struct server_name server,
	struct str room_id, bool suggested_only, int64_t timeout_ms, struct json *out)
{
	struct fed_answer answer;
	struct str target =
		str_printf(ctx->arena, "/_matrix/federation/v1/hierarchy/%.*s?suggested_only=%s",
			STR_ARG(uri_encode(ctx->arena, room_id)), suggested_only ? "true" : "false");
	const struct fed_request request = {
		.server = server,
		.method = "GET",
		.target = target,
		.answer_ceiling_bytes = ANSWER_BYTES,
		.answer_max_values = ANSWER_VALUES,
		.timeout_ms = MAX_OF(MIN_OF(timeout_ms, (int64_t)ASK_MS), (int64_t)1),
		.purpose = is_parked_for(ctx, server, target) ? ctx->memo : NULL,
	};
	TRY(fed_ask(ctx, federation, &request, &answer, NULL));
	*out = answer.json;
	return answer.json.type == JSON_OBJECT
		? ERR_OK
		: fail_cause(ctx, ERR_REMOTE, "a hierarchy is no object");
}

/*
 * What one server says is kept for that server only: another may know better. That it says nothing is not kept: it may have heard a moment later
 * that the user came into a room by which it tells.
 */
static enum err ask_one(struct federation *federation, struct ctx *ctx, struct server_name server,
	struct str room_id, bool suggested_only, int64_t timeout_ms, struct json *out)
{
	struct str key = str_printf(ctx->arena, "%d %.*s %.*s", suggested_only ? 1 : 0,
		STR_ARG(server.s), STR_ARG(room_id));
	if (answers_get(ctx, federation->spaces, key, out)) {
		return ERR_OK;
	}
	TRY(ctx_may_ask(ctx));
	TRY(fetch(federation, ctx, server, room_id, suggested_only, timeout_ms, out));
	answers_put(ctx, federation->spaces, key, out, KEPT_MS);
	return ERR_OK;
}

static enum err ask(void *self, struct ctx *ctx, const struct server_name *servers, size_t count,
	struct str room_id, bool suggested_only, int64_t timeout_ms, struct json *out)
{
	struct federation *federation = self;
	int64_t until_ms = clock_mono_ms(&federation->hs->clock) + timeout_ms;
	enum err err = ERR_MISSING;
	for (size_t i = 0; i < count && err != ERR_OK; i++) {
		err = ask_one(federation, ctx, servers[i], room_id, suggested_only,
			until_ms - clock_mono_ms(&federation->hs->clock), out);
		if (err == ERR_DEFER || err == ERR_SHUTDOWN) {
			return err;
		}
	}
	return err;
}

void remote_space_fill_port(struct federation *federation)
{
	federation->hs->ports.space = (struct space_port){.self = federation, .ask = ask};
}
