/**
 * Changing notices that were taken: another time, other texts, letting go of drafts. As notices.h, these need the database only.
 */
#ifndef BELFRY_NOTICES_NOTICE_CHANGE_H
#define BELFRY_NOTICES_NOTICE_CHANGE_H

#include "notices/notices.h"

/**
 * What has not gone out is due at another time; a rule is counted from there on, with its time of day.
 *
 * @param start  as schedule_open() reads it, on the notice's clock
 * Errors: MISSING M_NOT_FOUND (no such notice, or nothing is still to be sent; a draft is released with its time); INPUT
 * M_INVALID_PARAM (in the past, behind its expiry); STORE. Cost: two round trips
 */
MUST_CHECK enum err notices_move(struct ctx *ctx, const struct account_desk *desk,
	int64_t notice_id, struct str start);

/**
 * Lets a draft go: at once, or at the time that it has.
 *
 * @param start  another time; p == NULL: as it is
 * @param token  of the program that releases it, which must not be the one that wrote it; NULL: people do
 * Errors: MISSING M_NOT_FOUND (no such draft); DENIED M_FORBIDDEN; INPUT M_INVALID_PARAM (in the past); STORE. Cost: two round trips
 */
MUST_CHECK enum err notices_release(struct ctx *ctx, const struct account_desk *desk,
	int64_t notice_id, struct str start, const struct notice_token_row *token);

/**
 * Gives it other texts: what is still to come is sent with them; what the newest occurrence sent is edited in each room, where people are
 * told. Earlier occurrences stay as they were. The texts before are kept.
 *
 * @param texts     as many as before without a language: those of before keep theirs
 * @param is_later  what has gone out stays as it is
 * Errors: MISSING M_NOT_FOUND (with is_later also: all has gone out); those of texts in notices_post(); STORE. Cost: two round trips
 */
MUST_CHECK enum err notices_edit(struct ctx *ctx, const struct account_desk *desk,
	int64_t notice_id, const struct notice_text *texts, size_t count, bool is_later);

#endif
