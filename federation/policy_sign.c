/*
 * A map under one lock has the policy servers that are being asked or failed lately; the others need no entry.
 */
#include "federation/policy_sign.h"

#include "base/lock.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "federation/fed_client.h"
#include "http/memo.h"
#include "matrix/event.h"

enum {
	THREADS_AT_ONCE = 8, /* that wait here: half of those that wait for others by default */
	ASKS_OF_ONE = 4,
	FAILED_KEPT = 1000, /* servers that failed lately */
	TIMEOUT_MS = 10 * 1000,
	FIRST_PAUSE_MS = 2000,
	LONGEST_PAUSE_MS = 60 * 1000,
	MAX_DOUBLINGS = 10,
	BUSY_MS = 500, /* after which one may try again */
	MAX_RETRY_AFTER_MS = 3600 * 1000,
	ANSWER_CEILING = 64 * 1024,
};

static struct metric asked_total =
	METRIC_COUNTER("belfry_policy_server_asked_total", "Events that policy servers were to sign");
static struct metric refused_total =
	METRIC_COUNTER("belfry_policy_server_refused_total", "Events that policy servers did not sign");
static struct metric failed_total = METRIC_COUNTER("belfry_policy_server_failed_total",
	"Times that a policy server did not answer");

struct asked {
	size_t under_way;
	int failures; /* in a row */
	int64_t until_ms;
};

struct policy_askers {
	struct lock lock;
	struct map by_server; /* guarded by lock, as what follows: name → struct asked * */
	size_t
		threads; /* that wait for an answer: where a request is parked none does, whatever their number */
};

struct policy_askers *policy_askers_create(void)
{
	struct policy_askers *askers = mem_alloc(sizeof(*askers));
	lock_init(&askers->lock, RANK_LEAF);
	map_init(&askers->by_server);
	return askers;
}

/* @param before_ms  of those that are not being asked, whose pause is over by then; INT64_MAX: all */
static void drop_locked(struct policy_askers *askers, int64_t before_ms)
{
	size_t i = 0;
	struct str server;
	void *value;
	while (map_next(&askers->by_server, &i, &server, &value)) {
		struct asked *asked = value;
		if (asked->under_way == 0 && asked->until_ms < before_ms) {
			(void)map_remove(&askers->by_server, server);
			mem_free(asked);
		}
	}
}

void policy_askers_destroy(struct policy_askers *askers)
{
	if (askers == NULL) {
		return;
	}
	lock_take(&askers->lock);
	drop_locked(askers, INT64_MAX);
	lock_give(&askers->lock);
	map_fini(&askers->by_server);
	lock_fini(&askers->lock);
	mem_free(askers);
}

/* --- who may ask --------------------------------------------------------------------------------------------- */

/* How a question ended. */
enum heard {
	HEARD_NOTHING, /* the policy server has failed */
	HEARD_IT,
	HEARD_UNASKED, /* nobody waits for it any more: says nothing of the policy server */
};

static struct asked *find_locked(struct policy_askers *askers, struct server_name server,
	int64_t now_ms)
{
	struct asked *asked = map_get(&askers->by_server, server.s);
	if (asked != NULL) {
		return asked;
	}
	if (askers->by_server.n >= FAILED_KEPT) {
		drop_locked(askers, now_ms);
	}
	if (askers->by_server.n >= FAILED_KEPT) {
		drop_locked(askers, INT64_MAX);
	}
	asked = mem_alloc(sizeof(*asked));
	(void)map_set(&askers->by_server, server.s, asked);
	return asked;
}

/* Errors: LIMIT (enough are asking); REMOTE (it failed lately). Not described. */
static enum err begin(struct policy_askers *askers, struct server_name server, int64_t now_ms,
	bool holds_thread)
{
	LOCK_SCOPE(&askers->lock);
	struct asked *asked = find_locked(askers, server, now_ms);
	if (asked->until_ms > now_ms) {
		return ERR_REMOTE;
	}
	size_t limit = asked->failures > 0 ? 1 : ASKS_OF_ONE;
	if (asked->under_way >= limit || (holds_thread && askers->threads >= THREADS_AT_ONCE)) {
		return asked->failures > 0 ? ERR_REMOTE : ERR_LIMIT;
	}
	asked->under_way++;
	askers->threads += holds_thread;
	return ERR_OK;
}

static void end(struct policy_askers *askers, struct server_name server, int64_t now_ms,
	bool holds_thread, enum heard heard)
{
	LOCK_SCOPE(&askers->lock);
	struct asked *asked = map_get(&askers->by_server, server.s);
	asked->under_way--;
	askers->threads -= holds_thread;
	if (heard == HEARD_IT) {
		asked->failures = 0;
		asked->until_ms = 0;
	} else if (heard == HEARD_NOTHING &&
		asked->until_ms <= now_ms) { /* several that failed together count once */
		int64_t pause_ms = (int64_t)FIRST_PAUSE_MS << MIN_OF(asked->failures, (int)MAX_DOUBLINGS);
		asked->until_ms = now_ms + MIN_OF(pause_ms, (int64_t)LONGEST_PAUSE_MS);
		asked->failures++;
	}
	if (asked->under_way == 0 && asked->failures == 0) {
		(void)map_remove(&askers->by_server, server.s);
		mem_free(asked);
	}
}

/* --- what it says ---------------------------------------------------------------------------------------------- */

static enum err unavailable(struct ctx *ctx, enum err err, struct server_name server)
{
	struct str cause = ctx->fault.cause;
	(void)fail(ctx, err, M_UNKNOWN,
		"The room's policy server, %.*s, does not answer; try again later", STR_ARG(server.s));
	ctx->fault.cause = cause;
	return err;
}

static enum err busy(struct ctx *ctx, int64_t retry_after_ms)
{
	enum err err = fail(ctx, ERR_LIMIT, M_LIMIT_EXCEEDED,
		"The room's policy server has too much to do; try again soon");
	ctx->fault.retry_after_ms = retry_after_ms;
	return err;
}

/* Errcodes by which the endpoint refuses. Another server's word about tokens and accounts is none about the client's. */
static const char *errcode_of(const struct fed_refusal *refusal)
{
	static const char *const passed[] = {M_FORBIDDEN, M_BAD_JSON, M_NOT_JSON, M_NOT_FOUND,
		M_UNRECOGNIZED, M_TOO_LARGE};
	for (size_t i = 0; i < COUNT_OF(passed); i++) {
		if (str_equals(refusal->errcode, str_of(passed[i]))) {
			return passed[i];
		}
	}
	return NULL;
}

/* "that error SHOULD be provided to the client verbatim" */
static enum err refuse(struct ctx *ctx, enum err err, const struct fed_refusal *refusal)
{
	const char *errcode = errcode_of(refusal);
	metric_add(&refused_total, 1);
	if (errcode == NULL) {
		err = fail(ctx, ERR_DENIED, M_FORBIDDEN, "The room's policy server refuses the event");
	} else {
		err = fail_status(ctx, err, refusal->status, errcode, "%s",
			"The room's policy server refuses the event");
	}
	if (refusal->error.n > 0) {
		ctx->fault.text = refusal->error;
	}
	return err;
}

/* Whether it has said anything, of this event or of how much it has to do. */
static bool has_answered(enum err err, const struct fed_refusal *refusal)
{
	return err == ERR_OK || (refusal->status >= 400 && refusal->status < 500);
}

static enum err describe(struct ctx *ctx, enum err err, struct server_name server,
	const struct fed_refusal *refusal)
{
	if (refusal->status == 429) {
		int64_t retry_after_ms;
		if (!json_get_int(&refusal->json, STR("retry_after_ms"), 0, MAX_RETRY_AFTER_MS,
				&retry_after_ms)) {
			retry_after_ms = BUSY_MS;
		}
		return busy(ctx, retry_after_ms);
	}
	if (refusal->status >= 400 && refusal->status < 500) {
		return refuse(ctx, err, refusal);
	}
	if (err == ERR_DENIED) { /* it is no partner of this server */
		return err;
	}
	return err == ERR_SHUTDOWN ? err
							   : unavailable(ctx, err == ERR_TIMEOUT ? err : ERR_REMOTE, server);
}

/* --- the question ------------------------------------------------------------------------------------------------ */

/* A question under way, in the arena of who asks: it counts until it has ended, or the request is gone. */
struct asking {
	struct federation *federation;
	struct server_name server;
	bool holds_thread; /* who asks waits for the answer with its thread */
	bool has_ended;
};

static void asking_end(struct asking *asking, enum heard heard)
{
	if (!asking->has_ended) {
		asking->has_ended = true;
		end(asking->federation->policy_askers, asking->server,
			clock_mono_ms(&asking->federation->hs->clock), asking->holds_thread, heard);
	}
}

static void asking_drop(void *data)
{
	asking_end(data, HEARD_UNASKED);
}

/* As another run of the call has begun it, or begun now. Errors: as begin(), described */
static enum err asking_of(struct ctx *ctx, struct federation *federation, struct server_name server,
	const struct event *event, struct asking **out)
{
	struct str key = str_printf(ctx->arena, "policy server asked about %p", (const void *)event);
	*out = memo_get(ctx->memo, key);
	if (*out != NULL) {
		return ERR_OK;
	}
	const bool holds_thread = ctx->memo == NULL;
	enum err err = begin(federation->policy_askers, server, clock_mono_ms(&federation->hs->clock),
		holds_thread);
	if (err != ERR_OK) {
		return err == ERR_LIMIT ? busy(ctx, BUSY_MS) : unavailable(ctx, err, server);
	}
	metric_add(&asked_total, 1);
	struct asking *asking = ARENA_NEW(ctx->arena, struct asking);
	*asking = (struct asking){.federation = federation,
		.server = {str_dup(ctx->arena, server.s)},
		.holds_thread = holds_thread};
	arena_on_reset(ctx->arena, asking_drop, asking);
	memo_put(ctx->memo, key, asking);
	*out = asking;
	return ERR_OK;
}

static enum err ask(struct ctx *ctx, struct federation *federation, struct server_name server,
	const struct event *event, struct json *out)
{
	struct asking *asking;
	struct fed_answer answer;
	struct fed_refusal refusal = {0};
	const struct fed_request request = {
		.server = server,
		.method = "POST",
		.target = STR("/_matrix/policy/v1/sign"),
		.body = event_json(ctx->arena, event),
		.answer_ceiling_bytes = ANSWER_CEILING,
		.timeout_ms = TIMEOUT_MS,
		.ignores_backoff = true, /* it may discard transactions, and be a good policy server */
		.is_about_one_thing = true,
		.purpose = event,
	};
	TRY(asking_of(ctx, federation, server, event, &asking));
	enum err err = fed_ask(ctx, federation, &request, &answer, &refusal);
	if (err == ERR_DEFER) {
		return err;
	}
	bool is_heard = has_answered(err, &refusal) || err == ERR_DENIED || err == ERR_SHUTDOWN;
	metric_add(&failed_total, is_heard ? 0 : 1);
	asking_end(asking, is_heard ? HEARD_IT : HEARD_NOTHING);
	if (err != ERR_OK) {
		return describe(ctx, err, server, &refusal);
	}
	*out = answer.json;
	return ERR_OK;
}

enum err policy_sign(void *self, struct ctx *ctx, struct server_name server,
	const struct event *event, struct json *out)
{
	struct federation *federation = self;
	TRY(ctx_may_ask(ctx));
	if (server_name_equals(server, federation->hs->signer.server)) {
		return fail(ctx, ERR_MISSING, M_NOT_FOUND,
			"The room names this server as its policy server, which it is not");
	}
	return ask(ctx, federation, server, event, out);
}
