/**
 * createRoom.
 * Spec: client-server API, "Creation"
 */
#ifndef BELFRY_HOMESERVER_ROOM_ROOM_CREATE_H
#define BELFRY_HOMESERVER_ROOM_ROOM_CREATE_H

#include "homeserver/room/rooms.h"

/** What a room may begin with; more would keep everybody else waiting. */
enum { CREATE_MAX_INVITES = 500, CREATE_MAX_THIRD_PARTIES = 20, CREATE_MAX_INITIAL_STATE = 500 };

/** The request's body as typed values; p == NULL and NULL stand for "not given". */
struct create_request {
	const struct principal *who;
	struct str room_version;
	struct str preset;
	struct str visibility; /**< "public" or "private" */
	struct str alias_name; /**< local part */
	struct str name;
	struct str topic;
	const struct json *invite;                /**< array of user ids */
	const struct threepid_ask *third_parties; /**< invited by mail address or phone number */
	size_t third_party_count;
	const struct json *creation_content;
	const struct json *initial_state;
	const struct json *power_override;
	bool is_direct;
};

/** How many rooms' worth of work it is beyond one; for call_charge(). */
size_t room_create_weight(const struct create_request *request);

/**
 * Makes a room with all its events in one commit; those of other servers, or whom only an identity server knows, are invited afterwards.
 * Errors: INPUT M_UNSUPPORTED_ROOM_VERSION, M_ROOM_IN_USE, M_EXCLUSIVE, M_INVALID_ROOM_STATE, M_INVALID_PARAM, M_BAD_JSON, M_TOO_LARGE,
 * M_SERVER_NOT_TRUSTED; DENIED M_USER_SUSPENDED, M_THREEPID_DENIED; DEFER (ctx_may_ask); STORE
 * @param out_room_id  in the ctx's arena
 */
MUST_CHECK enum err room_create(struct ctx *ctx, struct homeserver *hs,
	const struct create_request *request, struct str *out_room_id);

#endif
