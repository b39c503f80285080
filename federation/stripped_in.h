/**
 * State that came with an invite or as the answer to a knock, made fit for clients.
 * Spec: server-server API, "Inviting to a room" (v1.16), send_knock; client-server API, "Stripped state"
 */
#ifndef BELFRY_FEDERATION_STRIPPED_IN_H
#define BELFRY_FEDERATION_STRIPPED_IN_H

#include "federation/federation.h"
#include "matrix/event.h"

/**
 * Whether the state is as the specification asks for: PDUs of the room, each signed, the create event among them.
 * @param out_error  static text; NULL when it is
 * Errors: STORE, TIMEOUT
 */
MUST_CHECK enum err stripped_in_check(struct ctx *ctx, struct federation *federation,
	const struct event *member, const struct json *received, const char **out_error);

/**
 * The stripped events for clients: the member event itself, then what was received; without PDUs that are of another room or not signed by
 * all who have to.
 * @param member    our user's invite or knock
 * @param received  whatever came; may be NULL
 * @param out       JSON array
 * Errors: STORE, TIMEOUT
 */
MUST_CHECK enum err stripped_in_text(struct ctx *ctx, struct federation *federation,
	const struct event *member, const struct json *received, struct str *out);

#endif
