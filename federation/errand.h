/**
 * What a request wants done for which several others are asked, one after another: by threads of its own, while the request is parked.
 *
 * For what is no single question (http/memo.h): it passes over who fails, and would have to be begun anew with each answer. The threads are few, and of
 * one server, and for one caller, only some have to do at a time: who is slow delays those who want something of it. What waits in the line holds no thread, and
 * nothing of it lasts longer than its deadline.
 */
#ifndef BELFRY_FEDERATION_ERRAND_H
#define BELFRY_FEDERATION_ERRAND_H

#include "federation/federation.h"

struct errands;
/** Something to be done. Counted: whoever asked for it may be gone before it ends. */
struct errand;

struct errand_task {
	/**
	 * On one of the threads. The ctx has the errand's deadline, no memo, and an arena for the time being: what is wanted of it afterwards
	 * is put into *data. May not ask for errands.
	 */
	enum err (*run)(struct ctx *ctx, void *data);
	/** Gives up what *data holds: before who waits is woken, also if it was not run. */
	void (*drop)(void *data);
};

struct errands *errands_create(struct federation *federation);
/** Starts the threads. Once, when all that errands may ask is there. */
void errands_start(struct errands *errands);
/** Ends the threads; what is in the line ends with SHUTDOWN. NULL does nothing. The HTTP client was stopped before. */
void errands_stop(struct errands *errands);
void errands_destroy(struct errands *errands);

/**
 * A new one; nobody does it yet. Lives at least as long as the ctx's arena.
 * @param whom         who is asked first
 * @param deadline_ms  monotonic clock
 * @param data_bytes   of *out_data, which is all zero
 */
struct errand *errand_create(struct ctx *ctx, const struct errand_task *task,
	struct server_name whom, int64_t deadline_ms, size_t data_bytes, void **out_data);
/** Where what stands in its data is made, before it is begun. */
struct arena *errand_arena(struct errand *errand);
/** Has it done, once its data is complete. */
void errand_begin(struct errands *errands, struct errand *errand);
/** Somebody else's, found where it cannot end meanwhile: lives as long as the ctx's arena. */
void errand_share(struct ctx *ctx, struct errand *errand);

/**
 * Until it has ended. A call with a memo is parked; it finds the errand again by its own memo.
 * Errors: what run() gave; TIMEOUT (it has not ended in time, no fault text); DEFER (parked); SHUTDOWN
 */
MUST_CHECK enum err errand_await(struct ctx *ctx, struct errand *errand);

#endif
