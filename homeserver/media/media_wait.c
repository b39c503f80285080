/*
 * Requests that wait for a file to be uploaded, or for thumbnails to be made. A wait stands in the list before one looks again,
 * so what happens between the two wakes it; it leaves the list when its request ends, however that comes.
 */
#include "base/clock.h"
#include "base/mem.h"
#include "base/vec.h"
#include "homeserver/media/media_inner.h"

enum { DEFAULT_TIMEOUT_MS = 20000, LONGEST_TIMEOUT_MS = 60000 };

struct media_wait {
	struct media *media;
	struct media_wait *next;
	struct media_wait *prev;
	struct str key;      /* heap */
	int64_t deadline_ms; /* monotonic */
	struct park *park;   /* guarded by media->lock; NULL before the first */
};

static void enter(struct media *media, struct media_wait *wait)
{
	LOCK_SCOPE(&media->lock);
	wait->next = media->waits;
	if (wait->next != NULL) {
		wait->next->prev = wait;
	}
	media->waits = wait;
}

static void leave(void *value)
{
	struct media_wait *wait = value;
	struct media *media = wait->media;
	lock_take(&media->lock);
	if (wait->prev != NULL) {
		wait->prev->next = wait->next;
	} else {
		media->waits = wait->next;
	}
	if (wait->next != NULL) {
		wait->next->prev = wait->prev;
	}
	lock_give(&media->lock);
	if (wait->park != NULL) {
		park_unref(wait->park);
	}
	str_free(wait->key);
	mem_free(wait);
}

static struct media_wait *wait_of(struct call *call, struct str key, int64_t timeout_ms)
{
	struct media_wait *wait = call_kept(call);
	if (wait == NULL || !str_equals(wait->key, key)) {
		struct homeserver *hs = hs_of(call);
		wait = mem_alloc(sizeof(*wait));
		wait->media = hs->media;
		wait->key = str_heap(key);
		wait->deadline_ms = clock_mono_ms(&hs->clock) + timeout_ms;
		enter(hs->media, wait);
		call_keep(call, wait, leave);
	}
	return wait;
}

bool media_park(struct call *call, struct str key, int64_t timeout_ms)
{
	struct homeserver *hs = hs_of(call);
	struct media_wait *wait = wait_of(call, key, timeout_ms);
	if (clock_mono_ms(&hs->clock) >= wait->deadline_ms || call_is_stopping(call)) {
		return false;
	}
	struct park *park = call_park(call, wait->deadline_ms);
	lock_take(&wait->media->lock);
	struct park *old = wait->park;
	wait->park = park;
	lock_give(&wait->media->lock);
	if (old != NULL) {
		park_unref(old);
	}
	return true;
}

void media_wake(struct media *media, struct str key)
{
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	VEC(struct park *) parks = {0};
	lock_take(&media->lock);
	for (struct media_wait *wait = media->waits; wait != NULL; wait = wait->next) {
		if (wait->park != NULL && str_equals(wait->key, key)) {
			park_ref(wait->park);
			VEC_PUSH(arena, &parks, wait->park);
		}
	}
	lock_give(&media->lock);
	for (size_t i = 0; i < parks.n; i++) {
		park_wake(parks.p[i]);
		park_unref(parks.p[i]);
	}
}

/* --- for uploads ---------------------------------------------------------------------------------------------- */

static struct str upload_key(struct arena *arena, struct server_name origin, struct str media_id)
{
	return str_printf(arena, "mxc://%.*s/%.*s", STR_ARG(origin.s), STR_ARG(media_id));
}

void media_wake_for_upload(struct ctx *ctx, struct homeserver *hs, struct server_name origin,
	struct str media_id)
{
	struct str key = upload_key(ctx->arena, origin, media_id);
	media_wake(hs->media, key);
	if (writer_has_peers(hs->writer)) {
		writer_tell(hs->writer, NEWS_MEDIA, key);
	}
}

void media_heard(struct media *media, struct str uri)
{
	media_wake(media, uri);
}

enum err media_read_timeout(struct call *call, int64_t *out_ms)
{
	TRY(call_query_int(call, "timeout_ms", 0, INT64_MAX, DEFAULT_TIMEOUT_MS, out_ms));
	*out_ms = MIN_OF(*out_ms, (int64_t)LONGEST_TIMEOUT_MS);
	return ERR_OK;
}

enum err media_await(struct call *call, const struct media_query *query, struct media_row *out,
	bool *out_is_parked)
{
	struct homeserver *hs = hs_of(call);
	bool is_ours = server_name_equals(query->origin, hs->signer.server);
	*out_is_parked = false;
	*out = (struct media_row){0};
	enum err err = media_find(&call->ctx, hs, query, out);
	if (err == ERR_MISSING && !is_ours && query->may_fetch && out->sha256.p == NULL) {
		return media_remote_await(call, query, out, out_is_parked);
	}
	TRY(err);
	if (out->sha256.p != NULL) {
		media_remote_use(&call->ctx, hs, query, out);
		return ERR_OK;
	}
	struct str key = upload_key(call->ctx.arena, query->origin, query->media_id);
	if (!media_park(call, key, query->timeout_ms)) {
		return fail_status(&call->ctx, ERR_TIMEOUT, 504, M_NOT_YET_UPLOADED,
			"The file has not yet been uploaded");
	}
	TRY(media_find(&call->ctx, hs, query, out)); /* it may have come just now */
	*out_is_parked = out->sha256.p == NULL;
	return ERR_OK;
}
