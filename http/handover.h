/**
 * An answer that is made before that is done of which it tells, and is sent when it is: meanwhile the worker does other work.
 *
 *     call_begin_handover(call);            in the handler, before what it does last; call->ctx.handover from then on
 *     …
 *     if (ctx->handover != NULL) {          who would wait for a commit, and would do nothing after it (homeserver/last_write.h)
 *     	write_on_done(write, handover_done, handover_take(ctx, wait, write));
 *     	submit(write);                       what is said by then to handover_done() is kept
 *     	return ERR_OK;                       as if it were done: the handler replies
 *     }
 *
 * Done well, the answer goes out from the thread that says so. If it failed, a worker asks `wait` for the error, which is the answer; but after a
 * CONFLICT the handler runs from its beginning, as a fresh call that waits with its thread. So does a worker at a stop, by `wait`. Whatever becomes of the
 * request, its call and arena live until handover_done().
 */
#ifndef BELFRY_HTTP_HANDOVER_H
#define BELFRY_HTTP_HANDOVER_H

#include "http/call.h"

struct handover;

/**
 * From here on the call may hand over, once, what its answer waits for; not in its second run, not while the server stops, not with a memo, and
 * not while very many others have (HANDED_OVER_MAX): then it waits as ever. On an I/O thread with a small body, while no two others have, nor had when one of the last came: else a
 * worker makes the answer (ctx_may_write()).
 */
void call_begin_handover(struct call *call);

/**
 * The answer waits from now on; ctx->handover is NULL after it. To be followed by one handover_done(), with what this returns.
 * @param wait  waits on a worker until it is done, and tells how it ended; asked before handover_done() or after it, or never
 * @param data  of wait; in the ctx's arena
 */
struct handover *handover_take(struct ctx *ctx, enum err (*wait)(struct ctx *ctx, void *data),
	void *data);

/**
 * It is done, with this error. Any thread, no lock of a rank above RANK_PARK held; also while the handler runs, or when the request is gone.
 * @param data  the handover
 */
void handover_done(void *data, enum err err);

#endif
