/**
 * Files of notices: each is a message of its own behind the text; in encrypted rooms its bytes are encrypted, too.
 * Spec: client-server API, "m.room.message msgtypes", "Sending encrypted attachments"
 */
#ifndef BELFRY_NOTICES_NOTICE_FILE_H
#define BELFRY_NOTICES_NOTICE_FILE_H

#include "homeserver/homeserver.h"
#include "matrix/id.h"
#include "storage/notice_follow_up.h"

/**
 * Sends a file into the room, once. Its ciphertext is made once for each room, and its key is kept sealed until then.
 * Errors: as notice_say(); MISSING M_NOT_FOUND (the file is gone); DENIED M_FORBIDDEN (the sender's quota is used up)
 * Cost: 1 round trip; in an encrypted room also the file's way through this process, and 4 more
 */
MUST_CHECK enum err notice_file_say(struct ctx *ctx, struct homeserver *hs, struct user_id sender,
	const struct notice_follow_up_row *row);

#endif
