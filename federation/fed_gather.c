/*
 * Bodies are collected as they arrive and parsed here, so that the HTTP client's thread has nothing to do but copy.
 */
#include "federation/fed_gather.h"

#include "base/lock.h"
#include "base/log.h"

enum { ERROR_BYTES = 64 * 1024 };

/* All of it; on the stack of who waits. */
struct gathering {
	struct lock lock; /* RANK_LEAF */
	struct cond done;
	size_t left; /* guarded by lock */
};

struct one {
	struct gathering *gathering;
	struct buf body; /* the HTTP client's thread has it until `left` is counted down */
	enum err err;
};

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
	one->err = end->err;
	LOCK_SCOPE(&gathering->lock);
	gathering->left--;
	if (gathering->left == 0) {
		cond_signal(&gathering->done);
	}
}

static void start_all(struct ctx *ctx, struct federation *federation,
	const struct fed_request *requests, size_t count, struct one *ones)
{
	int64_t left_ms = ctx->deadline_ms != 0
		? MAX_OF(ctx->deadline_ms - clock_mono_ms(&federation->hs->clock), (int64_t)1)
		: INT64_MAX;
	for (size_t i = 0; i < count; i++) {
		struct fed_request request = requests[i];
		buf_init(&ones[i].body, request.answer_ceiling_bytes);
		request.answer_ceiling_bytes = ERROR_BYTES;
		request.timeout_ms = MIN_OF(request.timeout_ms, left_ms);
		request.sink = take_piece;
		request.sink_data = &ones[i];
		fed_start(federation, &request, finished, &ones[i]);
	}
}

static void read_one(struct ctx *ctx, struct one *one, struct fed_gathered *out)
{
	*out = (struct fed_gathered){.err = one->err};
	if (one->err != ERR_OK) {
		return;
	}
	struct str text = str_dup(ctx->arena, buf_str(&one->body));
	if (json_parse(ctx->arena, text, NULL, &out->json, NULL) != JSON_OK ||
		out->json.type != JSON_OBJECT) {
		out->err = ERR_REMOTE;
	}
}

void fed_gather(struct ctx *ctx, struct federation *federation, const struct fed_request *requests,
	size_t count, struct fed_gathered *out)
{
	struct gathering gathering = {.left = count};
	struct one *ones = ARENA_NEW_ARRAY(ctx->arena, struct one, count);
	lock_assert_none_held();
	lock_init(&gathering.lock, RANK_LEAF);
	cond_init(&gathering.done);
	for (size_t i = 0; i < count; i++) {
		ones[i].gathering = &gathering;
	}
	start_all(ctx, federation, requests, count, ones);
	lock_take(&gathering.lock);
	while (gathering.left > 0) {
		cond_wait(&gathering.done, &gathering.lock);
	}
	lock_give(&gathering.lock);
	for (size_t i = 0; i < count; i++) {
		read_one(ctx, &ones[i], &out[i]);
		buf_fini(&ones[i].body);
	}
	cond_fini(&gathering.done);
	lock_fini(&gathering.lock);
}
