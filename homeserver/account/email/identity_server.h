/**
 * Requests to the identity server that the configuration trusts.
 * Spec: identity service API, "Establishing associations"
 */
#ifndef BELFRY_HOMESERVER_ACCOUNT_EMAIL_IDENTITY_SERVER_H
#define BELFRY_HOMESERVER_ACCOUNT_EMAIL_IDENTITY_SERVER_H

#include "homeserver/account/email/threepid.h"

/** Whether `id_server` (host, perhaps with port) is the configured one. Errors: INPUT M_SERVER_NOT_TRUSTED. */
MUST_CHECK enum err identity_server_check(struct ctx *ctx, const struct homeserver *hs,
	struct str id_server);

/**
 * POST /3pid/bind, in the name of the user who has an account there.
 * @param out  medium and address that are published from now on; in the arena
 * Errors: its own (status, errcode and text as it gave them); REMOTE; TIMEOUT
 */
MUST_CHECK enum err identity_server_bind(struct ctx *ctx, struct homeserver *hs, struct str user_id,
	const struct bind_ask *ask, struct threepid_bind_row *out);

/** POST /3pid/unbind, signed by this server. Errors: REMOTE (failed or refused); TIMEOUT. */
MUST_CHECK enum err identity_server_unbind(struct ctx *ctx, struct homeserver *hs,
	struct str user_id, const struct threepid_bind_row *row);

#endif
