/*
 * User-interactive authentication. What makes it hold (security.md, row 5.49):
 * a stage counts only when a flow of this endpoint has it; a session is found by its id, its user and the hash of what
 * is asked for, so it cannot be carried to another request; the request that completes a session deletes it, and of two
 * at once only one does.
 */
#include "homeserver/account/uia.h"

#include "base/b64.h"
#include "base/crypto.h"
#include "homeserver/account/grant.h"
#include "homeserver/account/oauth/oauth.h"
#include "homeserver/account/sso/sso.h"
#include "homeserver/account/terms.h"
#include "homeserver/account/uia_stage.h"
#include "http/uri.h"
#include "matrix/canonical.h"
#include "storage/uia.h"

#include <string.h>

enum { SESSION_ID_CHARS = 24, KEPT_BODY_MAX_BYTES = 16 * 1024 };

static const struct str stage_names[UIA_STAGE_COUNT] = {
	[UIA_PASSWORD] = STR_INIT("m.login.password"),
	[UIA_DUMMY] = STR_INIT("m.login.dummy"),
	[UIA_REGISTRATION_TOKEN] = STR_INIT("m.login.registration_token"),
	[UIA_EMAIL] = STR_INIT("m.login.email.identity"),
	[UIA_TERMS] = STR_INIT("m.login.terms"),
	[UIA_SSO] = STR_INIT("m.login.sso"),
	[UIA_OAUTH] = STR_INIT("m.oauth"),
	[UIA_OAUTH_UNSTABLE] = STR_INIT("org.matrix.cross_signing_reset"),
};

/* The second one counts only where there are identity providers. */
static const struct uia_flow owner_flows[] = {
	{.stages = {UIA_PASSWORD}, .count = 1},
	{.stages = {UIA_SSO}, .count = 1},
};
static const struct uia_flow oauth_flow_list[] = {
	{.stages = {UIA_OAUTH}, .count = 1},
	{.stages = {UIA_OAUTH_UNSTABLE}, .count = 1},
};
static const struct uia_flow email_flow = {.stages = {UIA_EMAIL}, .count = 1};

const struct uia_flows uia_flows_password = {.flows = owner_flows, .count = 1};
const struct uia_flows uia_flows_cross_signing = {.flows = owner_flows, .count = 1};
static const struct uia_flows flows_oauth = {.flows = oauth_flow_list, .count = 2};
static const struct uia_flows flows_password_or_sso = {.flows = owner_flows, .count = 2};
static const struct uia_flows flows_sso = {.flows = owner_flows + 1, .count = 1};
const struct uia_flows uia_flows_reset = {.flows = &email_flow,
	.count = 1,
	.email_purpose = EMAIL_PASSWORD};

/* --- stages ------------------------------------------------------------------------------------------ */

bool uia_stage_parse(struct str name, enum uia_stage *out)
{
	for (size_t i = 0; i < UIA_STAGE_COUNT; i++) {
		if (str_equals(name, stage_names[i])) {
			*out = (enum uia_stage)i;
			return true;
		}
	}
	return false;
}

unsigned uia_stages_parse(struct str text)
{
	unsigned stages = 0;
	while (text.n > 0) {
		struct str name;
		enum uia_stage stage;
		(void)str_split(text, ' ', &name, &text);
		if (uia_stage_parse(name, &stage)) {
			stages |= 1U << stage;
		}
	}
	return stages;
}

struct str uia_stages_text(struct arena *arena, unsigned stages)
{
	struct str text = STR("");
	for (size_t i = 0; i < UIA_STAGE_COUNT; i++) {
		if ((stages & 1U << i) != 0) {
			text = str_printf(arena, "%.*s%s%.*s", STR_ARG(text), text.n > 0 ? " " : "",
				STR_ARG(stage_names[i]));
		}
	}
	return text;
}

bool uia_is_complete(const struct uia_flows *flows, unsigned completed)
{
	for (size_t i = 0; i < flows->count; i++) {
		size_t done = 0;
		for (size_t j = 0; j < flows->flows[i].count; j++) {
			done += (completed & 1U << flows->flows[i].stages[j]) != 0;
		}
		if (done == flows->flows[i].count) {
			return true;
		}
	}
	return false;
}

bool uia_has_stage(const struct uia_flows *flows, enum uia_stage stage)
{
	for (size_t i = 0; i < flows->count; i++) {
		for (size_t j = 0; j < flows->flows[i].count; j++) {
			if (flows->flows[i].stages[j] == stage) {
				return true;
			}
		}
	}
	return false;
}

bool uia_is_next(const struct uia_flows *flows, unsigned completed, enum uia_stage stage)
{
	for (size_t i = 0; i < flows->count; i++) {
		const struct uia_flow *flow = &flows->flows[i];
		size_t first_open = 0;
		while (first_open < flow->count && (completed & 1U << flow->stages[first_open]) != 0) {
			first_open++;
		}
		if (first_open < flow->count && flow->stages[first_open] == stage) {
			return true;
		}
	}
	return false;
}

struct str uia_binding(struct arena *arena, struct str method, struct str path,
	const struct json *body)
{
	struct json without = json_without(arena, body, STR("auth"));
	struct str text = canonical_text(arena, &without);
	struct str whole = str_printf(arena, "%.*s %.*s\n", STR_ARG(method), STR_ARG(path));
	char *both = arena_alloc(arena, whole.n + text.n + 1);
	memcpy(both, whole.p, whole.n);
	memcpy(both + whole.n, text.p, text.n);
	return token_hash(arena, str_from(both, whole.n + text.n));
}

/* --- the body that began a session ------------------------------------------------------------------------ */

/*
 * It may hold a password, so it is sealed with the session's id, of which the database has the hash only. An id seals
 * one body, since it is made up for one session.
 */
static void body_key(struct str session_id, unsigned char key[SHA256_BYTES])
{
	_Static_assert(SHA256_BYTES == SEAL_KEY_BYTES, "a hash is used as a key");
	crypto_hmac_sha256(session_id, STR("body that began the session"), key);
}

/* Without `auth`; p == NULL when it is too long to be kept. */
static struct str seal_body(struct arena *arena, struct str session_id, const struct json *body)
{
	unsigned char key[SHA256_BYTES];
	struct json without = json_without(arena, body, STR("auth"));
	struct str text = canonical_text(arena, &without);
	if (text.n > KEPT_BODY_MAX_BYTES) {
		return (struct str){0};
	}
	body_key(session_id, key);
	return crypto_seal(arena, key, text);
}

/* What seal_body() was given, with another `auth`; NULL: not kept. */
static const struct json *open_body(struct arena *arena, struct str session_id, struct str sealed,
	const struct json *auth)
{
	unsigned char key[SHA256_BYTES];
	struct str text;
	struct json first;
	body_key(session_id, key);
	if (!crypto_open(arena, key, sealed, &text) ||
		json_parse(arena, text, NULL, &first, NULL) != JSON_OK) {
		return NULL;
	}
	struct json *whole = ARENA_NEW(arena, struct json);
	*whole = json_with(arena, &first, STR("auth"), *auth);
	return whole;
}

/* --- one request ----------------------------------------------------------------------------------------- */

/* What is known while a request is looked at. */
struct attempt {
	struct call *call;
	struct homeserver *hs;
	const struct uia_flows *flows;
	struct str user_id; /* empty: nobody yet */
	const struct json *body;
	struct str binding;    /* of the body too */
	bool is_stored;        /* the session is in the database */
	struct str session_id; /* when stored */
	struct str session_hash;
	struct str stored_completed; /* text as in the database */
	unsigned completed;
	struct uia_evidence evidence;
	const char *errcode; /* of a failed stage; NULL: none */
	struct str error;
};

static void note_failure(struct attempt *attempt, const char *errcode, struct str error)
{
	attempt->errcode = errcode;
	attempt->error = error;
}

/* Finds a session. Errors: MISSING (no fault text) when there is none that fits; STORE */
static enum err find_session(struct attempt *attempt, struct str session_id)
{
	struct ctx *ctx = &attempt->call->ctx;
	struct str hash = token_hash(ctx->arena, session_id);
	struct uia_row row;
	TRY(store_uia_find(ctx, attempt->hs->db, hash, &row));
	if (row.expires_at_ms <= clock_wall_ms(&attempt->hs->clock) ||
		!str_equals(row.user_id, attempt->user_id) ||
		!crypto_equals(row.binding, attempt->binding)) {
		return ERR_MISSING;
	}
	attempt->is_stored = true;
	attempt->session_id = session_id;
	attempt->session_hash = hash;
	attempt->stored_completed = row.completed;
	attempt->completed = uia_stages_parse(row.completed);
	attempt->evidence = (struct uia_evidence){
		.registration_token = row.registration_token,
		.email = row.email,
		.terms = row.terms,
	};
	return ERR_OK;
}

/* The session that the client names. One that does not fit is as good as none. */
static enum err find_named(struct attempt *attempt, struct str session_id)
{
	enum err err = find_session(attempt, session_id);
	if (err == ERR_MISSING) {
		note_failure(attempt, M_FORBIDDEN,
			STR("This session is not known, has ended or is of another request; use this one"));
		return ERR_OK;
	}
	return err;
}

/*
 * The id of a request's session where the account page completes it: the same for the same request of the same device. So a client that
 * sends it again and again without a session, as those from before the specification do, goes on with the one that the user has seen.
 */
static struct str oauth_session_id(const struct attempt *attempt)
{
	const struct homeserver *hs = attempt->hs;
	struct arena *arena = attempt->call->ctx.arena;
	unsigned char mac[SHA256_BYTES];
	struct str device_id = principal_of(attempt->call)->device_id;
	struct str binding = b64_encode(arena, attempt->binding);
	struct str text = str_printf(arena, "uia %.*s %.*s %.*s", STR_ARG(binding),
		STR_ARG(attempt->user_id), STR_ARG(device_id));
	crypto_hmac_sha256(str_from((const char *)hs->secrets_key, sizeof(hs->secrets_key)), text, mac);
	return b64_encode_url(arena, str_from((const char *)mac, sizeof(mac)));
}

/* Goes on with the session of the same request, when nothing says which. */
static enum err find_same(struct attempt *attempt)
{
	if (attempt->flows != &flows_oauth) {
		return ERR_OK;
	}
	enum err err = find_session(attempt, oauth_session_id(attempt));
	return err == ERR_MISSING ? ERR_OK : err;
}

static struct uia_row row_of(const struct attempt *attempt)
{
	return (struct uia_row){
		.user_id = attempt->user_id,
		.binding = attempt->binding,
		.completed = uia_stages_text(attempt->call->ctx.arena, attempt->completed),
		.registration_token = attempt->evidence.registration_token,
		.email = attempt->evidence.email,
		.terms = attempt->evidence.terms,
		.expires_at_ms = clock_wall_ms(&attempt->hs->clock) + UIA_SESSION_LIFETIME_MS,
	};
}

/* A new session, for a request that has none. */
static enum err make_session(struct attempt *attempt)
{
	struct ctx *ctx = &attempt->call->ctx;
	struct uia_row row = row_of(attempt);
	attempt->session_id = attempt->flows == &flows_oauth
		? oauth_session_id(attempt)
		: rng_text(&attempt->hs->rng, ctx->arena, SESSION_ID_CHARS);
	attempt->session_hash = token_hash(ctx->arena, attempt->session_id);
	row.body = seal_body(ctx->arena, attempt->session_id, attempt->body);
	TRY(store_uia_insert(ctx, attempt->hs->db, attempt->session_hash, &row));
	attempt->is_stored = true;
	return ERR_OK;
}

/* --- the stages ---------------------------------------------------------------------------------------------- */

/* Tries the stage that `auth` names. A failed one is noted for the answer. */
static enum err try_stage(struct attempt *attempt, struct str type, const struct json *auth)
{
	enum uia_stage stage;
	if (!uia_stage_parse(type, &stage) || !uia_has_stage(attempt->flows, stage)) {
		note_failure(attempt, M_FORBIDDEN, STR("This stage is not in any of the flows"));
		return ERR_OK;
	}
	if ((attempt->completed & 1U << stage) != 0) {
		return ERR_OK; /* cannot be tried again */
	}
	if (!uia_is_next(attempt->flows, attempt->completed, stage)) {
		note_failure(attempt, M_FORBIDDEN, STR("Another stage comes before this one"));
		return ERR_OK;
	}
	struct ctx *ctx = &attempt->call->ctx;
	enum err err = uia_stage_run(attempt->call, attempt->flows, stage, auth, &attempt->evidence);
	if (err == ERR_DENIED) {
		note_failure(attempt, ctx->fault.errcode, ctx->fault.text);
		ctx->fault = (struct fault){0};
		return ERR_OK;
	}
	TRY(err);
	attempt->completed |= 1U << stage;
	return ERR_OK;
}

/* Stores what is completed by now, or uses the session up. Both only when nobody else did meanwhile. */
static enum err settle(struct attempt *attempt, bool *out_complete)
{
	struct ctx *ctx = &attempt->call->ctx;
	struct db *db = attempt->hs->db;
	*out_complete = uia_is_complete(attempt->flows, attempt->completed);
	if (!attempt->is_stored) {
		return *out_complete ? ERR_OK : make_session(attempt);
	}
	enum err err = ERR_OK;
	if (*out_complete) {
		err = store_uia_delete(ctx, db, attempt->session_hash);
	} else if (uia_stages_parse(attempt->stored_completed) != attempt->completed) {
		struct uia_row row = row_of(attempt);
		err = store_uia_set_completed(ctx, db, attempt->session_hash, attempt->stored_completed,
			&row);
	}
	if (err != ERR_MISSING) {
		return err;
	}
	*out_complete = false;
	attempt->completed = 0;
	attempt->evidence = (struct uia_evidence){0};
	note_failure(attempt, M_FORBIDDEN, STR("This session was used by another request"));
	return make_session(attempt);
}

/* --- the answer ------------------------------------------------------------------------------------------------ */

static void write_flows(struct json_out *out, const struct uia_flows *flows)
{
	json_out_key_array(out, "flows");
	for (size_t i = 0; i < flows->count; i++) {
		json_out_object(out);
		json_out_key_array(out, "stages");
		for (size_t j = 0; j < flows->flows[i].count; j++) {
			json_out_str(out, stage_names[flows->flows[i].stages[j]]);
		}
		json_out_end(out);
		json_out_end(out);
	}
	json_out_end(out);
}

static void write_completed(struct json_out *out, unsigned completed)
{
	json_out_key_array(out, "completed");
	for (size_t i = 0; i < UIA_STAGE_COUNT; i++) {
		if ((completed & 1U << i) != 0) {
			json_out_str(out, stage_names[i]);
		}
	}
	json_out_end(out);
}

/* Where the user says so: the account page, under both names of the stage. */
static void write_oauth_params(struct json_out *out, const struct attempt *attempt)
{
	struct str url = uia_oauth_url(attempt->call->ctx.arena, attempt->hs, attempt->session_id);
	for (enum uia_stage stage = UIA_OAUTH; stage <= UIA_OAUTH_UNSTABLE; stage++) {
		json_out_key(out, stage_names[stage]);
		json_out_object(out);
		json_out_key_str(out, "url", url);
		json_out_end(out);
	}
}

static void challenge(const struct attempt *attempt)
{
	struct json_out *out = reply_json(attempt->call, 401);
	json_out_object(out);
	if (attempt->errcode != NULL) {
		json_out_key_str(out, "errcode", str_of(attempt->errcode));
		json_out_key_str(out, "error", attempt->error);
	}
	write_flows(out, attempt->flows);
	json_out_key_object(out, "params");
	if (uia_has_stage(attempt->flows, UIA_TERMS)) {
		terms_write_params(out, attempt->call->ctx.arena, &attempt->hs->settings);
	}
	if (uia_has_stage(attempt->flows, UIA_OAUTH)) {
		write_oauth_params(out, attempt);
	}
	json_out_end(out);
	json_out_key_str(out, "session", attempt->session_id);
	write_completed(out, attempt->completed);
	json_out_end(out);
}

/* What `auth` says: both may be absent. */
static enum err read_auth(struct attempt *attempt, const struct json *body,
	const struct json **out_auth, struct str *out_type)
{
	struct call *call = attempt->call;
	struct str session_id = {0};
	*out_type = (struct str){0};
	TRY(body_opt_object(call, body, "auth", out_auth));
	if (*out_auth == NULL) {
		return find_same(attempt);
	}
	TRY(body_opt_str(call, *out_auth, "type", out_type));
	TRY(body_opt_str(call, *out_auth, "session", &session_id));
	return session_id.n > 0 ? find_named(attempt, session_id) : find_same(attempt);
}

static struct str user_of(const struct call *call)
{
	const struct principal *who = principal_of(call);
	return who != NULL ? who->user.s : STR("");
}

static struct str bind(struct call *call, const struct json *body)
{
	struct str path;
	struct str query;
	(void)str_split(call_raw_target(call), '?', &path, &query);
	return uia_binding(call->ctx.arena, call_method(call), path, body);
}

enum err uia_recall_body(struct call *call)
{
	struct arena *arena = call->ctx.arena;
	const struct json *body;
	const struct json *auth;
	struct str session_id;
	struct uia_row row;
	TRY(call_json_optional(call, &body));
	TRY(body_opt_object(call, body, "auth", &auth));
	if (auth == NULL || body->count != 1) {
		return ERR_OK;
	}
	TRY(body_opt_str(call, auth, "session", &session_id));
	if (session_id.n == 0) {
		return ERR_OK;
	}
	enum err err = store_uia_find(&call->ctx, hs_of(call)->db, token_hash(arena, session_id), &row);
	if (err != ERR_OK) {
		return err == ERR_MISSING ? ERR_OK : err;
	}
	const struct json *whole = open_body(arena, session_id, row.body, auth);
	/* whether it is of this user, method and path, and has not ended, uia_require() asks once more */
	if (whole != NULL && str_equals(row.user_id, user_of(call)) &&
		crypto_equals(row.binding, bind(call, whole))) {
		call_set_json(call, whole);
	}
	return ERR_OK;
}

/*
 * "MUST NOT require User-Interactive Authentication when used by an application service": there is no password, and the service's
 * token has shown already that it may be the user.
 */
static bool is_exempt(const struct call *call)
{
	const struct principal *who = principal_of(call);
	return who != NULL && who->appservice_id.p != NULL;
}

/*
 * What the owner of the session can do. "The endpoints that depend on it for authentication can't be used when an access token is obtained
 * with" the OAuth 2.0 API: what they do is done on the account page.
 */
static enum err choose_flows(struct call *call, const struct uia_flows **flows)
{
	const struct homeserver *hs = hs_of(call);
	const struct principal *who = principal_of(call);
	bool is_owner = *flows == &uia_flows_password || *flows == &uia_flows_cross_signing;
	if (who != NULL && who->is_oauth) {
		struct str page = hs_public_url(call->ctx.arena, hs, OAUTH_ACCOUNT_PATH);
		if (*flows != &uia_flows_cross_signing) {
			return fail(&call->ctx, ERR_DENIED, M_FORBIDDEN,
				"This program logged in by OAuth 2.0; do that on the account page: %.*s",
				STR_ARG(page));
		}
		*flows = &flows_oauth;
	} else if (is_owner && sso_is_on(hs)) {
		*flows = hs->settings.account.passwords_are_on ? &flows_password_or_sso : &flows_sso;
	}
	return ERR_OK;
}

enum err uia_require(struct call *call, const struct uia_flows *flows, struct uia_proof *out)
{
	if (is_exempt(call)) {
		*out = (struct uia_proof){.is_complete = true};
		return ERR_OK;
	}
	*out = (struct uia_proof){0};
	const struct json *body;
	const struct json *auth;
	struct str type;
	TRY(call_json_optional(call, &body));
	TRY(choose_flows(call, &flows));
	struct attempt attempt = {
		.call = call,
		.hs = hs_of(call),
		.flows = flows,
		.user_id = user_of(call),
		.body = body,
		.binding = bind(call, body),
	};
	TRY(read_auth(&attempt, body, &auth, &type));
	if (type.p != NULL && attempt.errcode == NULL) {
		TRY(try_stage(&attempt, type, auth));
	}
	TRY(settle(&attempt, &out->is_complete));
	out->evidence = attempt.evidence;
	if (!out->is_complete) {
		challenge(&attempt);
	}
	return ERR_OK;
}

struct str uia_oauth_url(struct arena *arena, const struct homeserver *hs, struct str session_id)
{
	struct str page = hs_public_url(arena, hs, OAUTH_ACCOUNT_PATH);
	struct str session = uri_encode(arena, session_id);
	return str_printf(arena, "%.*s?action=%s&session=%.*s", STR_ARG(page),
		OAUTH_ACTION_CROSS_SIGNING_RESET, STR_ARG(session));
}

/* --- on a page ------------------------------------------------------------------------------------------------- */

enum err uia_session_find(struct ctx *ctx, struct homeserver *hs, struct str id,
	struct uia_session *out)
{
	TRY(uia_session_by_hash(ctx, hs, token_hash(ctx->arena, id), out));
	out->id = id;
	return ERR_OK;
}

enum err uia_session_by_hash(struct ctx *ctx, struct homeserver *hs, struct str hash,
	struct uia_session *out)
{
	struct uia_row row;
	TRY(store_uia_find(ctx, hs->db, hash, &row));
	if (row.expires_at_ms <= clock_wall_ms(&hs->clock)) {
		return ERR_MISSING;
	}
	*out = (struct uia_session){
		.hash = hash,
		.user_id = row.user_id,
		.completed = uia_stages_parse(row.completed),
	};
	return ERR_OK;
}

enum err uia_session_complete(struct ctx *ctx, struct homeserver *hs,
	const struct uia_session *session, enum uia_stage stage, const struct uia_evidence *evidence)
{
	struct uia_row row;
	TRY(store_uia_find(ctx, hs->db, session->hash, &row));
	struct uia_row after = {
		.completed = uia_stages_text(ctx->arena, uia_stages_parse(row.completed) | 1U << stage),
		.registration_token = row.registration_token,
		.email = row.email,
		.terms = row.terms,
	};
	if (evidence != NULL && evidence->registration_token.p != NULL) {
		after.registration_token = evidence->registration_token;
	}
	if (evidence != NULL && evidence->terms.p != NULL) {
		after.terms = evidence->terms;
	}
	return store_uia_set_completed(ctx, hs->db, session->hash, row.completed, &after);
}
