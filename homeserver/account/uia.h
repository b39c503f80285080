/**
 * User-interactive authentication: the second proof that some endpoints ask for.
 *
 *     struct uia_proof proof;
 *     TRY(uia_require(call, &uia_flows_password, &proof));
 *     if (!proof.is_complete) {
 *     	return ERR_OK; (the 401 with flows and session is the answer)
 *     }
 *
 *     (first of all, where the body has parameters: TRY(uia_recall_body(call));)
 *
 * A session counts for one user, one method, one path and one body; a stage counts only when a flow has it; a completed
 * session is used up by the request that completes it.
 * Spec: client-server API, "User-Interactive Authentication API"
 */
#ifndef BELFRY_HOMESERVER_ACCOUNT_UIA_H
#define BELFRY_HOMESERVER_ACCOUNT_UIA_H

#include "homeserver/account/email/email_proof.h"
#include "homeserver/homeserver.h"

enum uia_stage {
	UIA_PASSWORD,           /**< m.login.password, of the user who asks */
	UIA_DUMMY,              /**< m.login.dummy */
	UIA_REGISTRATION_TOKEN, /**< m.login.registration_token */
	UIA_EMAIL,              /**< m.login.email.identity */
	UIA_TERMS,              /**< m.login.terms */
	UIA_SSO,                /**< m.login.sso, of the user who asks; completed on a page only */
	UIA_OAUTH,          /**< m.oauth: the user's word on the account page; completed there only */
	UIA_OAUTH_UNSTABLE, /**< the same by its name from before the specification (MSC4312) */
	UIA_STAGE_COUNT,
};

enum { UIA_FLOW_STAGES = 4, UIA_SESSION_LIFETIME_MS = 30 * 60 * 1000 };

/** Stages to be completed in any order. */
struct uia_flow {
	enum uia_stage stages[UIA_FLOW_STAGES];
	size_t count;
};
struct uia_flows {
	const struct uia_flow *flows; /**< one of them is enough */
	size_t count;
	enum email_purpose email_purpose; /**< which proofs UIA_EMAIL takes */
};

/** The password of the user who asks; or, where there are identity providers, their sign-in at one. */
extern const struct uia_flows uia_flows_password;
/** The same for new cross-signing keys; of a session of the OAuth 2.0 API, the user's word on the account page. */
extern const struct uia_flows uia_flows_cross_signing;
/** An e-mail address of an account, for those who cannot log in. */
extern const struct uia_flows uia_flows_reset;

/** What stages have found out. */
struct uia_evidence {
	struct str registration_token; /**< p == NULL: none */
	struct str email;              /**< in lower case; p == NULL: none */
	struct email_claim claim;      /**< of uia_flows_reset: by what, still to be used up */
	struct str terms;              /**< as terms_current() writes them; p == NULL: none */
};

struct uia_proof {
	bool is_complete;
	struct uia_evidence evidence;
};

/**
 * Looks at `auth` of the body, and completes the stage that it names. When that is not all, the answer is written:
 * 401 with flows, params, session and completed stages, after a failed stage with errcode and error too.
 *
 * @param out  is_complete: go on with what was asked
 * Errors: INPUT (auth is malformed); DENIED M_FORBIDDEN (a session of the OAuth 2.0 API, with which only uia_flows_cross_signing
 * can be completed); STORE
 * The route is on LANE_SLOW where a flow has a password.
 */
MUST_CHECK enum err uia_require(struct call *call, const struct uia_flows *flows,
	struct uia_proof *out);

/**
 * Called before a handler reads its parameters. Where the body has nothing but `auth`, and the session named there is
 * of this user, method and path, call_json() gives from then on the body that began the session, with this `auth`.
 * Clients are to send the whole body each time; some send `auth` alone, which Synapse allows.
 *
 * Errors: INPUT (the body is malformed); STORE
 * Cost: one round trip for a body with `auth` alone, else none.
 */
MUST_CHECK enum err uia_recall_body(struct call *call);

/** Where the user completes UIA_OAUTH of a session; in the arena. */
struct str uia_oauth_url(struct arena *arena, const struct homeserver *hs, struct str session_id);

/* --- on a page ------------------------------------------------------------------------------------ */

/** A session as a page sees it. */
struct uia_session {
	struct str id;      /**< p == NULL: known by its hash only */
	struct str hash;    /**< SHA-256 of the id */
	struct str user_id; /**< empty: nobody yet */
	unsigned completed; /**< bits */
};
/** A session that has not ended. Errors: MISSING (no fault text); STORE.     Cost: one round trip. */
MUST_CHECK enum err uia_session_find(struct ctx *ctx, struct homeserver *hs, struct str id,
	struct uia_session *out);
/** The same by the hash of its id. */
MUST_CHECK enum err uia_session_by_hash(struct ctx *ctx, struct homeserver *hs, struct str hash,
	struct uia_session *out);
/**
 * Completes a stage of it; the page has asked what the stage asks for. The client goes on with the session alone.
 * Errors: MISSING (no fault text) when the session has ended meanwhile; STORE     Cost: two round trips.
 */
MUST_CHECK enum err uia_session_complete(struct ctx *ctx, struct homeserver *hs,
	const struct uia_session *session, enum uia_stage stage, const struct uia_evidence *evidence);

/* --- parts, for tests --------------------------------------------------------------------------- */

/** @return false for words that are no stage here */
MUST_CHECK bool uia_stage_parse(struct str name, enum uia_stage *out);

/** Completed stages as a set of bits, and as it is stored: names separated by spaces. */
unsigned uia_stages_parse(struct str text);
struct str uia_stages_text(struct arena *arena, unsigned stages);
/** Whether the completed stages hold all of one flow. */
bool uia_is_complete(const struct uia_flows *flows, unsigned completed);
/** Whether one of the flows has the stage. */
bool uia_has_stage(const struct uia_flows *flows, enum uia_stage stage);

/** Whether a flow goes on with the stage: "the flow's stages must be completed in order". */
bool uia_is_next(const struct uia_flows *flows, unsigned completed, enum uia_stage stage);

/** SHA-256 of method, path and body without its `auth`, whatever the order of its keys; in the arena. */
struct str uia_binding(struct arena *arena, struct str method, struct str path,
	const struct json *body);

#endif
