/**
 * The federation: this server among others. One struct holds the services of this folder; app/wire.c makes it
 * after the homeserver's services, and it fills the ports of the layers below.
 * Spec: server-server API
 */
#ifndef BELFRY_FEDERATION_FEDERATION_H
#define BELFRY_FEDERATION_FEDERATION_H

#include "homeserver/homeserver.h"
#include "homeserver/media/media.h"

struct answers;
struct backfill;
struct discovery;
struct errands;
struct fed_client;
struct handshake_rooms;
struct joins;
struct keyring;
struct policy;
struct policy_askers;
struct processes;
struct read_turns;
struct outbox;
struct inbox;

struct federation {
	struct homeserver *hs;
	struct discovery *discovery; /**< where servers are reached (discovery.h) */
	struct fed_client *client;   /**< requests to them (fed_client.h) */
	struct policy *policy;       /**< with whom (policy.h) */
	struct keyring *keyring;     /**< their keys (keyring.h) */
	struct answers *profiles;    /**< of users of others, asked for lately (remote_query.h) */
	struct answers *spaces;      /**< the same of spaces (remote_space.h) */
	struct outbox *outbox;       /**< what goes to them by transaction (outbox.h) */
	struct joins *joins;         /**< rooms that are being joined (join_out.h) */
	struct handshake_rooms
		*handshake_rooms;                /**< of which more may be told soon (handshake_rooms.h) */
	struct inbox *inbox;                 /**< what they sent (inbox.h) */
	struct errands *errands;             /**< what requests wait for (errand.h) */
	struct policy_askers *policy_askers; /**< who asks policy servers of rooms (policy_sign.h) */

	/* Files and history of others. */
	struct answers *missing_media; /**< that their servers did not have lately (remote_media.h) */
	struct media_ports media;
	struct backfill *backfill;      /**< see backfill.h */
	struct answers *missing_events; /**< that nobody had lately */

	/* What those who wait take of memory, to be bounded. */
	_Atomic int64_t held_bytes;    /**< answers that come, or wait to be taken (held_text.h) */
	struct read_turns *read_turns; /**< answers that are read (read_turn.h) */
	_Atomic int64_t learning; /**< users whose devices are about to be known (remote_learn.h) */

	struct processes
		*processes; /**< what processes of this server tell one another (processes.h) */
};

/** Fills the ports of `hs`; nothing runs yet. The other services of `hs` exist already. */
struct federation *federation_create(struct homeserver *hs);
/** Once the database is ready, before the listeners open. Errors: STORE */
MUST_CHECK enum err federation_start(struct ctx *ctx, struct federation *federation);
/** Ends the threads of this folder. Called once the HTTP client has stopped, so that none waits for other servers, and before the HTTP server stops. */
void federation_stop(struct federation *federation);
void federation_destroy(struct federation *federation);

#endif
