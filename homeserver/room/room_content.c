/*
 * The content of a loaded room: read from the database, brought up to date by commits, put away.
 */
#include "base/buf.h"
#include "base/fault_point.h"
#include "base/mem.h"
#include "homeserver/room/room.h"
#include "storage/event.h"
#include "storage/graph.h"
#include "storage/room.h"
#include "storage/state.h"

#include <string.h>

enum { SETTLE_WAIT_MS = 10000 };

/* Static text of a membership, so that it can be kept without a copy; NULL for unknown words. */
static const char *static_membership(struct str membership)
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

/* The server of a joined member, made when it is not there. */
static struct room_server *server_at(struct room_content *content, struct server_name name)
{
	struct room_server *server = map_get(&content->servers, name.s);
	if (server == NULL) {
		server = mem_alloc(sizeof(*server));
		(void)map_set(&content->servers, name.s, server);
	}
	return server;
}

static void count_server(struct room_content *content, struct str user_id, int64_t delta)
{
	struct user_id user;
	if (!user_id_parse(user_id, &user)) {
		return;
	}
	struct server_name name = user_id_server(user);
	struct room_server *server = server_at(content, name);
	server->joined += delta;
	if (server->joined <= 0) {
		(void)map_remove(&content->servers, name.s);
		mem_free(server);
	}
}

static void count_member(struct room_content *content, const struct state_slot *slot, int64_t delta)
{
	if (slot->membership == NULL) {
		return;
	}
	if (strcmp(slot->membership, "join") == 0) {
		content->counts.joined += delta;
		count_server(content, slot->state_key, delta);
	} else if (strcmp(slot->membership, "invite") == 0) {
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
		if (!str_equals(type, STR("m.room.member"))) {
			slot->next = content->others;
			content->others = slot;
		}
	}
	return slot;
}

static void put_state(struct room_content *content, struct str type, struct str state_key,
	struct str membership, int64_t from_position, int64_t event_position,
	struct stored_event *event)
{
	struct state_slot *slot = slot_at(content, type, state_key);
	count_member(content, slot, -1);
	slot->membership =
		str_equals(type, STR("m.room.member")) ? static_membership(membership) : NULL;
	count_member(content, slot, 1);
	slot->from_position = from_position;
	slot->event_position = event_position;
	stored_event_unref(slot->event);
	slot->event = event;
	if (event != NULL) {
		stored_event_ref(event);
	}
	content->state_position = MAX_OF(content->state_position, from_position);
}

static void remove_state(struct room_content *content, struct str type, struct str state_key)
{
	struct state_slot *slot = slot_find(content, type, state_key);
	if (slot != NULL) {
		count_member(content, slot, -1);
		struct state_slot **link = &content->others;
		while (*link != NULL && *link != slot) {
			link = &(*link)->next;
		}
		if (*link != NULL) {
			*link = slot->next;
		}
		(void)map_remove(&content->state, str_from(slot->key, slot->key_size));
		slot_destroy(slot);
	}
}

static int64_t local_joined(const struct homeserver *hs, const struct room_content *content)
{
	const struct room_server *own = map_get(&content->servers, hs->signer.server.s);
	return own != NULL ? own->joined : 0;
}

/* --- the ring of recent events -------------------------------------------------------------------- */

void room_push_recent_locked(struct room_content *content, struct stored_event *event)
{
	if (content->recent_n == ROOM_RECENT) {
		struct stored_event *oldest = content->recent[content->recent_first];
		content->recent_after =
			MAX_OF(content->recent_after, oldest->position); /* history may be above */
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
	i = 0;
	while (map_next(&content->servers, &i, &key, &value)) {
		mem_free(value);
	}
	map_fini(&content->servers);
	for (i = 0; i < content->recent_n; i++) {
		stored_event_unref(room_recent_at_locked(content, i));
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
	room_roster_drop_locked(room);
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
	content->recent_after = count < ROOM_RECENT ? ROOM_OUTLIERS : rows[count - 1].position - 1;
	for (size_t i = count; i > 0; i--) {
		room_push_recent_locked(content,
			stored_event_create(room->version, room->id.s, &rows[i - 1]));
	}
}

/*
 * Where the ring's events do not tell how the state went: state that began at another event than its own, and state events
 * that did not become state.
 */
static int64_t find_forked(const struct room_content *content)
{
	int64_t forked = STATE_SINCE_EVER;
	size_t i = 0;
	struct str key;
	void *value;
	while (map_next(&content->state, &i, &key, &value)) {
		const struct state_slot *slot = value;
		if (slot->event_position != slot->from_position) {
			forked = MAX_OF(forked, slot->from_position);
		}
	}
	for (i = 0; i < content->recent_n; i++) {
		const struct stored_event *stored = room_recent_at_locked(content, i);
		const struct event *event = stored->event;
		if (event->is_state) {
			const struct state_slot *slot = slot_find(content, event->type, event->state_key);
			bool is_lost = slot == NULL || slot->from_position < stored->position;
			forked = is_lost ? MAX_OF(forked, stored->position) : forked;
		}
	}
	return forked;
}

/* Nothing is under way any more: with the turn taken, nothing new begins. */
enum err room_settle(struct ctx *ctx, struct homeserver *hs, struct room *room)
{
	int64_t deadline_ms = clock_mono_ms(&hs->clock) + SETTLE_WAIT_MS;
	LOCK_SCOPE(&room->lock);
	while (room->pending > 0) {
		TRY(ctx_may_wait(ctx));
		if (!cond_wait_until(&room->changed, &room->lock, deadline_ms)) {
			return fail(ctx, ERR_TIMEOUT, M_UNKNOWN, "The room is busy; try again");
		}
	}
	return ERR_OK;
}

void room_await_event(struct room *room, int64_t position, int64_t deadline_mono_ms)
{
	LOCK_SCOPE(&room->lock);
	bool in_time = true;
	while (in_time && room_last_position(room) <= position) {
		in_time = cond_wait_until(&room->changed, &room->lock, deadline_mono_ms);
	}
}

static enum err read_content(struct ctx *ctx, struct homeserver *hs, struct room *room,
	struct room_content **out)
{
	struct state_row *states;
	struct event_row *events;
	size_t state_count;
	size_t event_count;
	struct graph_summary graph;
	TRY(store_state_current(ctx, hs->db, room->nid, &states, &state_count));
	const struct event_span newest = {.room_nid = room->nid,
		.after = ROOM_OUTLIERS,
		.up_to = INT64_MAX,
		.is_backwards = true,
		.limit = ROOM_RECENT};
	TRY(store_events_between(ctx, hs->db, &newest, &events, &event_count));
	TRY(store_graph_summary(ctx, hs->db, room->nid, &graph));
	struct room_content *content = mem_alloc(sizeof(*content));
	content->state_position = STATE_SINCE_EVER;
	for (size_t i = 0; i < state_count; i++) {
		const struct state_row *state = &states[i];
		put_state(content, state->type, state->state_key, state->membership, state->from_position,
			state->event_position, NULL);
	}
	load_recent(room, content, events, event_count);
	content->forked_position = find_forked(content);
	content->graph = graph;
	*out = content;
	return ERR_OK;
}

void room_head_set(struct room *room, const struct room_row *row)
{
	room_head_clear_threads(&room->head);
	str_free(room->head.extremities);
	room->head = (struct room_head){
		.event_seq = row->event_seq,
		.depth = row->depth,
		.extremities = str_heap(row->extremities),
		.main = {row->notify_seq, row->highlight_seq},
	};
}

/* *out_done: false when the room was forgotten meanwhile, for this may be older than the database. */
static enum err load_once(struct ctx *ctx, struct homeserver *hs, struct room *room, bool *out_done)
{
	lock_take(&room->lock);
	room->is_stale = false;
	int64_t messages_told = room->messages_told;
	lock_give(&room->lock);
	struct room_row row;
	TRY(store_room_find_nid(ctx, hs->db, room->nid, &row));
	struct room_content *content;
	TRY(read_content(ctx, hs, room, &content));

	LOCK_SCOPE(&room->lock);
	*out_done = !room->is_stale;
	if (room->is_stale) {
		content_destroy(content);
		return ERR_OK;
	}
	room_unload_locked(hs->rooms, room);
	room->content = content;
	room->messages_read = messages_told;
	atomic_store(&room->local_joined, local_joined(hs, content));
	atomic_store(&room->whole_at, row.whole_at);
	atomic_store(&room->ground, row.ground_position);
	(void)atomic_fetch_add(&hs->rooms->loaded, 1);
	room_head_set(room, &row);
	if (atomic_load(&room->last_position) < row.last_position) {
		atomic_store(&room->last_position, row.last_position);
	}
	return ERR_OK;
}

enum err room_load(struct ctx *ctx, struct homeserver *hs, struct room *room)
{
	bool is_done = false;
	TRY(room_settle(ctx, hs, room));
	TRY(room_follow(ctx, hs, room, &is_done));
	struct room_tries tries = {0};
	while (!is_done && room_may_try(ctx, hs, &tries)) {
		TRY(load_once(ctx, hs, room, &is_done));
	}
	return is_done ? ERR_OK : fail(ctx, ERR_TIMEOUT, M_UNKNOWN, "The room is busy; try again");
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

static bool is_member(const struct event *event)
{
	return event->is_state && str_equals(event->type, STR("m.room.member"));
}

/* The state as the event at `position` leaves it; lock held. */
static void apply_state(struct room_content *content, const struct room_news *news)
{
	const struct event *event = news->event->event;
	int64_t position = news->event->position;
	if (!news->is_forked) {
		if (event->is_state) {
			put_state(content, event->type, event->state_key, event_membership(event), position,
				position, news->event);
		}
		return;
	}
	content->forked_position = position;
	content->state_position = position; /* also when something only ended */
	for (size_t i = 0; i < news->step_count; i++) {
		const struct state_step *step = &news->steps[i];
		bool is_own = step->event_position == 0;
		if (step->event_id.p == NULL) {
			remove_state(content, step->type, step->state_key);
		} else {
			put_state(content, step->type, step->state_key, step->membership, position,
				is_own ? position : step->event_position, is_own ? news->event : NULL);
		}
	}
}

void room_apply(struct homeserver *hs, struct room *room, const struct room_news *news)
{
	struct stored_event *stored = news->event;
	lock_take(&room->lock);
	struct room_content *content = room->content;
	if (news->is_forked || is_member(stored->event)) {
		room_roster_drop_locked(room);
	}
	if (content != NULL) {
		apply_state(content, news);
		content->graph.newest_placed =
			news->is_placed ? stored->position : content->graph.newest_placed;
		content->graph.newest_gap = news->has_gap ? stored->position : content->graph.newest_gap;
		content->graph.has_waiting = content->graph.has_waiting || news->has_waiting;
		atomic_store(&room->local_joined, local_joined(hs, content));
		stored_event_ref(stored);
		room_push_recent_locked(content, stored);
	}
	atomic_store(&room->last_position, stored->position);
	lock_give(&room->lock);
	stored_event_unref(stored);
	hs->rooms->observer.room_committed(hs->rooms->observer.self, room);
}

void room_apply_history(struct room *room, int64_t newest)
{
	LOCK_SCOPE(&room->lock);
	if (room->content != NULL) {
		room->content->recent_after = MAX_OF(room->content->recent_after, newest);
	}
}

void room_apply_move(struct room *room, struct str type, struct str state_key,
	int64_t from_position, int64_t to_position)
{
	LOCK_SCOPE(&room->lock);
	struct state_slot *slot =
		room->content != NULL ? slot_find(room->content, type, state_key) : NULL;
	if (slot != NULL && slot->event_position == from_position) {
		slot->event_position = to_position;
		stored_event_unref(slot->event); /* it says the old place */
		slot->event = NULL;
	}
}

void room_apply_since(struct room *room, struct str type, struct str state_key,
	int64_t from_position, int64_t event_position)
{
	LOCK_SCOPE(&room->lock);
	struct state_slot *slot =
		room->content != NULL ? slot_find(room->content, type, state_key) : NULL;
	if (slot == NULL) {
		return;
	}
	slot->from_position = from_position;
	if (slot->event_position != event_position) {
		slot->event_position = event_position;
		stored_event_unref(slot->event); /* it says the old place */
		slot->event = NULL;
	}
}

void room_uncache_event(struct homeserver *hs, struct room *room, struct str event_id,
	int64_t position)
{
	LOCK_SCOPE(&room->lock);
	int64_t key[2] = {room->nid, position};
	room->redactions++; /* what was read before may be the old one */
	cache_remove(hs->rooms->events, event_id);
	cache_remove(hs->rooms->events, str_from((const char *)key, sizeof(key)));
}

enum err room_refresh_gaps(struct ctx *ctx, struct homeserver *hs, struct room *room)
{
	struct graph_summary graph;
	enum err err = FAULT_POINT("room.refresh_gaps")
		? fail_cause(ctx, ERR_STORE, "fault point")
		: store_graph_summary(ctx, hs->db, room->nid, &graph);
	LOCK_SCOPE(&room->lock);
	room->is_stale = room->is_stale || err != ERR_OK; /* what it says is not what is stored */
	if (err == ERR_OK && room->content != NULL) {
		room->content->graph = graph;
	}
	return err;
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
	if (is_member(redacted->event)) {
		room_roster_drop_locked(room);
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
		struct stored_event *event = room_recent_at_locked(content, i);
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
