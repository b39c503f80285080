/**
 * What the files of media/ share.
 */
#ifndef BELFRY_HOMESERVER_MEDIA_MEDIA_INNER_H
#define BELFRY_HOMESERVER_MEDIA_MEDIA_INNER_H

#include "base/lock.h"
#include "homeserver/media/media.h"
#include "homeserver/media/media_store.h"

struct media_wait;

struct media {
	struct homeserver *hs;
	struct media_store store;
	const struct media_ports *ports; /**< NULL: no other servers */
	struct str incoming;             /**< folder */
	struct lock lock;                /**< RANK_LEAF; guards the list */
	struct media_wait *waits;        /**< requests for files that are not yet uploaded */
};

/** Somebody has uploaded this: who waits for it looks again. */
void media_wake(struct media *media, struct server_name origin, struct str media_id);

#endif
