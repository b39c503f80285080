/*
 * The request is parked without a deadline, and keeps its call. Whoever wakes it (handover_done(), a stop) asks what became of it: when it is
 * done well the answer is sent there, else a worker goes on.
 */
#include "http/handover.h"

#include "http/call_state.h"

/* Each keeps its arena, some 64 KiB. More than groups get larger by. */
enum { HANDED_OVER_MAX = 256 };

/* What an I/O thread makes of a body, others' requests wait for: some 10 µs for a KiB. */
enum { INLINE_BODY_BYTES = 8 * 1024, ALONE_BEFORE = 32 };

/*
 * An I/O thread does what comes alone: to wake a worker for it costs more than others lose by waiting. Where others were under way among the last
 * ones workers do it: the first of many would go to the writer before the rest, who then waited for its flush.
 */
static bool is_alone(struct call *call)
{
	struct http_server *server = call->state->request->server;
	int64_t left = atomic_load(&server->not_alone);
	if (atomic_load(&server->handed_over) > 1) { /* one may be over: the client hears of it first */
		atomic_store(&server->not_alone, ALONE_BEFORE);
		return false;
	}
	if (left > 0) {
		atomic_store(&server->not_alone, left - 1);
		return false;
	}
	return call_body(call).n <= INLINE_BODY_BYTES;
}

static bool has_place(struct call *call)
{
	return call->ctx.may_not_wait
		? is_alone(call)
		: atomic_load(&call->state->request->server->handed_over) < HANDED_OVER_MAX;
}

void call_begin_handover(struct call *call)
{
	struct call_state *state = call->state;
	struct request *request = state->request;
	bool may = call->ctx.memo == NULL && !call_is_stopping(call) && request->handed_over == NULL &&
		has_place(call);
	if (may) {
		struct handover *handover = ARENA_NEW(call->ctx.arena, struct handover);
		handover->call = call;
		call->ctx.handover = handover;
	}
}

struct handover *handover_take(struct ctx *ctx, enum err (*wait)(struct ctx *ctx, void *data),
	void *data)
{
	struct handover *handover = ctx->handover;
	struct call *call = handover->call;
	struct request *request = call->state->request;
	ctx->handover = NULL;
	handover->wait = wait;
	handover->data = data;
	handover->park = call_park(call, INT64_MAX);
	call->state->handover = handover;
	request->handed_over = call;
	request_ref(request);
	atomic_fetch_add(&request->server->handed_over, 1);
	return handover;
}

void handover_done(void *data, enum err err)
{
	struct handover *handover = data;
	struct request *request = handover->call->state->request;
	struct http_server *server = request->server;
	atomic_store(&handover->is_done_well, err == ERR_OK);
	park_wake(handover->park);
	park_unref(handover->park);
	request_unref(request);
	/* A stopping server may be freed from here on. */
	atomic_fetch_sub(&server->handed_over, 1);
}
