/**
 * The `sso` service: signing in by the school's identity providers.
 *
 * A sign-in goes: sso_begin() sends the browser to the provider, with a cookie; the provider sends it back;
 * sso_finish() checks cookie, state and what the provider says, and ends with a login token for the client, or with a
 * completed stage of user-interactive authentication.
 * Spec: client-server API, "SSO client login/authentication"
 */
#ifndef BELFRY_HOMESERVER_ACCOUNT_SSO_SSO_H
#define BELFRY_HOMESERVER_ACCOUNT_SSO_SSO_H

#include "homeserver/account/sso/oidc.h"

struct uia_session;

/** How long a person may take at the provider. */
enum { SSO_LIFETIME_MS = 10 * 60 * 1000 };

/** Path to which providers send browsers back; its whole URL is to be registered with them. */
#define SSO_CALLBACK_PATH "/_matrix/client/belfry/sso/callback"
/** Path that begins a sign-in for a stage of authentication; the provider's id follows. */
#define SSO_STAGE_PATH "/_matrix/client/belfry/sso/stage"
/** Path to which the page of a stage posts. */
#define SSO_CONFIRM_PATH "/_matrix/client/belfry/sso/confirm"

/** Without providers until sso_load(). */
struct sso *sso_create(void);
/** Reads the folder of providers. Errors: INPUT (text names file, line and what is wrong); STORE. */
MUST_CHECK enum err sso_load(struct ctx *ctx, struct homeserver *hs);
void sso_destroy(struct sso *sso);

/** Whether there are providers. */
bool sso_is_on(const struct homeserver *hs);
/** All of them, by id. */
size_t sso_count(const struct homeserver *hs);
const struct provider *sso_provider(const struct homeserver *hs, size_t index);

/** What a sign-in is for: a client's address, or a session of user-interactive authentication. */
struct sso_wish {
	struct str provider_id;
	struct str redirect_url; /**< p == NULL when there is a session */
	const struct uia_session *session;
};

/** What the browser gets. */
struct sso_departure {
	struct str url;        /**< of the provider */
	struct str set_cookie; /**< header */
};
/** Errors: MISSING M_NOT_FOUND (no such provider); INPUT M_INVALID_PARAM (redirect_url); REMOTE, TIMEOUT; STORE. */
MUST_CHECK enum err sso_begin(struct ctx *ctx, struct homeserver *hs, const struct sso_wish *wish,
	struct sso_departure *out);

/** What the browser brought. */
struct sso_arrival {
	struct str state;
	struct str code;
	struct str error;   /**< the provider's; p == NULL: none */
	struct str cookies; /**< header */
};
struct sso_result {
	struct str user_id;
	bool is_stage;           /**< a stage waits for sso_confirm_stage() with the ticket; else: */
	struct str ticket;       /**< for the form of the page that asks */
	struct str url;          /**< the client's address with its login token */
	bool is_trusted;         /**< whether the browser may be sent there without asking */
	struct str client;       /**< the address without token, for asking */
	struct str clear_cookie; /**< header; also after a failure */
};
/**
 * Errors: DENIED M_FORBIDDEN (state, cookie, the provider's word; no account, account of another; deactivated), M_USER_LOCKED;
 * REMOTE, TIMEOUT; STORE
 */
MUST_CHECK enum err sso_finish(struct ctx *ctx, struct homeserver *hs,
	const struct sso_arrival *arrival, struct sso_result *out);

/** The person confirms. Errors: MISSING (no fault text; ticket or session has ended); STORE. */
MUST_CHECK enum err sso_confirm_stage(struct ctx *ctx, struct homeserver *hs, struct str ticket);

/** Address of this server's own log-in page, which takes login tokens; in the arena. */
struct str sso_own_login_page(struct arena *arena, const struct homeserver *hs);
/** Address that begins a sign-in by a provider: of a client's address, or for a session. In the arena. */
struct str sso_login_url(struct arena *arena, const struct homeserver *hs,
	const struct provider *provider, struct str redirect_url);
struct str sso_stage_url(struct arena *arena, const struct homeserver *hs,
	const struct provider *provider, struct str session_id);

/** The address with `loginToken` as its only parameter of that name; in the arena. */
struct str sso_url_with_token(struct arena *arena, struct str url, struct str token);

#endif
