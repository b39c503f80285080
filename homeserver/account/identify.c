/*
 * identifier.c reads what was written; here an address becomes a user.
 */
#include "homeserver/account/identify.h"

#include "homeserver/account/email/threepid.h"

/* The address becomes the one that is looked up, so that all ways to write it are one. */
static enum err find_owner(struct ctx *ctx, struct homeserver *hs, struct identifier *who)
{
	who->address = threepid_canonical(ctx->arena, who->medium, who->address);
	return threepid_owner(ctx, hs, who->medium, who->address, &who->user_id);
}

enum err identify(struct ctx *ctx, struct homeserver *hs, const struct json *body,
	struct identifier *out)
{
	TRY(identifier_read(ctx, body, hs->settings.server_name, out));
	return out->address.p != NULL ? find_owner(ctx, hs, out) : ERR_OK;
}

enum err identify_email(struct ctx *ctx, struct homeserver *hs, struct str address,
	struct identifier *out)
{
	*out = (struct identifier){.medium = STR("email"), .address = address};
	return find_owner(ctx, hs, out);
}
