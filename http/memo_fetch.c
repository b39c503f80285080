/*
 * The answer is what the call waits for: it lives as long as that.
 */
#include "http/memo_fetch.h"

#include "base/clock.h"
#include "http/client_inner.h"
#include "http/memo.h"

enum { LATE_MS = 500 }; /* the transfer itself says that its time is over */

struct kept_answer { /* in the arena of its wait */
	struct memo_wait *wait;
	int64_t deadline_ms;
	enum err err; /* as what follows, the transfer's until it wakes the call */
	struct str cause;
	struct fetched answer;
};

static void on_end(void *data, const struct fetch_end *end)
{
	struct kept_answer *kept = data;
	struct arena *arena = memo_wait_arena(kept->wait);
	kept->err = end->err;
	kept->cause = str_dup(arena, end->cause);
	if (end->err == ERR_OK) {
		kept->answer = client_copy_answer(arena, &end->answer);
	}
	memo_wake(kept->wait);
}

static struct kept_answer *start(struct ctx *ctx, struct http_client *client,
	const struct fetch *fetch)
{
	struct fetch within = *fetch;
	within.timeout_ms = client_time_left_ms(ctx, fetch->timeout_ms);
	struct memo_wait *wait = memo_wait_create(ctx->memo);
	struct kept_answer *kept = ARENA_NEW(memo_wait_arena(wait), struct kept_answer);
	kept->wait = wait;
	kept->deadline_ms = clock_os_ms() + within.timeout_ms + LATE_MS;
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
