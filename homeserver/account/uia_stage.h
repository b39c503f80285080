/**
 * What each stage of user-interactive authentication asks for.
 * Spec: client-server API, "Authentication types"
 */
#ifndef BELFRY_HOMESERVER_ACCOUNT_UIA_STAGE_H
#define BELFRY_HOMESERVER_ACCOUNT_UIA_STAGE_H

#include "homeserver/account/uia.h"

/**
 * Tries a stage, which is in one of the flows.
 *
 * @param auth      `auth` of the body
 * @param evidence  what the stage finds out is added
 * Errors: DENIED (the stage failed: errcode and text for the answer); INPUT (auth is malformed); STORE
 */
MUST_CHECK enum err uia_stage_run(struct call *call, const struct uia_flows *flows,
	enum uia_stage stage, const struct json *auth, struct uia_evidence *evidence);

/** Whether that is the password of the user whose session it is. Errors: as password_check() */
MUST_CHECK enum err uia_check_password(struct call *call, struct str user_id, struct str password);
/** Errors: DENIED M_UNAUTHORIZED; STORE. */
MUST_CHECK enum err uia_check_registration_token(struct ctx *ctx, struct homeserver *hs,
	struct str token);

#endif
