/**
 * What log-in, registration and refresh hand out: a device and its tokens.
 * Spec: client-server API, "Relationship between access tokens and devices", "Refreshing access tokens"
 */
#ifndef BELFRY_HOMESERVER_ACCOUNT_GRANT_H
#define BELFRY_HOMESERVER_ACCOUNT_GRANT_H

#include "homeserver/homeserver.h"

/** What a person has allowed to an OAuth client. */
struct grant_consent {
	struct str hash; /**< of the code or device code that stands for it, and is used up with it */
	struct str client_id;
	struct str scope;
};

/** What the client asks for. Zeroed: a new device without name or refresh token. */
struct grant_ask {
	struct str user_id;
	struct str device_id;    /**< p == NULL: we choose one */
	struct str display_name; /**< of a new device; p == NULL: none */
	bool wants_refresh_token;
	struct str address;    /**< from where */
	struct str user_agent; /**< by which program; p == NULL: not known */
	struct str
		password_hash; /**< the one that was checked: no session if it is another by now; p == NULL: none */
	const struct grant_consent *
		consent; /**< of a client of the OAuth 2.0 API, which names its device; NULL: the legacy API */
};

struct grant {
	struct str user_id;
	struct str device_id;
	struct str access_token;
	struct str refresh_token; /**< p == NULL: none */
	int64_t expires_in_ms;    /**< of the access token; 0: it does not expire */
};

/** A new device of whoever sends the request, with nothing asked for. */
void grant_ask_from(struct call *call, struct grant_ask *out);

/**
 * Reads device_id, initial_device_display_name and refresh_token of a body.
 * Errors: INPUT M_BAD_JSON, M_INVALID_PARAM, M_TOO_LARGE
 */
MUST_CHECK enum err grant_ask_read(struct call *call, const struct json *body,
	struct grant_ask *out);

/** Checks the id of a new device. Errors: INPUT M_INVALID_PARAM (not 1 to 255 bytes, control characters). */
MUST_CHECK enum err device_id_check(struct ctx *ctx, struct str device_id);
/**
 * Checks that signatures, which are told apart by what a key is called, could not mean another one by it. One round trip.
 * Errors: DENIED M_FORBIDDEN
 */
MUST_CHECK enum err device_id_check_unlike_key(struct ctx *ctx, struct homeserver *hs,
	struct str user_id, struct str device_id);
/** Checks a name for a device. Errors: INPUT M_TOO_LARGE (over 100 characters), M_INVALID_PARAM (U+0000). */
MUST_CHECK enum err device_name_check(struct ctx *ctx, struct str display_name);

/**
 * Opens a session: the device is made unless it is known, tokens that it had end.
 *
 * @param out  in the arena
 * Errors: DENIED M_FORBIDDEN when the account was deactivated or its password changed meanwhile, or the device is called like a
 * cross-signing key; MISSING (no fault text) when the consent was used up or taken back meanwhile; STORE
 * Cost: one transaction of four or five statements, with a consent two more; before it a round trip for a device that the client names.
 */
MUST_CHECK enum err grant_open(struct ctx *ctx, struct homeserver *hs, const struct grant_ask *ask,
	struct grant *out);

/**
 * The tokens alone: made up, not stored.
 * @param family  of an OAuth session: what its refresh tokens begin with, and its access tokens end in any case; p == NULL: none
 */
void grant_make_tokens(struct ctx *ctx, struct homeserver *hs, bool with_refresh_token,
	struct str family, struct grant *out);
/** What the refresh tokens of its OAuth session begin with; p == NULL: it is none of such a session. */
struct str grant_family(struct str refresh_token);
struct token_pair;
/** The rows of a grant's tokens. */
void grant_rows(struct ctx *ctx, struct homeserver *hs, const struct grant *grant,
	struct token_pair *out);

/** SHA-256 of a token as kept in the database, in the arena. */
struct str token_hash(struct arena *arena, struct str token);

/** Members user_id, device_id, access_token and, if there are, refresh_token and expires_in_ms. */
void grant_write(struct json_out *out, const struct grant *grant);

#endif
