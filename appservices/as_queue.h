/**
 * What application services are told: a queue for each, transactions in order, each repeated until the service has taken it.
 *
 * A stream consumer writes down what each service has to hear of, by its position in the stream, in the commit that moves its own. One thread
 * makes transactions of that: the next one of a service takes the place of the one before, and what it is made of leaves the queue, in one
 * commit; then it is sent, the same bytes under the same id until the service says 200. So nothing is lost, nothing is out of order, and what is
 * sent twice after a crash can be told by its id. Without services nothing is read or written.
 * Spec: application-service API, "Pushing events"
 */
#ifndef BELFRY_APPSERVICES_AS_QUEUE_H
#define BELFRY_APPSERVICES_AS_QUEUE_H

#include "homeserver/homeserver.h"

/** Name of the consumer; the process with its lease sends. */
#define APPSERVICE_CONSUMER "appservices"

struct as_queue;

/** Kept in hs->as_queue. */
struct as_queue *as_queue_create(struct homeserver *hs);
/** Starts the thread. */
void as_queue_start(struct as_queue *queue);
/** Ends the thread; what is under way is sent again after the next start. */
void as_queue_stop(struct as_queue *queue);
/** After the HTTP client has ended all requests. */
void as_queue_destroy(struct as_queue *queue);

/** The consumer (a consumer_run; `self` is the queue). It saves its position itself. */
MUST_CHECK enum err as_queue_consume(struct ctx *ctx, struct homeserver *hs, void *self,
	int64_t after, int64_t up_to, int64_t *out_reached);
/** Its pause between rounds: short while there are services, long while there are none. */
int64_t as_queue_pause_ms(void *self);

/** A service has shown that it is there: what waits for it is tried at once, by whichever process sends. From memory; any thread, no lock held. */
void as_queue_heard_of(struct as_queue *queue, struct str appservice_id);

/** What a process has said, this one included (storage/writer.h, writer_tell()). Writer's thread. */
void as_queue_heard(struct as_queue *queue, struct str line);
/** Something that was said may have been missed: read from the database soon. Any thread. */
void as_queue_deaf(struct as_queue *queue);

#endif
