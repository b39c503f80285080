/*
 * Who knows a session's address may read, write and end it, so the address is as long as a token. An etag is drawn with each message: two
 * that say the same are two.
 */
#include "homeserver/account/oauth/rendezvous.h"

#include "homeserver/account/grant.h"
#include "homeserver/account/oauth/oauth.h"

enum { ID_CHARS = 24, ETAG_CHARS = 16 };

bool rendezvous_is_on(const struct homeserver *hs)
{
	return oauth_is_on(hs) && hs->settings.account.qr_login_is_on;
}

enum err rendezvous_require_on(struct ctx *ctx, const struct homeserver *hs)
{
	return rendezvous_is_on(hs) ? ERR_OK
								: fail(ctx, ERR_MISSING, M_UNRECOGNIZED,
									  "This server does not support signing in by a QR code");
}

/* No row is made for an id that a client has thought up, so any text may be asked for. */
static enum err not_there(struct ctx *ctx)
{
	return fail(ctx, ERR_MISSING, M_NOT_FOUND, "There is no such session, or it has ended");
}

enum err rendezvous_begin(struct ctx *ctx, struct homeserver *hs, struct str payload,
	struct str *out_url, struct rendezvous_row *out)
{
	int64_t now_ms = clock_wall_ms(&hs->clock);
	struct str id = rng_text(&hs->rng, ctx->arena, ID_CHARS);
	*out = (struct rendezvous_row){
		.id_hash = token_hash(ctx->arena, id),
		.etag = rng_text(&hs->rng, ctx->arena, ETAG_CHARS),
		.payload = payload,
		.modified_ms = now_ms,
		.expires_ms = now_ms + RENDEZVOUS_LIFETIME_MS,
	};
	TRY(store_rendezvous_insert(ctx, hs->db, out));
	struct str beginning = hs_public_url(ctx->arena, hs, RENDEZVOUS_PATH "/");
	*out_url = str_printf(ctx->arena, "%.*s%.*s", STR_ARG(beginning), STR_ARG(id));
	return ERR_OK;
}

enum err rendezvous_read(struct ctx *ctx, struct homeserver *hs, struct str id,
	struct rendezvous_row *out)
{
	enum err err = store_rendezvous_find(ctx, hs->db, token_hash(ctx->arena, id),
		clock_wall_ms(&hs->clock), out);
	return err == ERR_MISSING ? not_there(ctx) : err;
}

enum err rendezvous_replace(struct ctx *ctx, struct homeserver *hs, struct str id, struct str etag,
	struct str payload, struct rendezvous_row *out)
{
	*out = (struct rendezvous_row){
		.id_hash = token_hash(ctx->arena, id),
		.etag = rng_text(&hs->rng, ctx->arena, ETAG_CHARS),
		.payload = payload,
		.modified_ms = clock_wall_ms(&hs->clock),
	};
	enum err err = store_rendezvous_replace(ctx, hs->db, etag, out);
	if (err == ERR_CONFLICT) {
		(void)fail_status(ctx, err, 412, M_UNKNOWN, "Another message has come meanwhile");
		ctx->fault.extra = STR(M_CONCURRENT_WRITE_EXTRA);
		return err;
	}
	return err == ERR_MISSING ? not_there(ctx) : err;
}

enum err rendezvous_end(struct ctx *ctx, struct homeserver *hs, struct str id)
{
	enum err err =
		store_rendezvous_delete(ctx, hs->db, token_hash(ctx->arena, id), clock_wall_ms(&hs->clock));
	return err == ERR_MISSING ? not_there(ctx) : err;
}
