/**
 * What a request has found out so far, for one that waits for others without its worker.
 *
 * The handler stays straight-line code: it runs from its beginning whenever something that it waited for has come, and what it put
 * into its memo is there again, as is everything in its arena, which stays with the request. So whoever asks others looks into the memo first, and
 * whatever time or chance has a part in (an event that was signed) is kept there rather than made again.
 *
 *     call_begin_memo(call);                    the handler's first line; call->ctx.memo from then on
 *     …
 *     struct memo_wait *wait = memo_get(ctx->memo, key);
 *     if (wait == NULL) {
 *     	wait = memo_wait_create(ctx->memo);
 *     	memo_put(ctx->memo, key, wait);
 *     	start(…, wait);                          calls memo_wake(wait) when it has come, on any thread
 *     }
 *     TRY(memo_park(ctx, wait, deadline_ms));   DEFER, and the handler returns with it: parked
 *
 * Who changes something, or hands out what another run would make anew, takes the memo away before: ctx->memo = NULL, and all that follows waits with
 * its thread. A ctx without memo (another thread's than a worker's, or of a handler that did not begin one): who waits holds the thread.
 * Threads: a memo belongs to the run that is under way; memo_wake() alone may be called by others.
 */
#ifndef BELFRY_HTTP_MEMO_H
#define BELFRY_HTTP_MEMO_H

#include "http/call.h"

struct memo;
struct memo_wait;

/**
 * From here on the call waits without its worker, where those whom it asks know how to. Not with call_keep(). While the call may not ask
 * others at all (ctx_may_ask) it has none, and costs nothing: whoever wants to ask has it begin anew.
 */
void call_begin_memo(struct call *call);
/** The same also while it may not ask: for who finds out before what counts once (that a password is right), and then begins anew where it may. */
void call_begin_memo_early(struct call *call);

/** Whose request it is, to limits: a user or homeserver, else an address. Empty: of nobody who has limits, or no memo. Borrowed from it. */
struct str memo_caller(const struct memo *memo);

/**
 * Counts what the call has in its arena by now among what parked calls take together: of that a caller has a share (http/budget.h). Counted until
 * the request ends; one that has grown is counted anew.
 * @param more_bytes  what it waits with beside its arena
 * @return false when that is too much now: the call does not park with it. Without a memo, true
 */
MUST_CHECK bool memo_hold(struct ctx *ctx, size_t more_bytes);

/** What was put under a key; NULL: nothing, or no memo. */
void *memo_get(const struct memo *memo, struct str key);
/** Keeps a value of the request's arena; NULL takes the key out. Without a memo nothing is done. */
void memo_put(struct memo *memo, struct str key, void *value);
/**
 * What an earlier run has put under the key; else something new, zeroed, of ctx->arena, which is put there.
 * @param size_bytes  of it
 */
void *memo_find(struct ctx *ctx, struct str key, size_t size_bytes);
#define MEMO_FIND(ctx, key, type) ((type *)memo_find((ctx), (key), sizeof(type)))

/** Something to wait for. One reference is the memo's, the other belongs to who calls memo_wake(). */
struct memo_wait *memo_wait_create(struct memo *memo);
/** For what comes: the waker's until it wakes, then the call's; it ends with the last reference, so a request may be gone before. */
struct arena *memo_wait_arena(struct memo_wait *wait);
/** It has come; takes the caller's reference. Any thread, also while the run that asked for it goes on, or when the request is gone. */
void memo_wake(struct memo_wait *wait);

/** Adds it to those that wait for the same: a list of the caller's, under its lock; NULL is an empty one. */
void memo_wait_join(struct memo_wait **list, struct memo_wait *wait);
/** memo_wake() for each of a list that nobody else sees any more; no lock held. */
void memo_wake_all(struct memo_wait *list);

/**
 * Waits: OK when it has come by now, else parks the call until it does.
 * Errors: DEFER (parked: to be returned by the handler, with nothing else done); TIMEOUT (the deadline is over, no fault text); SHUTDOWN
 * @param deadline_ms  monotonic clock
 */
MUST_CHECK enum err memo_park(struct ctx *ctx, struct memo_wait *wait, int64_t deadline_ms);

#endif
