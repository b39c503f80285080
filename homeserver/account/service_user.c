/*
 * Names of these users need not follow the rules for those of people: bridges make theirs of what other networks have.
 */
#include "homeserver/account/service_user.h"

#include "homeserver/account/login.h"

/* Printable ASCII, as user ids were before the rules for new ones. */
static bool is_possible(struct user_id user)
{
	struct str localpart = user_id_localpart(user);
	for (size_t i = 0; i < localpart.n; i++) {
		if (localpart.p[i] <= ' ' || (unsigned char)localpart.p[i] > '~') {
			return false;
		}
	}
	return localpart.n > 0;
}

enum err service_user_named(struct ctx *ctx, const struct homeserver *hs,
	const struct appservice_view *service, struct str name, struct user_id *out)
{
	const struct appservice_port *port = &hs->ports.appservices;
	struct user_id user;
	const struct str whole[] = {STR("@"), name, STR(":"), hs->signer.server.s};
	struct str text = str_starts_with(name, STR("@"))
		? str_dup(ctx->arena, name)
		: str_concat(ctx->arena, whole, COUNT_OF(whole));
	if (!user_id_parse(text, &user) || !hs_is_local(hs, text) || !is_possible(user)) {
		return fail(ctx, ERR_INPUT, M_INVALID_USERNAME,
			"That can be no user of %.*s: a name has printable ASCII characters without ':'",
			STR_ARG(hs->signer.server.s));
	}
	if (!port->has_user(port->self, service->id, user)) {
		return fail(ctx, ERR_INPUT, M_EXCLUSIVE,
			"%.*s is not in the application service's namespaces", STR_ARG(user.s));
	}
	*out = user;
	return ERR_OK;
}

enum err service_user_login(struct ctx *ctx, struct homeserver *hs, struct user_id user,
	struct grant_ask *ask, struct grant *out)
{
	ask->user_id = user.s;
	return login_without_proof(ctx, hs, ask, "This user is not registered, or was deactivated",
		out);
}
