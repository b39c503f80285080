/**
 * Cross-signing keys and signatures.
 * Spec: client-server API, "Cross-signing"
 */
#ifndef BELFRY_E2EE_CROSS_SIGNING_H
#define BELFRY_E2EE_CROSS_SIGNING_H

#include "e2ee/e2ee.h"

/** The port e2ee_port.account_ended. */
MUST_CHECK enum err cross_signing_account_ended(struct ctx *ctx, struct homeserver *hs,
	struct str user_id);

#endif
