/**
 * Server notices: what the people who run the server tell a user.
 * Spec: client-server API, "Server Notices"
 *
 * A notice of the command line waits in the database until a server delivers it; so it can be sent whether a server runs or
 * not. One of an administrator's request is delivered at once.
 */
#ifndef BELFRY_HOMESERVER_SERVER_NOTICE_SERVER_NOTICES_H
#define BELFRY_HOMESERVER_SERVER_NOTICE_SERVER_NOTICES_H

#include "homeserver/homeserver.h"

enum { SERVER_NOTICE_MAX_BYTES = 16384 };

/**
 * Delivers what waits: each notice in its user's room for notices, which is made, and to which the user is invited, when need
 * be. A notice that is interrupted is delivered by the next call, once. Called by the housekeeper. One round trip when nothing waits.
 * Errors: STORE and what rooms answer; then the rest waits for the next call.
 */
MUST_CHECK enum err server_notices_deliver(struct ctx *ctx, struct homeserver *hs);

/** What an administrator sends to a user; texts are borrowed. */
struct server_notice_request {
	const struct principal *who; /**< an administrator (the route's authentication) */
	struct str user_id;
	struct str type;            /**< of the event; p == NULL: m.room.message */
	struct str state_key;       /**< p == NULL: no state event */
	const struct json *content; /**< object */
	struct str txn_id;          /**< p == NULL: none */
};

/**
 * Sends one, into the same room and in the same way. A repeated transaction id of the same user and device sends nothing and gives the
 * event id of the first time.
 * Errors: INPUT M_INVALID_PARAM (not of this server); MISSING M_NOT_FOUND (no such user, or deactivated); what
 * room_add() answers; STORE
 * Cost: six round trips, and the commits of what has to be made.
 * @param out_event_id  in the ctx's arena
 */
MUST_CHECK enum err server_notices_send(struct ctx *ctx, struct homeserver *hs,
	const struct server_notice_request *request, struct str *out_event_id);

#endif
