/**
 * What other programs show to post notices: tokens for the API, and those in the addresses of webhooks. Each stands for one sender and
 * the targets it may post to. None is kept anywhere, only its hash is.
 */
#ifndef BELFRY_NOTICES_NOTICE_TOKEN_H
#define BELFRY_NOTICES_NOTICE_TOKEN_H

#include "homeserver/account/accounts.h"
#include "storage/notice.h"

enum { NOTICE_NAME_MAX_BYTES = 255 /**< of a token, or a sender */ };

/** A token to be made; texts are borrowed. */
struct notice_token_wish {
	struct str sender;         /**< localpart or user id */
	const struct str *targets; /**< rooms, aliases and spaces, just as a request has to name them */
	size_t target_count;
	struct str name; /**< what people call it */
	bool is_hook;
	bool is_signed; /**< of a hook: what comes has to be signed with notice_hook_secret() */
};

/**
 * Makes a token.
 *
 * @param out_token  in the ctx's arena
 * Errors: MISSING M_NOT_FOUND (sender); INPUT M_INVALID_PARAM (targets, name); STORE
 */
MUST_CHECK enum err notice_token_make(struct ctx *ctx, const struct account_desk *desk,
	const struct notice_token_wish *wish, struct str *out_token);
/** Errors: MISSING M_NOT_FOUND; STORE */
MUST_CHECK enum err notice_token_revoke(struct ctx *ctx, struct db *db, int64_t token_id);
/** Whether it may post to a target, given as a whole room id or alias. */
bool notice_token_allows(const struct notice_token_row *token, struct str target);

/**
 * What a program signs with that calls a hook: made of the server's key and the token, so nothing more is kept, and whoever sees the
 * address alone does not know it. Base64, in the arena.
 */
struct str notice_hook_secret(struct arena *arena, const unsigned char key[SEAL_KEY_BYTES],
	struct str token);

/* --- requests ------------------------------------------------------------------------------------------------- */

/**
 * For the HTTP layer's port, on routes of AUTH_NOTICE (token in the Authorization header) and AUTH_NOTICE_HOOK (in the path, as
 * {hookToken}): sets the principal.
 * Errors: DEFER; DENIED 401 M_MISSING_TOKEN, M_UNKNOWN_TOKEN; STORE. Cost: one round trip
 */
MUST_CHECK enum err notice_authenticate(struct call *call);
/** The token that the request has shown. Borrowed from the call. */
const struct notice_token_row *notice_token_of(const struct call *call);
/** Key of its rate bucket: the token; before it is known, the address. */
struct str notice_rate_key(const struct call *call);

#endif
