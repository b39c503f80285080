/**
 * Requests to the identity server that the configuration trusts.
 * Spec: identity service API
 */
#ifndef BELFRY_HOMESERVER_IDENTITY_SERVER_H
#define BELFRY_HOMESERVER_IDENTITY_SERVER_H

#include "homeserver/homeserver.h"
#include "storage/threepid.h"

/*
 * Who calls has asked ctx_may_ask() before; with a memo the call is parked meanwhile (http/memo_fetch.h), without one it holds its thread. Errors
 * of all that ask: the identity server's own refusals (its status, errcode and text; what it says of a token is no word on the client's
 * session here: DENIED M_UNAUTHORIZED); REMOTE; TIMEOUT; DEFER.
 */

/** Whether `id_server` (host, perhaps with port) is the configured one. Errors: INPUT M_SERVER_NOT_TRUSTED. */
MUST_CHECK enum err identity_server_check(struct ctx *ctx, const struct homeserver *hs,
	struct str id_server);

/** An identifier that the identity server has validated, to be published as the user's. */
struct bind_ask {
	struct str id_server;
	struct str id_access_token;
	struct str sid;
	struct str client_secret;
};
/**
 * POST /3pid/bind, in the name of the user who has an account there.
 * @param out  medium and address that are published from now on; in the arena
 */
MUST_CHECK enum err identity_server_bind(struct ctx *ctx, struct homeserver *hs, struct str user_id,
	const struct bind_ask *ask, struct threepid_bind_row *out);

/** POST /3pid/unbind, signed by this server. Errors: REMOTE where it refuses, too. */
MUST_CHECK enum err identity_server_unbind(struct ctx *ctx, struct homeserver *hs,
	struct str user_id, const struct threepid_bind_row *row);

/** Whoever has a mail address or phone number, asked about by a user who has an account there. */
struct threepid_ask {
	struct str id_server;
	struct str id_access_token;
	struct str medium;
	struct str address;
};
/**
 * Whom an identifier means: GET /hash_details, POST /lookup; the address goes out as a hash where the identity server takes one.
 * @param out  p == NULL: it is nobody's; in the arena
 */
MUST_CHECK enum err identity_server_lookup(struct ctx *ctx, struct homeserver *hs,
	const struct threepid_ask *ask, struct user_id *out);

/** What an identity server makes of an invite for somebody unknown. In the arena. */
struct kept_invite {
	struct str token;        /**< letters, digits, . = _ -; at most 255 */
	struct str display_name; /**< of the address, as the room may see it */
	/** At least one object, each with the texts public_key and key_validity_url. */
	const struct json *public_keys;
};
/**
 * POST /store-invite: it writes to the address, and tells the server of who binds it.
 * @param about  object: room, sender and whatever the mail may say of them, as the specification names it; medium and address are added
 */
MUST_CHECK enum err identity_server_keep_invite(struct ctx *ctx, struct homeserver *hs,
	const struct threepid_ask *ask, const struct json *about, struct kept_invite *out);

/**
 * Whether a key that an invite names is still valid, as its `key_validity_url` says: GET with ?public_key=. It may be any identity server,
 * at a public address or below the configured one's.
 * Errors: DENIED M_FORBIDDEN (it is not); REMOTE, TIMEOUT (nothing usable came)
 */
MUST_CHECK enum err identity_server_check_key(struct ctx *ctx, struct homeserver *hs,
	struct str validity_url, struct str public_key);

#endif
