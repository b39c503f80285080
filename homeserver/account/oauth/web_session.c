/*
 * Sessions of browsers. The cookie's text is the secret; the database has its SHA-256, as of all short-lived secrets.
 */
#include "homeserver/account/oauth/web_session.h"

#include "base/b64.h"
#include "base/crypto.h"
#include "homeserver/account/grant.h"
#include "homeserver/web_cookie.h"
#include "http/uri.h"
#include "matrix/canonical.h"
#include "storage/secret.h"

enum { SECRET_CHARS = 40 };

static const struct str cookie = STR_INIT("web");

/* --- the session ------------------------------------------------------------------------------------------ */

static struct str secret_of(struct call *call)
{
	return web_cookie_find(call->ctx.arena, hs_of(call), call_header(call, "Cookie"), cookie);
}

enum err web_session_find(struct call *call, struct web_session *out)
{
	struct ctx *ctx = &call->ctx;
	struct homeserver *hs = hs_of(call);
	struct secret_row row;
	struct json data;
	*out = (struct web_session){.secret = secret_of(call)};
	if (out->secret.n != SECRET_CHARS) {
		return ERR_OK;
	}
	enum err err = store_secret_find(ctx, hs->db, SECRET_WEB, token_hash(ctx->arena, out->secret),
		clock_wall_ms(&hs->clock), &row);
	if (err != ERR_OK) {
		return err == ERR_MISSING ? ERR_OK : err;
	}
	err = store_account_find(ctx, hs->db, row.user_id, &out->account);
	if (err != ERR_OK && err != ERR_MISSING) {
		return err;
	}
	if (err == ERR_OK && out->account.state == ACCOUNT_ACTIVE &&
		json_parse(ctx->arena, row.data, NULL, &data, NULL) == JSON_OK) {
		out->user_id = row.user_id;
		out->began_ms = row.expires_at_ms - WEB_SESSION_LIFETIME_MS;
		out->is_for_account = json_get_bool(&data, STR("account"), false);
	}
	return ERR_OK;
}

bool web_session_is_fresh(const struct homeserver *hs, const struct web_session *session)
{
	return clock_wall_ms(&hs->clock) - session->began_ms < WEB_SESSION_FRESH_MS;
}

/* Of the cookie that the browser has, if any. */
static enum err end_row(struct call *call)
{
	struct homeserver *hs = hs_of(call);
	struct secret_row row;
	struct str secret = secret_of(call);
	enum err err = secret.n == 0
		? ERR_OK
		: store_secret_take(&call->ctx, hs->db, SECRET_WEB, token_hash(call->ctx.arena, secret),
			  clock_wall_ms(&hs->clock), &row);
	return err == ERR_MISSING ? ERR_OK : err;
}

static enum err insert(struct ctx *ctx, struct homeserver *hs, const struct account_row *account,
	const struct secret_row *row)
{
	struct account_row now;
	struct tx *tx CLEANUP(tx_cleanup) = NULL;
	TRY(tx_begin(ctx, hs->db, &tx));
	enum err err = store_account_lock(ctx, tx, account->user_id, &now);
	if (err != ERR_OK && err != ERR_MISSING) {
		return err;
	}
	if (err == ERR_MISSING || now.state != ACCOUNT_ACTIVE ||
		!str_equals(now.password_hash, account->password_hash)) {
		return fail(ctx, ERR_DENIED, M_FORBIDDEN, "The account has changed meanwhile");
	}
	TRY(store_secret_insert_tx(ctx, tx, row));
	return tx_commit(ctx, &tx);
}

enum err web_session_begin(struct call *call, const struct account_row *account,
	bool is_for_account)
{
	struct arena *arena = call->ctx.arena;
	struct homeserver *hs = hs_of(call);
	struct str secret = rng_text(&hs->rng, arena, SECRET_CHARS);
	struct json data = json_object(arena, 1);
	data = json_with(arena, &data, STR("account"), json_boolean(is_for_account));
	TRY(end_row(call));
	TRY(insert(&call->ctx, hs, account,
		&(struct secret_row){
			.kind = SECRET_WEB,
			.hash = token_hash(arena, secret),
			.user_id = account->user_id,
			.data = canonical_text(arena, &data),
			.expires_at_ms = clock_wall_ms(&hs->clock) + WEB_SESSION_LIFETIME_MS,
		}));
	reply_header(call, "Set-Cookie",
		web_cookie_set(arena, hs, cookie, secret, WEB_SESSION_LIFETIME_MS / 1000));
	return ERR_OK;
}

enum err web_session_end_by_answer(struct call *call)
{
	reply_header(call, "Set-Cookie",
		web_cookie_set(call->ctx.arena, hs_of(call), cookie, secret_of(call),
			OAUTH_CODE_LIFETIME_MS / 1000));
	return end_row(call);
}

enum err web_session_end(struct call *call)
{
	if (secret_of(call).n > 0) {
		reply_header(call, "Set-Cookie",
			web_cookie_set(call->ctx.arena, hs_of(call), cookie, STR(""), 0));
	}
	return end_row(call);
}

/* --- to the log-in page and back --------------------------------------------------------------------------- */

struct str web_login_url(struct call *call, struct str next, struct str login_hint)
{
	struct arena *arena = call->ctx.arena;
	struct str target = uri_encode(arena, next);
	struct str url = str_printf(arena, WEB_LOGIN_PATH "?next=%.*s", STR_ARG(target));
	if (login_hint.n > 0) {
		struct str hint = uri_encode(arena, login_hint);
		url = str_printf(arena, "%.*s&login_hint=%.*s", STR_ARG(url), STR_ARG(hint));
	}
	return url;
}

enum err web_session_ask(struct call *call)
{
	return web_page_redirect(call, web_login_url(call, call_raw_target(call), STR("")));
}

struct str web_done_url(struct call *call, const char *what)
{
	return str_printf(call->ctx.arena, WEB_DONE_PATH "?what=%s", what);
}

bool web_next_is_own(struct str next)
{
	static const char *const paths[] = {OAUTH_AUTHORIZE_PATH, OAUTH_LINK_PATH, OAUTH_ACCOUNT_PATH};
	struct str path;
	struct str query;
	(void)str_split(next, '?', &path, &query);
	for (size_t i = 0; i < COUNT_OF(paths); i++) {
		if (str_equals(path, str_of(paths[i]))) {
			return web_page_is_path(next);
		}
	}
	return false;
}

/* --- forms ------------------------------------------------------------------------------------------------ */

struct str web_form_proof(struct arena *arena, struct str secret, struct str purpose)
{
	unsigned char mac[SHA256_BYTES];
	crypto_hmac_sha256(secret, purpose, mac);
	return b64_encode_url(arena, str_from((const char *)mac, sizeof(mac)));
}

void web_session_form(struct web_page *page, const struct web_session *session)
{
	struct call *call = page->call;
	web_page_form(page, STR(""));
	web_page_hidden(page, STR("proof"),
		web_form_proof(call->ctx.arena, session->secret, call_raw_target(call)));
}

bool web_session_is_own_form(struct call *call, const struct web_session *session)
{
	return session->secret.n == SECRET_CHARS &&
		crypto_equals(web_page_posted(call, "proof"),
			web_form_proof(call->ctx.arena, session->secret, call_raw_target(call)));
}

enum err web_session_answer_stale(struct call *call)
{
	struct web_page page;
	web_page_begin(&page, call, "請再試一次", "Please try again");
	web_page_text(&page, "這一頁開著太久了，或者您已經登出。什麼都沒有變更。",
		"This page was open for too long, or you have signed out since. Nothing was changed.");
	web_page_link(&page, call_raw_target(call), "重新開啟", "Open it again");
	return web_page_reply(&page, 403);
}

void web_session_write_sign_out(struct web_page *page, const struct web_session *session)
{
	struct arena *arena = page->call->ctx.arena;
	web_page_form(page, STR(WEB_LOGOUT_PATH));
	web_page_hidden(page, STR("proof"),
		web_form_proof(arena, session->secret, STR(WEB_LOGOUT_PATH)));
	web_page_hidden(page, STR("next"), call_raw_target(page->call));
	web_page_choice(page, WEB_BUTTON_QUIET, "leave", "1", "從這個瀏覽器登出",
		"Sign out of this browser");
	web_page_form_end(page);
}
