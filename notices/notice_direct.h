/**
 * The room in which a sender talks with one person.
 */
#ifndef BELFRY_NOTICES_NOTICE_DIRECT_H
#define BELFRY_NOTICES_NOTICE_DIRECT_H

#include "homeserver/homeserver.h"

/**
 * The one that there is, whoever made it: nobody else is in it, and it has no name. Else a new one, to which the person is
 * invited. Rooms and invitations are one commit, so one that was made right before a crash is found again.
 *
 * @param out_room_id  in the ctx's arena
 * Errors: as room_create(); of users of other servers what their invitation may fail with
 * Cost: a look at all rooms of the sender; a new room
 */
MUST_CHECK enum err notice_direct_room(struct ctx *ctx, struct homeserver *hs,
	struct user_id sender, struct str user_id, struct str *out_room_id);

#endif
