/**
 * Which servers are asked about a room when this one is not in it: those that the client names, that an alias leads to, or that this
 * server knows of. A room id names none: "Room IDs are not routable on their own".
 * Spec: appendices, "Routing"; client-server API, `via` of /join and /knock
 */
#ifndef BELFRY_HOMESERVER_ROOM_ROOM_VIA_H
#define BELFRY_HOMESERVER_ROOM_ROOM_VIA_H

#include "homeserver/room/rooms.h"

/** More are not asked: each may cost a time limit. */
enum { VIA_MAX = 12 };

/** Server names in the order of asking: never this server, none twice. A zeroed struct is empty. */
struct via {
	struct server_name servers[VIA_MAX];
	size_t count;
};

/** Appends one unless it is there, is ours, or there are enough. `server` has to live as long as the list. */
void via_add(struct via *via, const struct homeserver *hs, struct server_name server);
/** The same from texts of a client; what is no server name is left out. */
void via_add_texts(struct via *via, const struct homeserver *hs, const struct str *texts,
	size_t count);
/**
 * What this server knows from an invite or a knock, or from when it was in the room: who sent the user's membership and the state that
 * came with it, those with power, those with members. From memory for a room that this server is in, else one round trip. Errors: STORE.
 */
MUST_CHECK enum err via_add_known(struct ctx *ctx, struct homeserver *hs, struct room *room,
	struct str user_id, struct via *via);

#endif
