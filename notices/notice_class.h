/**
 * Rooms that cannot be lost: made for classes by a sender of notices, who stays their creator (docs/notices.md). What is wanted is
 * stored; a server brings the rooms into that state, again whenever it changes.
 *
 * Those with a desk need the database and the settings only, no running service.
 */
#ifndef BELFRY_NOTICES_NOTICE_CLASS_H
#define BELFRY_NOTICES_NOTICE_CLASS_H

#include "homeserver/account/accounts.h"
#include "storage/notice_class.h"

enum {
	NOTICE_CLASS_PEOPLE_MAX = 1000, /**< of one command */
	NOTICE_CLASS_NAME_MAX_BYTES = 255,
};

/** A room that is wanted; texts are borrowed; p == NULL: as it was, or none. */
struct notice_class_wish {
	struct str alias;  /**< "class-3b", "#class-3b", or whole; of this server */
	struct str sender; /**< user id of one */
	struct str template_name;
	struct str name;
	bool is_encrypted;                        /**< false: as it was */
	struct str space;                         /**< room id or alias */
	const struct notice_class_person *people; /**< localparts or user ids; who is not named stays */
	size_t people_count;
};

/**
 * Wants a room, or another state of the one with the alias.
 * Errors: INPUT M_INVALID_PARAM (which, and what instead); CONFLICT M_ROOM_IN_USE (another sender's); STORE
 */
MUST_CHECK enum err notice_class_want(struct ctx *ctx, const struct account_desk *desk,
	const struct notice_class_wish *wish);
/**
 * Wants other people in it, or some of them gone.
 * Errors: INPUT M_INVALID_PARAM; MISSING M_NOT_FOUND (no such class); STORE
 */
MUST_CHECK enum err notice_class_people_want(struct ctx *ctx, const struct account_desk *desk,
	struct str alias, const struct notice_class_person *people, size_t count);
/** Errors: INPUT M_INVALID_PARAM; MISSING M_NOT_FOUND; STORE */
MUST_CHECK enum err notice_class_get(struct ctx *ctx, const struct account_desk *desk,
	struct str alias, struct notice_class_row *out);

/**
 * Brings the rooms that are due into the state that is wanted. What is wrong with one is stored with it, and it is tried again.
 * @param is_stopping  asked between them
 * Errors: STORE, SHUTDOWN
 * Cost: of each a commit for each difference; users of other servers are invited by asking these
 */
MUST_CHECK enum err notice_classes_run(struct ctx *ctx, struct homeserver *hs,
	bool (*is_stopping)(void *data), void *data);

#endif
