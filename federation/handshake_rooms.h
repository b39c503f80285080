/**
 * Rooms with a join or knock of ours under way: another server may have taken it while nothing of it is here yet. What is told of such a room in
 * which this server is not waits in the inbox until that has ended, for it may be the end of that very join or knock, of which nobody tells twice.
 *
 * All processes know of the handshakes of each (federation/processes.h).
 */
#ifndef BELFRY_FEDERATION_HANDSHAKE_ROOMS_H
#define BELFRY_FEDERATION_HANDSHAKE_ROOMS_H

#include "federation/federation.h"
#include "matrix/room_version.h"

struct handshake_rooms;

struct handshake_rooms *handshake_rooms_create(void);
void handshake_rooms_destroy(struct handshake_rooms *rooms);

/** Our event is about to be handed in, by this process (`is_own`) or another one; once for each event. Any thread. */
void handshake_rooms_add(struct federation *federation, struct str room_id,
	const struct room_version *version, struct str event_id, bool is_own);
/** It is stored here, or has come to nothing: the inbox goes on with what waits. One that is not there does nothing. Any thread. */
void handshake_rooms_remove(struct federation *federation, struct str event_id);
/** Tells other processes of those of this one, for one that was not there, or did not hear, when they began. Any thread. */
void handshake_rooms_tell(struct federation *federation);
/** As which version the others say the room is; NULL: no handshake is under way. Any thread; without a lock where there is none at all. */
const struct room_version *handshake_rooms_version(const struct federation *federation,
	struct str room_id);

#endif
