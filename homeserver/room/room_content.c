/*
 * The content of a loaded room: read from the database, brought up to date by commits, put away.
 */
#include "base/buf.h"
#include "base/mem.h"
#include "homeserver/room/room.h"
#include "storage/event.h"
#include "storage/room.h"
#include "storage/state.h"

#include <string.h>

enum { SETTLE_WAIT_MS = 10000 };

const char *membership_static(struct str membership)
{
	static const char *const words[] = {"join", "invite", "leave", "ban", "knock"};
	for (size_t i = 0; i < COUNT_OF(words); i++) {
		if (str_equals(membership, str_of(words[i]))) {
			return words[i];
		}
	}
	return NULL;
}

struct str state_slot_key(struct arena *arena, struct str type, struct str state_key)
{
	char *key = arena_alloc(arena, type.n + 1 + state_key.n);
	memcpy(key, type.p, type.n);
	key[type.n] = '\0';
	if (state_key.n > 0) {
		memcpy(key + type.n + 1, state_key.p, state_key.n);
	}
	return str_from(key, type.n + 1 + state_key.n);
}

/* --- state slots ------------------------------------------------------------------------------------ */

static struct state_slot *slot_create(struct str type, struct str state_key)
{
	size_t key_size = type.n + 1 + state_key.n;
	struct state_slot *slot = mem_alloc(sizeof(*slot) + key_size);
	slot->key_size = key_size;
	memcpy(slot->key, type.p, type.n);
	if (state_key.n > 0) {
		memcpy(slot->key + type.n + 1, state_key.p, state_key.n);
	}
	slot->type = str_from(slot->key, type.n);
	slot->state_key = str_from(slot->key + type.n + 1, state_key.n);
	return slot;
}

static void slot_destroy(struct state_slot *slot)
{
	stored_event_unref(slot->event);
	mem_free(slot);
}

static void count_member(struct room_content *content, const char *membership, int64_t delta)
{
	if (membership == NULL) {
		return;
	}
	if (strcmp(membership, "join") == 0) {
		content->counts.joined += delta;
	} else if (strcmp(membership, "invite") == 0) {
		content->counts.invited += delta;
	}
}

/* The slot of a key; NULL when there is none. */
static struct state_slot *slot_find(const struct room_content *content, struct str type,
	struct str state_key)
{
	struct state_slot *probe = slot_create(type, state_key);
	struct state_slot *slot = map_get(&content->state, str_from(probe->key, probe->key_size));
	slot_destroy(probe);
	return slot;
}

/* The same, made when it is not there. */
static struct state_slot *slot_at(struct room_content *content, struct str type,
	struct str state_key)
{
	struct state_slot *slot = slot_find(content, type, state_key);
	if (slot == NULL) {
		slot = slot_create(type, state_key);
		(void)map_set(&content->state, str_from(slot->key, slot->key_size), slot);
	}
	return slot;
}

static void put_state(struct room_content *content, struct str type, struct str state_key,
	struct str membership, int64_t from_position, int64_t event_position,
	struct stored_event *event)
{
	struct state_slot *slot = slot_at(content, type, state_key);
	count_member(content, slot->membership, -1);
	slot->membership =
		str_equals(type, STR("m.room.member")) ? membership_static(membership) : NULL;
	count_member(content, slot->membership, 1);
	slot->from_position = from_position;
	slot->event_position = event_position;
	stored_event_unref(slot->event);
	slot->event = event;
	if (event != NULL) {
		stored_event_ref(event);
	}
	content->state_position = MAX_OF(content->state_position, from_position);
}

/* --- the ring of recent events -------------------------------------------------------------------- */

/* Takes over the reference. */
static void ring_push(struct room_content *content, struct stored_event *event)
{
	if (content->recent_n == ROOM_RECENT) {
		struct stored_event *oldest = content->recent[content->recent_first];
		content->recent_after = oldest->position;
		stored_event_unref(oldest);
		content->recent[content->recent_first] = event;
		content->recent_first = (content->recent_first + 1) % ROOM_RECENT;
		return;
	}
	content->recent[(content->recent_first + content->recent_n) % ROOM_RECENT] = event;
	content->recent_n++;
}

static void content_destroy(struct room_content *content)
{
	size_t i = 0;
	struct str key;
	void *value;
	while (map_next(&content->state, &i, &key, &value)) {
		slot_destroy(value);
	}
	map_fini(&content->state);
	for (i = 0; i < content->recent_n; i++) {
		stored_event_unref(content->recent[(content->recent_first + i) % ROOM_RECENT]);
	}
	mem_free(content);
}

void room_head_clear_threads(struct room_head *head)
{
	size_t i = 0;
	struct str key;
	void *value;
	while (map_next(&head->threads, &i, &key, &value)) {
		mem_free(value);
	}
	map_fini(&head->threads);
}

void room_unload_locked(struct rooms *rooms, struct room *room)
{
	if (room->content == NULL) {
		return;
	}
	content_destroy(room->content);
	room->content = NULL;
	(void)atomic_fetch_sub(&rooms->loaded, 1);
}

/* --- loading -------------------------------------------------------------------------------------------- */

static void load_recent(struct room *room, struct room_content *content,
	const struct event_row *rows, size_t count)
{
	/* Newest first in rows. When there were fewer than asked for, the ring covers everything. */
	content->recent_after = count < ROOM_RECENT ? 0 : rows[count - 1].position - 1;
	for (size_t i = count; i > 0; i--) {
		ring_push(content, stored_event_create(room->version, room->id.s, &rows[i - 1]));
	}
}

/* Nothing is under way any more: with the turn taken, nothing new begins. */
static enum err wait_settled(struct ctx *ctx, struct homeserver *hs, struct room *room)
{
	int64_t deadline_ms = clock_mono_ms(&hs->clock) + SETTLE_WAIT_MS;
	LOCK_SCOPE(&room->lock);
	while (room->pending > 0) {
		if (!cond_wait_until(&room->changed, &room->lock, deadline_ms)) {
			return fail(ctx, ERR_TIMEOUT, M_UNKNOWN, "The room is busy; try again");
		}
	}
	return ERR_OK;
}

enum err room_load(struct ctx *ctx, struct homeserver *hs, struct room *room)
{
	TRY(wait_settled(ctx, hs, room));
	lock_take(&room->lock);
	room->is_stale = false;
	lock_give(&room->lock);
	struct room_row row;
	struct state_row *states;
	struct event_row *events;
	size_t state_count;
	size_t event_count;
	TRY(store_room_find_nid(ctx, hs->db, room->nid, &row));
	TRY(store_state_current(ctx, hs->db, room->nid, &states, &state_count));
	const struct event_span newest = {.room_nid = room->nid,
		.after = INT64_MIN,
		.up_to = INT64_MAX,
		.is_backwards = true,
		.limit = ROOM_RECENT};
	TRY(store_events_between(ctx, hs->db, &newest, &events, &event_count));
	struct room_content *content = mem_alloc(sizeof(*content));
	for (size_t i = 0; i < state_count; i++) {
		const struct state_row *state = &states[i];
		put_state(content, state->type, state->state_key, state->membership, state->from_position,
			state->event_position, NULL);
	}
	load_recent(room, content, events, event_count);

	LOCK_SCOPE(&room->lock);
	if (room->is_stale) { /* rooms_forget() came in between: this may be older than the database */
		content_destroy(content);
		return fail(ctx, ERR_TIMEOUT, M_UNKNOWN, "The room is busy; try again");
	}
	room_unload_locked(hs->rooms, room);
	room->content = content;
	(void)atomic_fetch_add(&hs->rooms->loaded, 1);
	room_head_clear_threads(&room->head);
	str_free(room->head.extremities);
	room->head = (struct room_head){
		.event_seq = row.event_seq,
		.depth = row.depth,
		.extremities = str_heap(row.extremities),
		.main = {row.notify_seq, row.highlight_seq},
	};
	if (atomic_load(&room->last_position) < row.last_position) {
		atomic_store(&room->last_position, row.last_position);
	}
	return ERR_OK;
}

/* --- commits ----------------------------------------------------------------------------------------- */

static void cache_event(struct rooms *rooms, struct stored_event *event)
{
	int64_t key[2] = {event->room_nid, event->position};
	/* Under two keys: each is charged half. */
	cache_put(rooms->events, str_from((const char *)key, sizeof(key)), event,
		event->size_bytes / 2);
	cache_put(rooms->events, event->event->event_id.s, event, event->size_bytes / 2);
}

int64_t room_redactions(struct room *room)
{
	LOCK_SCOPE(&room->lock);
	return room->redactions;
}

void room_cache_event(struct homeserver *hs, struct room *room, struct stored_event *event,
	int64_t redactions_before)
{
	LOCK_SCOPE(&room->lock);
	if (room->redactions == redactions_before) {
		cache_event(hs->rooms, event);
	}
}

void room_apply(struct homeserver *hs, struct room *room, struct stored_event *const *events,
	size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct stored_event *stored = events[i];
		const struct event *event = stored->event;
		lock_take(&room->lock);
		if (room->content != NULL) {
			if (event->is_state) {
				put_state(room->content, event->type, event->state_key, event_membership(event),
					stored->position, stored->position, stored);
			}
			stored_event_ref(stored);
			ring_push(room->content, stored);
		}
		atomic_store(&room->last_position, stored->position);
		lock_give(&room->lock);
		stored_event_unref(stored);
	}
	hs->rooms->observer.room_committed(hs->rooms->observer.self, room);
}

void room_apply_redaction(struct homeserver *hs, struct room *room, struct stored_event *redacted)
{
	lock_take(&room->lock);
	room->redactions++;
	struct room_content *content = room->content;
	for (size_t i = 0; content != NULL && i < content->recent_n; i++) {
		struct stored_event **at = &content->recent[(content->recent_first + i) % ROOM_RECENT];
		if ((*at)->position == redacted->position) {
			stored_event_unref(*at);
			stored_event_ref(redacted);
			*at = redacted;
		}
	}
	if (content != NULL && redacted->event->is_state) {
		struct state_slot *slot =
			slot_find(content, redacted->event->type, redacted->event->state_key);
		if (slot != NULL && slot->event_position == redacted->position && slot->event != NULL) {
			stored_event_unref(slot->event);
			stored_event_ref(redacted);
			slot->event = redacted;
		}
	}
	cache_event(hs->rooms, redacted);
	lock_give(&room->lock);
	stored_event_unref(redacted);
}

struct stored_event *room_recent_find(struct ctx *ctx, struct room *room, int64_t position,
	struct str event_id)
{
	LOCK_SCOPE(&room->lock);
	const struct room_content *content = room->content;
	for (size_t i = 0; content != NULL && i < content->recent_n; i++) {
		struct stored_event *event = content->recent[(content->recent_first + i) % ROOM_RECENT];
		bool found = event_id.p != NULL ? str_equals(event->event->event_id.s, event_id)
										: event->position == position;
		if (found) {
			stored_event_ref(event);
			stored_event_until_reset(ctx->arena, event);
			return event;
		}
	}
	return NULL;
}
