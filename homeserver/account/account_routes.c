/*
 * Endpoints of accounts: parse, one call, reply.
 */
#include "homeserver/account/account_routes.h"

#include "homeserver/account/accounts.h"
#include "homeserver/account/deactivate.h"
#include "homeserver/account/email/email_proof.h"
#include "homeserver/account/email/threepid.h"
#include "homeserver/account/identifier.h"
#include "homeserver/account/identify.h"
#include "homeserver/account/login.h"
#include "homeserver/account/login_token.h"
#include "homeserver/account/openid.h"
#include "homeserver/account/password.h"
#include "homeserver/account/refresh.h"
#include "homeserver/account/register.h"
#include "homeserver/account/service_user.h"
#include "homeserver/account/shared_secret.h"
#include "homeserver/account/sso/sso.h"
#include "http/memo.h"

/* --- log-in and log-out -------------------------------------------------------------------------------- */

static void write_provider(struct json_out *out, const struct provider *provider)
{
	json_out_object(out);
	json_out_key_str(out, "id", provider->id);
	json_out_key_str(out, "name", provider->name);
	if (provider->icon.n > 0) {
		json_out_key_str(out, "icon", provider->icon);
	}
	if (provider->brand.n > 0) {
		json_out_key_str(out, "brand", provider->brand);
	}
	json_out_end(out);
}

static void write_sso_flow(struct json_out *out, const struct homeserver *hs)
{
	json_out_object(out);
	json_out_key_str(out, "type", STR("m.login.sso"));
	json_out_key_array(out, "identity_providers");
	for (size_t i = 0; i < sso_count(hs); i++) {
		write_provider(out, sso_provider(hs, i));
	}
	json_out_end(out);
	json_out_end(out);
}

static enum err get_login(struct call *call)
{
	struct json_out *out = reply_json(call, 200);
	json_out_object(out);
	json_out_key_array(out, "flows");
	if (hs_of(call)->settings.account.passwords_are_on) {
		json_out_object(out);
		json_out_key_str(out, "type", STR("m.login.password"));
		json_out_end(out);
	}
	json_out_object(out);
	json_out_key_str(out, "type", STR("m.login.token"));
	json_out_key_bool(out, "get_login_token", true);
	json_out_end(out);
	if (sso_is_on(hs_of(call))) {
		write_sso_flow(out, hs_of(call));
	}
	json_out_object(out);
	json_out_key_str(out, "type", STR("m.login.application_service"));
	json_out_end(out);
	json_out_end(out);
	json_out_end(out);
	return ERR_OK;
}

static enum err answer_grant(struct call *call, const struct grant *grant)
{
	struct json_out *out = reply_json(call, 200);
	json_out_object(out);
	grant_write(out, grant);
	json_out_end(out);
	return ERR_OK;
}

static enum err post_login_password(struct call *call, const struct json *body,
	struct grant_ask *ask)
{
	struct homeserver *hs = hs_of(call);
	struct identifier who;
	struct str password;
	struct grant grant;
	TRY(password_check_is_on(&call->ctx, &hs->settings));
	TRY(identify(&call->ctx, hs, body, &who));
	TRY(body_str(call, body, "password", &password));
	TRY(login_with_password(call, &who, password, ask, &grant));
	return answer_grant(call, &grant);
}

static enum err post_login_token(struct call *call, const struct json *body, struct grant_ask *ask)
{
	struct str token;
	struct grant grant;
	TRY(body_str(call, body, "token", &token));
	TRY(login_with_token(&call->ctx, hs_of(call), token, ask, &grant));
	return answer_grant(call, &grant);
}

static enum err post_login_service(struct call *call, const struct json *body,
	struct grant_ask *ask)
{
	struct homeserver *hs = hs_of(call);
	struct appservice_view service;
	const struct json *identifier;
	struct str name;
	struct user_id user;
	struct grant grant;
	TRY(sessions_appservice(hs, call, &service));
	TRY(body_opt_object(call, body, "identifier", &identifier));
	TRY(body_str(call, identifier != NULL ? identifier : body, "user", &name));
	TRY(service_user_named(&call->ctx, hs, &service, name, &user));
	TRY(service_user_login(&call->ctx, hs, user, ask, &grant));
	return answer_grant(call, &grant);
}

static enum err post_login(struct call *call)
{
	const struct json *body;
	struct str type;
	struct grant_ask ask;
	TRY(call_json(call, &body));
	TRY(body_str(call, body, "type", &type));
	TRY(grant_ask_read(call, body, &ask));
	if (str_equals(type, STR("m.login.password"))) {
		return post_login_password(call, body, &ask);
	}
	if (str_equals(type, STR("m.login.token"))) {
		return post_login_token(call, body, &ask);
	}
	if (str_equals(type, STR("m.login.application_service"))) {
		return post_login_service(call, body, &ask);
	}
	return fail(&call->ctx, ERR_INPUT, M_UNKNOWN, "This type of log-in is not known");
}

static enum err post_login_get_token(struct call *call)
{
	struct homeserver *hs = hs_of(call);
	struct uia_proof proof;
	struct str token;
	TRY(uia_require(call, &uia_flows_password, &proof));
	if (!proof.is_complete) {
		return ERR_OK;
	}
	TRY(login_token_make(&call->ctx, hs,
		&(struct login_token){.user_id = principal_of(call)->user.s}, &token));
	struct json_out *out = reply_json(call, 200);
	json_out_object(out);
	json_out_key_str(out, "login_token", token);
	json_out_key_int(out, "expires_in_ms", hs->settings.account.login_token_lifetime_ms);
	json_out_end(out);
	return ERR_OK;
}

static enum err post_logout(struct call *call)
{
	TRY(logout(&call->ctx, hs_of(call), principal_of(call)));
	return reply_empty(call);
}

static enum err post_logout_all(struct call *call)
{
	TRY(logout_all(&call->ctx, hs_of(call), principal_of(call)->user.s));
	return reply_empty(call);
}

static enum err post_refresh(struct call *call)
{
	const struct json *body;
	struct str token;
	struct grant grant;
	TRY(call_json(call, &body));
	TRY(body_str(call, body, "refresh_token", &token));
	TRY(refresh_tokens(&call->ctx, hs_of(call), token, &grant));
	struct json_out *out = reply_json(call, 200);
	json_out_object(out);
	json_out_key_str(out, "access_token", grant.access_token);
	json_out_key_str(out, "refresh_token", grant.refresh_token);
	if (grant.expires_in_ms > 0) {
		json_out_key_int(out, "expires_in_ms", grant.expires_in_ms);
	}
	json_out_end(out);
	return ERR_OK;
}

static enum err get_whoami(struct call *call)
{
	const struct principal *me = principal_of(call);
	struct json_out *out = reply_json(call, 200);
	json_out_object(out);
	json_out_key_str(out, "user_id", me->user.s);
	if (me->device_id.p != NULL) {
		json_out_key_str(out, "device_id", me->device_id);
	}
	json_out_key_bool(out, "is_guest", me->is_guest);
	json_out_end(out);
	return ERR_OK;
}

/* --- registration ------------------------------------------------------------------------------------------ */

/* What a registration asks for. */
struct registration {
	struct str user_id;  /* p == NULL: we choose one */
	struct str password; /* p == NULL: not given */
	bool is_guest;       /* who has the account, and becomes a user */
	bool inhibit_login;
	struct grant_ask ask;
};

/* Whether the name can be had, or, with a guest's token, is that guest's. */
static enum err check_name(struct call *call, struct str guest_token, struct registration *out)
{
	struct homeserver *hs = hs_of(call);
	out->is_guest = guest_token.p != NULL;
	if (!out->is_guest) {
		return account_check_free(&call->ctx, hs->db,
			&(struct account_wish){.user_id = out->user_id, .appservices = &hs->ports.appservices});
	}
	return out->user_id.p != NULL
		? account_check_guest(&call->ctx, hs, guest_token, out->user_id)
		: fail(&call->ctx, ERR_INPUT, M_MISSING_PARAM, "'username' is missing");
}

static enum err read_registration(struct call *call, struct registration *out)
{
	struct homeserver *hs = hs_of(call);
	const struct json *body;
	struct str username;
	struct str guest_token;
	*out = (struct registration){0};
	TRY(call_json(call, &body));
	TRY(body_opt_str(call, body, "username", &username));
	TRY(body_opt_str(call, body, "guest_access_token", &guest_token));
	TRY(body_opt_str(call, body, "password", &out->password));
	TRY(body_opt_bool(call, body, "inhibit_login", false, &out->inhibit_login));
	TRY(grant_ask_read(call, body, &out->ask));
	if (username.p != NULL) {
		TRY(new_user_id(&call->ctx, username, hs->settings.server_name, &out->user_id));
	}
	TRY(check_name(call, guest_token, out));
	if (out->password.p != NULL) {
		TRY(password_check_policy(&call->ctx, &hs->settings, out->password));
	}
	return ERR_OK;
}

/* Makes the account, logs it in unless that is not wanted, and answers. */
static enum err finish_registration(struct call *call, const struct account_wish *wish,
	struct grant_ask *ask, bool inhibit_login)
{
	struct homeserver *hs = hs_of(call);
	struct ctx *ctx = &call->ctx;
	TRY(account_make(ctx, hs->db, &hs->rng, clock_wall_ms(&hs->clock), hs->settings.server_name,
		wish, &ask->user_id));
	if (wish->ends_guesthood) {
		sessions_forget_user(hs, ask->user_id);
	}
	if (!inhibit_login) {
		struct grant grant;
		TRY(grant_open(ctx, hs, ask, &grant));
		return answer_grant(call, &grant);
	}
	struct json_out *out = reply_json(call, 200);
	json_out_object(out);
	json_out_key_str(out, "user_id", ask->user_id);
	json_out_end(out);
	return ERR_OK;
}

/* "all parameters … with the exception of initial_device_display_name MUST BE ignored" */
static enum err register_guest(struct call *call)
{
	const struct json *body;
	struct str display_name;
	if (!hs_of(call)->settings.guests_allowed) {
		return fail(&call->ctx, ERR_DENIED, M_FORBIDDEN, "Guests are not allowed on this server");
	}
	TRY(call_json(call, &body));
	TRY(body_opt_str(call, body, "initial_device_display_name", &display_name));
	TRY(device_name_check(&call->ctx, display_name));
	struct account_wish wish = {.is_guest = true, .appservices = &hs_of(call)->ports.appservices};
	struct grant_ask ask;
	grant_ask_from(call, &ask);
	ask.display_name = display_name;
	return finish_registration(call, &wish, &ask, false);
}

static enum err register_user(struct call *call)
{
	struct homeserver *hs = hs_of(call);
	const struct uia_flows *flows = register_flows(call->ctx.arena, hs);
	struct registration wanted;
	struct uia_proof proof;
	if (flows == NULL) {
		return fail(&call->ctx, ERR_DENIED, M_FORBIDDEN, "Registration is closed on this server");
	}
	TRY(uia_recall_body(call));
	TRY(read_registration(call, &wanted));
	TRY(uia_require(call, flows, &proof));
	if (!proof.is_complete) {
		return ERR_OK;
	}
	if (wanted.password.p == NULL) {
		return fail(&call->ctx, ERR_INPUT, M_MISSING_PARAM, "'password' is missing");
	}
	struct account_wish wish = {
		.user_id = wanted.user_id,
		.ends_guesthood = wanted.is_guest,
		.password_hash = password_make_hash(&call->ctx, &hs->settings, wanted.password),
		.registration_token = proof.evidence.registration_token,
		.email = proof.evidence.email,
		.terms = proof.evidence.terms,
		.appservices = &hs->ports.appservices,
	};
	return finish_registration(call, &wish, &wanted.ask, wanted.inhibit_login);
}

/* Whether registration is open, what names people may have and what they have to accept: all that does not concern a service. */
static enum err register_for_service(struct call *call, const struct json *body)
{
	struct homeserver *hs = hs_of(call);
	struct appservice_view service;
	struct str name;
	struct user_id user;
	bool inhibit_login = false;
	struct grant_ask ask;
	TRY(sessions_appservice(hs, call, &service));
	TRY(body_str(call, body, "username", &name));
	TRY(body_opt_bool(call, body, "inhibit_login", false, &inhibit_login));
	TRY(grant_ask_read(call, body, &ask));
	TRY(service_user_named(&call->ctx, hs, &service, name, &user));
	struct account_wish wish = {.user_id = user.s,
		.appservices = &hs->ports.appservices,
		.appservice_id = service.id};
	TRY(account_check_free(&call->ctx, hs->db, &wish));
	return finish_registration(call, &wish, &ask, inhibit_login);
}

static enum err post_register(struct call *call)
{
	const struct json *body;
	TRY(call_json(call, &body));
	if (str_equals(json_get_str(body, STR("type")), STR("m.login.application_service"))) {
		return register_for_service(call, body);
	}
	struct str kind = call_query(call, "kind");
	if (str_equals(kind, STR("guest"))) {
		return register_guest(call);
	}
	if (kind.p != NULL && !str_equals(kind, STR("user"))) {
		return fail(&call->ctx, ERR_INPUT, M_INVALID_PARAM, "'kind' must be 'user' or 'guest'");
	}
	return register_user(call);
}

static enum err get_register_available(struct call *call)
{
	struct homeserver *hs = hs_of(call);
	struct str username = call_query(call, "username");
	struct account_wish wish = {.appservices = &hs->ports.appservices};
	if (hs->settings.registration_mode == REGISTRATION_CLOSED) {
		return fail(&call->ctx, ERR_DENIED, M_FORBIDDEN, "Registration is closed on this server");
	}
	if (username.p == NULL) {
		return fail(&call->ctx, ERR_INPUT, M_MISSING_PARAM, "'username' is missing");
	}
	TRY(new_user_id(&call->ctx, username, hs->settings.server_name, &wish.user_id));
	TRY(account_check_free(&call->ctx, hs->db, &wish));
	struct json_out *out = reply_json(call, 200);
	json_out_object(out);
	json_out_key_bool(out, "available", true);
	json_out_end(out);
	return ERR_OK;
}

static enum err get_registration_token_validity(struct call *call)
{
	struct homeserver *hs = hs_of(call);
	struct str token = call_query(call, "token");
	bool is_valid = false;
	if (hs->settings.registration_mode == REGISTRATION_CLOSED) {
		return fail(&call->ctx, ERR_DENIED, M_FORBIDDEN, "Registration is closed on this server");
	}
	if (token.p == NULL) {
		return fail(&call->ctx, ERR_INPUT, M_MISSING_PARAM, "'token' is missing");
	}
	TRY(registration_token_is_valid(&call->ctx, hs->db, clock_wall_ms(&hs->clock), token,
		&is_valid));
	struct json_out *out = reply_json(call, 200);
	json_out_object(out);
	json_out_key_bool(out, "valid", is_valid);
	json_out_end(out);
	return ERR_OK;
}

/* --- by shared secret ------------------------------------------------------------------------------------ */

static enum err get_admin_register(struct call *call)
{
	struct str nonce;
	TRY(shared_secret_nonce(&call->ctx, hs_of(call), &nonce));
	struct json_out *out = reply_json(call, 200);
	json_out_object(out);
	json_out_key_str(out, "nonce", nonce);
	json_out_end(out);
	return ERR_OK;
}

static enum err post_admin_register(struct call *call)
{
	struct homeserver *hs = hs_of(call);
	const struct json *body;
	struct shared_secret_ask ask = {0};
	struct grant_ask device;
	struct grant grant;
	grant_ask_from(call, &device);
	TRY(call_json(call, &body));
	TRY(body_str(call, body, "nonce", &ask.nonce));
	TRY(body_str(call, body, "username", &ask.username));
	TRY(body_str(call, body, "password", &ask.password));
	TRY(body_opt_bool(call, body, "admin", false, &ask.is_admin));
	TRY(body_opt_str(call, body, "user_type", &ask.user_type));
	TRY(body_str(call, body, "mac", &ask.mac));
	TRY(shared_secret_register(&call->ctx, hs, &ask, &device.user_id));
	TRY(grant_open(&call->ctx, hs, &device, &grant));
	struct json_out *out = reply_json(call, 200);
	json_out_object(out);
	grant_write(out, &grant);
	json_out_key_str(out, "home_server", hs->settings.server_name.s);
	json_out_end(out);
	return ERR_OK;
}

/* --- password and the end --------------------------------------------------------------------------------- */

/* Whose password it is about: with a token the user who asks, else whoever has the confirmed address. */
static enum err find_owner(struct call *call, const struct uia_proof *proof, struct str *out)
{
	if (principal_of(call) != NULL) {
		*out = principal_of(call)->user.s;
		return ERR_OK;
	}
	TRY(threepid_owner(&call->ctx, hs_of(call), STR("email"), proof->evidence.email, out));
	return out->p != NULL
		? ERR_OK
		: fail(&call->ctx, ERR_DENIED, M_FORBIDDEN, "No account has this address any more");
}

static enum err check_may_change(struct call *call)
{
	const struct principal *who = principal_of(call);
	TRY(password_check_is_on(&call->ctx, &hs_of(call)->settings));
	if (who == NULL && !email_is_on(hs_of(call))) {
		return fail_status(&call->ctx, ERR_DENIED, 401, M_MISSING_TOKEN,
			"An access token is needed");
	}
	return who != NULL && who->is_guest
		? fail(&call->ctx, ERR_DENIED, M_GUEST_ACCESS_FORBIDDEN, "Guests may not do this")
		: ERR_OK;
}

static enum err post_password(struct call *call)
{
	struct homeserver *hs = hs_of(call);
	const struct principal *who = principal_of(call);
	const struct json *body;
	struct str new_password;
	struct str user_id;
	bool logout_others = true;
	struct uia_proof proof;
	TRY(check_may_change(call));
	TRY(uia_recall_body(call));
	TRY(call_json(call, &body));
	TRY(body_str(call, body, "new_password", &new_password));
	TRY(body_opt_bool(call, body, "logout_devices", true, &logout_others));
	TRY(password_check_policy(&call->ctx, &hs->settings, new_password));
	TRY(uia_require(call, who != NULL ? &uia_flows_password : &uia_flows_reset, &proof));
	if (!proof.is_complete) {
		return ERR_OK;
	}
	TRY(find_owner(call, &proof, &user_id));
	TRY(password_change(&call->ctx, hs,
		&(struct password_wish){
			.user_id = user_id,
			.password = new_password,
			.logout_others = logout_others,
			.kept_device = who != NULL ? who->device_id : (struct str){0},
			.claim = who == NULL ? &proof.evidence.claim : NULL,
		}));
	return reply_empty(call);
}

/* How an account is to end. */
struct ending {
	bool erase;
	struct str id_server; /* p == NULL: none is named */
};

/* A proof counts once: what it is for is in the memo from then on. *out is NULL while it is not complete. */
static enum err confirm_end(struct call *call, struct ending **out)
{
	const struct json *body;
	struct uia_proof proof;
	struct ending *ending = ARENA_NEW(call->ctx.arena, struct ending);
	TRY(uia_recall_body(call));
	TRY(call_json(call, &body));
	TRY(body_opt_bool(call, body, "erase", false, &ending->erase));
	TRY(body_opt_str(call, body, "id_server", &ending->id_server));
	TRY(uia_require(call, &uia_flows_password, &proof));
	*out = proof.is_complete ? ending : NULL;
	memo_put(call->ctx.memo, STR("ending"), *out);
	return ERR_OK;
}

static enum err post_deactivate(struct call *call)
{
	enum unbind_result result = UNBIND_SUCCESS;
	call_begin_memo_early(call);
	struct ending *ending = memo_get(call->ctx.memo, STR("ending"));
	if (ending == NULL) {
		TRY(confirm_end(call, &ending));
	}
	if (ending == NULL) {
		return ERR_OK;
	}
	TRY(threepid_unbind_all(&call->ctx, hs_of(call), principal_of(call)->user.s, ending->id_server,
		&result));
	call->ctx.memo = NULL; /* from here on it happens, once */
	TRY(deactivate(&call->ctx, hs_of(call), principal_of(call)->user.s, ending->erase));
	struct json_out *out = reply_json(call, 200);
	json_out_object(out);
	json_out_key_str(out, "id_server_unbind_result", unbind_result_name(result));
	json_out_end(out);
	return ERR_OK;
}

/* --- who somebody is, for other services ------------------------------------------------------------------ */

static enum err post_openid_token(struct call *call)
{
	struct homeserver *hs = hs_of(call);
	const struct json *body;
	struct str token;
	TRY(call_json_optional(call, &body));
	TRY(openid_request(&call->ctx, hs, principal_of(call), call_path(call, "userId"), &token));
	struct json_out *out = reply_json(call, 200);
	json_out_object(out);
	json_out_key_str(out, "access_token", token);
	json_out_key_str(out, "token_type", STR("Bearer"));
	json_out_key_str(out, "matrix_server_name", hs->settings.server_name.s);
	json_out_key_int(out, "expires_in", OPENID_LIFETIME_MS / 1000);
	json_out_end(out);
	return ERR_OK;
}

static enum err get_openid_userinfo(struct call *call)
{
	struct str token = call_query(call, "access_token");
	struct str user_id;
	if (token.p == NULL) {
		return fail_status(&call->ctx, ERR_DENIED, 401, M_MISSING_TOKEN,
			"'access_token' is missing");
	}
	TRY(openid_userinfo(&call->ctx, hs_of(call), token, &user_id));
	struct json_out *out = reply_json(call, 200);
	json_out_object(out);
	json_out_key_str(out, "sub", user_id);
	json_out_end(out);
	return ERR_OK;
}

#define CLIENT "/_matrix/client/(r0|v3)"

const struct route account_routes[] = {
	{"getLoginFlows", "GET", CLIENT "/login", AUTH_NONE, LANE_INLINE, RATE_NONE, 0, get_login},
	{"login", "POST", CLIENT "/login", AUTH_NONE, LANE_SLOW, RATE_LOGIN, 0, post_login},
	{"generateLoginToken", "POST", "/_matrix/client/v1/login/get_token", AUTH_USER, LANE_SLOW,
		RATE_LOGIN, 0, post_login_get_token},
	{"logout", "POST", CLIENT "/logout", AUTH_GUEST, LANE_LOCAL, RATE_WRITE, 0, post_logout},
	{"logout_all", "POST", CLIENT "/logout/all", AUTH_GUEST, LANE_LOCAL, RATE_WRITE, 0,
		post_logout_all},
	{"refresh", "POST", CLIENT "/refresh", AUTH_NONE, LANE_LOCAL, RATE_LOGIN, 0, post_refresh},
	{"getTokenOwner", "GET", CLIENT "/account/whoami", AUTH_GUEST, LANE_INLINE, RATE_READ, 0,
		get_whoami},
	{"register", "POST", CLIENT "/register", AUTH_NONE, LANE_SLOW, RATE_REGISTER, 0, post_register},
	{"checkUsernameAvailability", "GET", CLIENT "/register/available", AUTH_NONE, LANE_LOCAL,
		RATE_REGISTER, 0, get_register_available},
	{"registrationTokenValidity", "GET",
		"/_matrix/client/v1/register/m.login.registration_token/validity", AUTH_NONE, LANE_LOCAL,
		RATE_REGISTER, 0, get_registration_token_validity},
	{"requestOpenIdToken", "POST", CLIENT "/user/{userId}/openid/request_token", AUTH_USER,
		LANE_LOCAL, RATE_WRITE, 0, post_openid_token},
	{"exchangeOpenIdToken", "GET", "/_matrix/federation/v1/openid/userinfo", AUTH_NONE, LANE_LOCAL,
		RATE_READ, 0, get_openid_userinfo},
	{"synapseRegisterNonce", "GET", "/_synapse/admin/v1/register", AUTH_NONE, LANE_INLINE,
		RATE_READ, 0, get_admin_register},
	{"synapseRegister", "POST", "/_synapse/admin/v1/register", AUTH_NONE, LANE_SLOW, RATE_WRITE, 0,
		post_admin_register},
	{"changePassword", "POST", CLIENT "/account/password", AUTH_OPTIONAL, LANE_SLOW, RATE_LOGIN, 0,
		post_password},
	{"deactivateAccount", "POST", CLIENT "/account/deactivate", AUTH_USER, LANE_SLOW, RATE_LOGIN, 0,
		post_deactivate},
};
const size_t account_route_count = COUNT_OF(account_routes);
