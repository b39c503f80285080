/*
 * What a user hears of device lists. Three sources: keys that changed; in rooms that the user is in, others who came or left; rooms
 * that the user came into or left, with everybody in them.
 *
 * Who came and who left is read from the chain of membership events in the span: whoever was out for a moment may have changed
 * keys meanwhile without anybody hearing of it.
 */
#include "e2ee/device_lists_inner.h"
#include "matrix/str_set.h"
#include "storage/device_list.h"

struct news_run {
	struct ctx *ctx;
	struct homeserver *hs;
	const struct list_span *span;
	int64_t *nids; /* of the rooms that are joined, sorted; NULL until somebody asks */
	size_t nid_n;
	struct user_list changed;
	struct user_list gone; /* perhaps: they may share another room */
};

/* What somebody was in a room since the beginning of the span. */
struct member_past {
	bool is_in;
	bool was_in;
	bool was_out;
};

static bool is_join(const struct stored_event *event)
{
	return str_equals(event_membership(event->event), STR("join"));
}

static enum err look_back(struct news_run *run, struct room *room, struct stored_event *newest,
	struct member_past *out)
{
	struct stored_event *event = newest;
	*out = (struct member_past){.is_in = is_join(newest)};
	while (event->position > run->span->since) {
		struct stored_event *before;
		TRY(room_replaced(run->ctx, run->hs, room, event, &before));
		if (before == NULL) {
			out->was_out = true;
			return ERR_OK;
		}
		*(is_join(before) ? &out->was_in : &out->was_out) = true;
		event = before;
	}
	return ERR_OK;
}

static enum err add_members(struct news_run *run, struct room *room, int64_t position,
	struct user_list *out)
{
	const struct state_query query = {.only_members = true, .without_events = true};
	struct state_item *items;
	size_t n;
	TRY(room_state_list(run->ctx, run->hs, room, position, &query, &items, &n));
	for (size_t i = 0; i < n; i++) {
		if (str_equals(items[i].membership, STR("join")) &&
			!str_equals(items[i].state_key, run->span->user_id)) {
			VEC_PUSH(run->ctx->arena, out, items[i].state_key);
		}
	}
	return ERR_OK;
}

static enum err look_at_member(struct news_run *run, struct room *room,
	const struct state_item *item)
{
	struct member_past past;
	TRY(look_back(run, room, item->event, &past));
	if (str_equals(item->state_key, run->span->user_id)) {
		if (!past.is_in || !past.was_out) {
			return ERR_OK;
		}
		VEC_PUSH(run->ctx->arena, &run->changed, item->state_key); /* the user's other devices */
		return add_members(run, room, run->span->up_to, &run->changed);
	}
	if (past.is_in && past.was_out) {
		VEC_PUSH(run->ctx->arena, &run->changed, item->state_key);
	} else if (!past.is_in && past.was_in) {
		VEC_PUSH(run->ctx->arena, &run->gone, item->state_key);
	}
	return ERR_OK;
}

/* A room that the user is in. */
static enum err look_inside(struct news_run *run, const struct user_room *entry)
{
	const struct list_span *span = run->span;
	struct room *room = entry->room;
	struct state_item *items;
	size_t n;
	if (room_last_position(entry->room) <= span->since) {
		return ERR_OK;
	}
	TRY(rooms_load(run->ctx, run->hs, room));
	int64_t whole_at = room_whole_at(room);
	if (whole_at > span->since && whole_at <= span->up_to) {
		/* Its members have become known. */
		TRY(add_members(run, room, span->up_to, &run->changed));
	}
	TRY(room_state_changes(run->ctx, run->hs, room, span->since, span->up_to, &items, &n));
	for (size_t i = 0; i < n; i++) {
		if (str_equals(items[i].type, STR("m.room.member")) && items[i].event != NULL) {
			TRY(look_at_member(run, room, &items[i]));
		}
	}
	return ERR_OK;
}

/* A room that the user is not, or no longer, in. */
static enum err look_outside(struct news_run *run, const struct user_room *entry)
{
	const struct list_span *span = run->span;
	struct room *room = entry->room;
	struct stored_event *own;
	struct member_past past;
	if (entry->position <= span->since || entry->position > span->up_to) {
		return ERR_OK;
	}
	TRY(rooms_load(run->ctx, run->hs, room));
	TRY(room_state_event(run->ctx, run->hs, room, STR("m.room.member"), span->user_id,
		entry->position, &own));
	if (own == NULL) {
		return ERR_OK;
	}
	TRY(look_back(run, room, own, &past));
	return past.was_in ? add_members(run, room, entry->position, &run->gone) : ERR_OK;
}

static void need_nids(struct news_run *run)
{
	if (run->nids == NULL) {
		struct user_room *rooms;
		size_t n;
		user_rooms(run->span->user, run->ctx->arena, &rooms, &n);
		run->nids = joined_nids(run->ctx->arena, rooms, n, &run->nid_n);
	}
}

static enum err add_changed_keys(struct news_run *run)
{
	const struct list_span *span = run->span;
	struct str *users;
	size_t n;
	if (device_lists_are_quiet(run->hs->e2ee->lists, span->since)) {
		return ERR_OK;
	}
	need_nids(run);
	if (device_lists_recall(run->hs->e2ee->lists, run->ctx->arena, span, run->nids, run->nid_n,
			&run->changed)) {
		return ERR_OK;
	}
	TRY(store_device_list_changed(run->ctx, run->hs->db, span->user_id, span->since, run->nids,
		run->nid_n, &users, &n));
	for (size_t i = 0; i < n; i++) {
		VEC_PUSH(run->ctx->arena, &run->changed, users[i]);
	}
	return ERR_OK;
}

/* Of those who may be gone, whoever shares no room any more. */
static enum err tell_left(struct news_run *run, struct list_news *out)
{
	struct arena *arena = run->ctx->arena;
	need_nids(run);
	struct str_set gone = str_set_make(arena, run->gone.p, run->gone.n);
	struct str *sharing;
	size_t n;
	TRY(store_device_list_sharing(run->ctx, run->hs->db, gone.items, gone.count, run->nids,
		run->nid_n, &sharing, &n));
	struct str_set staying = str_set_make(arena, sharing, n);
	out->left = ARENA_NEW_ARRAY(arena, struct str, gone.count);
	for (size_t i = 0; i < gone.count; i++) {
		if (!str_set_has(&staying, gone.items[i])) {
			out->left[out->left_n++] = gone.items[i];
		}
	}
	return ERR_OK;
}

/* Who is gone need not be asked for. */
static void tell_changed(struct news_run *run, struct list_news *out)
{
	struct arena *arena = run->ctx->arena;
	struct str_set changed = str_set_make(arena, run->changed.p, run->changed.n);
	struct str_set left = {.items = out->left, .count = out->left_n};
	out->changed = ARENA_NEW_ARRAY(arena, struct str, changed.count);
	for (size_t i = 0; i < changed.count; i++) {
		if (!str_set_has(&left, changed.items[i])) {
			out->changed[out->changed_n++] = changed.items[i];
		}
	}
}

enum err device_lists_news(struct ctx *ctx, struct homeserver *hs, const struct list_span *span,
	struct list_news *out)
{
	struct news_run run = {.ctx = ctx, .hs = hs, .span = span};
	*out = (struct list_news){0};
	TRY(add_changed_keys(&run));
	for (size_t i = 0; i < span->room_n; i++) {
		bool is_inside = str_equals(span->rooms[i].membership, STR("join"));
		TRY(is_inside ? look_inside(&run, &span->rooms[i]) : look_outside(&run, &span->rooms[i]));
	}
	if (run.gone.n > 0) {
		TRY(tell_left(&run, out));
	}
	if (run.changed.n > 0) {
		tell_changed(&run, out);
	}
	return ERR_OK;
}
