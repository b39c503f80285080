/**
 * What every call carries: the arena, the deadline, and where a failure is described.
 */
#ifndef BELFRY_BASE_CTX_H
#define BELFRY_BASE_CTX_H

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"

/**
 * What went wrong, for whom. Filled where the failure is discovered, read where it is turned into a
 * reply or given up.
 */
struct fault {
	enum err err;        /**< kind; ERR_OK when nothing failed */
	int http_status;     /**< 0: the kind's default */
	const char *errcode; /**< static, e.g. "M_FORBIDDEN"; NULL: M_UNKNOWN */
	struct str text;     /**< for the client; in the arena or static */
	struct str cause;    /**< for the log only; may be empty */
	struct str extra; /**< further JSON members for the error body, without braces; may be empty */
	int64_t retry_after_ms; /**< 0: none */
};

struct memo;
struct handover;

struct ctx {
	struct arena *arena; /**< everything this request makes */
	int64_t deadline_ms; /**< monotonic clock; 0: none */
	bool may_not_wait;   /**< on an I/O thread: what is not in memory fails with ERR_DEFER */
	bool
		may_not_ask; /**< on a worker that others need soon: so does what another server has to say */
	struct memo *
		memo; /**< of a request that waits without its thread (http/memo.h); NULL: who waits holds it */
	struct handover
		*handover; /**< of one that may hand its wait over (http/handover.h); NULL: it waits */
	uint64_t request_id; /**< in every log line of this request */
	struct fault fault;
};

/** A context around an arena, without deadline. */
void ctx_init(struct ctx *ctx, struct arena *arena);

/**
 * To be asked before anything that waits: a query, a turn, another thread's work.
 * Errors: DEFER when the caller may not wait. It is not described: it never gets to a client.
 */
MUST_CHECK static inline enum err ctx_may_wait(const struct ctx *ctx)
{
	return ctx->may_not_wait ? ERR_DEFER : ERR_OK;
}

/**
 * To be asked before anything that ends with a write: whose answer waits for the commit need not.
 * Errors: DEFER as above.
 */
MUST_CHECK static inline enum err ctx_may_write(const struct ctx *ctx)
{
	return ctx->handover != NULL ? ERR_OK : ctx_may_wait(ctx);
}

/**
 * To be asked before another server is, and before anything was changed: whoever fails begins anew where one may.
 * Errors: DEFER as above.
 */
MUST_CHECK static inline enum err ctx_may_ask(const struct ctx *ctx)
{
	return ctx->may_not_wait || ctx->may_not_ask ? ERR_DEFER : ERR_OK;
}

/**
 * Describes a failure and returns its kind: `return fail(ctx, ERR_DENIED, M_FORBIDDEN, "…")`.
 *
 * @param errcode  static string of the specification (matrix/errcode.h), or NULL for M_UNKNOWN
 * @param format   text for the client, printf-like; one sentence that says what to do if possible
 */
enum err fail(struct ctx *ctx, enum err err, const char *errcode, const char *format, ...)
	PRINTF_LIKE(4, 5);

/** The same with an HTTP status that differs from the kind's. */
enum err fail_status(struct ctx *ctx, enum err err, int http_status, const char *errcode,
	const char *format, ...) PRINTF_LIKE(5, 6);

/** A failure whose details are for the log, not for the client (database, disk). */
enum err fail_cause(struct ctx *ctx, enum err err, const char *format, ...) PRINTF_LIKE(3, 4);

#ifdef __clang_analyzer__
/* The analyser sees one file at a time: tells it that what these return is the kind that they were given. */
#define fail(ctx, err, ...) ((void)(fail)((ctx), (err), __VA_ARGS__), (err))
#define fail_status(ctx, err, ...) ((void)(fail_status)((ctx), (err), __VA_ARGS__), (err))
#define fail_cause(ctx, err, ...) ((void)(fail_cause)((ctx), (err), __VA_ARGS__), (err))
#endif

#endif
