/*
 * What administrators do to files. A file is deleted by its row; its content stays in the store until nothing refers to it any more, which the
 * row in `media_garbage` decides between the one who removes it and the one who uploads the same at that moment.
 */
#include "homeserver/media/media.h"

#include "base/log.h"
#include "homeserver/media/media_inner.h"

enum {
	GARBAGE_AT_ONCE = 200,
	REMOVED_KEPT_MS = 3600 * 1000 /* longer than an upload's last steps take */
};

static enum err or_missing(struct ctx *ctx, enum err err)
{
	return err == ERR_MISSING ? fail(ctx, ERR_MISSING, M_NOT_FOUND, "There is no such file") : err;
}

enum err media_quarantine(struct ctx *ctx, struct homeserver *hs, struct server_name origin,
	struct str media_id, bool is_quarantined)
{
	return or_missing(ctx, store_media_quarantine(ctx, hs->db, origin.s, media_id, is_quarantined));
}

enum err media_quarantine_user(struct ctx *ctx, struct homeserver *hs, struct str user_id,
	int64_t *out_count)
{
	return store_media_quarantine_user(ctx, hs->db, user_id, out_count);
}

enum err media_delete(struct ctx *ctx, struct homeserver *hs, struct server_name origin,
	struct str media_id)
{
	return or_missing(ctx,
		store_media_delete(ctx, hs->db, origin.s, media_id, clock_wall_ms(&hs->clock)));
}

enum err media_delete_user(struct ctx *ctx, struct homeserver *hs, struct str user_id,
	struct str **out_ids, size_t *out_count)
{
	return store_media_delete_user(ctx, hs->db, user_id, MEDIA_DELETE_AT_ONCE,
		clock_wall_ms(&hs->clock), out_ids, out_count);
}

/*
 * The transaction stays open while the store removes, so that an upload of the same content waits for the end of it. *out_more:
 * there may be another.
 */
static enum err remove_one(struct ctx *ctx, struct homeserver *hs, bool *out_more)
{
	struct str sha256;
	bool is_wanted;
	int64_t now_ms = clock_wall_ms(&hs->clock);
	struct tx *tx CLEANUP(tx_cleanup) = NULL;
	TRY(tx_begin(ctx, hs->db, &tx));
	enum err err = store_media_garbage_take(ctx, tx, now_ms, &sha256, &is_wanted);
	*out_more = err == ERR_OK;
	if (err == ERR_MISSING) {
		return ERR_OK;
	}
	TRY(err);
	if (!is_wanted) {
		TRY(hs->media->store.remove(hs->media->store.self, ctx, sha256));
	}
	TRY(store_media_garbage_done(ctx, tx, sha256, is_wanted, now_ms));
	return tx_commit(ctx, &tx);
}

enum err media_remove_garbage(struct ctx *ctx, struct homeserver *hs)
{
	bool has_more = true;
	size_t n = 0;
	for (; has_more && n < GARBAGE_AT_ONCE; n++) {
		TRY(remove_one(ctx, hs, &has_more));
	}
	size_t done = n - (has_more ? 0 : 1);
	if (done > 0) {
		log_info(0, "media.garbage_removed", "contents=%zu", done);
	}
	return store_media_garbage_forget(ctx, hs->db, clock_wall_ms(&hs->clock) - REMOVED_KEPT_MS);
}
