/**
 * Room aliases: ours, and where those of others lead.
 * Spec: client-server API, "Room aliases"
 */
#ifndef BELFRY_HOMESERVER_ROOM_ROOM_ALIAS_H
#define BELFRY_HOMESERVER_ROOM_ROOM_ALIAS_H

#include "homeserver/room/rooms.h"

/** Where an alias leads. In the ctx's arena. */
struct alias_target {
	struct str room_id;
	struct server_name *servers; /**< who may be asked to let one in */
	size_t server_count;
};

/**
 * Of this server from the database; of another by asking it. Errors: MISSING M_NOT_FOUND; REMOTE; DEFER (ctx_may_ask); STORE
 * Cost: one round trip, two more when the room is not in memory; a request for an alias of another server.
 */
MUST_CHECK enum err room_alias_locate(struct ctx *ctx, struct homeserver *hs,
	struct room_alias alias, struct alias_target *out);

/** Writes it: {"room_id":…,"servers":[…]}. Errors: as above */
MUST_CHECK enum err room_alias_write(struct ctx *ctx, struct homeserver *hs,
	struct room_alias alias, struct json_out *out);

/**
 * Makes an alias of this server for a room that the user is in; an application service need not be.
 * Errors: INPUT M_INVALID_PARAM (another server's), M_EXCLUSIVE (room_alias_check_claim()); CONFLICT 409 M_UNKNOWN (taken); DENIED M_FORBIDDEN; STORE
 */
MUST_CHECK enum err room_alias_set(struct ctx *ctx, struct homeserver *hs,
	const struct principal *who, struct room_alias alias, struct str room_id);

/**
 * Takes an alias away: its maker, or who may change the canonical alias, or the application service whose it is; from
 * m.room.canonical_alias too when the user may. Errors: INPUT M_EXCLUSIVE; MISSING M_NOT_FOUND; DENIED M_FORBIDDEN; STORE
 */
MUST_CHECK enum err room_alias_remove(struct ctx *ctx, struct homeserver *hs,
	const struct principal *who, struct room_alias alias);

/**
 * Whether the alias is one that the user may make or remove, as far as application services go: people not what a service has for
 * itself, services only what is in their namespace. Errors: INPUT M_EXCLUSIVE
 */
MUST_CHECK enum err room_alias_check_claim(struct ctx *ctx, const struct homeserver *hs,
	const struct principal *who, struct room_alias alias);

/** All local aliases of a room, for members (anybody where history is world-readable). */
MUST_CHECK enum err room_alias_list(struct ctx *ctx, struct homeserver *hs,
	const struct principal *who, struct str room_id, struct str **out, size_t *out_count);

#endif
