/**
 * Changes of membership by local users.
 * Spec: client-server API, "Room membership"
 */
#ifndef BELFRY_HOMESERVER_ROOM_ROOM_MEMBER_H
#define BELFRY_HOMESERVER_ROOM_ROOM_MEMBER_H

#include "homeserver/room/rooms.h"
#include "matrix/membership.h"

/** What a request says beside who and where. */
struct member_wish {
	const struct principal *who;
	struct str room_id; /**< as in the path */
	struct str target;  /**< user id, of invite, kick, ban, unban */
	struct str reason;  /**< p == NULL: none */
	bool is_direct;     /**< of an invite: to a room of two */
	const struct json *
		body; /**< of a join: third_party_signed; further members go into the event's content; NULL: none */
	const struct str *via; /**< of a join or knock: names of servers that may be in the room */
	size_t via_count;
};

/*
 * All of these fail with DEFER where another server has to be asked and the call may not (ctx_may_ask); then they have changed
 * nothing. Their errors are the port's too: struct membership_port.
 */

/**
 * Joins by id or alias, a room of others by their help.
 * Errors: MISSING M_NOT_FOUND (unknown room or alias); DENIED M_FORBIDDEN, M_USER_SUSPENDED, M_GUEST_ACCESS_FORBIDDEN;
 * INPUT M_INVALID_PARAM; of third_party_signed as membership_port.redeem, M_BAD_JSON
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
 * Adds an invite whose content is made; of another server's user by way of that server.
 * @param out_event_id  in the ctx's arena; may be NULL
 */
MUST_CHECK enum err room_invite_by(struct ctx *ctx, struct homeserver *hs, struct room *room,
	const struct room_intent *intent, struct str *out_event_id);
MUST_CHECK enum err room_kick(struct ctx *ctx, struct homeserver *hs,
	const struct member_wish *wish);
MUST_CHECK enum err room_ban(struct ctx *ctx, struct homeserver *hs,
	const struct member_wish *wish);
MUST_CHECK enum err room_unban(struct ctx *ctx, struct homeserver *hs,
	const struct member_wish *wish);

/** Content of a membership event with the target's profile where it is a local user. In the ctx's arena. */
MUST_CHECK enum err member_content(struct ctx *ctx, struct homeserver *hs, const char *membership,
	struct str target, struct str reason, struct json *out);

/* --- inner to room/ --- */

/** An m.room.member event; borrows all. */
struct room_intent member_intent(struct user_id sender, struct str target,
	const struct json *content);
/** A user's membership. From memory. */
MUST_CHECK enum err member_now(struct ctx *ctx, struct homeserver *hs, struct room *room,
	struct str user_id, enum membership *out);

#endif
