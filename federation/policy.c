/*
 * The policy in memory.
 */
#include "federation/policy.h"

bool fed_policy_allows(struct federation *federation, struct server_name server)
{
	(void)federation;
	(void)server;
	return true;
}

enum err fed_policy_refuse(struct ctx *ctx, struct federation *federation,
	struct server_name server)
{
	(void)federation;
	return fail(ctx, ERR_DENIED, M_FORBIDDEN, "This server does not federate with %.*s",
		STR_ARG(server.s));
}
