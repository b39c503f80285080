/*
 * Lists of who types, for the rooms where somebody does.
 *
 * A room is given its new serial before the serial becomes "now": a sync that takes typing_serial_now() first, and then looks
 * at rooms, sees at least every change up to it. Listeners are woken after the lock was given back.
 *
 * Where there are several processes, each change is said to all, and made by each when it hears it: so all have the same lists, and the same
 * serials. Each tells other servers and application services; those who have the leases of their queues take it.
 */
#include "homeserver/typing/typing.h"

#include <inttypes.h>

#include "base/lock.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/vec.h"
#include "homeserver/user/users.h"

enum {
	TELL_AGAIN_MS = 30 * 1000,
	RUN_OUT = -1, /* instead of a timeout: who has not typed for long ends */
};

struct typist {
	struct str user_id; /* heap */
	int64_t until_ms;   /* monotonic */
	int64_t told_ms;    /* when other servers were told last */
};

struct typing_room {
	struct room *room; /* counted */
	struct typist *typists;
	size_t n;
	size_t capacity;
};

struct typing {
	struct homeserver *hs;
	struct lock lock; /* guards below */
	struct map rooms; /* bytes of the room's number → struct typing_room *, never empty */
};

static struct str nid_key(const int64_t *room_nid)
{
	return str_from((const char *)room_nid, sizeof(*room_nid));
}

struct typing *typing_create(struct homeserver *hs)
{
	struct typing *typing = mem_alloc(sizeof(*typing));
	typing->hs = hs;
	lock_init(&typing->lock, RANK_TYPING);
	return typing;
}

static void room_destroy(struct typing_room *entry)
{
	for (size_t i = 0; i < entry->n; i++) {
		str_free(entry->typists[i].user_id);
	}
	mem_free(entry->typists);
	room_unref(entry->room);
	mem_free(entry);
}

void typing_destroy(struct typing *typing)
{
	if (typing == NULL) {
		return;
	}
	size_t i = 0;
	struct str key;
	void *value;
	while (map_next(&typing->rooms, &i, &key, &value)) {
		room_destroy(value);
	}
	map_fini(&typing->rooms);
	lock_fini(&typing->lock);
	mem_free(typing);
}

int64_t typing_serial_now(const struct homeserver *hs)
{
	return writer_ephemeral(hs->writer);
}

int64_t typing_serial_next(struct homeserver *hs)
{
	LOCK_SCOPE(&hs->typing->lock);
	int64_t serial = writer_ephemeral(hs->writer) + 1;
	writer_raise_ephemeral(hs->writer, serial);
	return serial;
}

/* --- lists, lock held ----------------------------------------------------------------------------------- */

/* @param serial  0: the next */
static void list_changed_locked(struct typing *typing, struct room *room, int64_t serial)
{
	struct writer *writer = typing->hs->writer;
	serial = serial > 0 ? serial : writer_ephemeral(writer) + 1;
	room_set_typing_serial(room, serial);
	writer_raise_ephemeral(writer, serial);
}

static struct typist *find_locked(struct typing_room *entry, struct str user_id)
{
	for (size_t i = 0; i < entry->n; i++) {
		if (str_equals(entry->typists[i].user_id, user_id)) {
			return &entry->typists[i];
		}
	}
	return NULL;
}

static void add_locked(struct typing_room *entry, struct str user_id, int64_t until_ms)
{
	if (entry->n == entry->capacity) {
		entry->capacity = entry->capacity == 0 ? 4 : entry->capacity * 2;
		entry->typists = mem_realloc(entry->typists, entry->capacity * sizeof(struct typist));
	}
	entry->typists[entry->n++] =
		(struct typist){.user_id = str_heap(user_id), .until_ms = until_ms};
}

/* Takes out one user who has run out by a time; the others keep their order. @return whether there was one */
static bool remove_locked(struct typing_room *entry, struct str user_id, int64_t by_ms)
{
	size_t kept = 0;
	for (size_t i = 0; i < entry->n; i++) {
		struct typist *typist = &entry->typists[i];
		if (typist->until_ms <= by_ms && str_equals(typist->user_id, user_id)) {
			str_free(typist->user_id);
		} else {
			entry->typists[kept++] = *typist;
		}
	}
	bool removed = kept < entry->n;
	entry->n = kept;
	return removed;
}

/*
 * Other servers let a user type on for less than a minute unless they are told again.
 * @return whether it is time for that
 */
static bool is_told_again(struct typist *typist, int64_t now_ms)
{
	bool is_due = now_ms - typist->told_ms >= TELL_AGAIN_MS;
	typist->told_ms = is_due ? now_ms : typist->told_ms;
	return is_due;
}

/* @return whether the list changed */
static bool start_locked(struct typing *typing, struct room *room, struct str user_id,
	int64_t now_ms, int64_t until_ms, bool *out_is_told)
{
	int64_t nid = room_nid(room);
	struct typing_room *entry = map_get(&typing->rooms, nid_key(&nid));
	if (entry == NULL) {
		entry = mem_alloc(sizeof(*entry));
		room_ref(room);
		entry->room = room;
		(void)map_set(&typing->rooms, nid_key(&nid), entry);
	}
	struct typist *typist = find_locked(entry, user_id);
	if (typist != NULL) {
		typist->until_ms = until_ms;
		*out_is_told = is_told_again(typist, now_ms);
		return false;
	}
	add_locked(entry, user_id, until_ms);
	entry->typists[entry->n - 1].told_ms = now_ms;
	*out_is_told = true;
	return true;
}

static bool stop_locked(struct typing *typing, struct room *room, struct str user_id, int64_t by_ms)
{
	int64_t nid = room_nid(room);
	struct typing_room *entry = map_get(&typing->rooms, nid_key(&nid));
	bool removed = entry != NULL && remove_locked(entry, user_id, by_ms);
	if (removed && entry->n == 0) {
		(void)map_remove(&typing->rooms, nid_key(&nid));
		room_destroy(entry);
	}
	return removed;
}

/* By way of the ports. */
static void tell_others(struct homeserver *hs, struct room *room, struct str user_id,
	bool is_typing)
{
	for (size_t i = 0; i < EDU_LISTENERS; i++) {
		const struct edu_port *port = &hs->ports.edus[i];
		if (port->typing != NULL) {
			port->typing(port->self, room, user_id, is_typing);
		}
	}
}

/* --- changes --------------------------------------------------------------------------------------------- */

/* @param serial  the same in all processes; 0: there is this one only */
static void change(struct homeserver *hs, struct room *room, struct str user_id, int64_t timeout_ms,
	int64_t serial)
{
	struct typing *typing = hs->typing;
	int64_t now_ms = clock_mono_ms(&hs->clock);
	int64_t until_ms = now_ms + MIN_OF(timeout_ms, (int64_t)TYPING_LONGEST_MS);
	bool is_told = false;
	lock_take(&typing->lock);
	bool changed = timeout_ms > 0
		? start_locked(typing, room, user_id, now_ms, until_ms, &is_told)
		: stop_locked(typing, room, user_id, timeout_ms == RUN_OUT ? now_ms : INT64_MAX);
	if (changed) {
		list_changed_locked(typing, room, serial);
	}
	lock_give(&typing->lock);
	if (changed) {
		users_wake_room(hs->users, room);
	}
	if (changed || is_told) {
		tell_others(hs, room, user_id, timeout_ms > 0);
	}
}

/* "<room's number> <timeout> <version> <length of its id> <its id><user>" */
static struct str line_of(struct arena *arena, struct room *room, struct str user_id,
	int64_t timeout_ms)
{
	struct str id = room_id_of(room).s;
	return str_printf(arena, "%" PRId64 " %" PRId64 " %.*s %zu %.*s%.*s", room_nid(room),
		timeout_ms, STR_ARG(room_version_of(room)->id), id.n, STR_ARG(id), STR_ARG(user_id));
}

void typing_heard(struct homeserver *hs, struct str line, int64_t serial)
{
	struct str words[4];
	int64_t nid;
	int64_t timeout_ms;
	int64_t length;
	for (size_t i = 0; i < COUNT_OF(words); i++) {
		(void)str_split(line, ' ', &words[i], &line);
	}
	if (!str_to_int(words[0], 0, INT64_MAX, &nid) ||
		!str_to_int(words[1], RUN_OUT, INT64_MAX, &timeout_ms) ||
		room_version_find(words[2]) == NULL || !str_to_int(words[3], 0, (int64_t)line.n, &length)) {
		return; /* of a newer version of this server */
	}
	struct room *room =
		rooms_intern(hs->rooms, nid, str_slice(line, 0, (size_t)length), words[2], 0, 0);
	change(hs, room, str_slice(line, (size_t)length, line.n), timeout_ms, serial);
	room_unref(room);
}

enum err typing_set(struct ctx *ctx, struct homeserver *hs, struct str user_id, struct str room_id,
	int64_t timeout_ms)
{
	struct room *room;
	TRY(rooms_get_for(ctx, hs, room_id, &room));
	TRY(room_require_joined(ctx, hs, room, user_id));
	if (writer_has_peers(hs->writer)) {
		writer_tell_all(hs->writer, NEWS_TYPING, line_of(ctx->arena, room, user_id, timeout_ms));
	} else {
		change(hs, room, user_id, timeout_ms, 0);
	}
	return ERR_OK;
}

struct ended_typist {
	struct room *room; /* counted */
	struct str user_id;
};
typedef VEC(struct ended_typist) ended_list;

static void collect_ended(struct typing *typing, struct arena *arena, ended_list *out)
{
	int64_t now_ms = clock_mono_ms(&typing->hs->clock);
	LOCK_SCOPE(&typing->lock);
	size_t i = 0;
	struct str key;
	void *value;
	while (map_next(&typing->rooms, &i, &key, &value)) {
		struct typing_room *entry = value;
		for (size_t k = 0; k < entry->n; k++) {
			if (entry->typists[k].until_ms <= now_ms) {
				struct ended_typist one = {entry->room, str_dup(arena, entry->typists[k].user_id)};
				room_ref(entry->room);
				VEC_PUSH(arena, out, one);
			}
		}
	}
}

void typing_tidy(struct typing *typing)
{
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct homeserver *hs = typing->hs;
	ended_list ended = {0};
	collect_ended(typing, arena, &ended);
	for (size_t i = 0; i < ended.n; i++) {
		struct room *room = ended.p[i].room;
		if (writer_has_peers(hs->writer)) {
			writer_tell(hs->writer, NEWS_TYPING, line_of(arena, room, ended.p[i].user_id, RUN_OUT));
		} else {
			change(hs, room, ended.p[i].user_id, RUN_OUT, 0);
		}
		room_unref(room);
	}
}

/* --- the face -------------------------------------------------------------------------------------------- */

static size_t copy_typists(struct typing *typing, struct room *room, struct arena *arena,
	struct str **out)
{
	int64_t nid = room_nid(room);
	LOCK_SCOPE(&typing->lock);
	const struct typing_room *entry = map_get(&typing->rooms, nid_key(&nid));
	size_t count = entry != NULL ? entry->n : 0;
	*out = ARENA_NEW_ARRAY(arena, struct str, count);
	for (size_t i = 0; i < count; i++) {
		(*out)[i] = str_dup(arena, entry->typists[i].user_id);
	}
	return count;
}

enum err typing_users(struct ctx *ctx, struct homeserver *hs, struct room *room, struct str **out,
	size_t *out_count)
{
	struct str *users;
	size_t count = copy_typists(hs->typing, room, ctx->arena, &users);
	size_t joined = 0;
	for (size_t i = 0; i < count; i++) {
		/* Whoever has left meanwhile is not shown any more. */
		struct str membership;
		TRY(room_membership(ctx, hs, room, users[i], &membership));
		if (str_equals(membership, STR("join"))) {
			users[joined++] = users[i];
		}
	}
	*out = users;
	*out_count = joined;
	return ERR_OK;
}
