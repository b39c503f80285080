/**
 * Sources of notices: feeds and calendars that are asked at intervals. Each new item becomes a notice, once for ever (docs/notices.md).
 *
 * Those with a desk need the database and the settings only, no running service.
 */
#ifndef BELFRY_NOTICES_NOTICE_SOURCE_H
#define BELFRY_NOTICES_NOTICE_SOURCE_H

#include "homeserver/account/accounts.h"
#include "notices/source_look.h"

enum {
	NOTICE_SOURCES_MAX = 200,
	NOTICE_SOURCE_EVERY_MIN_MS = 60 * 1000,
	NOTICE_SOURCE_EVERY_MAX_MS = 7 * 24 * 60 * 60 * 1000,
	NOTICE_SOURCE_DAYS_MAX = 60,
};

/** A source to be added; texts are borrowed. */
struct notice_source_wish {
	struct str sender; /**< user id of one */
	const struct str *targets;
	size_t target_count;
	struct str url;      /**< http, https, or webcal, which is https */
	struct str language; /**< empty: not said */
	int64_t every_ms;
	int64_t days_before; /**< of a calendar */
	struct str at_time;  /**< of a calendar: "07:00" */
};

/**
 * Adds one; a server asks it soon. What is there then is only noted, unless it is an event whose announcement is still to come.
 * Errors: INPUT M_INVALID_PARAM (which, and what instead); LIMIT M_LIMIT_EXCEEDED; STORE
 */
MUST_CHECK enum err notice_source_add(struct ctx *ctx, const struct account_desk *desk,
	const struct notice_source_wish *wish, int64_t *out_source_id);
/** Errors: MISSING M_NOT_FOUND; STORE */
MUST_CHECK enum err notice_source_get(struct ctx *ctx, const struct account_desk *desk,
	int64_t source_id, struct notice_source_row *out);
/** Takes one away; what it posted stays. Errors: MISSING M_NOT_FOUND; STORE */
MUST_CHECK enum err notice_source_remove(struct ctx *ctx, const struct account_desk *desk,
	int64_t source_id);
/** Lets a server ask it at once. Errors: MISSING M_NOT_FOUND; STORE */
MUST_CHECK enum err notice_source_ask(struct ctx *ctx, const struct account_desk *desk,
	int64_t source_id);

/**
 * Asks those that are due, one after the other. What is wrong with one is stored with it, and never holds up the others.
 * @param is_stopping  asked between them
 * @param out_more     whether others are due
 * Errors: STORE, SHUTDOWN
 * Cost: of each one request of notices.source_timeout at the most, some round trips, and one for each notice
 */
MUST_CHECK enum err notice_sources_run(struct ctx *ctx, struct homeserver *hs,
	bool (*is_stopping)(void *data), void *data, bool *out_more);

#endif
