/*
 * Who asks: from the token to the principal. A request holds the session that it was authenticated by, so one that waited asks only
 * whether that is still there. So does the next request of its connection that comes with the same headers: its token is the same.
 */
#include "base/metrics.h"
#include "homeserver/account/consent.h"
#include "homeserver/account/grant.h"
#include "homeserver/account/masquerade.h"
#include "homeserver/account/refresh.h"
#include "homeserver/account/session_inner.h"
#include "http/route.h"

static struct metric hits =
	METRIC_COUNTER("belfry_session_hits_total", "Requests whose session was in memory");
static struct metric misses = METRIC_COUNTER("belfry_session_misses_total",
	"Requests whose session was read from the database");

static void release_principal(void *principal)
{
	session_unref(session_of(principal));
}

enum err sessions_refuse(struct ctx *ctx, const char *errcode, const char *text, bool soft)
{
	enum err err = fail_status(ctx, ERR_DENIED, 401, errcode, "%s", text);
	if (soft) {
		ctx->fault.extra = STR("\"soft_logout\":true");
	}
	return err;
}

static enum err refuse_unknown(struct ctx *ctx)
{
	return sessions_refuse(ctx, M_UNKNOWN_TOKEN, "This access token is not valid; log in again",
		false);
}

static bool is_over(const struct homeserver *hs, int64_t expires_at_ms)
{
	return expires_at_ms > 0 && clock_wall_ms(&hs->clock) >= expires_at_ms;
}

/* Reads a session from the database. The first use of a refreshed token ends the tokens before it. */
static enum err load(struct homeserver *hs, struct call *call, struct str key, struct session **out)
{
	struct ctx *ctx = &call->ctx;
	const struct terms_versions required = consent_required(ctx->arena, &hs->settings);
	for (int attempt = 0; attempt < 2; attempt++) {
		uint64_t generation = sessions_generation(hs->sessions);
		struct token_row row;
		enum err err = store_token_find(ctx, hs->db, key, &required, &row);
		if (err == ERR_OK && !row.is_confirmed && !is_over(hs, row.expires_at_ms)) {
			err = refresh_confirm(ctx, hs, row.user_id, row.device_id, row.refresh_hash);
			if (err == ERR_OK) {
				continue; /* that moved the generation: read it again */
			}
		}
		if (err == ERR_MISSING) {
			return refuse_unknown(ctx);
		}
		TRY(err);
		if (row.lacks_terms && !row.is_guest) {
			TRY(consent_tell(ctx, hs, row.user_id));
		}
		*out = session_create(hs, key, &row);
		session_keep(hs, call, *out, generation);
		return ERR_OK;
	}
	return refuse_unknown(ctx);
}

static bool is_log_out(const struct route *route)
{
	struct str id = str_of(route->id);
	return str_equals(id, STR("logout")) || str_equals(id, STR("logout_all"));
}

/* The room that the path names; p == NULL: none. */
static struct str room_of_path(const struct call *call)
{
	static const char *const names[] = {"roomId", "roomIdOrAlias"};
	for (size_t i = 0; i < COUNT_OF(names); i++) {
		if (call_has_path(call, names[i])) {
			return call_path(call, names[i]);
		}
	}
	return (struct str){0};
}

/* Whether the owner of the token may use the route. */
static enum err check(struct homeserver *hs, struct call *call, const struct session *session)
{
	struct ctx *ctx = &call->ctx;
	const struct route *route = call->route;
	if (session->state == ACCOUNT_DEACTIVATED) {
		return refuse_unknown(ctx);
	}
	if (is_over(hs, session->expires_at_ms)) {
		return sessions_refuse(ctx, M_UNKNOWN_TOKEN, "This access token has expired; refresh it",
			true);
	}
	if (session->state == ACCOUNT_LOCKED && !is_log_out(route)) {
		return sessions_refuse(ctx, M_USER_LOCKED, "This account has been locked", true);
	}
	if (session->principal.is_guest && !route_takes_guests(route)) {
		return fail(ctx, ERR_DENIED, M_GUEST_ACCESS_FORBIDDEN, "Guests may not do this");
	}
	if (route->auth == AUTH_ADMIN && !session->principal.is_admin) {
		return fail(ctx, ERR_DENIED, M_FORBIDDEN, "Only server administrators may do this");
	}
	if (route->auth == AUTH_APPSERVICE && session->principal.appservice_id.p == NULL) {
		return fail(ctx, ERR_DENIED, M_FORBIDDEN, "Only application services may do this");
	}
	return route_acts(route) && route->auth != AUTH_USER_RETRACTS
		? consent_require(ctx, hs, &session->principal, room_of_path(call))
		: ERR_OK;
}

/* The token as sent; empty when there is none. */
static struct str token_of(const struct call *call)
{
	struct str header = call_header(call, "Authorization");
	if (header.p == NULL) {
		return call_query(call, "access_token");
	}
	struct str scheme;
	struct str token;
	if (!str_split(str_trim(header), ' ', &scheme, &token) ||
		!str_equals_nocase(scheme, STR("Bearer"))) {
		return (struct str){0};
	}
	return str_trim(token);
}

/* Reads the session of a user as whom an application service acts. */
static enum err load_masquerade(struct homeserver *hs, struct call *call,
	const struct masquerade *as, uint64_t generation, struct session **out)
{
	struct token_row row;
	TRY(masquerade_load(&call->ctx, hs, as, &row));
	*out = session_create(hs, as->key, &row);
	(*out)->principal.appservice_id = str_heap(as->service.id);
	(*out)->principal.is_rate_exempt = as->is_rate_exempt;
	session_keep(hs, call, *out, generation);
	return ERR_OK;
}

/* The session of a token, from memory or the database. */
static enum err find(struct homeserver *hs, struct call *call, struct str key, struct session **out)
{
	uint64_t generation = sessions_generation(hs->sessions);
	struct masquerade as = {0};
	*out = session_find(hs, call, key);
	if (*out == NULL) {
		TRY(masquerade_read(hs, call, key, &as));
		*out = as.service.id.p != NULL ? session_find(hs, call, as.key) : NULL;
	}
	if (*out != NULL) {
		metric_add(&hits, 1);
		return ERR_OK;
	}
	TRY(ctx_may_wait(&call->ctx));
	metric_add(&misses, 1);
	return as.service.id.p != NULL ? load_masquerade(hs, call, &as, generation, out)
								   : load(hs, call, key, out);
}

enum err sessions_appservice(struct homeserver *hs, struct call *call, struct appservice_view *out)
{
	const struct appservice_port *port = &hs->ports.appservices;
	struct str token = token_of(call);
	if (token.n == 0) {
		return sessions_refuse(&call->ctx, M_MISSING_TOKEN,
			"The token of an application service is needed", false);
	}
	return port->of_token(port->self, call->ctx.arena, token_hash(call->ctx.arena, token), out)
		? ERR_OK
		: sessions_refuse(&call->ctx, M_UNKNOWN_TOKEN,
			  "This is not the token of an application service", false);
}

/* Whether a request that waited is still authenticated. What a service may do is asked each time: it costs no database. */
static bool is_still_known(struct homeserver *hs, struct call *call)
{
	struct principal *principal = call_principal(call);
	return principal != NULL && principal->appservice_id.p == NULL &&
		!atomic_load(&session_of(principal)->is_dropped) &&
		!is_over(hs, session_of(principal)->expires_at_ms);
}

enum err sessions_authenticate(struct homeserver *hs, struct call *call)
{
	invariant(call->route->auth != AUTH_SERVER);
	if (is_still_known(hs, call)) {
		return ERR_OK;
	}
	struct principal *last = call_last_principal(call);
	if (last != NULL && session_find_again(hs, call, session_of(last))) {
		metric_add(&hits, 1);
		call_confirm_principal(call);
		return check(hs, call, session_of(last));
	}
	struct str token = token_of(call);
	if (token.n == 0) {
		return call->route->auth == AUTH_OPTIONAL
			? ERR_OK
			: sessions_refuse(&call->ctx, M_MISSING_TOKEN, "An access token is needed", false);
	}
	struct session *session;
	TRY(find(hs, call, token_hash(call->ctx.arena, token), &session));
	if (session->principal.appservice_id.p == NULL &&
		call_header(call, "Authorization").p != NULL) {
		call_set_principal_of_headers(call, &session->principal, release_principal);
	} else {
		call_set_principal(call, &session->principal, release_principal);
	}
	return check(hs, call, session);
}

/* Whether an application service registers a user of its own or logs it in: that is not the address's budget. */
static bool is_service_coming_in(struct homeserver *hs, struct call *call)
{
	enum route_rate rate = call->route->rate;
	const struct appservice_port *port = &hs->ports.appservices;
	struct appservice_view service;
	struct str token =
		rate == RATE_LOGIN || rate == RATE_REGISTER ? token_of(call) : (struct str){0};
	return token.n > 0 &&
		port->of_token(port->self, call->ctx.arena, token_hash(call->ctx.arena, token), &service);
}

struct str sessions_rate_key(struct homeserver *hs, struct call *call)
{
	enum route_rate rate = call->route->rate;
	const struct principal *who = principal_of(call);
	if (who != NULL ? who->is_rate_exempt : is_service_coming_in(hs, call)) {
		return STR("");
	}
	if (who == NULL || rate == RATE_LOGIN || rate == RATE_REGISTER) {
		return call_client_network(call);
	}
	return who->user.s;
}
