/*
 * identifier.c reads what was written; here an address becomes a user.
 */
#include "homeserver/account/identify.h"

#include "homeserver/account/email/threepid.h"
#include "homeserver/account/identifier.h"

enum err identify(struct ctx *ctx, struct homeserver *hs, const struct json *body,
	struct str *out_user_id)
{
	struct identifier identifier;
	TRY(identifier_read(ctx, body, hs->settings.server_name, &identifier));
	*out_user_id = identifier.user_id;
	return identifier.address.p != NULL
		? threepid_owner(ctx, hs, identifier.medium, identifier.address, out_user_id)
		: ERR_OK;
}
