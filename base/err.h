/**
 * The kinds of failure. They say what the caller should do, not what went wrong; what went wrong is
 * in `struct fault` (base/ctx.h).
 */
#ifndef BELFRY_BASE_ERR_H
#define BELFRY_BASE_ERR_H

#include "base/defs.h"

/* kind, default HTTP status, may the same call succeed later */
#define ERR_TABLE(X) \
	X(OK, 200, false) \
	X(INPUT, 400, false)    /* the request is wrong */ \
	X(DENIED, 403, false)   /* understood and refused */ \
	X(MISSING, 404, false)  /* there is no such thing */ \
	X(CONFLICT, 409, true)  /* someone else was first; reload and try again */ \
	X(LIMIT, 429, true)     /* a budget is used up */ \
	X(TIMEOUT, 504, true)   /* the deadline passed */ \
	X(REMOTE, 502, true)    /* another server failed */ \
	X(STORE, 503, true)     /* database or disk failed */ \
	X(SHUTDOWN, 503, true)  /* the server is stopping */ \
	X(DEFER, 500, true)     /* the caller may not wait (struct ctx): do it where one may */ \
	X(INTERNAL, 500, false) /* a mistake in this program */

enum err {
#define ERR_MEMBER(name, status, retry) ERR_##name,
	ERR_TABLE(ERR_MEMBER)
#undef ERR_MEMBER
};

/** "INPUT", "DENIED", …; static. */
const char *err_name(enum err err);

/** HTTP status used when the fault names none. */
int err_http_status(enum err err);

/** Whether trying the same again later can help. */
bool err_is_transient(enum err err);

/** Whether another server that was asked has not answered, and may later: REMOTE, TIMEOUT, LIMIT. */
bool err_is_unanswered(enum err err);

/** Passes a failure on: `TRY(f(ctx));` in a function that returns enum err. */
#define TRY(call) \
	do { \
		enum err try_err_ = (call); \
		if (try_err_ != ERR_OK) { \
			return try_err_; \
		} \
	} while (0)

#endif
