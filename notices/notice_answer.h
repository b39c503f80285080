/**
 * Running a command that somebody with the right has written to a sender, and what the sender answers.
 */
#ifndef BELFRY_NOTICES_NOTICE_ANSWER_H
#define BELFRY_NOTICES_NOTICE_ANSWER_H

#include "homeserver/homeserver.h"
#include "notices/notice_command.h"

struct notice_order {
	struct str sender;   /**< who was asked, and in whose name it is done */
	struct str event_id; /**< of the message: the same again makes no second notice */
	const struct notice_command *command;
};

/**
 * Does it, in the command's language. What cannot be done is an answer too.
 * @param out  plain text, in the ctx's arena
 * Errors: STORE, TIMEOUT and others by which nothing can be said: try again
 * Cost: a few round trips; `seen` and `remind` as notice_seen_list()
 */
MUST_CHECK enum err notice_answer(struct ctx *ctx, struct homeserver *hs,
	const struct notice_order *order, struct str *out);

/** What who lacks the right is told, in both languages; static. */
struct str notice_answer_stranger(void);
/** What is said of a message in clear where the room is encrypted, in both languages; static. */
struct str notice_answer_in_clear(void);
/** What is said of a message that cannot be decrypted, in both languages; static. */
struct str notice_answer_unreadable(void);

#endif
