/*
 * Before a log-in. The cookie ends with it.
 */
#include "homeserver/account/oauth/web_visit.h"

#include "base/crypto.h"
#include "homeserver/web_cookie.h"

enum { SECRET_CHARS = 32, COOKIE_LIFETIME_S = 60 * 60 };

static const struct str cookie = STR_INIT("login");

struct web_visit web_visit_of(struct call *call)
{
	struct arena *arena = call->ctx.arena;
	struct str next = call_query(call, "next");
	struct web_visit visit = {
		.next = web_next_is_own(next) ? next : STR(OAUTH_ACCOUNT_PATH),
		.secret = web_cookie_find(arena, hs_of(call), call_header(call, "Cookie"), cookie),
	};
	if (visit.secret.n != SECRET_CHARS) {
		visit.secret = STR("");
	}
	return visit;
}

void web_visit_give_cookie(struct call *call, struct web_visit *visit)
{
	struct arena *arena = call->ctx.arena;
	if (visit->secret.n == 0) {
		visit->secret = rng_text(&hs_of(call)->rng, arena, SECRET_CHARS);
		reply_header(call, "Set-Cookie",
			web_cookie_set(arena, hs_of(call), cookie, visit->secret, COOKIE_LIFETIME_S));
	}
}

struct str web_visit_proof(struct arena *arena, const struct web_visit *visit, const char *of)
{
	return web_form_proof(arena, visit->secret,
		str_printf(arena, "%s\n%.*s", of, STR_ARG(visit->next)));
}

bool web_visit_is_proven(struct call *call, const struct web_visit *visit, const char *of,
	struct str proof)
{
	return visit->secret.n > 0 && proof.p != NULL &&
		crypto_equals(proof, web_visit_proof(call->ctx.arena, visit, of));
}

enum err web_visit_is_second(struct call *call, struct str user_id, bool *out)
{
	struct web_session session;
	TRY(web_session_find(call, &session));
	*out = session.user_id.p != NULL && str_equals(session.user_id, user_id);
	return ERR_OK;
}

enum err web_visit_let_in(struct call *call, const struct web_visit *visit,
	const struct account_row *account, bool is_shown)
{
	bool is_for_account = is_shown && str_starts_with(visit->next, STR(OAUTH_ACCOUNT_PATH));
	TRY(web_session_begin(call, account, is_for_account));
	reply_header(call, "Set-Cookie",
		web_cookie_set(call->ctx.arena, hs_of(call), cookie, STR(""), 0));
	return web_page_redirect(call, visit->next);
}
