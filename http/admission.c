/*
 * In the order of what it costs: the address's budget (of homeservers), who asks, the caller's budget, the caller's turn. A request that
 * waits for the last two things comes again as a fresh call, and goes on where it was.
 */
#include "http/admission.h"

#include "base/clock.h"
#include "http/at_once.h"
#include "http/call_state.h"

enum {
	TURN_WAIT_MS = 20 * 1000, /* less than others wait for an answer */
	TURN_RETRY_MS = 2000,
};

/* Errors: LIMIT, if it has to wait */
static enum err check_wait(struct call *call, int64_t wait_ms)
{
	if (wait_ms == 0) {
		return ERR_OK;
	}
	(void)fail(&call->ctx, ERR_LIMIT, "M_LIMIT_EXCEEDED", "Too many requests");
	call->ctx.fault.retry_after_ms = wait_ms;
	return ERR_LIMIT;
}

struct str admission_key(struct call *call)
{
	const struct request *request = call->state->request;
	const struct http_ports *ports = request->server->config.ports;
	return ports != NULL && ports->rate_key != NULL ? ports->rate_key(ports->self, call)
													: request->network;
}

/*
 * Until a homeserver has proven who it is, its address answers for what its requests cost: they are parsed, and keys of whoever they name
 * are fetched. Only what turns out to be nobody's is charged in the end, so that servers behind one address do not hinder one another.
 */
static enum err authenticate_server(struct call *call)
{
	struct request *request = call->state->request;
	struct http_server *server = request->server;
	const struct http_ports *ports = server->config.ports;
	if (server->rates != NULL && !request->is_unproven && call_principal(call) == NULL) {
		TRY(check_wait(call,
			rate_take(server->rates, RATE_UNPROVEN, request->network, 1, clock_mono_us())));
		request->is_unproven = true;
	}
	TRY(ports->authenticate(ports->self, call));
	if (request->is_unproven) {
		rate_give(server->rates, RATE_UNPROVEN, request->network, clock_mono_us());
		request->is_unproven = false;
	}
	return ERR_OK;
}

static enum err authenticate(struct call *call)
{
	struct call_state *state = call->state;
	if (state->is_known) {
		return ERR_OK;
	}
	if (call->route->auth == AUTH_SERVER) {
		TRY(authenticate_server(call));
	} else if (route_asks_who(call->route)) {
		const struct http_ports *ports = state->request->server->config.ports;
		TRY(ports->authenticate(ports->self, call));
	}
	state->is_known = true;
	return ERR_OK;
}

/* The budget of the call's route. NULL: it has none */
static struct rate_table *rates_of(const struct call *call)
{
	return call->route->rate != RATE_NONE ? call->state->request->server->rates : NULL;
}

enum err call_charge(struct call *call, size_t tokens)
{
	struct request *request = call->state->request;
	struct rate_table *rates = rates_of(call);
	if (request->is_charged || rates == NULL) {
		return ERR_OK;
	}
	TRY(check_wait(call,
		rate_take_more(rates, call->route->rate, admission_key(call), tokens, clock_mono_us())));
	request->is_charged = true;
	return ERR_OK;
}

enum err call_take_guess(struct call *call, struct str bucket)
{
	struct rate_table *rates = call->state->request->server->rates;
	return rates != NULL
		? check_wait(call, rate_take(rates, RATE_WRONG_PASSWORD, bucket, 1, clock_mono_us()))
		: ERR_OK;
}

void call_give_guess(struct call *call, struct str bucket)
{
	struct rate_table *rates = call->state->request->server->rates;
	if (rates != NULL) {
		rate_give(rates, RATE_WRONG_PASSWORD, bucket, clock_mono_us());
	}
}

static enum err check_rate(struct call *call)
{
	struct request *request = call->state->request;
	if (request->is_rated) {
		return ERR_OK;
	}
	request->is_rated = true;
	struct rate_table *rates = rates_of(call);
	return rates != NULL
		? check_wait(call,
			  rate_take(rates, call->route->rate, admission_key(call), 1, clock_mono_us()))
		: ERR_OK;
}

/* Waits for its turn without a thread. Errors: DEFER (the call is parked); LIMIT */
static enum err wait_for_turn(struct call *call, struct str key)
{
	struct call_state *state = call->state;
	struct request *request = state->request;
	int64_t now_ms = clock_os_ms();
	bool has_waited = request->turn_until_ms != 0;
	if (!has_waited || now_ms < request->turn_until_ms) {
		request->turn_tag = at_once_tag(call->route->rate, key);
		request->turn_until_ms = has_waited ? request->turn_until_ms : now_ms + TURN_WAIT_MS;
		struct park *park = call_park(call, request->turn_until_ms);
		enum at_once_turn turn = at_once_enter(request->server->at_once, call->route->rate, key,
			has_waited, park, &request->group);
		park_unref(park);
		if (turn == AT_ONCE_WAITS) {
			return ERR_DEFER;
		}
		park_cancel(state->park);
		state->park = NULL;
		if (turn == AT_ONCE_ENTERED) {
			return ERR_OK;
		}
	}
	(void)fail(&call->ctx, ERR_LIMIT, "M_LIMIT_EXCEEDED", "Too many requests at once");
	call->ctx.fault.retry_after_ms = TURN_RETRY_MS;
	return ERR_LIMIT;
}

/* Errors: DEFER (a worker has to look; or the call is parked until others of the same caller are done); LIMIT */
static enum err check_at_once(struct call *call)
{
	struct request *request = call->state->request;
	struct at_once *all = request->server->at_once;
	if (all == NULL || request->group != NULL || !at_once_has_limit(all, call->route->rate)) {
		return ERR_OK;
	}
	struct str key = admission_key(call);
	if (key.n == 0) {
		return ERR_OK; /* exempt */
	}
	bool has_waited = request->turn_until_ms != 0;
	if (at_once_enter(all, call->route->rate, key, has_waited, NULL, &request->group) ==
		AT_ONCE_ENTERED) {
		return ERR_OK;
	}
	return call->ctx.may_not_wait ? ERR_DEFER : wait_for_turn(call, key);
}

enum err admission_check(struct call *call)
{
	TRY(authenticate(call));
	TRY(check_rate(call));
	TRY(check_at_once(call));
	call->state->request->is_admitted = true;
	return ERR_OK;
}
