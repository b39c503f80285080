/**
 * Account data, tags, and the list of ignored users.
 * Spec: client-server API, "Client Config", "Room Tagging", "Ignoring Users"
 */
#ifndef BELFRY_HOMESERVER_PERSON_ACCOUNT_DATA_H
#define BELFRY_HOMESERVER_PERSON_ACCOUNT_DATA_H

#include "homeserver/person/persons.h"

/** Content as JSON text. Errors: MISSING M_NOT_FOUND; STORE. */
MUST_CHECK enum err account_data_get(struct ctx *ctx, struct homeserver *hs, struct user_id user_id,
	int64_t room_nid, struct str type, struct str *out_content);
/** Tags of a room: the object under `tags` as JSON text. */
MUST_CHECK enum err tags_get(struct ctx *ctx, struct homeserver *hs, struct str user_id,
	int64_t room_nid, struct str *out_tags);
/**
 * Sets (content) or removes (NULL) one tag; others set at the same moment are kept.
 * Errors: INPUT M_TOO_LARGE (413) when the room's tags would get too large; STORE; SHUTDOWN
 */
MUST_CHECK enum err tag_change(struct ctx *ctx, struct homeserver *hs, struct str user_id,
	int64_t room_nid, struct str tag, const struct json *content);

#endif
