/*
 * Reading events and state of a room: from memory first, then in one round trip.
 */
#include "base/vec.h"
#include "homeserver/room/room.h"
#include "homeserver/room/room_accept.h"
#include "homeserver/room/room_known.h"
#include "storage/event.h"
#include "storage/state.h"

#include <string.h>

/* --- events ------------------------------------------------------------------------------------------ */

/* @param redactions  room_redactions() before the row was read */
struct stored_event *room_load_row(struct ctx *ctx, struct homeserver *hs, struct room *room,
	const struct event_row *row, int64_t redactions)
{
	struct stored_event *event = stored_event_create(room->version, room->id.s, row);
	room_cache_event(hs, room, event, redactions);
	stored_event_until_reset(ctx->arena, event);
	return event;
}

static struct stored_event *from_cache(struct ctx *ctx, struct homeserver *hs, struct str key)
{
	struct stored_event *event = cache_get(hs->rooms->events, key);
	if (event != NULL) {
		stored_event_until_reset(ctx->arena, event);
	}
	return event;
}

enum err room_any_event(struct ctx *ctx, struct homeserver *hs, struct room *room,
	struct str event_id, struct stored_event **out)
{
	struct stored_event *event = room_recent_find(ctx, room, 0, event_id);
	if (event == NULL) {
		event = from_cache(ctx, hs, event_id);
	}
	if (event == NULL) {
		struct event_row *rows;
		size_t count;
		int64_t redactions = room_redactions(room);
		TRY(store_events_by_id(ctx, hs->db, &event_id, 1, &rows, &count));
		if (count == 1 && rows[0].room_nid == room->nid) {
			event = room_load_row(ctx, hs, room, &rows[0], redactions);
		}
	}
	*out = event != NULL && event->room_nid == room->nid ? event : NULL;
	return ERR_OK;
}

enum err room_event(struct ctx *ctx, struct homeserver *hs, struct room *room, struct str event_id,
	struct stored_event **out)
{
	struct stored_event *event;
	TRY(room_any_event(ctx, hs, room, event_id, &event));
	/* An event of another room is the same as none, and so is one that is no part of the timeline: nothing is told about it. */
	if (event == NULL || event->position <= ROOM_OUTLIERS) {
		return fail(ctx, ERR_MISSING, M_NOT_FOUND, "Event not found");
	}
	*out = event;
	return ERR_OK;
}

static struct stored_event *at_position(struct ctx *ctx, struct homeserver *hs, struct room *room,
	int64_t position)
{
	struct stored_event *event = room_recent_find(ctx, room, position, str_from(NULL, 0));
	if (event != NULL) {
		return event;
	}
	int64_t key[2] = {room->nid, position};
	return from_cache(ctx, hs, str_from((const char *)key, sizeof(key)));
}

enum err room_events_at(struct ctx *ctx, struct homeserver *hs, struct room *room,
	const int64_t *positions, size_t count, struct stored_event ***out)
{
	struct stored_event **events = ARENA_NEW_ARRAY(ctx->arena, struct stored_event *, count);
	VEC(int64_t) missing = {0};
	for (size_t i = 0; i < count; i++) {
		events[i] = at_position(ctx, hs, room, positions[i]);
		if (events[i] == NULL) {
			VEC_PUSH(ctx->arena, &missing, positions[i]);
		}
	}
	if (missing.n > 0) {
		struct event_row *rows;
		size_t row_count;
		int64_t redactions = room_redactions(room);
		TRY(store_events_by_position(ctx, hs->db, room->nid, missing.p, missing.n, &rows,
			&row_count));
		struct map found;
		map_init(&found);
		for (size_t i = 0; i < row_count; i++) {
			(void)map_set(&found, str_from((const char *)&rows[i].position, sizeof(int64_t)),
				room_load_row(ctx, hs, room, &rows[i], redactions));
		}
		for (size_t i = 0; i < count; i++) {
			if (events[i] == NULL) {
				events[i] = map_get(&found, str_from((const char *)&positions[i], sizeof(int64_t)));
			}
		}
		map_fini(&found);
	}
	*out = events;
	return ERR_OK;
}

enum err room_event_at(struct ctx *ctx, struct homeserver *hs, struct room *room, int64_t position,
	struct stored_event **out)
{
	struct stored_event **events;
	TRY(room_events_at(ctx, hs, room, &position, 1, &events));
	if (events[0] == NULL) {
		return fail(ctx, ERR_MISSING, M_NOT_FOUND, "Event not found");
	}
	*out = events[0];
	return ERR_OK;
}

/* --- timeline -------------------------------------------------------------------------------------------- */

/* From the ring; false when it does not reach back to `after` and has not enough events either. */
static bool timeline_from_ring(struct ctx *ctx, struct room *room, int64_t after, int64_t up_to,
	bool backwards, size_t limit, struct timeline *out)
{
	LOCK_SCOPE(&room->lock);
	const struct room_content *content = room->content;
	if (content == NULL || room_is_behind_locked(room)) {
		return false;
	}
	/* Positions rise, and most ask for the newest. */
	size_t end = content->recent_n;
	while (end > 0 && room_recent_at_locked(content, end - 1)->position > up_to) {
		end--;
	}
	/* History that came since stands between the ring's events, which are no stretch from there on. */
	int64_t from = MAX_OF(after, content->recent_after);
	size_t begin = end;
	while (begin > 0 && room_recent_at_locked(content, begin - 1)->position > from) {
		begin--;
	}
	size_t n = end - begin;
	bool covers = content->recent_after <= after;
	if (!covers && (!backwards || n <= limit)) {
		return false;
	}
	out->has_more = n > limit;
	out->n = MIN_OF(n, limit);
	out->events = ARENA_NEW_ARRAY(ctx->arena, struct stored_event *, out->n);
	for (size_t i = 0; i < out->n; i++) {
		out->events[i] = room_recent_at_locked(content, backwards ? end - 1 - i : begin + i);
		stored_event_ref(out->events[i]);
		stored_event_until_reset(ctx->arena, out->events[i]);
	}
	return true;
}

static struct stored_event *take_row(struct ctx *ctx, struct homeserver *hs, struct room *room,
	const struct event_row *row, int64_t redactions)
{
	struct stored_event *event = at_position(ctx, hs, room, row->position);
	return event != NULL ? event : room_load_row(ctx, hs, room, row, redactions);
}

void room_take_rows(struct ctx *ctx, struct homeserver *hs, struct room *room,
	const struct timeline_rows *rows, size_t limit, struct timeline *out)
{
	size_t n = MIN_OF(rows->n, limit);
	struct stored_event **events = ARENA_NEW_ARRAY(ctx->arena, struct stored_event *, n);
	bool *childless = ARENA_NEW_ARRAY(ctx->arena, bool, n);
	for (size_t i = 0; i < n; i++) {
		const struct event_row *row = &rows->p[rows->is_reversed ? rows->n - 1 - i : i];
		events[i] = take_row(ctx, hs, room, row, rows->redactions);
		childless[i] = row->is_childless;
	}
	*out = (struct timeline){
		.events = events,
		.n = n,
		.has_more = rows->n > limit,
		.childless = childless,
	};
}

enum err room_read_timeline(struct ctx *ctx, struct homeserver *hs, struct room *room,
	const struct event_span *ask, struct timeline *out)
{
	size_t limit = (size_t)ask->limit;
	*out = (struct timeline){0};
	if (ask->up_to <= ask->after ||
		timeline_from_ring(ctx, room, ask->after, ask->up_to, ask->is_backwards, limit, out)) {
		return ERR_OK;
	}
	struct event_span span = *ask;
	struct event_row *rows;
	size_t count;
	int64_t redactions = room_redactions(room);
	span.room_nid = room->nid;
	span.limit++;
	TRY(store_events_between(ctx, hs->db, &span, &rows, &count));
	const struct timeline_rows read = {.p = rows, .n = count, .redactions = redactions};
	room_take_rows(ctx, hs, room, &read, limit, out);
	return ERR_OK;
}

enum err room_timeline(struct ctx *ctx, struct homeserver *hs, struct room *room, int64_t after,
	int64_t up_to, bool backwards, size_t limit, struct timeline *out)
{
	const struct event_span ask = {.after = after,
		.up_to = up_to,
		.is_backwards = backwards,
		.limit = (int64_t)limit};
	return room_read_timeline(ctx, hs, room, &ask, out);
}

/* --- state ------------------------------------------------------------------------------------------------- */

static struct state_item item_of_slot(const struct state_slot *slot, struct arena *arena)
{
	return (struct state_item){
		.type = str_dup(arena, slot->type),
		.state_key = str_dup(arena, slot->state_key),
		.membership = str_of(slot->membership),
		.from_position = slot->from_position,
		.event_position = slot->event_position,
	};
}

static void take_slot_event(struct ctx *ctx, const struct state_slot *slot, struct state_item *item)
{
	if (slot->event != NULL) {
		stored_event_ref(slot->event);
		stored_event_until_reset(ctx->arena, slot->event);
		item->event = slot->event;
	}
}

/* Keeps a loaded event with its slot, if the slot still holds it and it was not redacted meanwhile. */
static void keep_with_slot(struct ctx *ctx, struct room *room, const struct state_item *item,
	int64_t redactions)
{
	struct str key = state_slot_key(ctx->arena, item->type, item->state_key);
	LOCK_SCOPE(&room->lock);
	struct state_slot *slot = room->content != NULL ? map_get(&room->content->state, key) : NULL;
	if (slot != NULL && slot->event == NULL && slot->event_position == item->event_position &&
		room->redactions == redactions) {
		stored_event_ref(item->event);
		slot->event = item->event;
	}
}

/* Loads the events that items lack. */
static enum err load_item_events(struct ctx *ctx, struct homeserver *hs, struct room *room,
	struct state_item *items, size_t count)
{
	VEC(int64_t) positions = {0};
	VEC(size_t) indexes = {0};
	for (size_t i = 0; i < count; i++) {
		if (items[i].event == NULL) {
			VEC_PUSH(ctx->arena, &positions, items[i].event_position);
			VEC_PUSH(ctx->arena, &indexes, i);
		}
	}
	if (positions.n == 0) {
		return ERR_OK;
	}
	struct stored_event **events;
	TRY(room_events_at(ctx, hs, room, positions.p, positions.n, &events));
	for (size_t i = 0; i < positions.n; i++) {
		if (events[i] == NULL) {
			return fail_cause(ctx, ERR_INTERNAL, "state names position %lld without an event",
				(long long)positions.p[i]);
		}
		items[indexes.p[i]].event = events[i];
	}
	return ERR_OK;
}

static void item_of_row(const struct state_row *row, struct state_item *out)
{
	*out = (struct state_item){
		.type = row->type,
		.state_key = row->state_key,
		.membership = row->membership,
		.from_position = row->from_position,
		.event_position = row->event_position,
	};
}

enum err room_state_event(struct ctx *ctx, struct homeserver *hs, struct room *room,
	struct str type, struct str state_key, int64_t position, struct stored_event **out)
{
	struct str key = state_slot_key(ctx->arena, type, state_key);
	struct state_item item = {0};
	bool known = false; /* the slot tells what stood at `position` */
	lock_take(&room->lock);
	if (room->content != NULL) {
		const struct state_slot *slot = map_get(&room->content->state, key);
		known = slot == NULL || slot->from_position <= position;
		if (slot != NULL && known) {
			item = item_of_slot(slot, ctx->arena);
			take_slot_event(ctx, slot, &item);
		}
	}
	lock_give(&room->lock);
	*out = NULL;
	if (!known) {
		struct state_row row;
		enum err err = store_state_one_at(ctx, hs->db, room->nid, type, state_key, position, &row);
		if (err == ERR_MISSING) {
			return ERR_OK;
		}
		TRY(err);
		item_of_row(&row, &item);
	}
	if (item.event_position == 0) {
		return ERR_OK;
	}
	bool was_missing = item.event == NULL;
	int64_t redactions = room_redactions(room);
	TRY(load_item_events(ctx, hs, room, &item, 1));
	if (known && was_missing) {
		keep_with_slot(ctx, room, &item, redactions);
	}
	*out = item.event;
	return ERR_OK;
}

enum err room_replaced(struct ctx *ctx, struct homeserver *hs, struct room *room,
	const struct stored_event *event, struct stored_event **out)
{
	*out = NULL;
	if (event->replaces_position == 0 || !event->event->is_state) {
		return ERR_OK;
	}
	struct stored_event **found;
	TRY(room_events_at(ctx, hs, room, &event->replaces_position, 1, &found));
	*out = found[0];
	if (*out != NULL) {
		return ERR_OK;
	}
	TRY(room_state_event(ctx, hs, room, event->event->type, event->event->state_key,
		event->position - 1, out));
	if (*out != NULL && (*out)->position >= event->position) {
		*out = NULL;
	}
	return ERR_OK;
}

static bool is_member_type(struct str type)
{
	return str_equals(type, STR("m.room.member"));
}

struct item_vec {
	struct state_item *p;
	size_t n;
	size_t capacity;
};

/* The members that a query wants all the same may be named twice. */
static bool is_listed_before(const struct state_query *query, size_t index)
{
	for (size_t i = 0; i < index; i++) {
		if (str_equals(query->members[i], query->members[index])) {
			return true;
		}
	}
	return false;
}

/* The current state, when nothing of it began after `position`. */
static void list_slot(struct ctx *ctx, const struct state_slot *slot, struct item_vec *items)
{
	struct state_item item = item_of_slot(slot, ctx->arena);
	take_slot_event(ctx, slot, &item);
	VEC_PUSH(ctx->arena, items, item);
}

static void list_without_members(struct ctx *ctx, const struct room_content *content,
	const struct state_query *query, struct item_vec *items)
{
	for (size_t i = 0; i < query->member_count; i++) {
		struct str key = state_slot_key(ctx->arena, STR("m.room.member"), query->members[i]);
		const struct state_slot *slot = map_get(&content->state, key);
		if (slot != NULL && !is_listed_before(query, i)) {
			list_slot(ctx, slot, items);
		}
	}
	const struct state_slot *others = query->only_members ? NULL : content->others;
	for (const struct state_slot *slot = others; slot != NULL; slot = slot->next) {
		list_slot(ctx, slot, items);
	}
}

static bool list_from_memory(struct ctx *ctx, struct room *room, int64_t position,
	const struct state_query *query, struct item_vec *items)
{
	LOCK_SCOPE(&room->lock);
	if (room->content == NULL || room->content->state_position > position) {
		return false;
	}
	if (query->without_members) {
		list_without_members(ctx, room->content, query, items);
		return true;
	}
	size_t i = 0;
	struct str key;
	void *value;
	while (map_next(&room->content->state, &i, &key, &value)) {
		const struct state_slot *slot = value;
		if (!query->only_members || is_member_type(slot->type)) {
			list_slot(ctx, slot, items);
		}
	}
	return true;
}

enum err room_state_list(struct ctx *ctx, struct homeserver *hs, struct room *room,
	int64_t position, const struct state_query *query, struct state_item **out, size_t *out_count)
{
	struct item_vec items = {0};
	if (!list_from_memory(ctx, room, position, query, &items)) {
		struct state_row *rows;
		size_t count;
		TRY(query->without_members
				? store_state_without_members(ctx, hs->db, room->nid, position, query->members,
					  query->member_count, &rows, &count)
				: store_state_at(ctx, hs->db, room->nid, position, &rows, &count));
		for (size_t i = 0; i < count; i++) {
			if (!query->only_members || is_member_type(rows[i].type)) {
				struct state_item item;
				item_of_row(&rows[i], &item);
				VEC_PUSH(ctx->arena, &items, item);
			}
		}
	}
	*out = items.p;
	*out_count = items.n;
	return query->without_events ? ERR_OK : load_item_events(ctx, hs, room, items.p, items.n);
}

/* Newest state event of each key in the ring between two positions; false when it does not reach back. */
static bool changes_from_ring(struct ctx *ctx, struct room *room, int64_t after, int64_t up_to,
	struct item_vec *items)
{
	LOCK_SCOPE(&room->lock);
	const struct room_content *content = room->content;
	if (content == NULL) {
		return false;
	}
	if (content->state_position <= after) {
		return true;
	}
	if (content->recent_after > after || content->forked_position > after) {
		return false;
	}
	for (size_t i = content->recent_n; i > 0; i--) {
		struct stored_event *stored = room_recent_at_locked(content, i - 1);
		const struct event *event = stored->event;
		if (!event->is_state || stored->position <= after || stored->position > up_to) {
			continue;
		}
		bool seen = false;
		for (size_t k = 0; k < items->n && !seen; k++) {
			seen = str_equals(items->p[k].type, event->type) &&
				str_equals(items->p[k].state_key, event->state_key);
		}
		if (!seen) {
			stored_event_ref(stored);
			stored_event_until_reset(ctx->arena, stored);
			struct state_item item = {
				.type = event->type,
				.state_key = event->state_key,
				.membership =
					is_member_type(event->type) ? event_membership(event) : str_from(NULL, 0),
				.from_position = stored->position,
				.event_position = stored->position,
				.event = stored,
			};
			VEC_PUSH(ctx->arena, items, item);
		}
	}
	return true;
}

enum err room_state_changes(struct ctx *ctx, struct homeserver *hs, struct room *room,
	int64_t after, int64_t up_to, struct state_item **out, size_t *out_count)
{
	struct item_vec items = {0};
	if (up_to > after && !changes_from_ring(ctx, room, after, up_to, &items)) {
		struct state_row *rows;
		size_t count;
		TRY(store_state_changes(ctx, hs->db, room->nid, after, up_to, &rows, &count));
		for (size_t i = 0; i < count; i++) {
			struct state_item item;
			item_of_row(&rows[i], &item);
			VEC_PUSH(ctx->arena, &items, item);
		}
	}
	*out = items.p;
	*out_count = items.n;
	return load_item_events(ctx, hs, room, items.p, items.n);
}

bool room_state_forked_since(struct room *room, int64_t position)
{
	LOCK_SCOPE(&room->lock);
	return room->content == NULL || room->content->forked_position > position;
}

/* --- what the pure rules ask ----------------------------------------------------------------------------------- */

struct asked_state {
	const struct state_ask *keys;
	const struct event **events;
	size_t count;
};

static const struct event *get_asked(void *self, struct str type, struct str state_key)
{
	const struct asked_state *asked = self;
	for (size_t i = 0; i < asked->count; i++) {
		if (str_equals(asked->keys[i].type, type) &&
			str_equals(asked->keys[i].state_key, state_key)) {
			return asked->events[i];
		}
	}
	return NULL;
}

enum err room_state_view(struct ctx *ctx, struct homeserver *hs, struct room *room,
	const struct state_ask *keys, size_t count, struct state_view *out)
{
	struct asked_state *asked = ARENA_NEW(ctx->arena, struct asked_state);
	asked->keys = keys;
	asked->count = count;
	asked->events = ARENA_NEW_ARRAY(ctx->arena, const struct event *, count);
	for (size_t i = 0; i < count; i++) {
		struct stored_event *event;
		TRY(room_state_event(ctx, hs, room, keys[i].type, keys[i].state_key, POSITION_NOW, &event));
		asked->events[i] = event != NULL ? event->event : NULL;
	}
	*out = (struct state_view){.get = get_asked, .self = asked};
	return ERR_OK;
}

/* --- members ------------------------------------------------------------------------------------------------------- */

enum err room_membership_at(struct ctx *ctx, struct homeserver *hs, struct room *room,
	struct str user_id, int64_t position, struct str *out)
{
	struct str key = state_slot_key(ctx->arena, STR("m.room.member"), user_id);
	lock_take(&room->lock);
	const struct state_slot *slot =
		room->content != NULL ? map_get(&room->content->state, key) : NULL;
	bool known = room->content != NULL && (slot == NULL || slot->from_position <= position);
	*out = str_of(slot != NULL ? slot->membership : NULL);
	lock_give(&room->lock);
	if (known) {
		return ERR_OK;
	}
	struct state_row row;
	enum err err =
		store_state_one_at(ctx, hs->db, room->nid, STR("m.room.member"), user_id, position, &row);
	*out = str_from(NULL, 0);
	if (err == ERR_MISSING) {
		return ERR_OK;
	}
	TRY(err);
	*out = row.membership;
	return ERR_OK;
}

enum err room_membership(struct ctx *ctx, struct homeserver *hs, struct room *room,
	struct str user_id, struct str *out)
{
	return room_membership_at(ctx, hs, room, user_id, POSITION_NOW, out);
}

enum err room_require_joined(struct ctx *ctx, struct homeserver *hs, struct room *room,
	struct str user_id)
{
	struct str membership;
	TRY(room_membership(ctx, hs, room, user_id, &membership));
	if (!str_equals(membership, STR("join"))) {
		return fail(ctx, ERR_DENIED, M_FORBIDDEN, "You are not in that room");
	}
	return ERR_OK;
}

struct member_counts room_member_counts(struct room *room)
{
	LOCK_SCOPE(&room->lock);
	return room->content != NULL ? room->content->counts : (struct member_counts){0};
}
