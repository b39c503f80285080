/**
 * What a request writes last: behind its commit only the answer is left to do, so that who may hand over does not wait for it (http/handover.h).
 * It is for callers whose own callers do nothing after it either, down to the handler: that is the one that calls call_begin_handover().
 */
#ifndef BELFRY_HOMESERVER_LAST_WRITE_H
#define BELFRY_HOMESERVER_LAST_WRITE_H

#include "homeserver/homeserver.h"

/**
 * Lets the answer wait for a write in the caller's stead; to be called before it is submitted.
 * @return whether it does; else the caller waits
 */
MUST_CHECK bool last_write_hand_over(struct ctx *ctx, struct write *write);

/**
 * Submits, and waits unless the answer does.
 * Errors: as writer_wait(), of which an answer that waits makes what that one's text says: after a CONFLICT the handler runs anew
 */
MUST_CHECK enum err last_write_commit(struct ctx *ctx, struct homeserver *hs, struct write *write);

#endif
