/*
 * Registration. Clients are to register before each log-in; the same metadata is the same row, so that these do not pile up, and the row is
 * touched now and then only. Anybody can register, and as much as they like: what nobody has logged in by is small, and soon gone.
 */
#include "homeserver/account/oauth/oauth_registration.h"

#include "matrix/canonical.h"
#include "storage/oauth.h"
#include "storage/rendezvous.h"

enum { OVER_MS = 60 * 60 * 1000, METADATA_MAX_BYTES = 8 * 1024 };

enum err oauth_register(struct ctx *ctx, struct homeserver *hs, const struct json *metadata,
	struct str *out_id, struct json *out_kept)
{
	struct oauth_metadata_error error;
	if (!oauth_metadata_check(ctx->arena, metadata, out_kept, &error)) {
		return fail(ctx, ERR_INPUT,
			error.is_redirect ? OAUTH_INVALID_REDIRECT_URI : OAUTH_INVALID_CLIENT_METADATA, "%s",
			error.text);
	}
	/* as if it had been used so long ago that it is kept for a day; registered again, it is kept for half a day at least */
	int64_t used_ms =
		clock_wall_ms(&hs->clock) - OAUTH_CLIENT_LIFETIME_MS + OAUTH_NEW_CLIENT_LIFETIME_MS;
	struct str kept = canonical_text(ctx->arena, out_kept);
	if (kept.n > METADATA_MAX_BYTES) {
		return fail(ctx, ERR_INPUT, OAUTH_INVALID_CLIENT_METADATA, "The metadata is too long");
	}
	*out_id = oauth_client_id(ctx->arena, kept);
	return store_oauth_client_register(ctx, hs->db, *out_id, kept, used_ms,
		used_ms - OAUTH_NEW_CLIENT_LIFETIME_MS / 2);
}

enum err oauth_client_load(struct ctx *ctx, struct homeserver *hs, struct str client_id,
	struct oauth_client *out)
{
	struct str metadata;
	if (client_id.p == NULL) {
		return ERR_MISSING;
	}
	TRY(store_oauth_client_find(ctx, hs->db, client_id, &metadata));
	return oauth_client_read(ctx->arena, client_id, metadata, out)
		? ERR_OK
		: fail_cause(ctx, ERR_INTERNAL, "the metadata of an OAuth client is no JSON object");
}

enum err oauth_clean(struct ctx *ctx, struct homeserver *hs)
{
	int64_t now_ms = clock_wall_ms(&hs->clock);
	/* A device is told for a while that its code has ended. */
	TRY(store_oauth_device_grant_delete_old(ctx, hs->db, now_ms - OVER_MS));
	TRY(store_rendezvous_delete_old(ctx, hs->db, now_ms));
	return store_oauth_client_delete_old(ctx, hs->db, now_ms - OAUTH_CLIENT_LIFETIME_MS);
}
