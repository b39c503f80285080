/**
 * Stream consumers: who hears of commits without the send path knowing it (docs/conventions.md, section 1.1).
 *
 * A consumer has a name and a position in the database, and reads on from there when something is published. Nothing is lost in
 * a crash: it goes on from its position. Only one process runs a consumer: the one whose connection has its lease. A few threads run
 * all consumers, each on one thread at a time; the writer's thread only wakes them.
 *
 *     consumers_add(hs->consumers, &(struct consumer_def){.name = "search", .run = search_index_run, .self = …});
 */
#ifndef BELFRY_HOMESERVER_CONSUMER_H
#define BELFRY_HOMESERVER_CONSUMER_H

#include "homeserver/homeserver.h"

/**
 * One round: deals with some or all of what lies in after < position <= up_to, in order.
 *
 * It does not wait for other servers: what takes longer than the database goes into a queue of its own. Everything in the
 * arena of ctx goes after the round; its deadline is the round's.
 *
 * @param out_reached  everything up to here is done; `after` when nothing can be done yet: then it is called again in a second
 * @return a failure is logged, and the round tried again after a while (0.1 s, doubling up to a minute; to a second while the database is
 *         away), from the position in the database
 */
typedef enum err consumer_run(struct ctx *ctx, struct homeserver *hs, void *self, int64_t after,
	int64_t up_to, int64_t *out_reached);

struct consumer_def {
	const char *name; /**< static; [a-z_]+; also its row, its lease and its label in metrics */
	consumer_run *run;
	void *self;
	/**
	 * Exactly once: `run` moves the position itself, together with its own rows (store_consumer_move_in(), …_write()). Otherwise
	 * the position is stored after the round, so a round may be done twice after a crash.
	 */
	bool saves_itself;
	/**
	 * What it wants to know of at once: kinds of news, as a set (storage/news.h). What only brought others it is shown along with these, at the
	 * latest CONSUMERS_PASS_MS later. So a kind too few makes it late, and loses nothing.
	 */
	uint32_t follows;
	bool
		from_now; /**< a new name begins at the position of the first process that starts with it, not at the stream's first */
	int64_t
		pause_ms; /**< least time from one round's end to the next round's start: rounds of a busy server become larger */
	/** Says it anew after each round; NULL: always pause_ms. */
	int64_t (*pause)(void *self);
};

enum { CONSUMERS_MAX = 16, CONSUMERS_PASS_MS = 5000 };

struct consumers;

/** No threads yet. One connection beside those of hs->db keeps the leases. */
struct consumers *consumers_create(struct homeserver *hs);
/** Before the start; `def` is copied. */
void consumers_add(struct consumers *consumers, const struct consumer_def *def);
/** Starts the threads; the homeserver is whole. */
void consumers_start(struct consumers *consumers);
/**
 * New names get their rows, after the start and before anybody is served: so a process that starts later, and takes the lease first, skips
 * nothing of what this one publishes. Errors: STORE
 */
MUST_CHECK enum err consumers_place(struct ctx *ctx, const struct consumers *consumers);
/** Lets the rounds that run end, then ends the threads. Later publications do nothing. NULL does nothing. */
void consumers_stop(struct consumers *consumers);
void consumers_destroy(struct consumers *consumers);

/** A position was published, and news of these kinds with it: wakes who follows them. Writer's thread; never blocks. */
void consumers_published(struct consumers *consumers, int64_t position, uint32_t kinds);

/** Whether this process has a consumer's lease, as far as it knows: for who acts on what the consumer put into memory. */
bool consumers_is_ours(struct consumers *consumers, const char *name);

/**
 * What a consumer that saves itself put into memory is gone: it begins anew at once, from the position in the database, whether or not
 * anything new is published.
 */
void consumers_begin_anew(struct consumers *consumers, const char *name);

/**
 * Waits until a consumer has dealt with everything up to a position that it follows, without its pause. Blocks the calling worker; no lock is held.
 * @return false when it has not by the deadline (monotonic), when it fails, or when another process runs it
 */
bool consumers_await(struct consumers *consumers, const char *name, int64_t position,
	int64_t deadline_mono_ms);

/**
 * The same for who reads what the consumer stores together with its position, whichever process runs it. Where it is another, the
 * database is asked until it says so, with growing pauses: a round trip at least, and as many as fit in.
 * @return false when it has not by the deadline, or when it fails
 */
bool consumers_await_stored(struct consumers *consumers, const char *name, int64_t position,
	int64_t deadline_mono_ms);

#endif
