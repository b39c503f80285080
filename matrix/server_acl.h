/**
 * Which servers a room's m.room.server_acl lets take part.
 * Spec: client-server API, "Server Access Control Lists (ACLs) for rooms"
 */
#ifndef BELFRY_MATRIX_SERVER_ACL_H
#define BELFRY_MATRIX_SERVER_ACL_H

#include "base/json.h"
#include "matrix/id.h"

/**
 * Whether the server may take part. Its port does not count, nor does case.
 *
 * @param content  of the current m.room.server_acl with an empty state key; NULL: the room has none, so all may
 * Cost: linear in the content's length times the name's, whatever the patterns.
 */
MUST_CHECK bool server_acl_allows(const struct json *content, struct server_name server);

#endif
