/*
 * The table of rooms, their turns, loading and putting away of their content.
 *
 * The struct of a room is light and stays for good, so that its newest position can be asked without the
 * database; the content (state, recent timeline) comes and goes.
 */
#include "homeserver/room/rooms.h"

#include "base/mem.h"
#include "base/metrics.h"
#include "homeserver/room/room.h"
#include "homeserver/room/room_accept.h"
#include "storage/graph.h"
#include "storage/room.h"

#include <string.h>

enum { TURN_WAIT_MS = 10000, TRIES_AT_LEAST = 5, NIDS_AT_ONCE = 100 };

static struct metric loaded_rooms =
	METRIC_GAUGE("belfry_rooms_loaded", "Rooms with their content in memory");

static void ref_event(void *value)
{
	stored_event_ref(value);
}

static void unref_event(void *value)
{
	stored_event_unref(value);
}

struct rooms *rooms_create(struct homeserver *hs)
{
	struct rooms *rooms = mem_alloc(sizeof(*rooms));
	rooms->hs = hs;
	lock_init(&rooms->lock, RANK_ROOM_TABLE);
	rooms->events = cache_create("events", hs->settings.event_cache_bytes,
		(struct cache_ops){.ref = ref_event, .unref = unref_event});
	return rooms;
}

void rooms_destroy(struct rooms *rooms)
{
	if (rooms == NULL) {
		return;
	}
	size_t i = 0;
	struct str key;
	void *value;
	while (map_next(&rooms->by_id, &i, &key, &value)) {
		struct room *room = value;
		lock_take(&room->lock);
		room_unload_locked(rooms, room);
		lock_give(&room->lock);
		room_unref(room);
	}
	map_fini(&rooms->by_id);
	map_fini(&rooms->by_nid);
	cache_destroy(rooms->events);
	lock_fini(&rooms->lock);
	mem_free(rooms);
}

void rooms_observe(struct rooms *rooms, const struct room_observer *observer)
{
	rooms->observer = *observer;
}

static struct str nid_key(const int64_t *room_nid)
{
	return str_from((const char *)room_nid, sizeof(*room_nid));
}

void room_ref(struct room *room)
{
	refc_take(&room->refc);
}

void room_unref(struct room *room)
{
	if (!refc_drop(&room->refc)) {
		return;
	}
	invariant(room->content == NULL && room->listener_n == 0);
	room_wake_rest_waiters(room);
	mem_free(room->listeners);
	room_head_clear_threads(&room->head);
	str_free(room->head.extremities);
	cond_fini(&room->changed);
	cond_fini(&room->turn_free);
	lock_fini(&room->lock);
	str_free(room->id.s);
	mem_free(room);
}

static void unref_hook(void *data)
{
	room_unref(data);
}

/* Hands a counted room over to the arena. */
static struct room *until_reset(struct ctx *ctx, struct room *room)
{
	arena_on_reset(ctx->arena, unref_hook, room);
	return room;
}

static struct room *find_ref(struct rooms *rooms, const struct map *map, struct str key)
{
	LOCK_SCOPE(&rooms->lock);
	struct room *room = map_get(map, key);
	if (room != NULL) {
		room_ref(room);
	}
	return room;
}

static void raise_to(_Atomic int64_t *value, int64_t at_least)
{
	int64_t now = atomic_load(value);
	while (now < at_least && !atomic_compare_exchange_weak(value, &now, at_least)) {
	}
}

struct room *rooms_intern(struct rooms *rooms, int64_t room_nid, struct str room_id,
	struct str version, int64_t last_position, int64_t receipt_position)
{
	LOCK_SCOPE(&rooms->lock);
	struct room *room = map_get(&rooms->by_nid, nid_key(&room_nid));
	if (room == NULL) {
		room = mem_alloc(sizeof(*room));
		refc_init(&room->refc);
		room->nid = room_nid;
		room->id.s = str_heap(room_id);
		room->version = room_version_find(version);
		invariant(room->version != NULL);
		lock_init(&room->lock, RANK_ROOM);
		cond_init(&room->changed);
		cond_init(&room->turn_free);
		(void)map_set(&rooms->by_id, room_id, room);
		(void)map_set(&rooms->by_nid, nid_key(&room->nid), room);
	}
	raise_to(&room->last_position, last_position);
	raise_to(&room->receipt_position, receipt_position);
	room_ref(room);
	return room;
}

/* --- the turn ----------------------------------------------------------------------------------- */

static int64_t patience_ends_ms(const struct ctx *ctx, const struct homeserver *hs)
{
	int64_t ends_ms = clock_mono_ms(&hs->clock) + TURN_WAIT_MS;
	return ctx->deadline_ms != 0 ? MIN_OF(ends_ms, ctx->deadline_ms) : ends_ms;
}

bool room_may_try(struct ctx *ctx, const struct homeserver *hs, struct room_tries *tries)
{
	if (tries->n == 0) {
		tries->until_ms = patience_ends_ms(ctx, hs);
	}
	return tries->n++ < TRIES_AT_LEAST || clock_mono_ms(&hs->clock) < tries->until_ms;
}

enum err room_turn_take(struct ctx *ctx, struct homeserver *hs, struct room *room)
{
	int64_t deadline_ms = patience_ends_ms(ctx, hs);
	LOCK_SCOPE(&room->lock);
	while (room->turn_taken || (room->is_stale && room->pending > 0)) {
		TRY(ctx_may_wait(ctx));
		if (!cond_wait_until(&room->turn_free, &room->lock, deadline_ms)) {
			cond_signal(&room->turn_free); /* it may have come to this one just now */
			return fail(ctx, ERR_TIMEOUT, M_UNKNOWN, "The room is busy; try again");
		}
	}
	room->turn_taken = true;
	return ERR_OK;
}

/* One of those who wait is woken, and without the lock, which it would find taken. All of them would find the turn taken but for one. */
void room_turn_give(struct room *room)
{
	lock_take(&room->lock);
	invariant(room->turn_taken);
	room->turn_taken = false;
	cond_broadcast(&room->changed);
	lock_give(&room->lock);
	cond_signal(&room->turn_free);
}

/* --- finding ------------------------------------------------------------------------------------- */

static bool is_loaded(struct room *room)
{
	LOCK_SCOPE(&room->lock);
	return room_is_current_locked(room);
}

enum err room_load_if_needed(struct ctx *ctx, struct homeserver *hs, struct room *room)
{
	return is_loaded(room) ? ERR_OK : room_load(ctx, hs, room);
}

enum err rooms_load(struct ctx *ctx, struct homeserver *hs, struct room *room)
{
	atomic_store(&room->last_used_ms, clock_about_ms(&hs->clock));
	if (is_loaded(room)) {
		return ERR_OK;
	}
	TRY(room_turn_take(ctx, hs, room));
	enum err err = room_load_if_needed(ctx, hs, room);
	room_turn_give(room);
	metric_set(&loaded_rooms, atomic_load(&hs->rooms->loaded));
	return err;
}

static enum err intern_row(struct ctx *ctx, struct homeserver *hs, enum err found,
	const struct room_row *row, struct room **out)
{
	if (found == ERR_MISSING) {
		return fail(ctx, ERR_MISSING, M_NOT_FOUND, "Unknown room");
	}
	TRY(found);
	struct room *room = rooms_intern(hs->rooms, row->room_nid, row->room_id, row->version,
		row->last_position, row->receipt_position);
	*out = until_reset(ctx, room);
	return rooms_load(ctx, hs, room);
}

enum err rooms_get(struct ctx *ctx, struct homeserver *hs, struct str room_id, struct room **out)
{
	struct room *room = find_ref(hs->rooms, &hs->rooms->by_id, room_id);
	if (room != NULL) {
		*out = until_reset(ctx, room);
		return rooms_load(ctx, hs, room);
	}
	struct room_id parsed;
	if (!room_id_parse(room_id, &parsed)) {
		return fail(ctx, ERR_MISSING, M_NOT_FOUND, "Not a room id");
	}
	struct room_row row;
	enum err found = store_room_find(ctx, hs->db, room_id, &row);
	return intern_row(ctx, hs, found, &row, out);
}

enum err rooms_get_nid(struct ctx *ctx, struct homeserver *hs, int64_t room_nid, struct room **out)
{
	struct room *room = find_ref(hs->rooms, &hs->rooms->by_nid, nid_key(&room_nid));
	if (room != NULL) {
		*out = until_reset(ctx, room);
		return rooms_load(ctx, hs, room);
	}
	struct room_row row;
	enum err found = store_room_find_nid(ctx, hs->db, room_nid, &row);
	return intern_row(ctx, hs, found, &row, out);
}

struct room *rooms_find(struct ctx *ctx, struct homeserver *hs, int64_t room_nid)
{
	struct room *room = find_ref(hs->rooms, &hs->rooms->by_nid, nid_key(&room_nid));
	return room != NULL ? until_reset(ctx, room) : NULL;
}

enum err rooms_get_for(struct ctx *ctx, struct homeserver *hs, struct str room_id,
	struct room **out)
{
	enum err err = rooms_get(ctx, hs, room_id, out);
	if (err == ERR_MISSING) {
		return fail(ctx, ERR_DENIED, M_FORBIDDEN, "You are not in that room");
	}
	return err;
}

int64_t room_nid(const struct room *room)
{
	return room->nid;
}

struct room_id room_id_of(const struct room *room)
{
	return room->id;
}

const struct room_version *room_version_of(const struct room *room)
{
	return room->version;
}

int64_t room_last_position(const struct room *room)
{
	return atomic_load(&room->last_position);
}

int64_t room_receipt_position(const struct room *room)
{
	return atomic_load(&room->receipt_position);
}

void room_set_receipt_position(struct room *room, int64_t position)
{
	raise_to(&room->receipt_position, position);
}

int64_t room_typing_serial(const struct room *room)
{
	return atomic_load(&room->typing_serial);
}

void room_set_typing_serial(struct room *room, int64_t serial)
{
	raise_to(&room->typing_serial, serial);
}

enum err rooms_new_nid(struct ctx *ctx, struct homeserver *hs, int64_t *out)
{
	struct rooms *rooms = hs->rooms;
	for (;;) {
		lock_take(&rooms->lock);
		bool got = rooms->nids_left > 0;
		if (got) {
			rooms->nids_left--;
			*out = rooms->next_nid++;
		}
		lock_give(&rooms->lock);
		if (got) {
			return ERR_OK;
		}
		int64_t first;
		TRY(store_room_nids(ctx, hs->db, &first));
		/* Numbers that another thread fetched meanwhile are given up: they are not scarce. */
		lock_take(&rooms->lock);
		rooms->next_nid = first;
		rooms->nids_left = NIDS_AT_ONCE;
		lock_give(&rooms->lock);
	}
}

/*
 * A block is below all that were given out before it, by whichever process; the rest of an older one may be above what another process'
 * join has brought since, and would never be given up. So it is itself given up then.
 */
enum err rooms_new_outliers(struct ctx *ctx, struct homeserver *hs, const struct room *room,
	size_t count, int64_t **out)
{
	struct rooms *rooms = hs->rooms;
	const int64_t ground = atomic_load(&room->ground);
	int64_t *positions = ARENA_NEW_ARRAY(ctx->arena, int64_t, count);
	size_t n = 0;
	lock_take(&rooms->lock);
	rooms->outliers_left = rooms->next_outlier < ground ? rooms->outliers_left : 0;
	for (; n < count && rooms->outliers_left > 0; rooms->outliers_left--) {
		positions[n++] = rooms->next_outlier--;
	}
	lock_give(&rooms->lock);
	*out = positions;
	if (n == count) {
		return ERR_OK;
	}
	int64_t *blocks;
	size_t block_count = (count - n + OUTLIER_BLOCK - 1) / OUTLIER_BLOCK;
	TRY(store_outlier_blocks(ctx, hs->db, block_count, &blocks));
	size_t used = 0; /* of the last block */
	for (size_t block = 0; block < block_count; block++) {
		for (used = 0; used < OUTLIER_BLOCK && n < count; used++) {
			positions[n++] = ROOM_OUTLIERS - blocks[block] * OUTLIER_BLOCK - (int64_t)used;
		}
	}
	/* What another thread fetched meanwhile is given up: there is no lack of positions. */
	lock_take(&rooms->lock);
	rooms->next_outlier = ROOM_OUTLIERS - blocks[block_count - 1] * OUTLIER_BLOCK - (int64_t)used;
	rooms->outliers_left = OUTLIER_BLOCK - (int64_t)used;
	lock_give(&rooms->lock);
	return ERR_OK;
}

/* --- putting away -------------------------------------------------------------------------------- */

/* Rooms that were not used since a time, with a reference each; heap. */
static struct room **list_rooms(struct rooms *rooms, int64_t before_ms, size_t *out_n)
{
	LOCK_SCOPE(&rooms->lock);
	struct room **list = mem_alloc_array(rooms->by_id.n, sizeof(struct room *));
	size_t n = 0;
	size_t i = 0;
	struct str key;
	void *value;
	while (map_next(&rooms->by_id, &i, &key, &value)) {
		struct room *room = value;
		if (atomic_load(&room->last_used_ms) < before_ms) {
			room_ref(room);
			list[n++] = room;
		}
	}
	*out_n = n;
	return list;
}

void rooms_tidy(struct rooms *rooms, int64_t before_ms)
{
	size_t n;
	struct room **list = list_rooms(rooms, before_ms, &n);
	for (size_t i = 0; i < n; i++) {
		struct room *room = list[i];
		lock_take(&room->lock);
		if (room->content != NULL && !room->turn_taken && room->pending == 0 &&
			atomic_load(&room->last_used_ms) < before_ms) {
			room_unload_locked(rooms, room);
			room_head_clear_threads(&room->head);
		}
		lock_give(&room->lock);
		room_unref(room);
	}
	mem_free(list);
	metric_set(&loaded_rooms, atomic_load(&rooms->loaded));
}

static void forget_content(struct rooms *rooms, struct room *room, bool is_rewritten)
{
	LOCK_SCOPE(&room->lock);
	room->is_stale = true; /* also for who is loading it now */
	if (is_rewritten) {
		room->redactions++; /* the same, for single events */
		/* Before anybody can load the room anew: whoever did would keep the old texts with its state. */
		cache_clear(rooms->events);
	}
	room_unload_locked(rooms, room);
}

void rooms_forget(struct rooms *rooms)
{
	size_t n;
	struct room **list = list_rooms(rooms, INT64_MAX, &n);
	for (size_t i = 0; i < n; i++) {
		forget_content(rooms, list[i], true);
		room_unref(list[i]);
	}
	mem_free(list);
}

/* What holds in it is as it was; who loads it now reads on. */
static void leave_behind(struct room *room)
{
	LOCK_SCOPE(&room->lock);
	room->messages_told++;
}

void rooms_told(struct rooms *rooms, int64_t room_nid, int64_t position, enum news_kind kind)
{
	struct room *room = find_ref(rooms, &rooms->by_nid, nid_key(&room_nid));
	if (room != NULL && kind == NEWS_MESSAGE) {
		leave_behind(room);
	} else if (room != NULL) {
		forget_content(rooms, room, kind == NEWS_REWRITTEN);
		if (room_is_partial(room)) {
			room_wake_rest_waiters(room); /* the other process may have got the members */
		}
	}
	if (room != NULL) {
		raise_to(&room->last_position, position);
		rooms->observer.room_committed(rooms->observer.self, room);
		room_unref(room);
	}
}

void rooms_told_receipts(struct rooms *rooms, int64_t room_nid, int64_t position)
{
	struct room *room = find_ref(rooms, &rooms->by_nid, nid_key(&room_nid));
	if (room != NULL) {
		raise_to(&room->receipt_position, position);
		rooms->observer.room_committed(rooms->observer.self, room);
		room_unref(room);
	}
}

/* --- listeners --------------------------------------------------------------------------------------- */

void room_listen(struct room *room, struct user *user)
{
	LOCK_SCOPE(&room->lock);
	if (room->listener_n == room->listener_capacity) {
		room->listener_capacity = room->listener_capacity == 0 ? 8 : room->listener_capacity * 2;
		room->listeners =
			mem_realloc(room->listeners, room->listener_capacity * sizeof(*room->listeners));
	}
	room->listeners[room->listener_n++] = user;
}

void room_unlisten(struct room *room, struct user *user)
{
	LOCK_SCOPE(&room->lock);
	for (size_t i = 0; i < room->listener_n; i++) {
		if (room->listeners[i] == user) {
			room->listeners[i] = room->listeners[--room->listener_n];
			return;
		}
	}
}

size_t room_waiting(struct rooms *rooms, struct room *room, struct arena *arena, struct user ***out)
{
	LOCK_SCOPE(&room->lock);
	size_t n = 0;
	*out = ARENA_NEW_ARRAY(arena, struct user *, room->listener_n);
	for (size_t i = 0; i < room->listener_n; i++) {
		if (rooms->observer.user_ref_waiting(room->listeners[i])) {
			(*out)[n++] = room->listeners[i];
		}
	}
	return n;
}
