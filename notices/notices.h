/**
 * The notices of a school: the face of the domain, for the command line and for requests (docs/notices.md).
 *
 * The functions below need the database and the settings only, no running service: what they store, the job of some server
 * sends (notices/notice_job.h).
 */
#ifndef BELFRY_NOTICES_NOTICES_H
#define BELFRY_NOTICES_NOTICES_H

#include "homeserver/account/accounts.h"
#include "notices/notice_message.h"
#include "storage/notice.h"

enum {
	NOTICE_TARGETS_MAX = 100,
	NOTICE_ROOMS_MAX = 2000,            /**< of one occurrence */
	NOTICE_WAITING_MAX = 1000,          /**< of one sender */
	NOTICE_REQUEST_KEY_MAX_BYTES = 255, /**< of what makes a request repeatable */
	NOTICE_NAME_MAX_BYTES = 255,        /**< of a token */
};

/* --- senders and tokens ------------------------------------------------------------------------------------ */

/**
 * Makes a sender and its account, or gives a sender another display name.
 *
 * @param name          localpart, or whole user id of this server
 * @param display_name  p == NULL: none, or as it was
 * @param out_user_id   in the ctx's arena
 * Errors: INPUT M_INVALID_USERNAME; CONFLICT M_USER_IN_USE (an account of somebody); STORE
 */
MUST_CHECK enum err notice_sender_make(struct ctx *ctx, const struct account_desk *desk,
	struct str name, struct str display_name, struct str *out_user_id);
/** The user id of a sender. Errors: MISSING M_NOT_FOUND; STORE */
MUST_CHECK enum err notice_sender_find(struct ctx *ctx, const struct account_desk *desk,
	struct str name, struct str *out_user_id);

/**
 * Makes a token, which is kept nowhere.
 *
 * @param targets    rooms, aliases and spaces to which it may post, just as a request has to name them
 * @param name       what people call it
 * @param out_token  in the ctx's arena
 * Errors: MISSING M_NOT_FOUND (sender); INPUT M_INVALID_PARAM (targets); STORE
 */
MUST_CHECK enum err notice_token_make(struct ctx *ctx, const struct account_desk *desk,
	struct str sender, const struct str *targets, size_t count, struct str name,
	struct str *out_token);
/** Whose token it is. Errors: DENIED 401 M_UNKNOWN_TOKEN; STORE */
MUST_CHECK enum err notice_token_check(struct ctx *ctx, struct db *db, struct str token,
	struct notice_token_row *out);
/** Errors: MISSING M_NOT_FOUND; STORE */
MUST_CHECK enum err notice_token_revoke(struct ctx *ctx, struct db *db, int64_t token_id);

/* --- notices ------------------------------------------------------------------------------------------------ */

/** Where it goes. */
struct notice_target {
	struct str
		target; /**< room id or alias, of a room or a space; "#class-3b" is an alias of this server */
	struct str languages; /**< tags with spaces between them; empty: all that there are */
};

/** A notice to be taken; texts are borrowed. */
struct notice_post {
	struct str sender;               /**< user id of one */
	const struct notice_text *texts; /**< languages are read anew */
	size_t text_count;
	const struct notice_target *targets;
	size_t target_count;
	struct str start; /**< p == NULL: at once; else as schedule_open() reads it */
	struct str zone;  /**< p == NULL: notices.time_zone */
	struct str rule;  /**< p == NULL: once */
	const struct str *except;
	size_t except_count;
	struct str
		expires; /**< date with time of the same clock, after which nothing is sent; p == NULL: never */
	int64_t token_id;       /**< 0: none */
	struct str request_key; /**< of the token: the same again is the same notice; p == NULL: none */
};

/**
 * Takes a notice; once it returns, it will be sent.
 *
 * Errors: INPUT M_INVALID_PARAM (targets, languages, schedule; in the past), M_BAD_JSON, M_TOO_LARGE (texts); LIMIT
 * M_LIMIT_EXCEEDED (too many wait); STORE
 * Cost: one round trip, two for a repeated request
 */
MUST_CHECK enum err notices_post(struct ctx *ctx, const struct account_desk *desk,
	const struct notice_post *post, int64_t *out_notice_id);
/**
 * Nothing of it is sent any more; what was sent stays.
 * Errors: MISSING M_NOT_FOUND (none of the sender, or nothing is left to be sent); STORE
 * @param sender  p == NULL: anybody's
 */
MUST_CHECK enum err notices_cancel(struct ctx *ctx, const struct account_desk *desk,
	int64_t notice_id, struct str sender);

/** Texts of a row; in the ctx's arena. Errors: INTERNAL (the row is not what was written) */
MUST_CHECK enum err notice_texts_read(struct ctx *ctx, struct str json, struct notice_text **out,
	size_t *out_count);
/** Words with spaces between them. In the ctx's arena. */
void notice_words_read(struct ctx *ctx, struct str text, struct str **out, size_t *out_count);

#endif
