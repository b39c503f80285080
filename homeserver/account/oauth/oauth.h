/**
 * The OAuth 2.0 API: Belfry is its own authorisation server.
 *
 * A log-in goes: the client sends the browser to a page with a request, which oauth_request_read() checks; the page finds out who
 * sits there and what they say; oauth_allow() or oauth_refusal_url() says where the browser goes back to. With the code from there the client
 * gets its tokens (oauth_token.h). A device without a browser shows a code instead, which a person types at another one (oauth_link_…).
 * Spec: client-server API, "OAuth 2.0 API"; RFC 6749, 7636, 8628, 9207
 */
#ifndef BELFRY_HOMESERVER_ACCOUNT_OAUTH_OAUTH_H
#define BELFRY_HOMESERVER_ACCOUNT_OAUTH_OAUTH_H

#include "homeserver/homeserver.h"
#include "matrix/oauth_client.h"

enum {
	OAUTH_CODE_LIFETIME_MS = 60 * 1000,
	OAUTH_LINK_LIFETIME_MS = 30 * 60 * 1000,
	OAUTH_LINK_INTERVAL_MS = 5 * 1000, /**< between two questions of a device */
};

/* Errors as clients see them. Spec: RFC 6749, 4.1.2.1 and 5.2; RFC 7591, 3.2.2; RFC 8628, 3.5 */
#define OAUTH_INVALID_REQUEST "invalid_request"
#define OAUTH_INVALID_CLIENT "invalid_client"
#define OAUTH_INVALID_GRANT "invalid_grant"
#define OAUTH_INVALID_SCOPE "invalid_scope"
#define OAUTH_UNAUTHORIZED_CLIENT "unauthorized_client"
#define OAUTH_UNSUPPORTED_RESPONSE_TYPE "unsupported_response_type"
#define OAUTH_UNSUPPORTED_GRANT_TYPE "unsupported_grant_type"
#define OAUTH_ACCESS_DENIED "access_denied"
#define OAUTH_LOGIN_REQUIRED "login_required"
#define OAUTH_TEMPORARILY_UNAVAILABLE "temporarily_unavailable"
#define OAUTH_INVALID_REDIRECT_URI "invalid_redirect_uri"
#define OAUTH_INVALID_CLIENT_METADATA "invalid_client_metadata"
#define OAUTH_AUTHORIZATION_PENDING "authorization_pending"
#define OAUTH_SLOW_DOWN "slow_down"
#define OAUTH_EXPIRED_TOKEN "expired_token"

#define OAUTH_PATH "/_matrix/client/belfry/oauth"
/** Pages: who allows a client to log in; where a device's code is typed; the user's account. */
#define OAUTH_AUTHORIZE_PATH OAUTH_PATH "/authorize"
#define OAUTH_LINK_PATH OAUTH_PATH "/link"
#define OAUTH_ACCOUNT_PATH "/_matrix/client/belfry/account"

/** What the account page is asked for when somebody is to have new cross-signing keys. Spec: "Account management URL actions" */
#define OAUTH_ACTION_CROSS_SIGNING_RESET "org.matrix.cross_signing_reset"

/** Whether the API is there: `oauth.enabled`, and the server knows its address. */
bool oauth_is_on(const struct homeserver *hs);
/** Errors: MISSING M_UNRECOGNIZED */
MUST_CHECK enum err oauth_require_on(struct ctx *ctx, const struct homeserver *hs);

/** What this server is called towards clients; in the arena. */
struct str oauth_issuer(struct arena *arena, const struct homeserver *hs);

struct web_session;

/** What a client asks of a person. */
struct oauth_request {
	struct oauth_client client;
	struct str redirect_uri; /**< p == NULL: a device without a browser asks */
	bool is_fragment;        /**< where the answer goes in it; else in its query */
	struct str state;        /**< p == NULL: none */
	struct str issuer;
	struct str scope; /**< as far as it is understood */
	struct str device_id;
	struct str code_challenge;
	struct str nonce;        /**< to be told in oauth_id_token(); p == NULL: none */
	bool wants_registration; /**< prompt=create */
	struct str login_hint;   /**< p == NULL: none */
	struct str query;        /**< as it was asked */
};

/**
 * Reads an authorisation request. What is wrong is in the fault: errcode has OAuth's word, text a sentence.
 *
 * @param query  of the address, as received
 * @param out    in the arena; with DENIED it is filled as far as oauth_refusal_url() needs it
 * Errors: INPUT (client or address is not known: to be told on a page, the browser must not be sent there); DENIED (the client is told by
 * oauth_refusal_url() with the fault's errcode and text, if the person goes there); STORE
 * Cost: one round trip.
 */
MUST_CHECK enum err oauth_request_read(struct ctx *ctx, struct homeserver *hs, struct str query,
	struct oauth_request *out);

/**
 * Who is signed in allows it: makes a code, good once and for a minute. People click twice: the same browser's word for the same request is the
 * same code, also when its session ended by the first.
 * @param session  of the browser that shows the proof of the request's form; user_id.p == NULL: nobody is signed in any more
 * @param out_url  where the browser goes with it; in the arena
 * Errors: CONFLICT (no fault text) when the code of before was used, or has ended; DENIED access_denied (the account is locked, deactivated or a
 * guest's, or the session has ended without an answer: to be told on a page); STORE
 */
MUST_CHECK enum err oauth_allow(struct ctx *ctx, struct homeserver *hs,
	const struct oauth_request *request, const struct web_session *session, struct str *out_url);

/** Where the browser goes with an error; in the arena. @param description  ASCII without quotes; may be empty */
struct str oauth_refusal_url(struct arena *arena, const struct oauth_request *request,
	const char *error, struct str description);

enum { OAUTH_LINK_TYPED_MAX = 64 };

/** A user code that somebody typed, as devices show it: "WDJB-MJHT"; p == NULL when it is none. */
struct str oauth_link_code(struct arena *arena, struct str typed);

/**
 * What a device asks that shows this code. Case, hyphens and spaces in it do not matter. Guessing is bounded by the caller's rate limit.
 * @param out  client, scope and device_id; in the arena
 * Errors: MISSING (no fault text): nothing waits for such a code; STORE
 */
MUST_CHECK enum err oauth_link_find(struct ctx *ctx, struct homeserver *hs, struct str user_code,
	struct oauth_request *out);

/**
 * The person's answer, which counts once.
 * Errors: MISSING (no fault text): nothing waits for it any more; DENIED as oauth_allow(); STORE
 */
MUST_CHECK enum err oauth_link_decide(struct ctx *ctx, struct homeserver *hs, struct str user_code,
	const struct web_session *session, bool is_allowed);

#endif
