/*
 * A message wakes all who wait in its room, and to nearly all of them the room shows the same. So what was written for one is kept for the
 * others: timeline and state of a span. The same they are to who has been joined all along, ignores nobody, has sent none of it and has the
 * senders' member events, if the span is of nothing but messages that are all shown. What else a room's part has is each user's own.
 */
#include "base/cache.h"
#include "base/mem.h"
#include "base/refc.h"
#include "homeserver/sync/sync_inner.h"

#include <string.h>

enum {
	MEMORY_BYTES = 1 << 20,
	TEXT_CEILING = 64 << 10,
	KEPT_MS = 20, /* so much later an event's age may be told */
};

struct shown_rooms {
	struct cache *texts; /* room number → struct room_shown * of the newest span */
};

/* Immutable. */
struct room_shown {
	struct refc refc;
	int64_t after;
	int64_t up_to;
	bool uses_state_after;
	struct shared_filter *filter; /* counted */
	int64_t made_ms;              /* wall clock */
	struct stored_event **events; /* counted, like the next */
	size_t event_n;
	struct stored_event **members;
	size_t member_n;
	struct str text; /* heap */
};

static void shown_ref(void *value)
{
	struct room_shown *shown = value;
	refc_take(&shown->refc);
}

static void drop_events(struct stored_event **events, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		stored_event_unref(events[i]);
	}
	mem_free(events);
}

static void shown_unref(void *value)
{
	struct room_shown *shown = value;
	if (refc_drop(&shown->refc)) {
		shared_filter_unref(shown->filter);
		drop_events(shown->events, shown->event_n);
		drop_events(shown->members, shown->member_n);
		str_free(shown->text);
		mem_free(shown);
	}
}

struct shown_rooms *shown_rooms_create(void)
{
	struct shown_rooms *rooms = mem_alloc(sizeof(*rooms));
	rooms->texts = cache_create("shown_rooms", MEMORY_BYTES,
		(struct cache_ops){.ref = shown_ref, .unref = shown_unref});
	return rooms;
}

void shown_rooms_destroy(struct shown_rooms *rooms)
{
	if (rooms != NULL) {
		cache_destroy(rooms->texts);
		mem_free(rooms);
	}
}

static struct str key_of(const int64_t *nid)
{
	return str_from((const char *)nid, sizeof(*nid));
}

/* Whether the span may be the same to the user as to others. Who left and came back in it did so by events of it, which are state. */
static bool is_usual(const struct sync_run *run, const struct room_part *part)
{
	return !part->is_left && !part->is_whole && run->ignored.count == 0;
}

/* --- reading -------------------------------------------------------------------------------------------- */

static bool is_of_span(const struct sync_run *run, const struct room_part *part,
	const struct room_shown *shown)
{
	int64_t late_ms = clock_wall_ms(&run->hs->clock) - shown->made_ms;
	return shown->after == part->after && shown->up_to == part->up_to &&
		shown->filter == run->request->shared_filter &&
		shown->uses_state_after == run->request->uses_state_after && late_ms >= 0 &&
		late_ms < KEPT_MS;
}

static bool is_for_user(struct sync_run *run, const struct room_shown *shown)
{
	for (size_t i = 0; i < shown->event_n; i++) {
		if (str_equals(shown->events[i]->event->sender.s, run->who->user.s)) {
			return false;
		}
	}
	for (size_t i = 0; i < shown->member_n; i++) {
		if (!sync_members_has(run, shown->members[i])) {
			return false;
		}
	}
	return true;
}

struct room_shown *sync_shown_find(struct sync_run *run, const struct room_part *part)
{
	const int64_t nid = room_nid(part->room);
	if (!is_usual(run, part)) {
		return NULL;
	}
	struct room_shown *shown = cache_get(run->hs->shown_rooms->texts, key_of(&nid));
	if (shown == NULL) {
		return NULL;
	}
	arena_on_reset(run->ctx->arena, shown_unref, shown);
	return is_of_span(run, part, shown) && is_for_user(run, shown) ? shown : NULL;
}

struct str sync_shown_text(const struct room_shown *shown)
{
	return shown->text;
}

/* --- writing -------------------------------------------------------------------------------------------- */

/* Whether nothing of it is the user's own. */
static bool is_common(const struct sync_run *run, const struct room_part *part)
{
	return is_usual(run, part) && part->timeline.n > 0 && !part->has_skipped &&
		part->state.n == 0 && !part->summary.is_told && event_view_is_common(part->timeline_batch);
}

static struct stored_event **keep_events(const struct event_list *events)
{
	struct stored_event **kept = mem_alloc_array(events->n, sizeof(*kept));
	for (size_t i = 0; i < events->n; i++) {
		kept[i] = events->p[i];
		stored_event_ref(kept[i]);
	}
	return kept;
}

static size_t size_of(const struct room_shown *shown)
{
	size_t size = sizeof(*shown) + shown->text.n;
	for (size_t i = 0; i < shown->event_n; i++) {
		size += shown->events[i]->size_bytes;
	}
	for (size_t i = 0; i < shown->member_n; i++) {
		size += shown->members[i]->size_bytes;
	}
	return size;
}

static struct room_shown *create(const struct sync_run *run, const struct room_part *part,
	struct str text)
{
	struct room_shown *shown = mem_alloc(sizeof(*shown));
	refc_init(&shown->refc);
	shown->after = part->after;
	shown->up_to = part->up_to;
	shown->uses_state_after = run->request->uses_state_after;
	shown->filter = run->request->shared_filter;
	refc_take(&shown->filter->refc);
	shown->made_ms = clock_wall_ms(&run->hs->clock);
	shown->events = keep_events(&part->timeline);
	shown->event_n = part->timeline.n;
	shown->members = keep_events(&part->had_members);
	shown->member_n = part->had_members.n;
	shown->text = str_heap(text);
	return shown;
}

struct room_shown *sync_shown_make(struct sync_run *run, const struct room_part *part)
{
	const int64_t nid = room_nid(part->room);
	if (!is_common(run, part)) {
		return NULL;
	}
	struct buf buf CLEANUP(buf_fini);
	struct json_out out;
	buf_init(&buf, TEXT_CEILING);
	json_out_init(&out, &buf);
	sync_room_write_events(run, part, &out);
	if (!buf_ok(&buf)) {
		return NULL;
	}
	struct room_shown *shown = create(run, part, buf_str(&buf));
	arena_on_reset(run->ctx->arena, shown_unref, shown);
	cache_put(run->hs->shown_rooms->texts, key_of(&nid), shown, size_of(shown));
	return shown;
}
