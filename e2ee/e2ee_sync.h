/**
 * What /sync tells of encryption: the ports sync_load and sync_has_more of homeserver/ports.h, where their contracts stand.
 */
#ifndef BELFRY_E2EE_E2EE_SYNC_H
#define BELFRY_E2EE_E2EE_SYNC_H

#include "e2ee/e2ee.h"

/** The port sync_load. */
MUST_CHECK enum err e2ee_sync_load(struct ctx *ctx, struct homeserver *hs,
	const struct e2ee_ask *ask, struct e2ee_news *out);
/** The port sync_has_more. */
bool e2ee_sync_has_more(struct homeserver *hs, const struct e2ee_ask *ask);

#endif
