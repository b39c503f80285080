/**
 * Why nobody came in by an identity provider, in the languages of the page that says it.
 */
#ifndef BELFRY_HOMESERVER_ACCOUNT_SSO_SSO_REASON_H
#define BELFRY_HOMESERVER_ACCOUNT_SSO_SSO_REASON_H

#include "base/ctx.h"

enum sso_reason {
	SSO_NO_PROVIDER,
	SSO_NO_CLIENT,
	SSO_PROVIDER_AWAY,
	SSO_PROVIDER_UNCLEAR,
	SSO_PROVIDER_REFUSED,
	SSO_NOT_CONFIRMED,
	SSO_ENDED,
	SSO_PAGE_ENDED,
	SSO_OTHER_ACCOUNT,
	SSO_NO_ACCOUNT,
	SSO_NAME_RESERVED,
	SSO_NAME_TAKEN,
	SSO_NO_NAME,
	SSO_UNUSABLE_NAME,
	SSO_DEACTIVATED,
	SSO_LOCKED,
};

/** Fails for that reason. Errors: the reason's: DENIED; MISSING; INPUT; REMOTE */
enum err sso_refuse(struct ctx *ctx, enum sso_reason reason);

/** Says that reason for what has failed already, whose kind and cause stay. */
void sso_explain(struct ctx *ctx, enum sso_reason reason);

/** The Chinese of a text that comes from here; NULL: it does not. Static. */
const char *sso_reason_zh(struct str text);

#endif
