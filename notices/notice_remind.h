/**
 * Reminding those who have not read or confirmed a notice: each by a message in a direct room with the sender, so that nobody is
 * named before others; who has no client by a mail with the notice and a link to confirm it.
 */
#ifndef BELFRY_NOTICES_NOTICE_REMIND_H
#define BELFRY_NOTICES_NOTICE_REMIND_H

#include "homeserver/account/accounts.h"
#include "notices/notice_seen.h"

enum {
	NOTICE_REMIND_PAUSE_MS = 10 * 60 * 1000, /**< within it nobody is reminded again of the same */
};

/** What became of asking. */
struct notice_reminded {
	size_t reminded; /**< people whose reminder is on its way */
	size_t spared;   /**< who had one a moment ago, or wait for one */
};

/**
 * Asks for reminders; once it returns, they will be sent, each once.
 *
 * @param sender      whose notice it has to be; p == NULL: anybody's
 * @param occurrence  as of notice_seen_list()
 * @param level       what they have not reached: NOTICE_READ or NOTICE_CONFIRMED
 * Errors: as notice_seen_list()     Cost: what that costs, and one round trip
 */
MUST_CHECK enum err notice_remind(struct ctx *ctx, const struct account_desk *desk,
	int64_t notice_id, struct str sender, size_t occurrence, enum notice_level level,
	struct notice_reminded *out);

/**
 * Sends some of those that wait. What fails is tried again by itself with growing pauses for a day. For the job; of all
 * processes one. A mail relay that does not answer holds it up for MAIL_LIMIT_MS, and then the other mails wait too.
 *
 * @param out_more  set when there are more; else left as it is
 * Errors: STORE; SHUTDOWN
 */
MUST_CHECK enum err notice_remind_send(struct ctx *ctx, struct homeserver *hs, bool *out_more);

#endif
