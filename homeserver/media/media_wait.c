/*
 * Requests for files that are not yet uploaded. A wait stands in the list before the database is asked, so an upload between
 * the two wakes it; it leaves the list when its request ends, however that comes.
 */
#include "base/clock.h"
#include "base/mem.h"
#include "base/vec.h"
#include "homeserver/media/media_inner.h"

struct media_wait {
	struct media *media;
	struct media_wait *next;
	struct media_wait *prev;
	struct str origin;   /* heap */
	struct str media_id; /* heap */
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
	str_free(wait->origin);
	str_free(wait->media_id);
	mem_free(wait);
}

static struct media_wait *wait_of(struct call *call, const struct media_query *query)
{
	struct media_wait *wait = call_kept(call);
	if (wait == NULL) {
		struct homeserver *hs = hs_of(call);
		wait = mem_alloc(sizeof(*wait));
		wait->media = hs->media;
		wait->origin = str_heap(query->origin.s);
		wait->media_id = str_heap(query->media_id);
		wait->deadline_ms = clock_mono_ms(&hs->clock) + query->timeout_ms;
		enter(hs->media, wait);
		call_keep(call, wait, leave);
	}
	return wait;
}

static void park_again(struct call *call, struct media_wait *wait)
{
	struct park *park = call_park(call, wait->deadline_ms);
	lock_take(&wait->media->lock);
	struct park *old = wait->park;
	wait->park = park;
	lock_give(&wait->media->lock);
	if (old != NULL) {
		park_unref(old);
	}
}

enum err media_await(struct call *call, const struct media_query *query, struct media_row *out,
	bool *out_is_parked)
{
	struct homeserver *hs = hs_of(call);
	*out_is_parked = false;
	TRY(media_find(&call->ctx, hs, query, out));
	if (out->sha256.p != NULL) {
		return ERR_OK;
	}
	struct media_wait *wait = wait_of(call, query);
	if (clock_mono_ms(&hs->clock) >= wait->deadline_ms || call_is_stopping(call)) {
		return fail_status(&call->ctx, ERR_TIMEOUT, 504, M_NOT_YET_UPLOADED,
			"The file has not yet been uploaded");
	}
	park_again(call, wait);
	TRY(media_find(&call->ctx, hs, query, out));
	*out_is_parked = out->sha256.p == NULL;
	return ERR_OK;
}

void media_wake(struct media *media, struct server_name origin, struct str media_id)
{
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	VEC(struct park *) parks = {0};
	lock_take(&media->lock);
	for (struct media_wait *wait = media->waits; wait != NULL; wait = wait->next) {
		if (wait->park != NULL && str_equals(wait->media_id, media_id) &&
			str_equals(wait->origin, origin.s)) {
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
