/**
 * What is done in a room after a notice was sent there: its files, what was edited, pins. Each once, as deliveries are; the job does them
 * (notices/notice_job.h).
 */
#ifndef BELFRY_NOTICES_NOTICE_FOLLOW_UP_H
#define BELFRY_NOTICES_NOTICE_FOLLOW_UP_H

#include "homeserver/homeserver.h"
#include "storage/notice_follow_up.h"

/**
 * Does one, and writes down what became of it: what fails is tried again with growing pauses for about a day.
 * Errors: STORE, SHUTDOWN: nothing could be written down
 * Cost: an edit two events; a pin one, where the list changes
 */
MUST_CHECK enum err notice_follow_up_do(struct ctx *ctx, struct homeserver *hs,
	const struct notice_follow_up_row *row);

#endif
