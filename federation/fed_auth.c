/*
 * In the order of what it costs: header, destination, policy, body, key, signature. What the origin claims is believed
 * for the policy only: who lies there is refused by the signature.
 */
#include "federation/fed_auth.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "federation/keyring.h"
#include "federation/policy.h"
#include "federation/processes.h"
#include "http/route.h"
#include "matrix/x_matrix.h"

enum { MAX_HEADER_BYTES = 4096, MAX_DEPTH = 2000 /* see EVENT_MAX_NESTING */ };

static struct metric refused = METRIC_COUNTER("belfry_federation_requests_refused_total",
	"Requests of other servers without a good signature");

struct fed_principal {
	struct server_name origin; /* on the heap */
};

static void release_principal(void *data)
{
	struct fed_principal *principal = data;
	str_free(principal->origin.s);
	mem_free(principal);
}

static void set_principal(struct call *call, struct server_name origin)
{
	struct fed_principal *principal = mem_alloc(sizeof(*principal));
	principal->origin.s = str_heap(origin.s);
	call_set_principal(call, principal, release_principal);
}

struct server_name fed_origin(const struct call *call)
{
	const struct fed_principal *principal = call_principal(call);
	invariant(call->route->auth == AUTH_SERVER && principal != NULL);
	return principal->origin;
}

struct str fed_rate_key(const struct call *call)
{
	const struct fed_principal *principal = call_principal(call);
	return principal != NULL ? principal->origin.s : call_client_network(call);
}

static enum err refuse(struct call *call, const char *text)
{
	metric_add(&refused, 1);
	return fail_status(&call->ctx, ERR_DENIED, 401, M_UNAUTHORIZED, "%s", text);
}

static enum err read_header(struct call *call, struct x_matrix *out)
{
	struct str text = call_header(call, "Authorization");
	if (text.p == NULL) {
		return refuse(call, "The request is not signed");
	}
	if (text.n > MAX_HEADER_BYTES || !x_matrix_parse(call->ctx.arena, text, out)) {
		return refuse(call, "The Authorization header is no X-Matrix signature");
	}
	if (!x_matrix_is_for(out, hs_of(call)->signer.server)) {
		return refuse(call, "The request is meant for another server");
	}
	if (!fed_policy_allows(hs_of(call)->federation, out->origin)) {
		return fed_policy_refuse(&call->ctx, hs_of(call)->federation, out->origin);
	}
	return ERR_OK;
}

/*
 * Parses the body for the handler too: one event in it that is nested too deeply spoils that event alone.
 * @param out  NULL: there is no body
 */
static enum err read_body(struct call *call, const struct json **out)
{
	static const struct json_limits limits = {.max_depth = MAX_DEPTH};
	struct str text = call_body(call);
	*out = NULL;
	if (text.n == 0) {
		return ERR_OK;
	}
	struct json *json = ARENA_NEW(call->ctx.arena, struct json);
	enum json_error error = json_parse(call->ctx.arena, text, &limits, json, NULL);
	if (error != JSON_OK || json->type != JSON_OBJECT) {
		bool is_json = error != JSON_ERROR_SYNTAX;
		return fail(&call->ctx, ERR_INPUT, is_json ? M_BAD_JSON : M_NOT_JSON, "%s",
			error == JSON_OK ? "The body must be a JSON object" : json_error_text(error));
	}
	call_set_json(call, json);
	*out = json;
	return ERR_OK;
}

static enum err check_signature(struct call *call, const struct x_matrix *header,
	const struct json *body, const struct server_key *key)
{
	struct x_matrix_request request = {
		.method = call_method(call),
		.uri = call_raw_target(call),
		.origin = header->origin,
		.destination = hs_of(call)->signer.server,
		.content = body,
	};
	struct str public_key = str_from((const char *)key->public_key, ED25519_PUBLIC_BYTES);
	return x_matrix_verify(call->ctx.arena, header, &request, public_key)
		? ERR_OK
		: refuse(call, "The request's signature is wrong");
}

enum err fed_authenticate(struct call *call)
{
	struct ctx *ctx = &call->ctx;
	struct federation *federation = hs_of(call)->federation;
	TRY(ctx_may_wait(ctx));
	TRY(fed_policy_refresh(ctx, federation));
	struct x_matrix header;
	const struct json *body;
	if (call_principal(call) != NULL) {
		return read_body(call, &body); /* it waited for its turn, or its handler parked it */
	}
	struct server_key key;
	bool waits;
	TRY(read_header(call, &header));
	TRY(read_body(call, &body));
	enum err err =
		keyring_find_for_call(call, federation, header.origin, header.key_id, &key, &waits);
	if (err == ERR_OK && waits) {
		return ERR_DEFER;
	}
	if (err == ERR_MISSING) {
		log_debug(ctx->request_id, "fed.auth.no_key", "origin=%.*s key=%.*s",
			STR_ARG(header.origin.s), STR_ARG(header.key_id));
		return refuse(call, "The key of the request's signature could not be found");
	}
	TRY(err);
	TRY(check_signature(call, &header, body, &key));
	processes_heard_of(federation, header.origin);
	set_principal(call, header.origin);
	return ERR_OK;
}
