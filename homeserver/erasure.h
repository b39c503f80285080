/**
 * Local users who wished to be erased when their account ended: whose events others get redacted, if they could not see them
 * before. In memory, since every event that is shown is asked about.
 * Spec: client-server API, "Account management", POST /account/deactivate, `erase`
 */
#ifndef BELFRY_HOMESERVER_ERASURE_H
#define BELFRY_HOMESERVER_ERASURE_H

#include "homeserver/homeserver.h"

/** Nobody, until it is loaded. */
struct erasure *erasure_create(void);
void erasure_destroy(struct erasure *erasure);

/** Reads who is erased: at the start, and after each change. One round trip. Errors: STORE. */
MUST_CHECK enum err erasure_load(struct ctx *ctx, struct homeserver *hs);

/** Tells other processes of one who has been loaded. Cost: nothing where there is one process; else as writer_tell_all(). */
void erasure_tell(struct arena *arena, struct homeserver *hs, struct str user_id);
/** One of several processes said so: a line of NEWS_ERASED. Writer's thread. */
void erasure_heard(struct erasure *erasure, struct str line);

/** Newest stream position at the user's erasure; 0: the user is not erased. Any thread. */
int64_t erasure_position(struct erasure *erasure, struct str user_id);
/** Whether nobody is: then there is nothing to ask. */
bool erasure_is_empty(const struct erasure *erasure);

#endif
