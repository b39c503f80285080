/*
 * The answer belongs to the memo and to the transfer, whichever ends later: a request may be gone before it comes.
 */
#include "http/memo_fetch.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/refc.h"
#include "http/client_inner.h"
#include "http/memo.h"

enum { LATE_MS = 500 }; /* the transfer itself says that its time is over */

struct kept_answer {
	struct refc refc;
	struct arena *arena; /* of what follows, which is the transfer's until it wakes the call */
	enum err err;
	struct str cause;
	struct fetched answer;
	struct memo_wait *wait;
	int64_t deadline_ms;
};

static void kept_unref(void *data)
{
	struct kept_answer *kept = data;
	if (refc_drop(&kept->refc)) {
		arena_destroy(kept->arena);
		mem_free(kept);
	}
}

static void on_end(void *data, const struct fetch_end *end)
{
	struct kept_answer *kept = data;
	kept->err = end->err;
	kept->cause = str_dup(kept->arena, end->cause);
	if (end->err == ERR_OK) {
		kept->answer = client_copy_answer(kept->arena, &end->answer);
	}
	memo_wake(kept->wait);
	kept_unref(kept);
}

static struct kept_answer *start(struct ctx *ctx, struct http_client *client,
	const struct fetch *fetch)
{
	struct fetch within = *fetch;
	within.timeout_ms = client_time_left_ms(ctx, fetch->timeout_ms);
	struct kept_answer *kept = mem_alloc(sizeof(*kept));
	refc_init(&kept->refc);
	refc_take(&kept->refc);
	arena_on_reset(ctx->arena, kept_unref, kept);
	kept->arena = arena_create();
	kept->wait = memo_wait_create(ctx->memo);
	kept->deadline_ms = clock_mono_us() / 1000 + within.timeout_ms + LATE_MS;
	http_client_start(client, &within, on_end, kept);
	return kept;
}

enum err memo_fetch(struct ctx *ctx, struct http_client *client, struct str key,
	const struct fetch *fetch, struct fetched *out)
{
	if (ctx->memo == NULL) {
		return http_client_fetch(ctx, client, fetch, out);
	}
	struct kept_answer *kept = memo_get(ctx->memo, key);
	if (kept == NULL) {
		kept = start(ctx, client, fetch);
		memo_put(ctx->memo, key, kept);
	}
	enum err err = memo_park(ctx, kept->wait, kept->deadline_ms);
	if (err == ERR_TIMEOUT) {
		return client_fail(ctx, err, STR("it took too long"));
	}
	TRY(err);
	if (kept->err != ERR_OK) {
		return client_fail(ctx, kept->err, kept->cause);
	}
	*out = kept->answer;
	return ERR_OK;
}
