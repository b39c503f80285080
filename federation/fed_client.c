/*
 * A request is found its way (discovery), signed and handed to the HTTP client; targets are tried in turn, each with its share of the time for a connection. Whoever
 * waits parses the answer itself, so that a large one costs the HTTP client's thread nothing but its copy; answers of
 * fed_start() are parsed there and should be small.
 */
#include "federation/fed_client.h"

#include <string.h>

#include "base/lock.h"
#include "base/mem.h"
#include "base/refc.h"
#include "federation/discovery.h"
#include "federation/fed_client_inner.h"
#include "federation/held_text.h"
#include "federation/pauses.h"
#include "federation/policy.h"
#include "federation/processes.h"
#include "federation/read_turn.h"
#include "http/client.h"
#include "http/memo.h"
#include "matrix/canonical.h"
#include "matrix/x_matrix.h"

enum {
	FIRST_PAUSE_MS = 1000,
	LONGEST_PAUSE_MS = 10 * 60 * 1000,
	PLACE_PAUSE_MS = 5 * 60 * 1000,
	MAX_RETRY_AFTER_MS = 3600 * 1000,
	MAX_HEADERS = 2,
	LEAST_CONNECT_MS =
		2000, /* three ways there and back over a satellite, or a lost packet: where time is short the last places go without */
};

struct fed_client {
	struct pauses *pauses;
	struct pauses *silent; /* places that took no connection lately, of those of a server */
};

struct fed_client *fed_client_create(struct homeserver *hs)
{
	struct fed_client *client = mem_alloc(sizeof(*client));
	client->pauses = pauses_create(&hs->rng, FIRST_PAUSE_MS, LONGEST_PAUSE_MS);
	client->silent = pauses_create(&hs->rng, PLACE_PAUSE_MS, PLACE_PAUSE_MS);
	return client;
}

void fed_client_destroy(struct fed_client *client)
{
	if (client != NULL) {
		pauses_destroy(client->pauses);
		pauses_destroy(client->silent);
		mem_free(client);
	}
}

void fed_client_heard(struct federation *federation, struct server_name server)
{
	pauses_ended(federation->client->pauses, server.s);
}

/* --- who waits ------------------------------------------------------------------------------------------- */

/*
 * A thread in fed_ask(), which does nothing with its arena meanwhile. It gives up at its deadline while the server is still
 * being looked for; what waits for a transfer waits for its end, which keeps the deadline itself.
 */
struct waiter {
	struct refc refc; /* one for the thread, one for the ask */
	struct arena *arena;
	struct lock lock;
	struct cond done;
	bool has_begun; /* guarded by lock, as what follows */
	bool is_abandoned;
	bool is_done;
	struct raw_end raw; /* in the arena */
};

static void waiter_unref(struct waiter *waiter)
{
	if (refc_drop(&waiter->refc)) {
		cond_fini(&waiter->done);
		lock_fini(&waiter->lock);
		mem_free(waiter);
	}
}

/* @return false when the thread has given up; then the ask's reference is gone */
static bool waiter_begin(struct waiter *waiter)
{
	lock_take(&waiter->lock);
	waiter->has_begun = !waiter->is_abandoned;
	bool has_begun = waiter->has_begun;
	lock_give(&waiter->lock);
	if (!has_begun) {
		waiter_unref(waiter);
	}
	return has_begun;
}

static void copy_answer(struct arena *arena, struct fetched *answer)
{
	struct fetch_header *headers =
		ARENA_NEW_ARRAY(arena, struct fetch_header, answer->header_count);
	for (size_t i = 0; i < answer->header_count; i++) {
		headers[i].name = str_dup(arena, answer->headers[i].name);
		headers[i].value = str_dup(arena, answer->headers[i].value);
	}
	answer->headers = headers;
	answer->body = str_dup(arena, answer->body);
	answer->final_url = str_dup(arena, answer->final_url);
}

static void on_waited(void *data, const struct raw_end *end)
{
	struct waiter *waiter = data;
	waiter->raw = *end;
	copy_answer(waiter->arena, &waiter->raw.answer);
	waiter->raw.cause = str_dup(waiter->arena, end->cause);
	lock_take(&waiter->lock);
	waiter->is_done = true;
	cond_signal(&waiter->done);
	lock_give(&waiter->lock);
	waiter_unref(waiter);
}

/* @return false when it gave up */
static bool waiter_wait(struct waiter *waiter, int64_t deadline_ms)
{
	LOCK_SCOPE(&waiter->lock);
	while (!waiter->is_done && !waiter->has_begun) {
		if (!cond_wait_until(&waiter->done, &waiter->lock, deadline_ms)) {
			waiter->is_abandoned = !waiter->is_done && !waiter->has_begun;
			break;
		}
	}
	while (!waiter->is_done && !waiter->is_abandoned) {
		cond_wait(&waiter->done, &waiter->lock);
	}
	return waiter->is_done;
}

/* An answer that a parked call waits for, and finds again whenever it runs. */
struct parked_answer { /* in the arena of its wait */
	struct memo_wait *wait;
	int64_t deadline_ms;
	struct held_text held; /* as what follows, the ask's until it wakes the call */
	struct raw_end raw;
};

/* --- the request ------------------------------------------------------------------------------------------ */

struct ask {
	struct federation *federation;
	struct arena *arena;
	struct fed_request request; /* its texts are the arena's; `body` is in `text` only */
	struct str text;
	struct str authorization;
	int64_t deadline_ms;
	struct str authority;                /* in the arena */
	const struct server_target *targets; /* in the arena */
	size_t target_count;
	size_t next_target;
	bool has_sunk;                /* the sink got something: there is no other try */
	struct waiter *waiter;        /* of fed_ask(); NULL: nobody waits */
	struct parked_answer *parked; /* the same of a parked call */
	void (*ended)(void *data, const struct raw_end *end);
	void *data;
};

static int64_t mono_ms(const struct federation *federation)
{
	return clock_mono_ms(&federation->hs->clock);
}

static void sign(struct ask *ask, const struct json *body)
{
	if (ask->request.is_unsigned) {
		return;
	}
	const struct event_signer *signer = &ask->federation->hs->signer;
	ask->authorization = x_matrix_sign(ask->arena,
		&(struct x_matrix_request){.method = str_of(ask->request.method),
			.uri = ask->request.target,
			.origin = signer->server,
			.destination = ask->request.server,
			.content = body},
		signer);
}

static struct ask *ask_create(struct federation *federation, const struct fed_request *request)
{
	struct ask *ask = mem_alloc(sizeof(*ask));
	ask->federation = federation;
	ask->arena = arena_create();
	ask->request = *request;
	ask->request.server.s = str_dup(ask->arena, request->server.s);
	ask->request.target = str_dup(ask->arena, request->target);
	ask->request.body = NULL;
	if (request->body != NULL) {
		ask->text = canonical_text(ask->arena, request->body);
	}
	ask->deadline_ms = mono_ms(federation) + request->timeout_ms;
	sign(ask, request->body);
	return ask;
}

static void ask_destroy(struct ask *ask)
{
	arena_destroy(ask->arena);
	mem_free(ask);
}

/* Whether it says that the server cannot be used at the moment. */
static bool is_failure(const struct ask *ask, const struct raw_end *end)
{
	bool is_broken =
		end->err == ERR_OK && end->answer.status >= 500 && !ask->request.is_about_one_thing;
	bool is_too_much = end->err == ERR_OK && end->answer.status == 429;
	return end->err == ERR_REMOTE || end->err == ERR_TIMEOUT || is_broken || is_too_much;
}

static void ask_end(struct ask *ask, const struct raw_end *end)
{
	struct pauses *pauses = ask->federation->client->pauses;
	if (is_failure(ask, end)) {
		if (pauses_failed(pauses, ask->request.server.s, mono_ms(ask->federation),
				end->retry_after_ms)) {
			processes_note_trouble(ask->federation, ask->request.server);
		}
	} else if (end->err == ERR_OK) {
		pauses_ended(pauses, ask->request.server.s);
	}
	ask->ended(ask->data, end);
	ask_destroy(ask);
}

static void ask_fail(struct ask *ask, enum err err, const char *cause)
{
	ask->ended(ask->data, &(struct raw_end){.err = err, .cause = str_of(cause)});
	ask_destroy(ask);
}

static int64_t retry_after_ms(const struct fetched *answer)
{
	int64_t seconds = 0;
	struct str text = fetched_header(answer, "Retry-After");
	if (text.p == NULL || !str_to_int(text, 0, MAX_RETRY_AFTER_MS / 1000, &seconds)) {
		return 0;
	}
	return seconds * 1000;
}

/* Of this server: another one's records may lead to the same place, which has no certificate for it. */
static struct str place_of(const struct ask *ask, const struct server_target *target)
{
	return str_printf(ask->arena, "%.*s %.*s:%u", STR_ARG(ask->request.server.s),
		STR_ARG(target->host), target->port);
}

/* In their order, but those that took no connection lately behind the others: one that is silent costs a request its share of the time. */
static void take_targets(struct ask *ask, const struct server_route *route)
{
	struct pauses *silent = ask->federation->client->silent;
	size_t count = route->target_count;
	struct server_target *targets = ARENA_NEW_ARRAY(ask->arena, struct server_target, count);
	bool *is_last = ARENA_NEW_ARRAY(ask->arena, bool, count);
	for (size_t i = 0; i < count && count > 1; i++) {
		is_last[i] =
			pauses_left_ms(silent, place_of(ask, &route->targets[i]), mono_ms(ask->federation)) > 0;
	}
	for (int round = 0; round < 2; round++) {
		for (size_t i = 0; i < count; i++) {
			if (is_last[i] == (round == 1)) {
				targets[ask->target_count] = route->targets[i];
				targets[ask->target_count++].host = str_dup(ask->arena, route->targets[i].host);
			}
		}
	}
	ask->targets = targets;
}

static void note_silent(struct ask *ask)
{
	const struct server_target *target = &ask->targets[ask->next_target - 1];
	if (ask->target_count > 1) {
		(void)pauses_failed(ask->federation->client->silent, place_of(ask, target),
			mono_ms(ask->federation), 0);
	}
}

static void try_target(struct ask *ask);

static void on_answer(void *data, const struct fetch_end *end)
{
	struct ask *ask = data;
	/* All requests between servers may be repeated: the next target gets the same one, unless this one has had the time. */
	if (end->is_unconnected && (end->err == ERR_REMOTE || end->err == ERR_TIMEOUT)) {
		note_silent(ask);
	}
	bool may_be_elsewhere = end->err == ERR_REMOTE || end->err == ERR_DENIED ||
		(end->err == ERR_TIMEOUT && end->is_unconnected);
	if (may_be_elsewhere && !ask->has_sunk && ask->next_target < ask->target_count) {
		try_target(ask);
		return;
	}
	struct raw_end raw = {.err = end->err, .cause = end->cause};
	if (end->err == ERR_OK) {
		raw.answer = end->answer;
		raw.retry_after_ms = retry_after_ms(&end->answer);
	} else if (!ask->has_sunk && (end->err == ERR_DENIED || end->err == ERR_INPUT)) {
		raw.err = ERR_REMOTE; /* an address that may not be reached: not what our own policy says */
	}
	ask_end(ask, &raw);
}

static enum err on_piece(void *data, struct str piece)
{
	struct ask *ask = data;
	if (ask->parked != NULL) {
		return held_text_add(&ask->parked->held, piece);
	}
	ask->has_sunk = true;
	return ask->request.sink(ask->request.sink_data, piece);
}

static void try_target(struct ask *ask)
{
	const int64_t places = (int64_t)(ask->target_count - ask->next_target);
	const struct server_target *target = &ask->targets[ask->next_target++];
	struct fetch_header headers[MAX_HEADERS];
	size_t count = 0;
	if (ask->authorization.n > 0) {
		headers[count++] = (struct fetch_header){STR("Authorization"), ask->authorization};
	}
	if (ask->text.p != NULL) {
		headers[count++] = (struct fetch_header){STR("Content-Type"), STR("application/json")};
	}
	if (ask->parked != NULL) {
		held_text_fini(&ask->parked->held); /* of what another target began to say */
	}
	int64_t left_ms = ask->deadline_ms - mono_ms(ask->federation);
	if (left_ms <= 0) {
		ask_end(ask, &(struct raw_end){.err = ERR_TIMEOUT, .cause = STR("it took too long")});
		return;
	}
	http_client_start(ask->federation->hs->http_client,
		&(struct fetch){.method = ask->request.method,
			.url = str_printf(ask->arena, "https://%.*s%.*s", STR_ARG(ask->authority),
				STR_ARG(ask->request.target)),
			.headers = headers,
			.header_count = count,
			.body = ask->text,
			.answer_ceiling_bytes = ask->request.answer_ceiling_bytes,
			.timeout_ms = left_ms,
			/* One that is silent leaves the others their share; one that is only slow is reached, however many there are. */
			.connect_timeout_ms = MAX_OF(left_ms / places, (int64_t)LEAST_CONNECT_MS),
			.is_https_only = true,
			.connect_host = target->host,
			.connect_port = target->port,
			.sink = ask->request.sink != NULL || ask->parked != NULL ? on_piece : NULL,
			.sink_data = ask},
		on_answer, ask);
}

static void on_found(void *data, const struct discovery_end *end)
{
	struct ask *ask = data;
	if (ask->waiter != NULL && !waiter_begin(ask->waiter)) {
		ask_destroy(ask);
		return;
	}
	if (end->err != ERR_OK) {
		ask_end(ask, &(struct raw_end){.err = end->err, .cause = end->cause});
		return;
	}
	ask->authority = str_dup(ask->arena, end->route->authority);
	take_targets(ask, end->route);
	try_target(ask);
}

static void begin(struct ask *ask)
{
	struct federation *federation = ask->federation;
	struct server_name server = ask->request.server;
	if (server_name_equals(server, federation->hs->signer.server)) {
		ask_fail(ask, ERR_REMOTE, "that is this server itself");
		return;
	}
	bool is_allowed = ask->request.is_unsigned ? fed_policy_allows_keys(federation)
											   : fed_policy_allows(federation, server);
	if (!is_allowed) {
		ask_fail(ask, ERR_DENIED, FED_POLICY_CAUSE);
		return;
	}
	if (!ask->request.ignores_backoff &&
		pauses_left_ms(federation->client->pauses, server.s, mono_ms(federation)) > 0) {
		ask_fail(ask, ERR_REMOTE, "it failed lately; not asked again yet");
		return;
	}
	discovery_start(federation->discovery, server, on_found, ask);
}

/* --- who waits with a thread ------------------------------------------------------------------------------------ */

/* Asks and waits, with the thread. */
static void run(struct ctx *ctx, struct federation *federation, const struct fed_request *request,
	struct raw_end *out)
{
	struct waiter *waiter = mem_alloc(sizeof(*waiter));
	refc_init(&waiter->refc);
	refc_take(&waiter->refc);
	waiter->arena = ctx->arena;
	lock_init(&waiter->lock, RANK_LEAF);
	cond_init(&waiter->done);
	struct ask *ask = ask_create(federation, request);
	int64_t deadline_ms = ask->deadline_ms;
	ask->waiter = waiter;
	ask->ended = on_waited;
	ask->data = waiter;
	begin(ask);
	*out = waiter_wait(waiter, deadline_ms)
		? waiter->raw
		: (struct raw_end){.err = ERR_TIMEOUT, .cause = STR("it was not found in time")};
	waiter_unref(waiter);
}

/* --- who waits without a thread ----------------------------------------------------------------------------- */

static void parked_fini(void *data)
{
	struct parked_answer *answer = data;
	held_text_fini(&answer->held);
}

static void on_parked_end(void *data, const struct raw_end *end)
{
	struct parked_answer *answer = data;
	struct arena *arena = memo_wait_arena(answer->wait);
	const struct buf *body = &answer->held.body;
	answer->raw = *end;
	answer->raw.is_over_budget = end->err == ERR_LIMIT && answer->held.is_over_budget;
	copy_answer(arena, &answer->raw.answer);
	answer->raw.cause = buf_ok(body) ? str_dup(arena, end->cause) : STR("the answer is too large");
	if (body->n > 0 && end->err == ERR_OK) {
		answer->raw.answer.body = buf_str(body); /* else it is a refusal's, collected */
		answer->raw.text = &answer->held;
	}
	memo_wake(answer->wait);
}

static struct parked_answer *ask_parked(struct ctx *ctx, struct federation *federation,
	const struct fed_request *request)
{
	struct memo_wait *wait = memo_wait_create(ctx->memo);
	struct parked_answer *answer = ARENA_NEW(memo_wait_arena(wait), struct parked_answer);
	held_text_init(&answer->held, federation, request->answer_ceiling_bytes);
	arena_on_reset(memo_wait_arena(wait), parked_fini, answer);
	answer->wait = wait;
	struct ask *ask = ask_create(federation, request);
	ask->parked = answer;
	answer->deadline_ms = ask->deadline_ms;
	ask->ended = on_parked_end;
	ask->data = answer;
	begin(ask);
	return answer;
}

/* What is asked, within a call that is parked meanwhile; empty: its thread waits. */
static struct str memo_key_of(const struct ctx *ctx, const struct fed_request *request)
{
	return request->purpose != NULL && ctx->memo != NULL
		? str_printf(ctx->arena, "%p %s %.*s %.*s", request->purpose, request->method,
			  STR_ARG(request->server.s), STR_ARG(request->target))
		: STR("");
}

/* Errors: DEFER, SHUTDOWN */
static enum err run_parked(struct ctx *ctx, struct federation *federation,
	const struct fed_request *request, struct str key, struct raw_end *out)
{
	struct parked_answer *answer = memo_get(ctx->memo, key);
	if (answer == NULL) {
		answer = ask_parked(ctx, federation, request);
		memo_put(ctx->memo, key, answer);
	}
	enum err err = memo_park(ctx, answer->wait, answer->deadline_ms + FED_LATE_MS);
	if (err == ERR_DEFER || err == ERR_SHUTDOWN) {
		return err;
	}
	*out = err == ERR_OK
		? answer->raw
		: (struct raw_end){.err = ERR_TIMEOUT, .cause = STR("it was not found in time")};
	return ERR_OK;
}

/* Errors: DEFER, SHUTDOWN */
static enum err await_turn(struct ctx *ctx, struct federation *federation,
	const struct fed_request *request, struct str key, struct raw_end *raw)
{
	if (raw->err != ERR_OK) {
		return ERR_OK;
	}
	size_t values = fed_answer_max_values(request, raw->answer.body.n);
	size_t bytes = read_turn_bytes(raw->answer.body.n, values);
	enum err err = read_turn_take(ctx, federation, key, bytes);
	raw->is_over_budget = err == ERR_TIMEOUT;
	return err == ERR_TIMEOUT ? ERR_OK : err;
}

enum err fed_ask(struct ctx *ctx, struct federation *federation, const struct fed_request *request,
	struct fed_answer *out, struct fed_refusal *out_refusal)
{
	invariant(request->timeout_ms > 0);
	lock_assert_none_held();
	TRY(ctx_may_ask(ctx));
	TRY(fed_policy_refresh(ctx, federation));
	struct fed_request within = *request;
	if (ctx->deadline_ms != 0) {
		int64_t left_ms = ctx->deadline_ms - mono_ms(federation);
		within.timeout_ms = MAX_OF(MIN_OF(within.timeout_ms, left_ms), (int64_t)1);
	}
	struct raw_end *raw = ARENA_NEW(ctx->arena, struct raw_end);
	struct fed_refusal refusal = {0};
	struct str cause;
	struct str key = memo_key_of(ctx, request);
	if (key.n > 0) {
		TRY(run_parked(ctx, federation, &within, key, raw));
	} else {
		run(ctx, federation, &within, raw);
	}
	TRY(await_turn(ctx, federation, request, key, raw));
	if (raw->is_over_budget) {
		return fail(ctx, ERR_LIMIT, M_LIMIT_EXCEEDED,
			"This server takes in so much of other rooms at the moment that there is no memory for this one; try again in a minute");
	}
	enum err err = fed_answer_read(ctx->arena, request, raw, out, &refusal, &cause);
	if (out_refusal != NULL) {
		*out_refusal = refusal;
	}
	return err == ERR_OK ? ERR_OK
						 : fed_answer_describe(ctx, federation, request, err, &refusal, cause);
}

/* --- without waiting ---------------------------------------------------------------------------------------- */

struct started {
	enum err (*sink)(void *data, struct str piece);
	void (*finished)(void *data, const struct fed_end *end);
	void *data;
};

static void on_started_end(void *data, const struct raw_end *raw)
{
	struct started *started = data;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct fed_answer answer = {0};
	struct fed_refusal refusal = {0};
	struct fed_end end = {.answer = &answer, .refusal = &refusal};
	struct fed_request request = {.sink = started->sink};
	end.err = fed_answer_read(arena, &request, raw, &answer, &refusal, &end.cause);
	started->finished(started->data, &end);
	mem_free(started);
}

void fed_start(struct federation *federation, const struct fed_request *request,
	void (*finished)(void *data, const struct fed_end *end), void *data)
{
	invariant(request->timeout_ms > 0);
	struct started *started = mem_alloc(sizeof(*started));
	started->sink = request->sink;
	started->finished = finished;
	started->data = data;
	struct ask *ask = ask_create(federation, request);
	ask->ended = on_started_end;
	ask->data = started;
	begin(ask);
}
