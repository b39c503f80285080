/**
 * What goes to other servers by transaction: events of local users, and EDUs.
 *
 * A stream consumer works out which events go to which servers and puts them into memory, one queue for each destination; one
 * thread sends what is due, one transaction for each destination at a time. Only destinations that fail have rows of their own in the
 * database. How far everything has been sent, or noted as missed, is the consumer's position: after a crash it goes on from there.
 * Spec: server-server API, "Transactions"
 */
#ifndef BELFRY_FEDERATION_OUTBOX_H
#define BELFRY_FEDERATION_OUTBOX_H

#include "federation/federation.h"

/** Names of the consumers. */
#define OUTBOX_CONSUMER "outbox"
#define OUTBOX_DEVICES_CONSUMER "outbox_devices"

struct outbox;

/** Fills the ports by which the domains tell of EDUs. */
struct outbox *outbox_create(struct federation *federation);
/** Starts the thread. */
void outbox_start(struct outbox *outbox);
/** Ends the thread; what is under way is sent again after the next start. */
void outbox_stop(struct outbox *outbox);
/** After the HTTP client has ended all requests. */
void outbox_destroy(struct outbox *outbox);

/** The consumer of events and receipts (a consumer_run; `self` is the outbox). It saves its position itself. */
MUST_CHECK enum err outbox_consume(struct ctx *ctx, struct homeserver *hs, void *self,
	int64_t after, int64_t up_to, int64_t *out_reached);
/** Its pause between rounds: short while other servers are in rooms, long while there are none. */
int64_t outbox_rounds_pause_ms(void *self);
/** The consumer of changes of keys; exactly once. */
MUST_CHECK enum err outbox_consume_devices(struct ctx *ctx, struct homeserver *hs, void *self,
	int64_t after, int64_t up_to, int64_t *out_reached);

/**
 * A server has asked for something, so it can probably be reached: what waits for it is tried soon. Cheap, any thread.
 */
void outbox_heard_of(struct outbox *outbox, struct server_name server);

/**
 * The policy has changed: servers that it did not allow and allows now are tried at once. From memory; not while a lock is held.
 */
void outbox_policy_changed(struct outbox *outbox);

/**
 * An event that a user of another server sent, and that this one has to pass on to the others in the room: what came by
 * send_join, send_leave, send_knock. To be called before room_accept(). Errors: STORE. One round trip.
 */
MUST_CHECK enum err outbox_pass_on(struct ctx *ctx, struct federation *federation,
	struct event_id event_id);
/**
 * An event of a local user that another server passes on: what was sent to it by send_join and the like. To be called before
 * it is stored. Errors: STORE. One round trip.
 */
MUST_CHECK enum err outbox_keep_back(struct ctx *ctx, struct federation *federation,
	struct event_id event_id);

/** EDUs were stored for a server, by this process or another one: they are sent if this one does that. Any thread; from memory. */
void outbox_take_edus(struct outbox *outbox, struct str server);
/** There are other servers in a room. The same. */
void outbox_share_room(struct outbox *outbox, int64_t room_nid);
/** Another process wants to know when it is known which servers are in rooms up to a position; told if this one sends. The same. */
void outbox_want_stays(struct outbox *outbox, int64_t position);

/**
 * Waits until it is known which servers are in rooms up to a position, for 5 s at the most, whichever process finds it out: what is of
 * the moment (typing), and keys, would not go to a server that has just come. Not while a lock is held. @return whether it is
 */
bool outbox_await_stays(struct federation *federation, int64_t position);

/**
 * The members of a room are stored that were missing since a position: the servers in it are looked at anew. Errors: STORE. One transaction;
 * grows with the room's members.
 */
MUST_CHECK enum err outbox_correct_stays(struct ctx *ctx, struct federation *federation,
	struct room *room, int64_t position);

/** For the housekeeper, each 10 s and when a command has changed something: tries at once what an administrator wants tried. */
void outbox_tidy(struct ctx *ctx, struct outbox *outbox);
/** The same, each hour. */
void outbox_tidy_hourly(struct ctx *ctx, struct outbox *outbox);

#endif
