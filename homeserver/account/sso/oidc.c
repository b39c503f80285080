/*
 * A provider is asked for its documents once an hour. They are kept as text and copied out under the lock: sign-ins are
 * rare, and nothing is shared that way.
 */
#include "homeserver/account/sso/oidc.h"

#include "base/b64.h"
#include "base/crypto.h"
#include "base/lock.h"
#include "base/log.h"
#include "base/mem.h"
#include "homeserver/account/sso/id_token.h"
#include "homeserver/account/sso/sso_reason.h"
#include "homeserver/web_page.h"
#include "http/client.h"
#include "http/uri.h"

enum { DOCUMENT_MAX_BYTES = 256 * 1024, TIMEOUT_MS = 15000, MAX_REDIRECTS = 3 };

/* Fetched text, and when. */
struct document {
	struct str text; /* heap; p == NULL: none yet */
	int64_t at_ms;   /* monotonic */
};

struct oidc {
	const struct provider *provider;
	struct lock lock; /* guards the rest */
	struct document discovery;
	struct document keys;
};

struct oidc *oidc_create(const struct provider *provider)
{
	struct oidc *oidc = mem_alloc(sizeof(*oidc));
	*oidc = (struct oidc){.provider = provider};
	lock_init(&oidc->lock, RANK_LEAF);
	return oidc;
}

void oidc_destroy(struct oidc *oidc)
{
	if (oidc != NULL) {
		str_free(oidc->discovery.text);
		str_free(oidc->keys.text);
		lock_fini(&oidc->lock);
		mem_free(oidc);
	}
}

const struct provider *oidc_provider(const struct oidc *oidc)
{
	return oidc->provider;
}

/* --- asking the provider ------------------------------------------------------------------------------------ */

static bool is_secure(const struct oidc *oidc)
{
	return str_starts_with(oidc->provider->issuer, STR("https://"));
}

static enum err refuse_answer(struct ctx *ctx, const char *what)
{
	enum err err = sso_refuse(ctx, SSO_PROVIDER_UNCLEAR);
	ctx->fault.cause = str_of(what);
	return err;
}

/* A JSON object from the provider. */
static enum err fetch_json(struct ctx *ctx, struct homeserver *hs, const struct oidc *oidc,
	struct fetch *fetch, struct json *out, int *out_status)
{
	struct fetched answer;
	fetch->answer_ceiling_bytes = DOCUMENT_MAX_BYTES;
	fetch->timeout_ms = TIMEOUT_MS;
	fetch->is_https_only = is_secure(oidc);
	enum err err = http_client_fetch(ctx, hs->http_client, fetch, &answer);
	if (err != ERR_OK) {
		sso_explain(ctx, SSO_PROVIDER_AWAY);
		return err;
	}
	*out_status = answer.status;
	if (json_parse(ctx->arena, answer.body, NULL, out, NULL) != JSON_OK ||
		out->type != JSON_OBJECT) {
		return refuse_answer(ctx, "no JSON object");
	}
	return ERR_OK;
}

/* A document that is kept: a copy of it, when it is young enough. */
static bool kept(struct ctx *ctx, struct homeserver *hs, struct oidc *oidc,
	const struct document *document, int64_t lifetime_ms, struct json *out)
{
	struct str text = {0};
	lock_take(&oidc->lock);
	if (document->text.p != NULL && clock_mono_ms(&hs->clock) - document->at_ms < lifetime_ms) {
		text = str_dup(ctx->arena, document->text);
	}
	lock_give(&oidc->lock);
	return text.p != NULL && json_parse(ctx->arena, text, NULL, out, NULL) == JSON_OK;
}

static enum err load(struct ctx *ctx, struct homeserver *hs, struct oidc *oidc, struct str url,
	struct document *document, struct json *out)
{
	int status;
	struct fetch fetch = {.method = "GET", .url = url, .redirects_allowed = MAX_REDIRECTS};
	TRY(fetch_json(ctx, hs, oidc, &fetch, out, &status));
	if (status != 200) {
		return refuse_answer(ctx, "a document with another status than 200");
	}
	struct str text = str_heap(json_raw(out));
	lock_take(&oidc->lock);
	str_free(document->text);
	*document = (struct document){.text = text, .at_ms = clock_mono_ms(&hs->clock)};
	lock_give(&oidc->lock);
	return ERR_OK;
}

static enum err discover(struct ctx *ctx, struct homeserver *hs, struct oidc *oidc,
	struct json *out)
{
	if (kept(ctx, hs, oidc, &oidc->discovery, OIDC_DOCUMENT_LIFETIME_MS, out)) {
		return ERR_OK;
	}
	struct str issuer = oidc->provider->issuer;
	struct str base = issuer;
	base.n -= str_ends_with(base, STR("/")) ? 1 : 0;
	TRY(load(ctx, hs, oidc,
		str_printf(ctx->arena, "%.*s/.well-known/openid-configuration", STR_ARG(base)),
		&oidc->discovery, out));
	return str_equals(json_get_str(out, STR("issuer")), issuer)
		? ERR_OK
		: refuse_answer(ctx, "the issuer of the document is another one");
}

/* An address of the discovery document; p == NULL when it is none that may be used. */
static struct str endpoint(const struct oidc *oidc, const struct json *document, const char *name)
{
	struct str url = json_get_str(document, str_of(name));
	bool is_good = web_page_url_is_safe(url) &&
		(str_starts_with(url, STR("https://")) ||
			(!is_secure(oidc) && str_starts_with(url, STR("http://"))));
	return is_good ? url : (struct str){0};
}

/* --- sending the browser there ---------------------------------------------------------------------------------- */

struct pair {
	struct str name;
	struct str value;
};

/* "a=b&c=d", in the arena; pairs without value are left out. */
static struct str form(struct arena *arena, const struct pair *pairs, size_t count)
{
	struct buf buf CLEANUP(buf_fini);
	buf_init(&buf, DOCUMENT_MAX_BYTES);
	for (size_t i = 0; i < count; i++) {
		if (pairs[i].value.n > 0) {
			buf_add(&buf, buf.n > 0 ? STR("&") : STR(""));
			buf_add(&buf, pairs[i].name);
			buf_add_byte(&buf, '=');
			buf_add(&buf, uri_encode(arena, pairs[i].value));
		}
	}
	return str_dup(arena, buf_str(&buf));
}

static struct str challenge_of(struct arena *arena, struct str verifier)
{
	unsigned char hash[SHA256_BYTES];
	crypto_sha256(verifier, hash);
	return b64_encode_url(arena, str_from((const char *)hash, sizeof(hash)));
}

/* Whether a list of the discovery document has the word. */
static bool has_word(const struct json *document, const char *name, struct str word)
{
	const struct json *list = json_get(document, str_of(name));
	for (size_t i = 0; json_is(list, JSON_ARRAY) && i < list->count; i++) {
		if (list->items[i].type == JSON_STRING && str_equals(json_text(&list->items[i]), word)) {
			return true;
		}
	}
	return false;
}

/*
 * "OP MUST attempt to actively re-authenticate" whose log-in is older than max_age. prompt=login says the same, but those that do not know the word
 * refuse the whole request, so it is said to those only that name it.
 */
enum err oidc_authorize_url(struct ctx *ctx, struct homeserver *hs, struct oidc *oidc,
	const struct oidc_attempt *attempt, struct str *out)
{
	struct json document;
	TRY(discover(ctx, hs, oidc, &document));
	struct str url = endpoint(oidc, &document, "authorization_endpoint");
	if (url.p == NULL) {
		return refuse_answer(ctx, "no authorization_endpoint");
	}
	const struct pair pairs[] = {
		{STR("response_type"), STR("code")},
		{STR("client_id"), oidc->provider->client_id},
		{STR("redirect_uri"), attempt->redirect_uri},
		{STR("scope"), oidc->provider->scopes},
		{STR("state"), attempt->state},
		{STR("nonce"), attempt->nonce},
		{STR("code_challenge"), challenge_of(ctx->arena, attempt->verifier)},
		{STR("code_challenge_method"), STR("S256")},
		{STR("max_age"), attempt->again_since_s > 0 ? STR("0") : STR("")},
		{STR("prompt"),
			attempt->again_since_s > 0 &&
					has_word(&document, "prompt_values_supported", STR("login"))
				? STR("login")
				: STR("")},
	};
	struct str query = form(ctx->arena, pairs, COUNT_OF(pairs));
	*out = str_printf(ctx->arena, "%.*s%c%.*s", STR_ARG(url),
		str_find_byte(url, '?') != SIZE_MAX ? '&' : '?', STR_ARG(query));
	return ERR_OK;
}

/* --- its coming back ------------------------------------------------------------------------------------------ */

static enum err refuse(struct ctx *ctx, const char *cause)
{
	enum err err = sso_refuse(ctx, SSO_NOT_CONFIRMED);
	log_warn(ctx->request_id, "sso.refused", "cause=%s", cause);
	return err;
}

/* RFC 6749, 2.3.1: id and secret are form-encoded before they are put together. */
static struct str basic_authorization(struct arena *arena, const struct provider *provider)
{
	struct str id = uri_encode(arena, provider->client_id);
	struct str secret = uri_encode(arena, provider->client_secret);
	struct str text =
		b64_encode(arena, str_printf(arena, "%.*s:%.*s", STR_ARG(id), STR_ARG(secret)));
	size_t padding = (4 - text.n % 4) % 4;
	return str_printf(arena, "Basic %.*s%.*s", STR_ARG(text), (int)padding, "==");
}

static enum err exchange(struct ctx *ctx, struct homeserver *hs, struct oidc *oidc,
	const struct oidc_attempt *attempt, struct str url, struct str code, struct json *out)
{
	const struct provider *provider = oidc->provider;
	bool is_basic = provider->client_secret.n > 0 && !provider->secret_in_body;
	int status;
	const struct pair pairs[] = {
		{STR("grant_type"), STR("authorization_code")},
		{STR("code"), code},
		{STR("redirect_uri"), attempt->redirect_uri},
		{STR("code_verifier"), attempt->verifier},
		{STR("client_id"), is_basic ? STR("") : provider->client_id},
		{STR("client_secret"), is_basic ? STR("") : provider->client_secret},
	};
	const struct fetch_header headers[] = {
		{STR("Content-Type"), STR("application/x-www-form-urlencoded")},
		{STR("Accept"), STR("application/json")},
		{STR("Authorization"), is_basic ? basic_authorization(ctx->arena, provider) : STR("")},
	};
	struct fetch fetch = {
		.method = "POST",
		.url = url,
		.headers = headers,
		.header_count = is_basic ? COUNT_OF(headers) : COUNT_OF(headers) - 1,
		.body = form(ctx->arena, pairs, COUNT_OF(pairs)),
	};
	TRY(fetch_json(ctx, hs, oidc, &fetch, out, &status));
	return status == 200 ? ERR_OK : refuse(ctx, "token_endpoint");
}

/* The ID token by the keys that we have, and by new ones when it names one that we have not. */
static enum err check_token(struct ctx *ctx, struct homeserver *hs, struct oidc *oidc,
	const struct json *document, struct str token, const struct id_token_wish *wish,
	struct json *out)
{
	struct json keys;
	struct str url = endpoint(oidc, document, "jwks_uri");
	enum id_token_verdict verdict = ID_TOKEN_UNKNOWN_KEY;
	if (url.p == NULL) {
		return refuse_answer(ctx, "no jwks_uri");
	}
	if (kept(ctx, hs, oidc, &oidc->keys, OIDC_DOCUMENT_LIFETIME_MS, &keys)) {
		verdict = id_token_check(ctx->arena, token, &keys, wish, out);
	}
	if (verdict == ID_TOKEN_UNKNOWN_KEY &&
		!kept(ctx, hs, oidc, &oidc->keys, OIDC_KEYS_PAUSE_MS, &keys)) {
		TRY(load(ctx, hs, oidc, url, &oidc->keys, &keys));
		verdict = id_token_check(ctx->arena, token, &keys, wish, out);
	}
	return verdict == ID_TOKEN_GOOD ? ERR_OK : refuse(ctx, id_token_verdict_name(verdict));
}

/* Adds the claims of the userinfo endpoint that the token has not. */
static enum err complete(struct ctx *ctx, struct homeserver *hs, struct oidc *oidc, struct str url,
	struct str access_token, struct json *claims)
{
	int status;
	struct json info;
	const struct fetch_header headers[] = {
		{STR("Authorization"), str_printf(ctx->arena, "Bearer %.*s", STR_ARG(access_token))},
		{STR("Accept"), STR("application/json")},
	};
	struct fetch fetch = {
		.method = "GET",
		.url = url,
		.headers = headers,
		.header_count = COUNT_OF(headers),
	};
	TRY(fetch_json(ctx, hs, oidc, &fetch, &info, &status));
	if (status != 200 ||
		!str_equals(json_get_str(&info, STR("sub")), json_get_str(claims, STR("sub")))) {
		return refuse(ctx, "userinfo");
	}
	for (size_t i = 0; i < info.count; i++) {
		if (json_get(claims, info.members[i].key) == NULL) {
			*claims = json_with(ctx->arena, claims, info.members[i].key, info.members[i].value);
		}
	}
	return ERR_OK;
}

enum err oidc_claims(struct ctx *ctx, struct homeserver *hs, struct oidc *oidc,
	const struct oidc_attempt *attempt, struct str code, struct json *out)
{
	struct json document;
	struct json answer;
	TRY(discover(ctx, hs, oidc, &document));
	struct str token_url = endpoint(oidc, &document, "token_endpoint");
	struct str info_url = endpoint(oidc, &document, "userinfo_endpoint");
	if (token_url.p == NULL) {
		return refuse_answer(ctx, "no token_endpoint");
	}
	TRY(exchange(ctx, hs, oidc, attempt, token_url, code, &answer));
	struct str access_token = json_get_str(&answer, STR("access_token"));
	const struct id_token_wish wish = {
		.issuer = oidc->provider->issuer,
		.client_id = oidc->provider->client_id,
		.nonce = attempt->nonce,
		.now_s = clock_wall_ms(&hs->clock) / 1000,
		.again_since_s = attempt->again_since_s,
	};
	TRY(check_token(ctx, hs, oidc, &document, json_get_str(&answer, STR("id_token")), &wish, out));
	return info_url.p != NULL && access_token.n > 0
		? complete(ctx, hs, oidc, info_url, access_token, out)
		: ERR_OK;
}
