/**
 * Commands by message: who has the right writes to a sender in a direct room, and the sender answers there.
 *
 * The stream consumer only queues, in the transaction that moves its position, so nothing is lost or taken twice. The job looks at
 * what is queued. A command may begin twice, when a process ends in the midst of one, but takes effect once: a notice that
 * it makes has the message's event id as key, and so has the answer.
 */
#ifndef BELFRY_NOTICES_NOTICE_COMMANDS_H
#define BELFRY_NOTICES_NOTICE_COMMANDS_H

#include "homeserver/account/accounts.h"

#define NOTICE_COMMANDS_CONSUMER "notice_commands"

enum { NOTICE_COMMANDS_PAUSE_MS = 250 };

/**
 * Queues messages in direct rooms with senders (nobody else is in it, and it has no name), and invitations of senders.
 * Cost: two round trips and a commit a round, without a flush where there was nothing
 */
MUST_CHECK enum err notice_commands_consume(struct ctx *ctx, struct homeserver *hs, void *self,
	int64_t after, int64_t up_to, int64_t *out_reached);

/**
 * Looks at some of what is queued: enters direct rooms to which somebody with the right invites, and runs and answers commands. Others are told
 * once a day that they lack the right; m.notice and edits, which bots and corrections are, are left alone. What cannot be decrypted yet
 * is looked at again for some minutes. For the job; of all processes one.
 *
 * @param out_more  set when there are more; else left as it is
 * Errors: STORE; SHUTDOWN
 */
MUST_CHECK enum err notice_commands_run(struct ctx *ctx, struct homeserver *hs, bool *out_more);

/* --- who may -------------------------------------------------------------------------------------------------- */

/** Lets a user command a sender; again is fine. Errors: MISSING M_NOT_FOUND (sender); INPUT M_INVALID_PARAM (no user id); STORE */
MUST_CHECK enum err notice_manager_allow(struct ctx *ctx, const struct account_desk *desk,
	struct str sender, struct str user);
/** Errors: MISSING M_NOT_FOUND (sender, or the user may not anyway); STORE */
MUST_CHECK enum err notice_manager_disallow(struct ctx *ctx, const struct account_desk *desk,
	struct str sender, struct str user);

#endif
