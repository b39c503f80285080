/*
 * Bodies are collected as they arrive and parsed by who waits, so that the HTTP client's thread has nothing to do but copy. A request keeps its
 * deadline itself once its server is found; the look for that may take longer, so whoever waits leaves behind what is still under way.
 * How many servers are asked is a stranger's choice, and each may be one that does not answer: so some of them are asked at once, the next when one
 * has ended, and by then the connections and look-ups of the process are others' too.
 */
#include "federation/fed_gather.h"

#include "base/lock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/refc.h"

enum { ERROR_BYTES = 64 * 1024, AT_ONCE = 128 };

struct one {
	struct gathering *gathering;
	struct buf body; /* the HTTP client's thread has it until `is_done` */
	enum err err;
	bool is_done; /* guarded by the lock */
};

/* All of it. */
struct gathering {
	struct refc refc; /* one for who waits, one for each request under way */
	struct lock lock; /* RANK_LEAF */
	struct cond done;
	size_t under_way; /* guarded by lock */
	size_t count;
	struct one *ones;
};

static struct gathering *gathering_create(const struct fed_request *requests, size_t count)
{
	struct gathering *gathering = mem_alloc(sizeof(*gathering));
	refc_init(&gathering->refc);
	lock_init(&gathering->lock, RANK_LEAF);
	cond_init(&gathering->done);
	gathering->count = count;
	gathering->ones = mem_alloc_array(count, sizeof(*gathering->ones));
	for (size_t i = 0; i < count; i++) {
		gathering->ones[i].gathering = gathering;
		buf_init(&gathering->ones[i].body, requests[i].answer_ceiling_bytes);
	}
	return gathering;
}

static void gathering_unref(struct gathering *gathering)
{
	if (!refc_drop(&gathering->refc)) {
		return;
	}
	for (size_t i = 0; i < gathering->count; i++) {
		buf_fini(&gathering->ones[i].body);
	}
	mem_free(gathering->ones);
	cond_fini(&gathering->done);
	lock_fini(&gathering->lock);
	mem_free(gathering);
}

static enum err take_piece(void *data, struct str piece)
{
	struct one *one = data;
	buf_add(&one->body, piece);
	return buf_ok(&one->body) ? ERR_OK : ERR_LIMIT;
}

static void finished(void *data, const struct fed_end *end)
{
	struct one *one = data;
	struct gathering *gathering = one->gathering;
	lock_take(&gathering->lock);
	one->err = end->err;
	one->is_done = true;
	gathering->under_way--;
	cond_signal(&gathering->done);
	lock_give(&gathering->lock);
	gathering_unref(gathering);
}

/* @return false when its time is over before it has begun */
static bool start_one(struct federation *federation, const struct fed_request *wanted,
	int64_t until_ms, struct one *one)
{
	struct gathering *gathering = one->gathering;
	struct fed_request request = *wanted;
	request.answer_ceiling_bytes = ERROR_BYTES;
	request.timeout_ms = until_ms - clock_os_ms();
	request.sink = take_piece;
	request.sink_data = one;
	if (request.timeout_ms <= 0) {
		return false;
	}
	refc_take(&gathering->refc);
	lock_take(&gathering->lock);
	gathering->under_way++;
	lock_give(&gathering->lock);
	fed_start(federation, &request, finished, one);
	return true;
}

/* @return false when the time was over before */
static bool wait_for_room(struct gathering *gathering, size_t limit, int64_t until_ms)
{
	LOCK_SCOPE(&gathering->lock);
	while (gathering->under_way > limit) {
		if (!cond_wait_until(&gathering->done, &gathering->lock, until_ms)) {
			return false;
		}
	}
	return true;
}

/* Asks until all have ended or their time is over. */
static void ask_all(struct ctx *ctx, struct federation *federation,
	const struct fed_request *requests, struct gathering *gathering)
{
	int64_t began_ms = clock_os_ms();
	int64_t last_ms = began_ms;
	int64_t left_ms = ctx->deadline_ms - clock_mono_ms(&federation->hs->clock);
	int64_t most_ms = ctx->deadline_ms != 0 ? MAX_OF(left_ms, (int64_t)1) : INT64_MAX;
	for (size_t i = 0; i < gathering->count; i++) {
		int64_t until_ms = began_ms + MIN_OF(requests[i].timeout_ms, most_ms);
		last_ms = MAX_OF(last_ms, until_ms);
		if (!wait_for_room(gathering, AT_ONCE - 1, until_ms) ||
			!start_one(federation, &requests[i], until_ms, &gathering->ones[i])) {
			break;
		}
	}
	(void)wait_for_room(gathering, 0, last_ms + FED_LATE_MS);
}

/* @return which are done; as long as the gathering's list */
static const bool *find_done(struct ctx *ctx, struct gathering *gathering)
{
	bool *done = ARENA_NEW_ARRAY(ctx->arena, bool, gathering->count);
	LOCK_SCOPE(&gathering->lock);
	for (size_t i = 0; i < gathering->count; i++) {
		done[i] = gathering->ones[i].is_done;
	}
	return done;
}

static void read_one(struct ctx *ctx, const struct fed_request *request, struct one *one,
	struct fed_gathered *out)
{
	const struct json_limits limits = {.max_values = request->answer_max_values};
	*out = (struct fed_gathered){.err = one->err};
	if (one->err != ERR_OK) {
		return;
	}
	struct str text = str_dup(ctx->arena, buf_str(&one->body));
	buf_fini(&one->body); /* done: nobody else has it */
	if (json_parse(ctx->arena, text, &limits, &out->json, NULL) != JSON_OK ||
		out->json.type != JSON_OBJECT) {
		out->err = ERR_REMOTE;
	}
}

void fed_gather(struct ctx *ctx, struct federation *federation, const struct fed_request *requests,
	size_t count, struct fed_gathered *out)
{
	lock_assert_none_held();
	struct gathering *gathering = gathering_create(requests, count);
	ask_all(ctx, federation, requests, gathering);
	const bool *done = find_done(ctx, gathering);
	for (size_t i = 0; i < count; i++) {
		if (done[i]) {
			read_one(ctx, &requests[i], &gathering->ones[i], &out[i]);
		} else {
			out[i] = (struct fed_gathered){.err = ERR_TIMEOUT};
		}
	}
	gathering_unref(gathering);
}
