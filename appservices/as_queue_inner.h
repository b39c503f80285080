/**
 * Inside of the queues. Only as_queue*.c include it.
 */
#ifndef BELFRY_APPSERVICES_AS_QUEUE_INNER_H
#define BELFRY_APPSERVICES_AS_QUEUE_INNER_H

#include "appservices/as_moments.h"
#include "appservices/as_queue.h"
#include "base/lock.h"
#include "base/map.h"
#include "base/rounds.h"

#include <stdatomic.h>

/** A transaction under way. */
struct as_flight {
	struct as_queue *queue;
	struct str id; /**< of the service; heap */
	bool is_older; /**< by the path that older services know */
	/* Once it is over: */
	enum err err;
	int status;       /**< 0: there was no answer */
	struct str cause; /**< heap */
	struct as_flight *next;
};

/** A service as it is sent to. Guarded by the queue's lock, but what the thread alone touches. */
struct as_sender {
	struct str id;   /**< heap */
	bool has_queue;  /**< something may wait for it */
	bool is_retried; /**< its pause is over, whatever it says */
	bool is_failing; /**< its last transaction was not taken */
	bool is_known;   /**< its row was there when rows were last read */
	/* The thread's own: */
	struct as_moments moments; /**< to be told */
	bool is_flying;
	struct str txn_id;   /**< of its newest transaction; heap; p == NULL: there was none */
	bool is_open;        /**< the row says that it is not taken */
	int64_t taken_at_ms; /**< it was, which the row does not say yet; 0: it was not */
	int64_t failures;    /**< in a row */
	int64_t interval_ms;
	int64_t retry_at_ms; /**< wall clock */
	int64_t
		older_until; /**< monotonic milliseconds: until then it is taken for one that knows the older path only */
	int newer_status; /**< what it has just said to the newer path, so that the older one is next; 0: nothing */
};

struct as_queue {
	struct homeserver *hs;
	struct as_interest *interest;
	struct rounds *rounds;
	atomic_bool has_listeners; /**< there are services to send to */
	atomic_bool has_takers;    /**< of these some who are told what is of the moment */
	atomic_size_t failing_n;
	struct troubled *troubled; /**< services that the process that sends could not reach */
	atomic_bool is_unread;     /**< the database may know of more */
	struct lock lock;
	struct as_flight *over;    /**< ended, not written down; guarded by lock, like all below */
	struct map senders;        /**< id → struct as_sender * */
	struct as_moments moments; /**< of which it is not worked out yet who is told */
	/* The consumer's own: */
	int64_t reached;       /**< where its last round ended */
	int64_t saved;         /**< its position in the database */
	int64_t since_version; /**< of the set that `since` belongs to; -1: none */
	int64_t *since;        /**< since when each service of the set hears; heap */
	/* The thread's own: */
	int64_t loaded_version; /**< of the set whose rows are in `senders`; -1: none */
};

/** There may be something to do. */
void as_queue_wake(struct as_queue *queue);
/** A service could not be reached; tells other processes. No lock held. */
void as_queue_note_trouble(struct as_queue *queue, struct str id);
/** Something was queued for services. */
void as_queue_filled(struct as_queue *queue, const struct appservice_news *news, size_t count);

/** Whom there is to tell something. @param set  NULL: nobody, for another process does it */
void as_queue_note_set(struct as_queue *queue, const struct appservice_set *set);

/** The newest set, read first if nobody has. Errors: STORE */
MUST_CHECK enum err as_queue_hold(struct ctx *ctx, struct homeserver *hs,
	struct appservice_set **out);

/** Whether it is told how many keys its users' devices have left. */
bool as_hears_of_keys(const struct appservice *service);

/** Frees what is sent, or was. NULL does nothing; nobody else may know it any more. */
void as_flight_free(struct as_flight *flight);

/* --- what is of the moment (as_queue_moments.c) ------------------------------------------------------------- */

/** Fills the port for typing and presence. */
void as_queue_fill_port(struct as_queue *queue);
/** Works out who is told; the thread's. Errors: STORE (nobody is) */
MUST_CHECK enum err as_queue_spread(struct ctx *ctx, struct as_queue *queue,
	const struct appservice_set *set);

/* --- sending (as_queue_send.c), the thread's --------------------------------------------------------------- */

/** Starts a transaction to each service that is due. Errors: STORE */
MUST_CHECK enum err as_queue_launch(struct as_queue *queue, const struct appservice_set *set);
/** Writes down how flights ended. Errors: STORE */
MUST_CHECK enum err as_queue_land(struct as_queue *queue);

#endif
