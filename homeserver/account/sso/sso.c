/*
 * Sign-ins. What belongs together is tied three times: the state in the address names a row, which is used once; the
 * row names the hash of a secret that only the browser has, in a cookie; nonce and PKCE verifier are derived
 * from that secret, so the database holds nothing with which a sign-in could be completed.
 */
#include "homeserver/account/sso/sso.h"

#include "base/b64.h"
#include "base/crypto.h"
#include "base/mem.h"
#include "homeserver/account/grant.h"
#include "homeserver/account/login_token.h"
#include "homeserver/account/oauth/web_session.h"
#include "homeserver/account/sso/sso_account.h"
#include "homeserver/account/sso/sso_reason.h"
#include "homeserver/account/uia.h"
#include "homeserver/web_cookie.h"
#include "homeserver/web_page.h"
#include "http/uri.h"
#include "matrix/canonical.h"
#include "storage/secret.h"

enum { STATE_CHARS = 32, SECRET_CHARS = 32, COOKIE_STATE_CHARS = 8 };

struct sso {
	struct arena *arena; /* of the providers */
	struct oidc *providers[PROVIDERS_MAX];
	size_t count;
};

struct sso *sso_create(void)
{
	struct sso *sso = mem_alloc(sizeof(*sso));
	*sso = (struct sso){.arena = arena_create()};
	return sso;
}

enum err sso_load(struct ctx *ctx, struct homeserver *hs)
{
	struct provider *providers;
	size_t count;
	struct ctx own = {.arena = hs->sso->arena, .request_id = ctx->request_id};
	enum err err = providers_read(&own, hs->settings.account.sso_folder, &providers, &count);
	if (err != ERR_OK) {
		ctx->fault = own.fault;
		return err;
	}
	for (size_t i = 0; i < count; i++) {
		hs->sso->providers[i] = oidc_create(&providers[i]);
	}
	hs->sso->count = count;
	return ERR_OK;
}

void sso_destroy(struct sso *sso)
{
	if (sso != NULL) {
		for (size_t i = 0; i < sso->count; i++) {
			oidc_destroy(sso->providers[i]);
		}
		arena_destroy(sso->arena);
		mem_free(sso);
	}
}

bool sso_is_on(const struct homeserver *hs)
{
	return hs->sso->count > 0;
}

size_t sso_count(const struct homeserver *hs)
{
	return hs->sso->count;
}

const struct provider *sso_provider(const struct homeserver *hs, size_t index)
{
	return oidc_provider(hs->sso->providers[index]);
}

static struct oidc *find(const struct homeserver *hs, struct str id)
{
	for (size_t i = 0; i < hs->sso->count; i++) {
		if (str_equals(oidc_provider(hs->sso->providers[i])->id, id)) {
			return hs->sso->providers[i];
		}
	}
	return NULL;
}

/* --- addresses ------------------------------------------------------------------------------------------- */

/* Whether an address begins with one of the list, as a whole host and path segment. */
static bool is_trusted_client(struct conf_list clients, struct str url)
{
	for (size_t i = 0; i < clients.n; i++) {
		if (web_page_url_is_below(url, clients.items[i])) {
			return true;
		}
	}
	return false;
}

struct str sso_url_with_token(struct arena *arena, struct str url, struct str token)
{
	struct str whole;
	struct str fragment;
	struct str path;
	struct str query;
	bool has_fragment = str_split(url, '#', &whole, &fragment);
	(void)str_split(whole, '?', &path, &query);
	struct str kept = STR("");
	while (query.n > 0) {
		struct str one;
		(void)str_split(query, '&', &one, &query);
		if (!str_equals(one, STR("loginToken")) && !str_starts_with(one, STR("loginToken=")) &&
			one.n > 0) {
			kept = str_printf(arena, "%.*s%.*s&", STR_ARG(kept), STR_ARG(one));
		}
	}
	return str_printf(arena, "%.*s?%.*sloginToken=%.*s%s%.*s", STR_ARG(path), STR_ARG(kept),
		STR_ARG(token), has_fragment ? "#" : "", STR_ARG(fragment));
}

struct str sso_own_login_page(struct arena *arena, const struct homeserver *hs)
{
	return hs_public_url(arena, hs, "/_matrix/static/client/login/");
}

struct str sso_login_url(struct arena *arena, const struct homeserver *hs,
	const struct provider *provider, struct str redirect_url)
{
	struct str base = hs_public_url(arena, hs, "/_matrix/client/v3/login/sso/redirect");
	struct str target = uri_encode(arena, redirect_url);
	return str_printf(arena, "%.*s/%.*s?redirectUrl=%.*s", STR_ARG(base), STR_ARG(provider->id),
		STR_ARG(target));
}

struct str sso_stage_url(struct arena *arena, const struct homeserver *hs,
	const struct provider *provider, struct str session_id)
{
	struct str base = hs_public_url(arena, hs, SSO_STAGE_PATH);
	struct str session = uri_encode(arena, session_id);
	return str_printf(arena, "%.*s/%.*s?session=%.*s", STR_ARG(base), STR_ARG(provider->id),
		STR_ARG(session));
}

/* --- one sign-in --------------------------------------------------------------------------------------------- */

static struct str derive(struct arena *arena, struct str secret, struct str what)
{
	unsigned char mac[SHA256_BYTES];
	crypto_hmac_sha256(secret, what, mac);
	return b64_encode_url(arena, str_from((const char *)mac, sizeof(mac)));
}

static struct oidc_attempt attempt_of(struct arena *arena, const struct homeserver *hs,
	struct str state, struct str secret, int64_t again_since_s)
{
	return (struct oidc_attempt){
		.again_since_s = again_since_s,
		.redirect_uri = hs_public_url(arena, hs, SSO_CALLBACK_PATH),
		.state = state,
		.nonce = derive(arena, secret, STR("nonce")),
		.verifier = derive(arena, secret, STR("verifier")),
	};
}

static struct str cookie_name(struct arena *arena, struct str state)
{
	struct str mark = str_slice(state, 0, COOKIE_STATE_CHARS);
	return str_printf(arena, "sso_%.*s", STR_ARG(mark));
}

static struct str hash_text(struct arena *arena, struct str secret)
{
	return b64_encode_url(arena, token_hash(arena, secret));
}

/*
 * Whether it has to be shown once more who sits there: for a stage of authentication, and where a log-in lets people change their account. A browser
 * whose session at the provider is another's would come back without a question else.
 */
static bool has_to_be_asked(struct arena *arena, const struct homeserver *hs,
	const struct sso_wish *wish)
{
	struct str whole;
	struct str path;
	struct str query;
	struct str fragment;
	struct uri_pair *pairs;
	size_t count;
	if (wish->session != NULL) {
		return true;
	}
	if (!web_page_url_is_below(wish->redirect_url, hs_public_url(arena, hs, WEB_LOGIN_PATH))) {
		return false;
	}
	(void)str_split(wish->redirect_url, '#', &whole, &fragment);
	(void)str_split(whole, '?', &path, &query);
	bool is_elsewhere = false; /* the log-in page leads to the account if nothing else is named */
	bool is_read = uri_parse_query(arena, query, &pairs, &count);
	for (size_t i = 0; is_read && i < count; i++) {
		if (str_equals(pairs[i].name, STR("next"))) {
			is_elsewhere = web_next_is_own(pairs[i].value) &&
				!str_starts_with(pairs[i].value, STR(OAUTH_ACCOUNT_PATH));
			break;
		}
	}
	return !is_elsewhere;
}

static enum err check_wish(struct ctx *ctx, const struct homeserver *hs,
	const struct sso_wish *wish, struct oidc **out)
{
	*out = find(hs, wish->provider_id);
	if (*out == NULL) {
		return sso_refuse(ctx, SSO_NO_PROVIDER);
	}
	if (wish->session == NULL && !web_page_url_is_safe(wish->redirect_url)) {
		return sso_refuse(ctx, SSO_NO_CLIENT);
	}
	return ERR_OK;
}

enum err sso_begin(struct ctx *ctx, struct homeserver *hs, const struct sso_wish *wish,
	struct sso_departure *out)
{
	struct arena *arena = ctx->arena;
	struct oidc *oidc;
	TRY(check_wish(ctx, hs, wish, &oidc));
	struct str state = rng_text(&hs->rng, arena, STATE_CHARS);
	struct str secret = rng_text(&hs->rng, arena, SECRET_CHARS);
	int64_t now_ms = clock_wall_ms(&hs->clock);
	int64_t again_since_s = has_to_be_asked(arena, hs, wish) ? now_ms / 1000 : 0;
	struct oidc_attempt attempt = attempt_of(arena, hs, state, secret, again_since_s);
	TRY(oidc_authorize_url(ctx, hs, oidc, &attempt, &out->url));
	struct json data = json_object(arena, 4);
	data = json_with(arena, &data, STR("again"), json_integer(again_since_s));
	data = json_with(arena, &data, STR("provider"), json_string(wish->provider_id));
	data = json_with(arena, &data, STR("browser"), json_string(hash_text(arena, secret)));
	data = wish->session != NULL
		? json_with(arena, &data, STR("session"),
			  json_string(b64_encode_url(arena, wish->session->hash)))
		: json_with(arena, &data, STR("redirect"), json_string(wish->redirect_url));
	out->set_cookie =
		web_cookie_set(arena, hs, cookie_name(arena, state), secret, SSO_LIFETIME_MS / 1000);
	return store_secret_insert(ctx, hs->db,
		&(struct secret_row){
			.kind = SECRET_SSO,
			.hash = token_hash(arena, state),
			.data = canonical_text(arena, &data),
			.expires_at_ms = now_ms + SSO_LIFETIME_MS,
		});
}

/* What was begun, with the browser's secret. It is over with that. */
static enum err take(struct ctx *ctx, struct homeserver *hs, const struct sso_arrival *arrival,
	struct json *out_data, struct str *out_secret)
{
	struct secret_row row;
	enum err err = store_secret_take(ctx, hs->db, SECRET_SSO,
		token_hash(ctx->arena, arrival->state), clock_wall_ms(&hs->clock), &row);
	if (err != ERR_OK && err != ERR_MISSING) {
		return err;
	}
	*out_secret =
		web_cookie_find(ctx->arena, hs, arrival->cookies, cookie_name(ctx->arena, arrival->state));
	if (err == ERR_MISSING || json_parse(ctx->arena, row.data, NULL, out_data, NULL) != JSON_OK ||
		!crypto_equals(hash_text(ctx->arena, *out_secret),
			json_get_str(out_data, STR("browser")))) {
		return sso_refuse(ctx, SSO_ENDED);
	}
	return ERR_OK;
}

/* --- what it was for -------------------------------------------------------------------------------------- */

static enum err finish_stage(struct ctx *ctx, struct homeserver *hs,
	const struct provider *provider, const struct json *claims, struct str session_text,
	struct sso_result *out)
{
	struct uia_session session;
	struct str hash;
	if (!b64_decode(ctx->arena, session_text, &hash)) {
		return fail_cause(ctx, ERR_INTERNAL, "a session that is no hash");
	}
	TRY(sso_account_find(ctx, hs, provider, claims, &out->user_id));
	enum err err = uia_session_by_hash(ctx, hs, hash, &session);
	if (err == ERR_MISSING ||
		(err == ERR_OK && (out->user_id.p == NULL || !str_equals(session.user_id, out->user_id)))) {
		return sso_refuse(ctx, SSO_OTHER_ACCOUNT);
	}
	TRY(err);
	/* Whoever made the browser come here has not shown that its owner wants it: a button on the page does. */
	struct str ticket = rng_text(&hs->rng, ctx->arena, STATE_CHARS);
	out->is_stage = true;
	out->ticket = ticket;
	return store_secret_insert(ctx, hs->db,
		&(struct secret_row){
			.kind = SECRET_SSO,
			.hash = token_hash(ctx->arena, ticket),
			.user_id = out->user_id,
			.data = session_text,
			.expires_at_ms = clock_wall_ms(&hs->clock) + SSO_LIFETIME_MS,
		});
}

enum err sso_confirm_stage(struct ctx *ctx, struct homeserver *hs, struct str ticket)
{
	struct secret_row row;
	struct uia_session session;
	struct str hash;
	TRY(store_secret_take(ctx, hs->db, SECRET_SSO, token_hash(ctx->arena, ticket),
		clock_wall_ms(&hs->clock), &row));
	if (row.user_id.n == 0 || !b64_decode(ctx->arena, row.data, &hash)) {
		return ERR_MISSING;
	}
	TRY(uia_session_by_hash(ctx, hs, hash, &session));
	if (!str_equals(session.user_id, row.user_id)) {
		return ERR_MISSING;
	}
	return uia_session_complete(ctx, hs, &session, UIA_SSO, NULL);
}

static enum err finish_login(struct ctx *ctx, struct homeserver *hs,
	const struct provider *provider, const struct json *claims, bool is_again,
	struct sso_result *out)
{
	struct login_token login = {.is_again = is_again};
	struct str token;
	TRY(sso_account(ctx, hs, provider, claims, &out->user_id));
	login.user_id = out->user_id;
	TRY(login_token_make(ctx, hs, &login, &token));
	out->url = sso_url_with_token(ctx->arena, out->client, token);
	out->is_trusted = web_page_url_is_below(out->client, sso_own_login_page(ctx->arena, hs)) ||
		web_page_url_is_below(out->client, hs_public_url(ctx->arena, hs, WEB_LOGIN_PATH)) ||
		is_trusted_client(hs->settings.account.sso_clients, out->client);
	return ERR_OK;
}

enum err sso_finish(struct ctx *ctx, struct homeserver *hs, const struct sso_arrival *arrival,
	struct sso_result *out)
{
	struct json data;
	struct json claims;
	struct str secret;
	int64_t again_since_s = 0;
	*out = (struct sso_result){.clear_cookie = web_cookie_set(ctx->arena, hs,
								   cookie_name(ctx->arena, arrival->state), STR(""), 0)};
	TRY(take(ctx, hs, arrival, &data, &secret));
	struct oidc *oidc = find(hs, json_get_str(&data, STR("provider")));
	if (oidc == NULL || arrival->error.p != NULL || arrival->code.n == 0) {
		return sso_refuse(ctx, SSO_PROVIDER_REFUSED);
	}
	(void)!json_get_int(&data, STR("again"), 0, INT64_MAX, &again_since_s);
	struct oidc_attempt attempt = attempt_of(ctx->arena, hs, arrival->state, secret, again_since_s);
	TRY(oidc_claims(ctx, hs, oidc, &attempt, arrival->code, &claims));
	const struct provider *provider = oidc_provider(oidc);
	struct str session = json_get_str(&data, STR("session"));
	out->client = json_get_str(&data, STR("redirect"));
	return session.p != NULL ? finish_stage(ctx, hs, provider, &claims, session, out)
							 : finish_login(ctx, hs, provider, &claims, again_since_s > 0, out);
}
