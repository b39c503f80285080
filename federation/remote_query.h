/**
 * Questions to other servers for our users: profiles, published rooms.
 * Spec: server-server API, "Querying for information", "Published Room Directory"
 */
#ifndef BELFRY_FEDERATION_REMOTE_QUERY_H
#define BELFRY_FEDERATION_REMOTE_QUERY_H

#include "federation/federation.h"

struct answers;

/** Fills the ports of profiles and of the room directory. */
void remote_query_fill_ports(struct federation *federation);

/** What of a profile may be shown: fields of the form that they have to have. Pure. JSON_OBJECT. */
struct json remote_profile_check(struct arena *arena, const struct json *answer);

/** Writes what of a page of another server's rooms may be shown. Pure. */
void remote_rooms_write(struct arena *arena, const struct json *answer, struct json_out *out);

#endif
