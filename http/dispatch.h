/**
 * A complete request's way: authentication, rate, handler, answer; on its I/O thread, on a lane's
 * worker, or both in turn. Inner to http/.
 */
#ifndef BELFRY_HTTP_DISPATCH_H
#define BELFRY_HTTP_DISPATCH_H

#include "http/request.h"

/**
 * Begins a complete request, on the connection's I/O thread.
 * @return true when the answer is set; false when the connection was suspended
 */
MUST_CHECK bool dispatch_begin(struct request *request);

/**
 * Settles who asks and whether it may, before the body is read; on the I/O thread, or on a worker when only the database
 * can tell. The handler's run looks again, from memory.
 * @return false when the connection was suspended; else the request is refused if its answer is set
 */
MUST_CHECK bool dispatch_admit(struct request *request);

/** Runs an inline handler again after its park was woken; on the I/O thread. @return as above */
MUST_CHECK bool dispatch_again(struct request *request);

/** Takes the connection of a request that waits (held.h), or suspends it again; on the I/O thread. */
void dispatch_leave(struct request *request);

/** The lanes' callbacks; `self` is the server. */
void dispatch_run_job(void *self, struct lane_job *job);
void dispatch_release_job(void *self, struct lane_job *job);

/** The parks' callback: runs a woken request again on its lane. */
void dispatch_wake(void *self, struct request *request, bool is_batch);
/** Before the first and after the last of a batch of dispatch_wake(); the server stays for that time. */
void dispatch_batch_begin(void *self);
void dispatch_batch_end(void *self);

/** Answers 503 in place of a handler that has not answered in time, or never began. Any thread. */
void dispatch_abandon(struct request *request);

/** Sets the answer of a request that no lane or park has yet; on the I/O thread. */
void dispatch_refuse(struct request *request, const struct refusal *refusal);

#endif
