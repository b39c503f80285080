/*
 * Endpoints of the OAuth 2.0 API: parse, one call, reply. What a client did wrong is told in OAuth's words; what it did not (the database,
 * limits of rate) as everywhere.
 */
#include "homeserver/account/oauth/oauth_routes.h"

#include "homeserver/account/oauth/oauth_id_token.h"
#include "homeserver/account/oauth/oauth_link.h"
#include "homeserver/account/oauth/oauth_registration.h"
#include "homeserver/account/oauth/oauth_token.h"
#include "homeserver/account/oauth/web_register.h"

enum { METADATA_CEILING_BYTES = 32 * 1024, FORM_CEILING_BYTES = 16 * 1024 };

static enum err answer_error(struct call *call, enum err err)
{
	struct fault fault = call->ctx.fault;
	if (err != ERR_INPUT) {
		return err;
	}
	call->ctx.fault = (struct fault){0};
	struct json_out *out =
		reply_json(call, fault.http_status != 0 ? fault.http_status : err_http_status(err));
	json_out_object(out);
	json_out_key_str(out, "error", str_of(fault.errcode));
	json_out_key_str(out, "error_description", fault.text);
	json_out_end(out);
	return ERR_OK;
}

/* --- what there is ---------------------------------------------------------------------------------------------- */

static void write_list(struct json_out *out, const char *key, const char *const *words)
{
	json_out_key(out, str_of(key));
	json_out_array(out);
	for (; *words != NULL; words++) {
		json_out_str(out, str_of(*words));
	}
	json_out_end(out);
}

static void write_endpoint(struct json_out *out, struct call *call, const char *key,
	const char *path)
{
	json_out_key(out, str_of(key));
	json_out_str(out, hs_public_url(call->ctx.arena, hs_of(call), path));
}

static enum err get_metadata(struct call *call)
{
	static const char *const response_types[] = {"code", NULL};
	static const char *const response_modes[] = {"query", "fragment", NULL};
	static const char *const grant_types[] = {"authorization_code", "refresh_token",
		"urn:ietf:params:oauth:grant-type:device_code", NULL};
	static const char *const methods[] = {"S256", NULL};
	static const char *const prompts[] = {"create", NULL};
	static const char *const auth_methods[] = {"none", NULL};
	static const char *const algorithms[] = {"EdDSA", NULL};
	static const char *const subject_types[] = {"public", NULL};
	static const char *const actions[] = {"org.matrix.profile", "org.matrix.devices_list",
		"org.matrix.device_view", "org.matrix.device_delete", "org.matrix.account_deactivate",
		OAUTH_ACTION_CROSS_SIGNING_RESET,
		NULL}; /* of homeserver/manage; others may not stand here */
	TRY(oauth_require_on(&call->ctx, hs_of(call)));
	reply_header(call, "Cache-Control", STR("public, max-age=600"));
	struct json_out *out = reply_json(call, 200);
	json_out_object(out);
	json_out_key_str(out, "issuer", oauth_issuer(call->ctx.arena, hs_of(call)));
	write_endpoint(out, call, "authorization_endpoint", OAUTH_AUTHORIZE_PATH);
	write_endpoint(out, call, "token_endpoint", OAUTH_PATH "/token");
	write_endpoint(out, call, "revocation_endpoint", OAUTH_PATH "/revoke");
	write_endpoint(out, call, "registration_endpoint", OAUTH_PATH "/register");
	write_endpoint(out, call, "device_authorization_endpoint", OAUTH_PATH "/device");
	write_list(out, "response_types_supported", response_types);
	write_list(out, "response_modes_supported", response_modes);
	write_list(out, "grant_types_supported", grant_types);
	write_list(out, "code_challenge_methods_supported", methods);
	write_list(out, "token_endpoint_auth_methods_supported", auth_methods);
	write_list(out, "revocation_endpoint_auth_methods_supported", auth_methods);
	if (web_register_is_on(call->ctx.arena, hs_of(call))) {
		write_list(out, "prompt_values_supported", prompts);
	}
	write_endpoint(out, call, "account_management_uri", OAUTH_ACCOUNT_PATH);
	write_list(out, "account_management_actions_supported", actions);
	json_out_key_bool(out, "authorization_response_iss_parameter_supported", true);
	write_endpoint(out, call, "jwks_uri", OAUTH_PATH "/keys");
	write_list(out, "id_token_signing_alg_values_supported", algorithms);
	write_list(out, "subject_types_supported", subject_types);
	json_out_end(out);
	return ERR_OK;
}

static enum err get_keys(struct call *call)
{
	TRY(oauth_require_on(&call->ctx, hs_of(call)));
	reply_header(call, "Cache-Control", STR("public, max-age=600"));
	struct json_out *out = reply_json(call, 200);
	json_out_object(out);
	oauth_id_keys_write(out, call->ctx.arena, hs_of(call));
	json_out_end(out);
	return ERR_OK;
}

/* --- clients ------------------------------------------------------------------------------------------------------ */

static enum err read_metadata(struct call *call, const struct json **out)
{
	enum err err = call_json(call, out);
	return err == ERR_INPUT ? fail(&call->ctx, ERR_INPUT, OAUTH_INVALID_CLIENT_METADATA,
								  "The body must be a JSON object")
							: err;
}

static enum err register_client(struct call *call, struct str *out_id, struct json *out_kept)
{
	const struct json *metadata;
	TRY(oauth_require_on(&call->ctx, hs_of(call)));
	TRY(read_metadata(call, &metadata));
	return oauth_register(&call->ctx, hs_of(call), metadata, out_id, out_kept);
}

static enum err post_register(struct call *call)
{
	struct str id;
	struct json kept;
	enum err err = register_client(call, &id, &kept);
	if (err != ERR_OK) {
		return answer_error(call, err);
	}
	kept = json_with(call->ctx.arena, &kept, STR("client_id"), json_string(id));
	json_out_value(reply_json(call, 201), &kept);
	return ERR_OK;
}

/* --- tokens -------------------------------------------------------------------------------------------------------- */

/* The parameters of a body. Who has a secret to show is none of our clients. */
static enum err read_form(struct call *call, struct oauth_params *out)
{
	TRY(oauth_require_on(&call->ctx, hs_of(call)));
	if (call_header(call, "Authorization").p != NULL) {
		reply_header(call, "WWW-Authenticate", STR("Basic"));
		return fail_status(&call->ctx, ERR_INPUT, 401, OAUTH_INVALID_CLIENT,
			"Clients of this server have no secret");
	}
	return oauth_params_of_body(call, out);
}

static enum err give_tokens(struct call *call, struct oauth_tokens *out)
{
	struct oauth_params params;
	struct grant_ask from;
	grant_ask_from(call, &from);
	TRY(read_form(call, &params));
	return oauth_tokens_give(&call->ctx, hs_of(call), &params, &from, out);
}

static enum err post_token(struct call *call)
{
	struct oauth_tokens tokens;
	enum err err = give_tokens(call, &tokens);
	if (err != ERR_OK) {
		return answer_error(call, err);
	}
	struct json_out *out = reply_json(call, 200);
	json_out_object(out);
	json_out_key_str(out, "access_token", tokens.grant.access_token);
	json_out_key_str(out, "token_type", STR("Bearer"));
	json_out_key_int(out, "expires_in", tokens.grant.expires_in_ms / 1000);
	json_out_key_str(out, "refresh_token", tokens.grant.refresh_token);
	json_out_key_str(out, "scope", tokens.scope);
	if (tokens.id_token.p != NULL) {
		json_out_key_str(out, "id_token", tokens.id_token);
	}
	json_out_end(out);
	return ERR_OK;
}

static enum err begin_link(struct call *call, struct oauth_link *out)
{
	struct oauth_params params;
	TRY(read_form(call, &params));
	return oauth_link_begin(&call->ctx, hs_of(call), oauth_param(&params, "client_id"),
		oauth_param(&params, "scope"), out);
}

static enum err post_device(struct call *call)
{
	struct oauth_link link;
	enum err err = begin_link(call, &link);
	if (err != ERR_OK) {
		return answer_error(call, err);
	}
	struct json_out *out = reply_json(call, 200);
	json_out_object(out);
	json_out_key_str(out, "device_code", link.device_code);
	json_out_key_str(out, "user_code", link.user_code);
	json_out_key_str(out, "verification_uri", link.url);
	json_out_key_str(out, "verification_uri_complete", link.url_with_code);
	json_out_key_int(out, "expires_in", OAUTH_LINK_LIFETIME_MS / 1000);
	json_out_key_int(out, "interval", OAUTH_LINK_INTERVAL_MS / 1000);
	json_out_end(out);
	return ERR_OK;
}

static enum err revoke(struct call *call)
{
	struct oauth_params params;
	TRY(read_form(call, &params));
	return oauth_revoke(&call->ctx, hs_of(call), oauth_param(&params, "token"));
}

static enum err post_revoke(struct call *call)
{
	enum err err = revoke(call);
	return err != ERR_OK ? answer_error(call, err) : reply_empty(call);
}

/*
 * By address: who begins leaves a row, so that is bounded as log-ins are. Tokens cannot be guessed, and all devices of a school come for new ones
 * every few minutes.
 */
const struct route oauth_routes[] = {
	{"getAuthMetadata", "GET", "/_matrix/client/v1/auth_metadata", AUTH_NONE, LANE_INLINE,
		RATE_NONE, 0, get_metadata},
	{"getAuthMetadataUnstable", "GET", "/_matrix/client/unstable/org.matrix.msc2965/auth_metadata",
		AUTH_NONE, LANE_INLINE, RATE_NONE, 0, get_metadata},
	{"openidConfiguration", "GET", OAUTH_PATH "/.well-known/openid-configuration", AUTH_NONE,
		LANE_INLINE, RATE_NONE, 0, get_metadata},
	{"oauthKeys", "GET", OAUTH_PATH "/keys", AUTH_NONE, LANE_INLINE, RATE_NONE, 0, get_keys},
	{"oauthRegister", "POST", OAUTH_PATH "/register", AUTH_NONE, LANE_LOCAL, RATE_LOGIN,
		METADATA_CEILING_BYTES, post_register},
	{"oauthDevice", "POST", OAUTH_PATH "/device", AUTH_NONE, LANE_LOCAL, RATE_LOGIN,
		FORM_CEILING_BYTES, post_device},
	{"oauthToken", "POST", OAUTH_PATH "/token", AUTH_NONE, LANE_LOCAL, RATE_READ,
		FORM_CEILING_BYTES, post_token},
	{"oauthRevoke", "POST", OAUTH_PATH "/revoke", AUTH_NONE, LANE_LOCAL, RATE_READ,
		FORM_CEILING_BYTES, post_revoke},
};
const size_t oauth_route_count = COUNT_OF(oauth_routes);
