/**
 * Server notices: what the people who run the server tell a user.
 * Spec: client-server API, "Server Notices"
 *
 * A notice waits in the database until a server delivers it; so a command can send one whether a server runs or not.
 */
#ifndef BELFRY_HOMESERVER_NOTICE_NOTICES_H
#define BELFRY_HOMESERVER_NOTICE_NOTICES_H

#include "homeserver/homeserver.h"

enum { NOTICE_MAX_BYTES = 16384 };

/**
 * Delivers what waits: each notice in its user's room for notices, which is made, and to which the user is invited, when need
 * be. A notice that is interrupted is delivered by the next call, once. Called by the housekeeper. One round trip when nothing waits.
 * Errors: STORE and what rooms answer; then the rest waits for the next call.
 */
MUST_CHECK enum err notices_deliver(struct ctx *ctx, struct homeserver *hs);

#endif
