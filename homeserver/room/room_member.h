/**
 * Changes of membership by local users.
 * Spec: client-server API, "Room membership"
 */
#ifndef BELFRY_HOMESERVER_ROOM_ROOM_MEMBER_H
#define BELFRY_HOMESERVER_ROOM_ROOM_MEMBER_H

#include "homeserver/room/rooms.h"

/** What a request says beside who and where. */
struct member_wish {
	const struct principal *who;
	struct str room_id; /**< as in the path */
	struct str target;  /**< user id, of invite, kick, ban, unban */
	struct str reason;  /**< p == NULL: none */
	const struct json
		*body; /**< of a join: further members go into the event's content; NULL: none */
};

/**
 * Joins by id or alias.
 * Errors: MISSING M_NOT_FOUND (unknown room or alias); DENIED M_FORBIDDEN, M_USER_SUSPENDED; INPUT M_INVALID_PARAM
 * @param out_room_id  in the ctx's arena
 */
MUST_CHECK enum err room_join(struct ctx *ctx, struct homeserver *hs,
	const struct member_wish *wish, struct str *out_room_id);
/** Asks to be let in; by id or alias. */
MUST_CHECK enum err room_knock(struct ctx *ctx, struct homeserver *hs,
	const struct member_wish *wish, struct str *out_room_id);
/** Leaves, rejects an invite, or takes a knock back; nothing happens when the user has left already. */
MUST_CHECK enum err room_leave(struct ctx *ctx, struct homeserver *hs,
	const struct member_wish *wish);
/**
 * Whether who is invited may reject it: not what the sender of server notices has sent. From memory.
 * Errors: DENIED M_CANNOT_LEAVE_SERVER_NOTICE_ROOM; STORE
 */
MUST_CHECK enum err room_require_may_reject(struct ctx *ctx, struct homeserver *hs,
	struct room *room, struct str user_id);
/** Errors: INPUT M_UNKNOWN when the user is still in the room. */
MUST_CHECK enum err room_forget(struct ctx *ctx, struct homeserver *hs,
	const struct member_wish *wish);
MUST_CHECK enum err room_invite(struct ctx *ctx, struct homeserver *hs,
	const struct member_wish *wish);
/**
 * Invites by mail address or phone number. Always fails: DENIED M_FORBIDDEN for who is not in the room, else
 * M_THREEPID_DENIED, since this server asks no identity server.
 */
MUST_CHECK enum err room_invite_third_party(struct ctx *ctx, struct homeserver *hs,
	const struct member_wish *wish);
MUST_CHECK enum err room_kick(struct ctx *ctx, struct homeserver *hs,
	const struct member_wish *wish);
MUST_CHECK enum err room_ban(struct ctx *ctx, struct homeserver *hs,
	const struct member_wish *wish);
MUST_CHECK enum err room_unban(struct ctx *ctx, struct homeserver *hs,
	const struct member_wish *wish);

/** Content of a membership event with the target's profile where it is a local user. In the ctx's arena. */
MUST_CHECK enum err member_content(struct ctx *ctx, struct homeserver *hs, const char *membership,
	struct str target, struct str reason, struct json *out);

#endif
