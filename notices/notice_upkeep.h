/**
 * The thread that works for notices beside the one that sends them, and may wait for others: it asks sources, and makes the rooms of
 * classes.
 */
#ifndef BELFRY_NOTICES_NOTICE_UPKEEP_H
#define BELFRY_NOTICES_NOTICE_UPKEEP_H

#include "homeserver/homeserver.h"

struct notice_upkeep;

/** One connection beside those of hs->db keeps the lease: of all processes one works. */
struct notice_upkeep *notice_upkeep_create(struct homeserver *hs);
/** Starts the thread; the homeserver is whole. Costs two round trips every two seconds while nothing is due. */
void notice_upkeep_start(struct notice_upkeep *upkeep);
/** Something may be due: it looks at once. Any thread. */
void notice_upkeep_wake(struct notice_upkeep *upkeep);
/** Lets what is under way end; the outgoing client was stopped before, so nobody waits for others. NULL does nothing. */
void notice_upkeep_stop(struct notice_upkeep *upkeep);
/** NULL does nothing. */
void notice_upkeep_destroy(struct notice_upkeep *upkeep);

#endif
