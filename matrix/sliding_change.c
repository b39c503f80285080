/*
 * A state that is being made of another: only rooms that are touched are copied, found by a hash table, and put among the others at the end. Until
 * then a room's config is a number in the list of those of before and, behind them, those that are new.
 */
#include "matrix/sliding_state.h"

#include <stdlib.h>

#include "base/map.h"
#include "base/vec.h"

enum { FIRST_CAPACITY = 16 };
static const uint32_t no_config = UINT32_MAX;

struct changed {
	struct sliding_room room;
	const struct sliding_room *before; /* NULL: nothing was told of it */
};

struct sliding_change {
	struct arena *arena;
	const struct sliding_state *before;
	VEC(struct changed *) rooms;
	struct changed **slots; /* the same by hash, with linear probing; NULL where none stands */
	size_t capacity; /* a power of two, twice as many as rooms or more; 0: there is none yet */
	VEC(const struct sliding_config *) configs; /* none of which is among those of before */
	const struct sliding_config *numbered;      /* found last; mostly the next room has it, too */
	uint32_t number;
};

struct sliding_change *sliding_change_begin(struct arena *arena, const struct sliding_state *before)
{
	struct sliding_change *change = ARENA_NEW(arena, struct sliding_change);
	change->arena = arena;
	change->before = before;
	return change;
}

/* --- rooms ---------------------------------------------------------------------------------------------------------- */

/* Where the room stands, or would. */
static struct changed **slot_of(const struct sliding_change *change, int64_t room_nid)
{
	size_t at = (size_t)hash_int((uint64_t)room_nid) & (change->capacity - 1);
	while (change->slots[at] != NULL && change->slots[at]->room.room_nid != room_nid) {
		at = (at + 1) & (change->capacity - 1);
	}
	return &change->slots[at];
}

static void grow(struct sliding_change *change)
{
	change->capacity = MAX_OF((size_t)FIRST_CAPACITY, change->capacity * 2);
	change->slots = ARENA_NEW_ARRAY(change->arena, struct changed *, change->capacity);
	for (size_t i = 0; i < change->rooms.n; i++) {
		*slot_of(change, change->rooms.p[i]->room.room_nid) = change->rooms.p[i];
	}
}

static struct sliding_room untold(int64_t room_nid)
{
	struct sliding_room room = {.room_nid = room_nid, .config = no_config};
	for (size_t i = 0; i < SLIDING_STREAM_COUNT; i++) {
		room.told[i] = SLIDING_NEVER;
	}
	return room;
}

static bool is_told(const struct sliding_room *room)
{
	for (size_t i = 0; i < SLIDING_STREAM_COUNT; i++) {
		if (room->told[i] != SLIDING_NEVER) {
			return true;
		}
	}
	return false;
}

/* The room as it stands, to be changed. */
static struct sliding_room *touch(struct sliding_change *change, int64_t room_nid)
{
	if (change->rooms.n >= change->capacity / 2) {
		grow(change);
	}
	struct changed **slot = slot_of(change, room_nid);
	if (*slot == NULL) {
		*slot = ARENA_NEW(change->arena, struct changed);
		(*slot)->before = sliding_state_room(change->before, room_nid);
		(*slot)->room = (*slot)->before != NULL ? *(*slot)->before : untold(room_nid);
		if ((*slot)->room.told[SLIDING_EVENTS] == SLIDING_NEVER) {
			(*slot)->room.config = no_config;
		}
		VEC_PUSH(change->arena, &change->rooms, *slot);
	}
	return &(*slot)->room;
}

/* As it stands now, changed or not; NULL: nothing was told of it. */
static const struct sliding_room *room_now(const struct sliding_change *change, int64_t room_nid)
{
	const struct changed *changed = change->capacity > 0 ? *slot_of(change, room_nid) : NULL;
	return changed != NULL ? &changed->room : sliding_state_room(change->before, room_nid);
}

static bool is_live(const struct sliding_change *change, int64_t room_nid,
	enum sliding_stream stream)
{
	const struct sliding_room *room = room_now(change, room_nid);
	return room != NULL && room->told[stream] == SLIDING_LIVE;
}

/* --- changes -------------------------------------------------------------------------------------------------------- */

static int compare_configs(const void *a, const void *b)
{
	return sliding_config_compare(a, b);
}

/* The number of an equal config of before, or of a new one. */
static uint32_t find_number(struct sliding_change *change, const struct sliding_config *config)
{
	const struct sliding_state *before = change->before;
	const struct sliding_config *known = before->config_n > 0
		? bsearch(config, before->configs, before->config_n, sizeof(*config), compare_configs)
		: NULL;
	if (known != NULL) {
		return (uint32_t)(known - before->configs);
	}
	VEC_PUSH(change->arena, &change->configs, config);
	return (uint32_t)(before->config_n + change->configs.n - 1);
}

static uint32_t number_of(struct sliding_change *change, const struct sliding_config *config)
{
	if (change->numbered != config) {
		change->number = find_number(change, config);
		change->numbered = config;
	}
	return change->number;
}

void sliding_change_told(struct sliding_change *change, int64_t room_nid,
	enum sliding_stream stream)
{
	static const struct sliding_config nothing = {0};
	if (is_live(change, room_nid, stream)) {
		return; /* as mostly */
	}
	struct sliding_room *room = touch(change, room_nid);
	room->told[stream] = SLIDING_LIVE;
	if (stream == SLIDING_EVENTS && room->config == no_config) {
		room->config = number_of(change, &nothing);
	}
}

void sliding_change_missed(struct sliding_change *change, int64_t room_nid,
	enum sliding_stream stream, int64_t position)
{
	if (is_live(change, room_nid, stream)) {
		touch(change, room_nid)->told[stream] = position > 0 ? position : SLIDING_NEVER;
	}
}

void sliding_change_config(struct sliding_change *change, int64_t room_nid,
	const struct sliding_config *config)
{
	const struct sliding_room *room = room_now(change, room_nid);
	uint32_t number = number_of(change, config);
	bool was_told = room != NULL && room->told[SLIDING_EVENTS] != SLIDING_NEVER;
	if (!was_told || room->config != number) {
		touch(change, room_nid)->config = number;
	}
}

static bool is_different(const struct changed *changed)
{
	const struct sliding_room *room = &changed->room;
	const struct sliding_room *before = changed->before;
	if (before == NULL) {
		return is_told(room);
	}
	for (size_t i = 0; i < SLIDING_STREAM_COUNT; i++) {
		if (room->told[i] != before->told[i]) {
			return true;
		}
	}
	return room->told[SLIDING_EVENTS] != SLIDING_NEVER && room->config != before->config;
}

bool sliding_change_is_any(const struct sliding_change *change)
{
	for (size_t i = 0; i < change->rooms.n; i++) {
		if (is_different(change->rooms.p[i])) {
			return true;
		}
	}
	return false;
}

/* --- the new state -------------------------------------------------------------------------------------------------- */

static int compare_changed(const void *a, const void *b)
{
	const struct changed *const *x = a;
	const struct changed *const *y = b;
	return ((*x)->room.room_nid > (*y)->room.room_nid) -
		((*x)->room.room_nid < (*y)->room.room_nid);
}

/* Rooms of which something is told, those of before and the changed, by number. */
static size_t merge_rooms(struct sliding_change *change, struct sliding_room *out)
{
	const struct sliding_state *before = change->before;
	size_t n = 0;
	size_t at = 0;
	if (change->rooms.n > 0) {
		qsort(change->rooms.p, change->rooms.n, sizeof(*change->rooms.p), compare_changed);
	}
	for (size_t i = 0; i < change->rooms.n; i++) {
		const struct sliding_room *room = &change->rooms.p[i]->room;
		while (at < before->room_n && before->rooms[at].room_nid < room->room_nid) {
			out[n++] = before->rooms[at++];
		}
		at += change->rooms.p[i]->before != NULL;
		if (is_told(room)) {
			out[n++] = *room;
		}
	}
	while (at < before->room_n) {
		out[n++] = before->rooms[at++];
	}
	return n;
}

/* A config that a room has, under its number until now. */
struct numbered {
	const struct sliding_config *config;
	uint32_t number;
};

static int compare_numbered(const void *a, const void *b)
{
	const struct numbered *x = a;
	const struct numbered *y = b;
	return sliding_config_compare(x->config, y->config);
}

/* Those that a room has, in order; the rooms get their numbers. */
static size_t number_anew(struct sliding_change *change, struct sliding_room *rooms, size_t room_n,
	struct sliding_config *out)
{
	size_t known = change->before->config_n;
	size_t all = known + change->configs.n;
	uint32_t *numbers = ARENA_NEW_ARRAY(change->arena, uint32_t, all + 1);
	struct numbered *used = ARENA_NEW_ARRAY(change->arena, struct numbered, all + 1);
	for (size_t i = 0; i < room_n; i++) {
		if (rooms[i].told[SLIDING_EVENTS] != SLIDING_NEVER) {
			numbers[rooms[i].config] = 1;
		}
	}
	size_t used_n = 0;
	for (uint32_t i = 0; i < all; i++) {
		if (numbers[i] != 0) {
			used[used_n++] = (struct numbered){
				i < known ? &change->before->configs[i] : change->configs.p[i - known], i};
		}
	}
	qsort(used, used_n, sizeof(*used), compare_numbered);
	size_t n = 0;
	for (size_t i = 0; i < used_n; i++) {
		if (i == 0 || compare_numbered(&used[i - 1], &used[i]) != 0) {
			out[n++] = *used[i].config;
		}
		numbers[used[i].number] = (uint32_t)n - 1;
	}
	for (size_t i = 0; i < room_n; i++) {
		bool has_config = rooms[i].told[SLIDING_EVENTS] != SLIDING_NEVER;
		rooms[i].config = has_config ? numbers[rooms[i].config] : 0;
	}
	return n;
}

struct sliding_state sliding_change_end(struct sliding_change *change)
{
	const struct sliding_state *before = change->before;
	struct sliding_room *rooms =
		ARENA_NEW_ARRAY(change->arena, struct sliding_room, before->room_n + change->rooms.n + 1);
	struct sliding_config *configs = ARENA_NEW_ARRAY(change->arena, struct sliding_config,
		before->config_n + change->configs.n + 1);
	size_t room_n = merge_rooms(change, rooms);
	size_t config_n = number_anew(change, rooms, room_n, configs);
	return (struct sliding_state){.rooms = rooms,
		.room_n = room_n,
		.configs = configs,
		.config_n = config_n};
}
