/**
 * With which servers this one federates: with all, none, or those on a list.
 */
#ifndef BELFRY_FEDERATION_POLICY_H
#define BELFRY_FEDERATION_POLICY_H

#include "federation/federation.h"

/** Whether the policy lets this server ask, and be asked by, that one. From memory; any thread. */
bool fed_policy_allows(struct federation *federation, struct server_name server);

/** Describes the refusal of a server. @return DENIED 403 M_FORBIDDEN */
enum err fed_policy_refuse(struct ctx *ctx, struct federation *federation,
	struct server_name server);

#endif
