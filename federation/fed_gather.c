/*
 * Bodies are collected as they arrive and parsed by who waits, so that the HTTP client's thread has nothing to do but copy. A request keeps its
 * deadline itself once its server is found; the look for that may take longer, so whoever waits leaves behind what is still under way.
 * How many servers are asked is a stranger's choice, and each may be one that does not answer: so some of them are asked at once, the next when one
 * has ended, and by then the connections and look-ups of the process are others' too.
 */
#include "federation/fed_gather.h"

#include "base/lock.h"
#include "base/mem.h"
#include "base/refc.h"
#include "federation/held_text.h"
#include "federation/read_turn.h"
#include "http/memo.h"

enum {
	ERROR_BYTES = 64 * 1024,
	AT_ONCE = 128,
};

struct one {
	struct gathering *gathering;
	struct fed_request request; /* of those that do not begin at once: in the arena */
	int64_t until_ms;
	struct held_text answer; /* the HTTP client's thread has it until `is_done` */
	enum err err;
	bool is_done; /* guarded by the lock */
};

/* All of it. */
struct gathering {
	struct refc refc; /* one for who waits, one for each request under way */
	struct federation *federation;
	struct arena *arena;
	int64_t last_ms; /* when the time of the last one is over */
	size_t count;
	struct one *ones;
	struct lock lock; /* RANK_LEAF; guards all below */
	struct cond done;
	size_t under_way;
	size_t next;            /* who begins next; `count`: all have, or nobody does any more */
	bool is_beginning;      /* a thread begins some, and looks again when it has */
	struct memo_wait *wait; /* of a parked call, until it is woken; NULL: a thread waits */
};

static struct gathering *gathering_create(struct ctx *ctx, struct federation *federation,
	const struct fed_request *requests, size_t count)
{
	struct gathering *gathering = mem_alloc(sizeof(*gathering));
	int64_t now_ms = clock_os_ms();
	int64_t left_ms = ctx->deadline_ms - clock_mono_ms(&federation->hs->clock);
	int64_t most_ms = ctx->deadline_ms != 0 ? MAX_OF(left_ms, (int64_t)1) : INT64_MAX;
	refc_init(&gathering->refc);
	lock_init(&gathering->lock, RANK_LEAF);
	cond_init(&gathering->done);
	gathering->federation = federation;
	gathering->arena = arena_create();
	gathering->count = count;
	gathering->ones = mem_alloc_array(count, sizeof(*gathering->ones));
	gathering->last_ms = now_ms;
	for (size_t i = 0; i < count; i++) {
		struct one *one = &gathering->ones[i];
		one->gathering = gathering;
		one->request = requests[i];
		one->until_ms = now_ms + MIN_OF(requests[i].timeout_ms, most_ms);
		gathering->last_ms = MAX_OF(gathering->last_ms, one->until_ms);
		held_text_init(&one->answer, federation, requests[i].answer_ceiling_bytes);
	}
	return gathering;
}

static void gathering_unref(void *data)
{
	struct gathering *gathering = data;
	if (!refc_drop(&gathering->refc)) {
		return;
	}
	for (size_t i = 0; i < gathering->count; i++) {
		held_text_fini(&gathering->ones[i].answer);
	}
	mem_free(gathering->ones);
	arena_destroy(gathering->arena);
	cond_fini(&gathering->done);
	lock_fini(&gathering->lock);
	mem_free(gathering);
}

/* --- asking ------------------------------------------------------------------------------------------------------ */

static void begin_more(struct gathering *gathering);

static enum err take_piece(void *data, struct str piece)
{
	struct one *one = data;
	return held_text_add(&one->answer, piece);
}

static void finished(void *data, const struct fed_end *end)
{
	struct one *one = data;
	struct gathering *gathering = one->gathering;
	lock_take(&gathering->lock);
	one->err = end->err;
	one->is_done = true;
	gathering->under_way--;
	if (end->err == ERR_SHUTDOWN) {
		gathering->next = gathering->count;
	}
	lock_give(&gathering->lock);
	begin_more(gathering);
	gathering_unref(gathering);
}

/* @return false when its time is over before it has begun */
static bool begin_one(struct one *one)
{
	struct fed_request request = one->request;
	request.answer_ceiling_bytes = ERROR_BYTES;
	request.timeout_ms = one->until_ms - clock_os_ms();
	request.sink = take_piece;
	request.sink_data = one;
	if (request.timeout_ms <= 0) {
		return false;
	}
	refc_take(&one->gathering->refc);
	fed_start(one->gathering->federation, &request, finished, one);
	return true;
}

/* Begins as many as there is room for; one thread at a time, for a request may end before it has begun. Tells who waits. */
static void begin_more(struct gathering *gathering)
{
	struct memo_wait *wait = NULL;
	lock_take(&gathering->lock);
	if (gathering->is_beginning) {
		lock_give(&gathering->lock);
		return;
	}
	gathering->is_beginning = true;
	while (gathering->under_way < AT_ONCE && gathering->next < gathering->count) {
		struct one *one = &gathering->ones[gathering->next++];
		gathering->under_way++;
		lock_give(&gathering->lock);
		bool has_begun = begin_one(one);
		lock_take(&gathering->lock);
		if (!has_begun) {
			gathering->under_way--;
		}
	}
	gathering->is_beginning = false;
	if (gathering->under_way == 0) {
		wait = gathering->wait;
		gathering->wait = NULL;
		cond_signal(&gathering->done);
	}
	lock_give(&gathering->lock);
	if (wait != NULL) {
		memo_wake(wait);
	}
}

/* While a thread begins some nobody else does: so those for which there is room at once do not outlive their texts, and the others have copies. */
static void copy_late(struct gathering *gathering)
{
	for (size_t i = AT_ONCE; i < gathering->count; i++) {
		struct fed_request *request = &gathering->ones[i].request;
		request->server.s = str_dup(gathering->arena, request->server.s);
		request->target = str_dup(gathering->arena, request->target);
		if (request->body != NULL) {
			struct json *body = ARENA_NEW(gathering->arena, struct json);
			*body = json_dup(gathering->arena, request->body);
			request->body = body;
		}
	}
}

/* --- waiting ----------------------------------------------------------------------------------------------------- */

static bool is_over_locked(const struct gathering *gathering)
{
	return gathering->under_way == 0 && gathering->next == gathering->count &&
		!gathering->is_beginning;
}

/* With the thread. */
static void wait_for(struct gathering *gathering)
{
	LOCK_SCOPE(&gathering->lock);
	bool is_in_time = true;
	while (is_in_time && !is_over_locked(gathering)) {
		is_in_time =
			cond_wait_until(&gathering->done, &gathering->lock, gathering->last_ms + FED_LATE_MS);
	}
}

static void read_one(struct ctx *ctx, struct one *one, struct fed_gathered *out)
{
	const struct json_limits limits = {
		.max_values = fed_answer_max_values(&one->request, one->answer.body.n),
	};
	*out = (struct fed_gathered){.err = one->err};
	if (one->err != ERR_OK) {
		return;
	}
	struct str text = str_dup(ctx->arena, buf_str(&one->answer.body));
	held_text_fini(&one->answer); /* done: nobody else has it */
	if (json_parse(ctx->arena, text, &limits, &out->json, NULL) != JSON_OK ||
		out->json.type != JSON_OBJECT) {
		out->err = ERR_REMOTE;
	}
}

/* --- who asks ------------------------------------------------------------------------------------------------------ */

/* What a call waits for; in its arena. */
struct asking {
	struct gathering *gathering;
	struct memo_wait *wait;       /* NULL: with the thread */
	bool *is_done;                /* what has come in time; NULL: it is not over yet */
	struct fed_gathered *answers; /* NULL: not read yet */
};

static struct asking *ask(struct ctx *ctx, struct federation *federation,
	const struct fed_request *requests, size_t count)
{
	struct asking *asking = ARENA_NEW(ctx->arena, struct asking);
	struct gathering *gathering = gathering_create(ctx, federation, requests, count);
	asking->gathering = gathering;
	arena_on_reset(ctx->arena, gathering_unref, gathering);
	copy_late(gathering);
	if (ctx->memo != NULL && memo_hold(ctx, arena_used_bytes(gathering->arena))) {
		asking->wait = memo_wait_create(ctx->memo);
		gathering->wait = asking->wait;
	}
	begin_more(gathering);
	return asking;
}

/* Errors: DEFER, SHUTDOWN */
static enum err await(struct ctx *ctx, const struct asking *asking)
{
	if (asking->wait == NULL) {
		wait_for(asking->gathering);
		return ERR_OK;
	}
	enum err err = memo_park(ctx, asking->wait, asking->gathering->last_ms + FED_LATE_MS);
	return err == ERR_TIMEOUT ? ERR_OK : err; /* what has come by then counts */
}

/* What has come by now counts, and nobody is asked any more. */
static void end_asking(struct ctx *ctx, struct asking *asking)
{
	struct gathering *gathering = asking->gathering;
	asking->is_done = ARENA_NEW_ARRAY(ctx->arena, bool, gathering->count);
	LOCK_SCOPE(&gathering->lock);
	gathering->next = gathering->count;
	for (size_t i = 0; i < gathering->count; i++) {
		asking->is_done[i] = gathering->ones[i].is_done;
	}
}

static size_t bytes_to_read(const struct asking *asking)
{
	size_t bytes = 0;
	for (size_t i = 0; i < asking->gathering->count; i++) {
		const struct one *one = &asking->gathering->ones[i];
		if (asking->is_done[i] && one->err == ERR_OK) {
			size_t values = fed_answer_max_values(&one->request, one->answer.body.n);
			bytes += read_turn_bytes(one->answer.body.n, values);
		}
	}
	return bytes;
}

/* Those for which there is no time or no memory have not answered. Once. Errors: DEFER, SHUTDOWN */
static enum err read_all(struct ctx *ctx, struct asking *asking, struct str key)
{
	struct gathering *gathering = asking->gathering;
	enum err err = read_turn_take(ctx, gathering->federation, key, bytes_to_read(asking));
	if (err == ERR_DEFER || err == ERR_SHUTDOWN) {
		return err;
	}
	asking->answers = ARENA_NEW_ARRAY(ctx->arena, struct fed_gathered, gathering->count);
	for (size_t i = 0; i < gathering->count; i++) {
		if (asking->is_done[i] && err == ERR_OK) {
			read_one(ctx, &gathering->ones[i], &asking->answers[i]);
		} else {
			asking->answers[i] = (struct fed_gathered){.err = ERR_TIMEOUT};
		}
	}
	return ERR_OK;
}

enum err fed_gather(struct ctx *ctx, struct federation *federation, struct str key,
	const struct fed_request *requests, size_t count, struct fed_gathered *out)
{
	lock_assert_none_held();
	/* Else the next question would get the answers to this one. */
	invariant(ctx->memo == NULL || key.n > 0);
	struct asking *asking = memo_get(ctx->memo, key);
	if (asking == NULL) {
		asking = ask(ctx, federation, requests, count);
		memo_put(ctx->memo, key, asking);
	}
	if (asking->is_done == NULL) {
		TRY(await(ctx, asking));
		end_asking(ctx, asking);
	}
	if (asking->answers == NULL) {
		TRY(read_all(ctx, asking, key));
	}
	for (size_t i = 0; i < count; i++) {
		out[i] = asking->answers[i];
		if (out[i].err == ERR_SHUTDOWN) {
			return fail(ctx, ERR_SHUTDOWN, NULL, "The server is stopping; try again soon");
		}
	}
	return ERR_OK;
}
