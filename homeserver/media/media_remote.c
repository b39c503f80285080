/*
 * Copies of other servers' files: fetched once, however many ask, and kept within a budget. The name of a copy's content in
 * the store is made from its bytes and its URI, so nothing else shares it, and it can go without looking who does.
 */
#include <stdatomic.h>
#include <string.h>

#include "base/log.h"
#include "homeserver/media/media_inner.h"
#include "homeserver/media/media_type.h"

enum { TIDY_BATCH = 100, FETCH_MS = 60 * 1000 };
static const int64_t day_ms = INT64_C(24) * 3600 * 1000;

static struct str uri_of(struct arena *arena, struct str origin, struct str media_id)
{
	return str_printf(arena, "mxc://%.*s/%.*s", STR_ARG(origin), STR_ARG(media_id));
}

struct str media_own_name(struct arena *arena, struct str sha256, struct str owner)
{
	unsigned char *name = arena_alloc(arena, SHA256_BYTES);
	struct sha256 *hash = sha256_create();
	sha256_add(hash, sha256);
	sha256_add(hash, owner);
	sha256_end(hash, name);
	sha256_destroy(hash);
	return str_from((const char *)name, SHA256_BYTES);
}

/* --- fetching --------------------------------------------------------------------------------------------------- */

/* Takes what was fetched into the store. */
static enum err keep(struct ctx *ctx, struct homeserver *hs, const struct media_query *query,
	const struct media_fetched *fetched, struct body_file *file, struct media_row *out)
{
	struct media *media = hs->media;
	struct str name = fetched->file_name;
	int64_t now_ms = clock_wall_ms(&hs->clock);
	struct str own = media_own_name(ctx->arena, str_from((const char *)file->sha256, SHA256_BYTES),
		uri_of(ctx->arena, query->origin.s, query->media_id));
	*out = (struct media_row){
		.content_type =
			fetched->content_type.n > 0 ? media_type_clean(fetched->content_type) : (struct str){0},
		.file_name = name.n > 0 && name.n <= MEDIA_NAME_MAX_BYTES ? name : (struct str){0},
		.size_bytes = file->size_bytes,
		.sha256 = own,
		.created_ms = now_ms,
		.is_open = media_is_all_open(hs),
		.is_remote = true,
		.used_ms = now_ms,
	};
	TRY(media->store.keep(media->store.self, ctx, file, own));
	bool was_removed;
	enum err err =
		store_media_insert(ctx, hs->db, query->origin.s, query->media_id, out, &was_removed);
	if (err == ERR_OK && was_removed) {
		/* deleted by an administrator just now */
		err = media->store.keep(media->store.self, ctx, file, own);
	}
	/* Another process has fetched it meanwhile: its row counts. */
	return err == ERR_CONFLICT
		? store_media_find(ctx, hs->db, query->origin.s, query->media_id, out)
		: err;
}

static enum err fetch(struct ctx *ctx, struct homeserver *hs, const struct media_query *query,
	struct media_row *out)
{
	struct media *media = hs->media;
	struct media_fetched fetched = {0};
	struct body_file raw CLEANUP(media_file_discard) = {0};
	struct body_file file CLEANUP(media_file_discard) = {0};
	TRY(media_file_create(ctx, media, &raw));
	TRY(media->ports->fetch(media->ports->self, ctx, query->origin, query->media_id,
		query->timeout_ms, raw.fd, &fetched));
	TRY(media_file_create(ctx, media, &file));
	TRY(media_file_copy(ctx, &raw, fetched.begin, fetched.end, &file));
	TRY(keep(ctx, hs, query, &fetched, &file, out));
	int64_t total = atomic_fetch_add(&media->remote_bytes, out->size_bytes) + out->size_bytes;
	if (total > hs->settings.media.remote_cache_bytes && media_remote_tidy(ctx, hs) != ERR_OK) {
		log_warn(ctx->request_id, "media.tidy_failed", "cause=%.*s", STR_ARG(ctx->fault.cause));
	}
	return ERR_OK;
}

enum err media_remote_await(struct call *call, const struct media_query *query,
	struct media_row *out, bool *out_is_parked)
{
	struct ctx *ctx = &call->ctx;
	struct homeserver *hs = hs_of(call);
	struct media *media = hs->media;
	const struct principal *me = principal_of(call); /* NULL on old endpoints */
	struct media_turn turn = {.key = uri_of(ctx->arena, query->origin.s, query->media_id),
		.user = me != NULL ? me->user.s : call_client_network(call)};
	if (media->ports == NULL) {
		return fail(ctx, ERR_MISSING, M_NOT_FOUND, "There is no such file");
	}
	ctx->fault = (struct fault){0};
	TRY(media_turn_await(call, &media->fetches, &turn, FETCH_MS, out_is_parked));
	if (*out_is_parked) {
		return ERR_OK;
	}
	/* Whoever had the turn before may have fetched it. */
	enum err err = media_find(ctx, hs, query, out);
	if (err == ERR_MISSING && out->sha256.p == NULL) {
		ctx->fault = (struct fault){0};
		err = fetch(ctx, hs, query, out);
	}
	media_turn_end(media, &media->fetches, &turn);
	return err;
}

/* --- keeping --------------------------------------------------------------------------------------------------- */

void media_remote_use(struct ctx *ctx, struct homeserver *hs, const struct media_query *query,
	const struct media_row *row)
{
	int64_t now_ms = clock_wall_ms(&hs->clock);
	if (row->is_remote && now_ms - row->used_ms > day_ms &&
		store_media_set_used(ctx, hs->db, query->origin.s, query->media_id, now_ms) != ERR_OK) {
		log_debug(ctx->request_id, "media.use_not_noted", "cause=%.*s", STR_ARG(ctx->fault.cause));
		ctx->fault = (struct fault){0};
	}
}

static void remove_content(struct ctx *ctx, struct media *media, struct str sha256)
{
	if (media->store.remove(media->store.self, ctx, sha256) != ERR_OK) {
		log_warn(ctx->request_id, "media.content_stays", "sha256=%.*s cause=%.*s",
			STR_ARG(media_hash_text(ctx->arena, sha256)), STR_ARG(ctx->fault.cause));
		ctx->fault = (struct fault){0};
	}
}

/* First the row: nobody finds content that goes. */
static enum err forget(struct ctx *ctx, struct homeserver *hs, const struct media_copy *copy)
{
	struct str *thumbnails;
	size_t count;
	enum err err = store_media_remote_delete(ctx, hs->db, copy->origin, copy->media_id);
	if (err == ERR_MISSING) {
		return ERR_OK; /* another process was first */
	}
	TRY(err);
	TRY(store_thumbnails_delete(ctx, hs->db, copy->sha256, &thumbnails, &count));
	for (size_t i = 0; i < count; i++) {
		if (!str_equals(thumbnails[i], copy->sha256)) {
			remove_content(ctx, hs->media, thumbnails[i]);
		}
	}
	remove_content(ctx, hs->media, copy->sha256);
	return ERR_OK;
}

/* A batch of them. @return in *out_goes_on whether there may be more that have to go */
static enum err forget_oldest(struct ctx *ctx, struct homeserver *hs, int64_t *total,
	bool *out_goes_on)
{
	const struct media_settings *settings = &hs->settings.media;
	int64_t oldest_ms = clock_wall_ms(&hs->clock) - settings->remote_cache_age_ms;
	struct media_copy *copies;
	size_t count;
	TRY(store_media_remote_oldest(ctx, hs->db, TIDY_BATCH, &copies, &count));
	*out_goes_on = false;
	for (size_t i = 0; i < count; i++) {
		const struct media_copy *copy = &copies[i];
		struct media_turn turn = {.key = uri_of(ctx->arena, copy->origin, copy->media_id)};
		bool may_stay = copy->used_ms > oldest_ms && *total <= settings->remote_cache_bytes;
		if (may_stay || !media_turn_try(&hs->media->fetches, &turn)) {
			return ERR_OK; /* one that is being fetched goes another time */
		}
		enum err err = forget(ctx, hs, copy);
		media_turn_end(hs->media, &hs->media->fetches, &turn);
		TRY(err);
		*total -= copy->size_bytes;
	}
	*out_goes_on = count == TIDY_BATCH;
	return ERR_OK;
}

enum err media_remote_tidy(struct ctx *ctx, struct homeserver *hs)
{
	int64_t before;
	bool goes_on = true;
	TRY(store_media_remote_total(ctx, hs->db, &before));
	int64_t total = before;
	while (goes_on) {
		TRY(forget_oldest(ctx, hs, &total, &goes_on));
	}
	atomic_store(&hs->media->remote_bytes, total);
	if (total < before) {
		log_info(ctx->request_id, "media.copies_removed", "bytes=%lld",
			(long long)(before - total));
	}
	return ERR_OK;
}
