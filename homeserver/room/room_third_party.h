/**
 * Invites by mail address or phone number: the identity server says whose it is, or keeps the invite until somebody shows that it is
 * theirs (federation/third_party.h).
 * Spec: client-server API, "Third-party invites"
 */
#ifndef BELFRY_HOMESERVER_ROOM_ROOM_THIRD_PARTY_H
#define BELFRY_HOMESERVER_ROOM_ROOM_THIRD_PARTY_H

#include "homeserver/identity_server.h"
#include "homeserver/room/rooms.h"

struct third_party_wish {
	const struct principal *who;
	struct str room_id;
	struct threepid_ask ask;
	struct str reason; /**< p == NULL: none */
	bool is_direct;
};

/** Reads an `invite_3pid`. Errors: INPUT M_MISSING_PARAM, M_BAD_JSON */
MUST_CHECK enum err third_party_read(struct call *call, const struct json *object,
	struct threepid_ask *out);

/** Whether this server asks that identity server. Errors: DENIED M_THREEPID_DENIED (it asks none); INPUT M_SERVER_NOT_TRUSTED */
MUST_CHECK enum err third_party_check(struct ctx *ctx, const struct homeserver *hs,
	const struct threepid_ask *ask);

/**
 * Invites the user whose it is, or else puts a m.room.third_party_invite into the room. The identity server is asked, and so writes
 * mail, for who may invite only.
 * Errors: as third_party_check(), room_invite(), room_add(), identity_server_lookup(); DEFER (ctx_may_ask), nothing was done
 */
MUST_CHECK enum err room_invite_third_party(struct ctx *ctx, struct homeserver *hs,
	const struct third_party_wish *wish);

#endif
