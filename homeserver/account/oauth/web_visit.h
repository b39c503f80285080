/**
 * A browser in which somebody is about to sign in: where that leads, and what shows that it is this browser's own doing.
 *
 * That nobody can be signed in as somebody else by a form or a link of another site is due to a cookie of its own: forms and links hold what
 * is derived from it, and another site does not know it.
 */
#ifndef BELFRY_HOMESERVER_ACCOUNT_OAUTH_WEB_VISIT_H
#define BELFRY_HOMESERVER_ACCOUNT_OAUTH_WEB_VISIT_H

#include "homeserver/account/oauth/web_session.h"

struct web_visit {
	struct str next;   /**< a path of ours, which comes afterwards */
	struct str secret; /**< of the cookie; empty: the browser has none */
};

/** What the address and the cookie say; `next` is the account page where the address names no page of ours. */
struct web_visit web_visit_of(struct call *call);
/** Gives a browser the cookie that has none. */
void web_visit_give_cookie(struct call *call, struct web_visit *visit);
/** What a form or link of this browser holds. @param of  which one */
struct str web_visit_proof(struct arena *arena, const struct web_visit *visit, const char *of);
/** Whether that came back. @param proof  p == NULL: nothing */
MUST_CHECK bool web_visit_is_proven(struct call *call, const struct web_visit *visit,
	const char *of, struct str proof);
/**
 * Whether a form without its proof is the second click of this user: the first has signed them in, which ended the cookie that the proof hangs on.
 * @param user_id  whom the form names; p == NULL: nobody
 * Errors: as web_session_find()
 */
MUST_CHECK enum err web_visit_is_second(struct call *call, struct str user_id, bool *out);
/**
 * Signs the browser in and sends it on.
 * @param is_shown  they have shown just now who they are: what cannot be undone may follow
 * Errors: as web_session_begin()
 */
MUST_CHECK enum err web_visit_let_in(struct call *call, const struct web_visit *visit,
	const struct account_row *account, bool is_shown);

#endif
