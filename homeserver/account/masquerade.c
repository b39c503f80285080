/*
 * A service's sender is one of its users. Whether the service may act as the user is asked with each request, from memory; account and
 * device are kept with the session (session.c) until they change.
 */
#include "homeserver/account/masquerade.h"

#include "base/crypto.h"
#include "http/route.h"
#include "storage/device.h"

/* What a service cannot do for its users: the specification leaves account management out. */
static bool is_account_management(const struct route *route)
{
	static const char *const ids[] = {"changePassword", "deactivateAccount", "add3PID", "post3PIDs",
		"bind3PID", "unbind3pidFromAccount", "delete3pidFromAccount"};
	for (size_t i = 0; i < COUNT_OF(ids); i++) {
		if (str_equals(str_of(route->id), str_of(ids[i]))) {
			return true;
		}
	}
	return false;
}

/* The parameter, or the name that it had before it was specified. */
static struct str device_of(const struct call *call)
{
	struct str device_id = call_query(call, "device_id");
	if (device_id.n == 0) {
		device_id = call_query(call, "org.matrix.msc3202.device_id");
	}
	return device_id.n > 0 ? device_id : (struct str){0};
}

/* Everything that the principal is made of, beside the account. */
static struct str key_of(struct arena *arena, struct str token_hash, const struct masquerade *as)
{
	unsigned char *key = arena_alloc(arena, SHA256_BYTES);
	const struct str parts[] = {token_hash, as->is_rate_exempt ? STR("exempt") : STR("limited"),
		as->service.id, STR("\0"), as->user.s, STR("\0"), as->device_id};
	crypto_sha256(str_concat(arena, parts, COUNT_OF(parts)), key);
	return str_from((const char *)key, SHA256_BYTES);
}

enum err masquerade_read(struct homeserver *hs, struct call *call, struct str token_hash,
	struct masquerade *out)
{
	struct ctx *ctx = &call->ctx;
	const struct appservice_port *port = &hs->ports.appservices;
	struct masquerade as = {.device_id = device_of(call)};
	*out = (struct masquerade){0};
	if (!port->of_token(port->self, ctx->arena, token_hash, &as.service)) {
		return ERR_OK;
	}
	struct str name = call_query(call, "user_id");
	as.user = as.service.sender;
	if (name.n > 0 && !user_id_parse(name, &as.user)) {
		return fail(ctx, ERR_INPUT, M_INVALID_PARAM, "'user_id' is no user id");
	}
	if (!hs_is_local(hs, as.user.s) || !port->has_user(port->self, as.service.id, as.user)) {
		return fail(ctx, ERR_DENIED, M_FORBIDDEN,
			"The application service cannot act as %.*s: that user is not in its namespaces",
			STR_ARG(as.user.s));
	}
	if (is_account_management(call->route)) {
		return fail(ctx, ERR_DENIED, M_FORBIDDEN,
			"Application services cannot manage accounts this way");
	}
	as.is_rate_exempt = !as.service.is_rate_limited || str_equals(as.user.s, as.service.sender.s);
	as.key = key_of(ctx->arena, token_hash, &as);
	*out = as;
	return ERR_OK;
}

enum err masquerade_load(struct ctx *ctx, struct homeserver *hs, const struct masquerade *as,
	struct token_row *out)
{
	struct account_row account;
	struct device_row device = {0};
	enum err err = store_account_find(ctx, hs->db, as->user.s, &account);
	if (err == ERR_MISSING || (err == ERR_OK && account.state == ACCOUNT_DEACTIVATED)) {
		return fail(ctx, ERR_DENIED, M_FORBIDDEN,
			"The application service has not registered %.*s, or it was deactivated",
			STR_ARG(as->user.s));
	}
	TRY(err);
	if (as->device_id.p != NULL) {
		err = str_has_nul(as->device_id)
			? ERR_MISSING
			: store_device_find(ctx, hs->db, as->user.s, as->device_id, &device);
	}
	if (err == ERR_MISSING) {
		return fail(ctx, ERR_INPUT, M_UNKNOWN_DEVICE, "%.*s has no device with this id",
			STR_ARG(as->user.s));
	}
	TRY(err);
	*out = (struct token_row){
		.user_id = as->user.s,
		.device_id = as->device_id,
		.device_came_ms = device.created_at_ms,
		.is_confirmed = true,
		.state = account.state,
		.is_suspended = account.is_suspended,
		.is_admin = account.is_admin,
		.is_guest = account.is_guest,
	};
	return ERR_OK;
}
