/**
 * A browser that is signed in to the pages of this server: consent, user codes, account management.
 *
 *     struct web_session session;
 *     TRY(web_session_find(call, &session));
 *     if (session.user_id.p == NULL) {
 *     	return web_session_ask(call);            (303 to the log-in page, which leads back here)
 *     }
 *     …
 *     web_session_form(&page, &session);        (instead of web_page_form(): its value is checked by)
 *     if (!web_session_is_own_form(call, &session)) …
 *
 * A session ends WEB_SESSION_LIFETIME_MS after the log-in, whatever happens meanwhile: computers at schools are shared. It is a row
 * of the user's, so a new password, a log-out everywhere and the end of the account end it too; who was locked since is as good as
 * not signed in. A form's value is derived from the cookie and from the address of the page, so it is good for that page alone.
 */
#ifndef BELFRY_HOMESERVER_ACCOUNT_OAUTH_WEB_SESSION_H
#define BELFRY_HOMESERVER_ACCOUNT_OAUTH_WEB_SESSION_H

#include "homeserver/account/oauth/oauth.h"
#include "homeserver/web_page.h"
#include "storage/account.h"

enum {
	WEB_SESSION_LIFETIME_MS = 15 * 60 * 1000,
	WEB_SESSION_FRESH_MS =
		5 * 60 * 1000, /**< so long a log-in is enough for what cannot be undone */
};

#define WEB_LOGIN_PATH OAUTH_PATH "/login"
#define WEB_LOGOUT_PATH OAUTH_PATH "/logout"
#define WEB_DONE_PATH OAUTH_PATH "/done"

struct web_session {
	struct str user_id; /**< p == NULL: nobody is signed in */
	struct str secret;  /**< of the cookie */
	struct account_row account;
	int64_t began_ms;    /**< the log-in */
	bool is_for_account; /**< began for account management, so it outlasts a consent */
};

/** The session of the request's browser. Errors: STORE.     Cost: two round trips with a cookie, else none. */
MUST_CHECK enum err web_session_find(struct call *call, struct web_session *out);
/** Whether the log-in was less than WEB_SESSION_FRESH_MS ago. */
bool web_session_is_fresh(const struct homeserver *hs, const struct web_session *session);

/**
 * Signs the browser in, in place of whoever was. Sets the cookie.
 * @param account  as it was when who it is was proven: nobody gets in whose password has changed, or whose account was locked or
 *                 ended meanwhile
 * Errors: DENIED M_FORBIDDEN; STORE
 */
MUST_CHECK enum err web_session_begin(struct call *call, const struct account_row *account,
	bool is_for_account);
/**
 * Signs it out by the person's answer. The cookie stays for as long as a code is good: it signs nobody in any more, but shows
 * that a second click is of the browser that was asked. Errors: STORE.
 */
MUST_CHECK enum err web_session_end_by_answer(struct call *call);
/** Signs it out, and clears the cookie. Nothing happens where nobody is signed in. Errors: STORE. */
MUST_CHECK enum err web_session_end(struct call *call);

/** Answers with the log-in page, which leads back to this request's address. */
MUST_CHECK enum err web_session_ask(struct call *call);
/** Path of the log-in page, which leads back to `next`, a path of ours with its query; in the arena. */
struct str web_login_url(struct call *call, struct str next, struct str login_hint);
/** Path of the page that says what was done, to whom nobody is signed in any more: see web_login_routes.c; in the arena. */
struct str web_done_url(struct call *call, const char *what);
/** Whether the pages may lead there after a log-in: authorisation, link, account management; nothing outside. */
MUST_CHECK bool web_next_is_own(struct str next);

/** A form that posts to this request's address. */
void web_session_form(struct web_page *page, const struct web_session *session);
/** Whether the form that was posted to this address was shown at this address to the browser with this cookie. */
MUST_CHECK bool web_session_is_own_form(struct call *call, const struct web_session *session);
/** What a form holds that shows where it comes from, derived from a secret and what it is for. */
struct str web_form_proof(struct arena *arena, struct str secret, struct str purpose);

/** A page for a form whose proof was wrong: it stood open for too long, or came from elsewhere. */
MUST_CHECK enum err web_session_answer_stale(struct call *call);
/** A button to sign out, which leads to the log-in page and from there back here. */
void web_session_write_sign_out(struct web_page *page, const struct web_session *session);

#endif
