/**
 * What people see who are asked whether a program may use their account.
 */
#ifndef BELFRY_HOMESERVER_ACCOUNT_OAUTH_ALLOW_PAGE_H
#define BELFRY_HOMESERVER_ACCOUNT_OAUTH_ALLOW_PAGE_H

#include "homeserver/account/oauth/oauth.h"
#include "homeserver/account/oauth/web_session.h"

/**
 * Answers with the page that asks: who is signed in, which program, what it may do, yes or no. Its form has `answer`.
 * @param user_code  that the other device shows; p == NULL: the program sent this browser here
 */
MUST_CHECK enum err allow_page_answer(struct call *call, const struct web_session *session,
	const struct oauth_request *request, struct str user_code);

/** What the form says. */
enum allow_answer { ALLOW_NOTHING, ALLOW_YES, ALLOW_NO };
/** The one that was posted. */
enum allow_answer allow_page_posted(struct call *call);

/**
 * The person has answered: the browser is signed out, so that who sits at it next is asked who they are; a session that began for
 * account management goes on. Errors: STORE.
 */
MUST_CHECK enum err allow_page_end(struct call *call, const struct web_session *session);

#endif
