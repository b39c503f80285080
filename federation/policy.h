/**
 * With which servers this one federates: with all, those on a list, or none. What is configured counts until a command or an
 * administrator says something else; partners that are configured count always. Running servers follow as soon as they are told.
 */
#ifndef BELFRY_FEDERATION_POLICY_H
#define BELFRY_FEDERATION_POLICY_H

#include "federation/federation.h"
#include "matrix/partner.h"

struct policy;

struct policy *policy_create(void);
void policy_destroy(struct policy *policy);

/** Whether the policy lets this server ask, and be asked by, that one. From memory; any thread. Cost: linear in the patterns. */
bool fed_policy_allows(struct federation *federation, struct server_name server);
/** Whether servers may be asked for their keys: members of a partner's room may be of any server. From memory. */
bool fed_policy_allows_keys(struct federation *federation);
/** Describes the refusal of a server. @return DENIED 403 M_FORBIDDEN */
enum err fed_policy_refuse(struct ctx *ctx, struct federation *federation,
	struct server_name server);

/** Reads what is stored, if it changed since; what waits for servers that are allowed now goes out. Errors: STORE. Cost: one round trip, another when it changed. */
MUST_CHECK enum err fed_policy_follow(struct ctx *ctx, struct federation *federation);

/** Others have changed what is stored: it is read before anybody goes by it again. Any thread. */
void fed_policy_changed(struct federation *federation);
/** Reads it if fed_policy_changed() was called since: for who is about to let in or ask. Errors: STORE. Else from memory. */
MUST_CHECK enum err fed_policy_refresh(struct ctx *ctx, struct federation *federation);

/** What counts at the moment. */
struct policy_view {
	enum partner_policy policy;
	bool is_configured; /**< nobody set another */
	const struct partner_rule *rules;
	const bool *are_configured; /**< for each rule */
	size_t count;
};
/** Read from database and configuration, so also for commands. Errors: STORE */
MUST_CHECK enum err fed_policy_read(struct ctx *ctx, struct db *db,
	const struct federation_settings *settings, struct policy_view *out);

/** Changes what is stored. Errors: INPUT M_INVALID_PARAM (no pattern); MISSING M_NOT_FOUND; LIMIT; STORE */
MUST_CHECK enum err fed_policy_put_server(struct ctx *ctx, struct db *db, struct str pattern,
	bool is_allowed);
MUST_CHECK enum err fed_policy_remove_server(struct ctx *ctx, struct db *db, struct str pattern);
/** @param policy  "open", "partners", "closed"; p == NULL: as configured. Errors: INPUT M_INVALID_PARAM; STORE */
MUST_CHECK enum err fed_policy_set(struct ctx *ctx, struct db *db, struct str policy);

#endif
