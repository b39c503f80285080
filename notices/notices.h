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
#include "notices/notice_token.h"
#include "storage/notice.h"

enum {
	NOTICE_TARGETS_MAX = 100,
	NOTICE_ROOMS_MAX = 2000,   /**< of one occurrence */
	NOTICE_WAITING_MAX = 1000, /**< of one sender */
	NOTICE_FILES_MAX = 10,
	NOTICE_REQUEST_KEY_MAX_BYTES = 255, /**< of what makes a request repeatable */
};

/* --- senders -------------------------------------------------------------------------------------------------- */

/**
 * Makes a sender and its account, whose name is from now on no service's and no person's (appservices/registry.h), or gives a sender another display name.
 *
 * @param name          localpart, or whole user id of this server
 * @param display_name  p == NULL: none, or as it was
 * @param out_user_id   in the ctx's arena
 * Errors: INPUT M_INVALID_USERNAME; CONFLICT M_USER_IN_USE (an account of somebody), M_EXCLUSIVE (an application service's); STORE
 */
MUST_CHECK enum err notice_sender_make(struct ctx *ctx, const struct account_desk *desk,
	struct str name, struct str display_name, struct str *out_user_id);
/** The user id of a sender. Errors: MISSING M_NOT_FOUND; STORE */
MUST_CHECK enum err notice_sender_find(struct ctx *ctx, const struct account_desk *desk,
	struct str name, struct str *out_user_id);

/* --- notices ------------------------------------------------------------------------------------------------ */

/** A target as it is kept: "#class-3b" is an alias of this server. Errors: INPUT M_INVALID_PARAM */
MUST_CHECK enum err notice_target_read(struct ctx *ctx, const struct account_desk *desk,
	struct str text, struct str *out);

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
	size_t target_count; /**< 0: all that the token may post to */
	struct str start;    /**< p == NULL: at once; else as schedule_open() reads it */
	struct str zone;     /**< p == NULL: notices.time_zone */
	struct str rule;     /**< p == NULL: once */
	const struct str *except;
	size_t except_count;
	struct str
		expires; /**< date with time of the same clock, after which nothing is sent; p == NULL: never */
	const struct str *files; /**< mxc URIs of what the sender uploaded, sent behind the text */
	size_t file_count;
	bool is_draft; /**< waits until somebody releases it (notice_change.h) */
	bool
		is_pinned; /**< stands among the pinned events of its rooms until it expires or is cancelled */
	const struct notice_token_row *token; /**< of the program that posts; NULL: people do */
	struct str request_key; /**< of the token: the same again is the same notice; p == NULL: none */
};

/**
 * Takes a notice; once it returns, it will be sent.
 *
 * Errors: INPUT M_INVALID_PARAM (targets, languages, files, schedule; in the past), M_BAD_JSON, M_TOO_LARGE (texts); DENIED M_FORBIDDEN
 * (a target that the token is not for); CONFLICT M_INVALID_PARAM (the token has used the request's key for another notice); LIMIT
 * M_LIMIT_EXCEEDED (too many wait); STORE
 * Cost: one round trip; one before it where the request has a key, and for each file
 */
MUST_CHECK enum err notices_post(struct ctx *ctx, const struct account_desk *desk,
	const struct notice_post *post, int64_t *out_notice_id);
/**
 * A notice for who has a token: of its sender, and to its targets alone.
 *
 * @param token  NULL: people may have all
 * @param out    may be NULL
 * Errors: MISSING M_NOT_FOUND; DENIED M_FORBIDDEN; STORE. Cost: one round trip; two with a token
 */
MUST_CHECK enum err notices_get(struct ctx *ctx, const struct account_desk *desk, int64_t notice_id,
	const struct notice_token_row *token, struct notice_row *out);
/**
 * Nothing of it is sent any more; what was sent stays.
 * Errors: MISSING M_NOT_FOUND (none of the sender, or nothing is left to be sent); STORE
 * @param sender  p == NULL: anybody's
 */
MUST_CHECK enum err notices_cancel(struct ctx *ctx, const struct account_desk *desk,
	int64_t notice_id, struct str sender);

/**
 * Texts as a row keeps them, in the ctx's arena. All are rendered once: what can go wrong later is up to the rooms.
 * Errors: INPUT M_INVALID_PARAM (number, languages), M_BAD_JSON, M_TOO_LARGE
 */
MUST_CHECK enum err notice_texts_take(struct ctx *ctx, const struct notice_text *texts,
	size_t count, struct str *out);
/** Sets what a row says of times; row->zone, and row->created_at_ms as now, are given. Errors: INPUT M_INVALID_PARAM */
MUST_CHECK enum err notice_schedule_set(struct ctx *ctx, const struct notice_post *post,
	struct notice_row *row);
/** Texts of a row; in the ctx's arena. Errors: INTERNAL (the row is not what was written) */
MUST_CHECK enum err notice_texts_read(struct ctx *ctx, struct str json, struct notice_text **out,
	size_t *out_count);
/** The first line of a text that has one, as it was written; cut at so many bytes, with "…". In the arena. */
struct str notice_title(struct arena *arena, struct str markdown, size_t limit);
/** The reverse: what is stored of texts. In the ctx's arena. */
struct str notice_texts_write(struct ctx *ctx, const struct notice_text *texts, size_t count);
/** Words with spaces between them. In the ctx's arena. */
void notice_words_read(struct ctx *ctx, struct str text, struct str **out, size_t *out_count);
struct str notice_words_write(struct ctx *ctx, const struct str *words, size_t count);

#endif
