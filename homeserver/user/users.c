/*
 * The table of active local users.
 *
 * A user's list of rooms is read from the database once, and kept up to date by the commits. A commit that falls
 * between the query and its result is not lost: the user stands in the table before the query starts, and
 * of two entries for a room the one with the higher position stays.
 */
#include "homeserver/user/users.h"

#include "base/lock.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "matrix/account_data.h"
#include "storage/account_data.h"
#include "storage/state.h"

#include <string.h>

enum { LOAD_WAIT_MS = 10000, WAITERS_PRUNED_AT = 8 };

static struct metric active_users =
	METRIC_GAUGE("belfry_users_active", "Local users with their rooms in memory");

/* A user's relation to a room. Guarded by the user's lock. */
struct user_entry {
	struct room *room; /* counted */
	const char *membership;
	int64_t position;
	bool is_forgotten;
	bool is_listening;
	struct str stripped; /* heap */
};

/* Whether the user takes invites. */
enum invite_permission { INVITES_UNKNOWN, INVITES_TAKEN, INVITES_BLOCKED };

enum user_load { USER_LOADING, USER_LOADED, USER_FAILED };

struct user {
	struct refc refc;
	struct users *users;
	struct str id; /* heap */
	_Atomic int64_t own_position;
	_Atomic int64_t last_used_ms;
	atomic_bool is_active; /* in the table; cleared in the table's lock */
	struct lock lock;      /* guards all below */
	enum invite_permission invites;
	struct cond loaded;
	enum user_load load;
	bool is_removed;         /* put away: nobody tells it anything any more */
	bool knows_ignored;      /* ignored_list is what the account data say */
	struct str ignored_list; /* content of m.ignored_user_list; heap; p == NULL: none */
	struct map rooms;        /* bytes of the room's number → struct user_entry * */
	struct park **waiters;   /* counted */
	size_t waiter_n;
	size_t waiter_capacity;
};

/* Parked requests taken off their users' lists, with their references. Heap. */
struct waiters {
	struct park **p;
	size_t n;
	size_t capacity;
};

struct users {
	struct homeserver *hs;
	struct lock lock; /* guards by_id */
	struct map by_id; /* user id → struct user *, counted */
	/* Told since the last publication. Writer's thread only. */
	struct room **told_rooms;
	size_t told_room_n;
	size_t told_room_capacity;
	struct user **told_users;
	size_t told_user_n;
	size_t told_user_capacity;
	bool wakes_all; /* at the next publication */
	struct waiters waiters;
	struct arena *arena; /* of one publication */
};

static struct str nid_key(const int64_t *room_nid)
{
	return str_from((const char *)room_nid, sizeof(*room_nid));
}

/* --- life --------------------------------------------------------------------------------------------- */

void user_ref(struct user *user)
{
	refc_take(&user->refc);
}

static void entry_destroy(struct user_entry *entry)
{
	room_unref(entry->room);
	str_free(entry->stripped);
	mem_free(entry);
}

void user_unref(struct user *user)
{
	if (user == NULL || !refc_drop(&user->refc)) {
		return;
	}
	size_t i = 0;
	struct str key;
	void *value;
	while (map_next(&user->rooms, &i, &key, &value)) {
		entry_destroy(value);
	}
	map_fini(&user->rooms);
	for (i = 0; i < user->waiter_n; i++) {
		park_unref(user->waiters[i]);
	}
	mem_free(user->waiters);
	str_free(user->ignored_list);
	cond_fini(&user->loaded);
	lock_fini(&user->lock);
	str_free(user->id);
	mem_free(user);
}

static void unref_hook(void *data)
{
	user_unref(data);
}

static struct user *user_create(struct users *users, struct str user_id)
{
	struct user *user = mem_alloc(sizeof(*user));
	refc_init(&user->refc);
	user->users = users;
	atomic_init(&user->is_active, true);
	user->id = str_heap(user_id);
	lock_init(&user->lock, RANK_USER);
	cond_init(&user->loaded);
	return user;
}

/* The user hears of nothing any more. */
static void user_put_away(struct user *user)
{
	lock_take(&user->lock);
	user->is_removed = true;
	size_t i = 0;
	struct str key;
	void *value;
	while (map_next(&user->rooms, &i, &key, &value)) {
		struct user_entry *entry = value;
		if (entry->is_listening) {
			room_unlisten(entry->room, user);
			entry->is_listening = false;
		}
	}
	lock_give(&user->lock);
}

static void take_waiters(struct user *user, struct waiters *out)
{
	LOCK_SCOPE(&user->lock);
	size_t n = user->waiter_n;
	if (out->n + n > out->capacity) {
		out->capacity = MAX_OF(out->capacity * 2, out->n + n);
		out->p = mem_realloc(out->p, out->capacity * sizeof(struct park *));
	}
	for (size_t i = 0; i < n; i++) {
		out->p[out->n++] = user->waiters[i];
	}
	user->waiter_n = 0;
}

static void wake_waiters(struct waiters *waiters)
{
	park_wake_many(waiters->p, waiters->n);
	for (size_t i = 0; i < waiters->n; i++) {
		park_unref(waiters->p[i]);
	}
	waiters->n = 0;
}

static void wake(struct user *user)
{
	struct waiters waiters = {0};
	take_waiters(user, &waiters);
	wake_waiters(&waiters);
	mem_free(waiters.p);
}

/* @return whether the user was in the table; then its reference is the caller's */
static bool take_out_locked(struct users *users, struct user *user)
{
	bool was_in = map_get(&users->by_id, user->id) == user;
	if (was_in) {
		atomic_store(&user->is_active, false);
		(void)map_remove(&users->by_id, user->id);
		metric_set(&active_users, (int64_t)users->by_id.n);
	}
	return was_in;
}

/* Afterwards those who waited look again: at a user made anew. */
static void let_go(struct user *user)
{
	user_put_away(user);
	wake(user);
	user_unref(user);
}

static void remove_from_table(struct users *users, struct user *user)
{
	lock_take(&users->lock);
	bool was_in = take_out_locked(users, user);
	lock_give(&users->lock);
	if (was_in) {
		let_go(user);
	}
}

static void observe_room(void *self, struct room *room)
{
	users_room_committed(self, room);
}

static void observe_membership(void *self, struct room *room, struct str user_id,
	struct str membership, int64_t position, struct str stripped)
{
	users_membership_committed(self, room, user_id, membership, position, stripped);
}

static struct user *find_active(struct users *users, struct str user_id)
{
	LOCK_SCOPE(&users->lock);
	struct user *user = map_get(&users->by_id, user_id);
	if (user != NULL) {
		user_ref(user);
	}
	return user;
}

static void observe_forgotten(void *self, struct room *room, struct str user_id)
{
	struct user *user = find_active(self, user_id);
	if (user != NULL) {
		user_room_forget(user, room_nid(room));
		user_unref(user);
	}
}

struct users *users_create(struct homeserver *hs)
{
	struct users *users = mem_alloc(sizeof(*users));
	users->hs = hs;
	lock_init(&users->lock, RANK_USER_TABLE);
	users->arena = arena_create();
	const struct room_observer observer = {
		.self = users,
		.room_committed = observe_room,
		.membership_committed = observe_membership,
		.forgotten = observe_forgotten,
		.user_ref = user_ref,
	};
	rooms_observe(hs->rooms, &observer);
	return users;
}

void users_destroy(struct users *users)
{
	if (users == NULL) {
		return;
	}
	size_t i = 0;
	struct str key;
	void *value;
	while (map_next(&users->by_id, &i, &key, &value)) {
		user_put_away(value);
		user_unref(value);
	}
	map_fini(&users->by_id);
	mem_free(users->told_rooms);
	mem_free(users->told_users);
	mem_free(users->waiters.p);
	arena_destroy(users->arena);
	lock_fini(&users->lock);
	mem_free(users);
}

bool user_is_active(const struct user *user)
{
	return atomic_load(&user->is_active);
}

void user_touch(struct user *user)
{
	atomic_store(&user->last_used_ms, clock_mono_ms(&user->users->hs->clock));
}

struct str user_id_of(const struct user *user)
{
	return user->id;
}

int64_t user_own_position(const struct user *user)
{
	return atomic_load(&user->own_position);
}

/* --- the list of rooms -------------------------------------------------------------------------------- */

/* Sets an entry unless what stands there is newer. User's lock held. */
static void set_entry_locked(struct user *user, struct room *room, struct str membership,
	int64_t position, bool is_forgotten, struct str stripped)
{
	int64_t nid = room_nid(room);
	struct user_entry *entry = map_get(&user->rooms, nid_key(&nid));
	if (entry == NULL) {
		entry = mem_alloc(sizeof(*entry));
		room_ref(room);
		entry->room = room;
		(void)map_set(&user->rooms, nid_key(&nid), entry);
	} else if (entry->position > position) {
		return;
	}
	str_free(entry->stripped);
	entry->stripped = stripped.p != NULL ? str_heap(stripped) : str_from(NULL, 0);
	entry->membership = str_equals(membership, STR("join")) ? "join"
		: str_equals(membership, STR("invite"))             ? "invite"
		: str_equals(membership, STR("knock"))              ? "knock"
		: str_equals(membership, STR("ban"))                ? "ban"
															: "leave";
	entry->position = position;
	entry->is_forgotten = is_forgotten;
	bool should_listen = str_equals(membership, STR("join")) && !user->is_removed;
	if (should_listen && !entry->is_listening) {
		room_listen(room, user);
	} else if (!should_listen && entry->is_listening) {
		room_unlisten(room, user);
	}
	entry->is_listening = should_listen;
}

static void raise_own_position(struct user *user, int64_t position)
{
	int64_t now = atomic_load(&user->own_position);
	while (now < position && !atomic_compare_exchange_weak(&user->own_position, &now, position)) {
	}
}

/* What a commit has said meanwhile is newer than what was read. */
static void set_invites(struct user *user, struct arena *arena, struct str content, bool is_read)
{
	struct json json;
	bool is_blocked = content.p != NULL &&
		json_parse(arena, content, NULL, &json, NULL) == JSON_OK && invite_permission_blocks(&json);
	LOCK_SCOPE(&user->lock);
	if (!is_read || user->invites == INVITES_UNKNOWN) {
		user->invites = is_blocked ? INVITES_BLOCKED : INVITES_TAKEN;
	}
}

static enum err load_rooms(struct ctx *ctx, struct homeserver *hs, struct user *user)
{
	struct member_row *rows;
	size_t count;
	int64_t own_position;
	struct str invite_permission;
	TRY(store_account_data_position(ctx, hs->db, user->id, &own_position, &invite_permission));
	raise_own_position(user, own_position);
	set_invites(user, ctx->arena, invite_permission, true);
	TRY(store_member_rooms(ctx, hs->db, user->id, &rows, &count));
	for (size_t i = 0; i < count; i++) {
		const struct member_row *row = &rows[i];
		struct room *room = rooms_intern(hs->rooms, row->room_nid, row->room_id, row->room_version,
			row->room_last_position, row->room_receipt_position);
		lock_take(&user->lock);
		set_entry_locked(user, room, row->membership, row->position, row->is_forgotten,
			row->stripped);
		lock_give(&user->lock);
		room_unref(room);
	}
	return ERR_OK;
}

/* The user in the table, counted; made (and *out_is_new set) when not there. */
static struct user *find_or_add(struct users *users, struct str user_id, bool *out_is_new)
{
	LOCK_SCOPE(&users->lock);
	struct user *user = map_get(&users->by_id, user_id);
	*out_is_new = user == NULL;
	if (user == NULL) {
		user = user_create(users, user_id);
		(void)map_set(&users->by_id, user_id, user);
		metric_set(&active_users, (int64_t)users->by_id.n);
	}
	user_ref(user);
	/* In the table's lock, as in remove_idle(): who was just asked for is not put away. */
	atomic_store(&user->last_used_ms, clock_mono_ms(&users->hs->clock));
	return user;
}

static enum err wait_until_loaded(struct ctx *ctx, struct homeserver *hs, struct user *user)
{
	int64_t deadline_ms = clock_mono_ms(&hs->clock) + LOAD_WAIT_MS;
	LOCK_SCOPE(&user->lock);
	while (user->load == USER_LOADING) {
		if (!cond_wait_until(&user->loaded, &user->lock, deadline_ms)) {
			break;
		}
	}
	return user->load == USER_LOADED
		? ERR_OK
		: fail_cause(ctx, ERR_STORE, "the user's rooms could not be loaded");
}

/* Only when there is nothing to wait for. */
static enum err get_loaded(struct ctx *ctx, struct homeserver *hs, struct str user_id,
	struct user **out)
{
	lock_take(&hs->users->lock);
	struct user *user = map_get(&hs->users->by_id, user_id);
	if (user != NULL) {
		user_ref(user);
		atomic_store(&user->last_used_ms, clock_mono_ms(&hs->clock));
	}
	lock_give(&hs->users->lock);
	if (user == NULL) {
		return ERR_DEFER;
	}
	arena_on_reset(ctx->arena, unref_hook, user);
	*out = user;
	LOCK_SCOPE(&user->lock);
	return user->load == USER_LOADED ? ERR_OK : ERR_DEFER;
}

enum err users_get(struct ctx *ctx, struct homeserver *hs, struct str user_id, struct user **out)
{
	if (ctx->may_not_wait) {
		return get_loaded(ctx, hs, user_id, out);
	}
	bool is_new;
	struct user *user = find_or_add(hs->users, user_id, &is_new);
	arena_on_reset(ctx->arena, unref_hook, user);
	if (!is_new) {
		*out = user;
		return wait_until_loaded(ctx, hs, user);
	}
	enum err err = load_rooms(ctx, hs, user);
	lock_take(&user->lock);
	user->load = err == ERR_OK ? USER_LOADED : USER_FAILED;
	cond_broadcast(&user->loaded);
	lock_give(&user->lock);
	if (err != ERR_OK) {
		remove_from_table(hs->users, user);
	}
	*out = user;
	return err;
}

static void unref_room_hook(void *data)
{
	room_unref(data);
}

static struct user_room copy_entry(const struct user_entry *entry, struct arena *arena)
{
	room_ref(entry->room);
	arena_on_reset(arena, unref_room_hook, entry->room);
	return (struct user_room){
		.room = entry->room,
		.membership = str_of(entry->membership),
		.position = entry->position,
		.is_forgotten = entry->is_forgotten,
		.stripped = entry->stripped.p != NULL ? str_dup(arena, entry->stripped) : str_from(NULL, 0),
	};
}

void user_rooms(struct user *user, struct arena *arena, struct user_room **out, size_t *out_count)
{
	LOCK_SCOPE(&user->lock);
	struct user_room *list = ARENA_NEW_ARRAY(arena, struct user_room, user->rooms.n);
	size_t n = 0;
	size_t i = 0;
	struct str key;
	void *value;
	while (map_next(&user->rooms, &i, &key, &value)) {
		struct user_room entry = copy_entry(value, arena);
		/* Who takes no invites is not told of them, nor of those that came before. */
		entry.is_forgotten = entry.is_forgotten ||
			(user->invites == INVITES_BLOCKED && str_equals(entry.membership, STR("invite")));
		list[n++] = entry;
	}
	*out = list;
	*out_count = n;
}

bool user_room_find(struct user *user, struct arena *arena, int64_t room_nid, struct user_room *out)
{
	LOCK_SCOPE(&user->lock);
	const struct user_entry *entry = map_get(&user->rooms, nid_key(&room_nid));
	if (entry != NULL) {
		*out = copy_entry(entry, arena);
	}
	return entry != NULL;
}

void user_room_forget(struct user *user, int64_t room_nid)
{
	LOCK_SCOPE(&user->lock);
	struct user_entry *entry = map_get(&user->rooms, nid_key(&room_nid));
	/* Unless the user has come back meanwhile. */
	if (entry != NULL &&
		(strcmp(entry->membership, "leave") == 0 || strcmp(entry->membership, "ban") == 0)) {
		entry->is_forgotten = true;
	}
}

bool user_ignored_list(struct user *user, struct arena *arena, struct str *out_content)
{
	LOCK_SCOPE(&user->lock);
	if (user->knows_ignored) {
		*out_content =
			user->ignored_list.p != NULL ? str_dup(arena, user->ignored_list) : str_from(NULL, 0);
	}
	return user->knows_ignored;
}

void user_keep_ignored_list(struct user *user, struct str content)
{
	LOCK_SCOPE(&user->lock);
	if (!user->knows_ignored) {
		user->knows_ignored = true;
		user->ignored_list = content.p != NULL ? str_heap(content) : str_from(NULL, 0);
	}
}

void users_ignored_list_committed(struct users *users, struct str user_id, struct str content)
{
	struct user *user = find_active(users, user_id);
	if (user != NULL) {
		lock_take(&user->lock);
		str_free(user->ignored_list);
		user->ignored_list = str_heap(content);
		user->knows_ignored = true;
		lock_give(&user->lock);
		user_unref(user);
	}
}

void users_invite_permission_committed(struct users *users, struct str user_id, struct str content)
{
	struct user *user = find_active(users, user_id);
	if (user != NULL) {
		struct arena *arena CLEANUP(arena_cleanup) = arena_create();
		set_invites(user, arena, content, false);
		user_unref(user);
	}
}

/* --- waiting -------------------------------------------------------------------------------------------- */

/* Requests that ended by their deadline are still listed: drops them. */
static void prune_waiters_locked(struct user *user)
{
	size_t kept = 0;
	for (size_t i = 0; i < user->waiter_n; i++) {
		if (park_is_over(user->waiters[i])) {
			park_unref(user->waiters[i]);
		} else {
			user->waiters[kept++] = user->waiters[i];
		}
	}
	user->waiter_n = kept;
}

void user_wait(struct user *user, struct park *park)
{
	lock_take(&user->lock);
	bool is_removed = user->is_removed;
	if (!is_removed) {
		if (user->waiter_n >= WAITERS_PRUNED_AT) {
			prune_waiters_locked(user);
		}
		if (user->waiter_n == user->waiter_capacity) {
			user->waiter_capacity = user->waiter_capacity == 0 ? 4 : user->waiter_capacity * 2;
			user->waiters =
				mem_realloc(user->waiters, user->waiter_capacity * sizeof(struct park *));
		}
		user->waiters[user->waiter_n++] = park;
	}
	lock_give(&user->lock);
	if (is_removed) {
		park_wake(park);
		park_unref(park);
	}
}

/* --- telling ----------------------------------------------------------------------------------------------- */

/* Takes over the reference. */
static void tell_user(struct users *users, struct user *user)
{
	if (users->told_user_n == users->told_user_capacity) {
		users->told_user_capacity =
			users->told_user_capacity == 0 ? 16 : users->told_user_capacity * 2;
		users->told_users =
			mem_realloc(users->told_users, users->told_user_capacity * sizeof(struct user *));
	}
	users->told_users[users->told_user_n++] = user;
}

void users_membership_committed(struct users *users, struct room *room, struct str user_id,
	struct str membership, int64_t position, struct str stripped)
{
	struct user *user = find_active(users, user_id);
	if (user == NULL) {
		return;
	}
	lock_take(&user->lock);
	bool is_over = str_equals(membership, STR("leave")) || str_equals(membership, STR("ban"));
	set_entry_locked(user, room, membership, position,
		is_over && users->hs->settings.forgets_on_leave, stripped);
	lock_give(&user->lock);
	tell_user(users, user);
}

void users_room_committed(struct users *users, struct room *room)
{
	if (users->told_room_n > 0 && users->told_rooms[users->told_room_n - 1] == room) {
		return;
	}
	if (users->told_room_n == users->told_room_capacity) {
		users->told_room_capacity =
			users->told_room_capacity == 0 ? 16 : users->told_room_capacity * 2;
		users->told_rooms =
			mem_realloc(users->told_rooms, users->told_room_capacity * sizeof(struct room *));
	}
	room_ref(room);
	users->told_rooms[users->told_room_n++] = room;
}

void users_own_committed(struct users *users, struct str user_id, int64_t position)
{
	struct user *user = find_active(users, user_id);
	if (user != NULL) {
		raise_own_position(user, position);
		tell_user(users, user);
	}
}

void users_news_committed(struct users *users, struct str user_id)
{
	struct user *user = find_active(users, user_id);
	if (user != NULL) {
		tell_user(users, user);
	}
}

static void take_waiters_of_room(struct users *users, struct room *room, struct arena *arena,
	struct waiters *out)
{
	struct user **listeners;
	size_t n = room_listeners(users->hs->rooms, room, arena, &listeners);
	for (size_t i = 0; i < n; i++) {
		take_waiters(listeners[i], out);
		user_unref(listeners[i]);
	}
}

/* Active users without a sync since a time, with a reference each; heap. */
static struct user **list_users(struct users *users, int64_t before_ms, size_t *out_n)
{
	LOCK_SCOPE(&users->lock);
	struct user **list = mem_alloc_array(users->by_id.n, sizeof(struct user *));
	size_t n = 0;
	size_t i = 0;
	struct str key;
	void *value;
	while (map_next(&users->by_id, &i, &key, &value)) {
		struct user *user = value;
		if (atomic_load(&user->last_used_ms) < before_ms) {
			user_ref(user);
			list[n++] = user;
		}
	}
	*out_n = n;
	return list;
}

static void take_all_waiters(struct users *users, struct waiters *out)
{
	size_t n;
	struct user **all = list_users(users, INT64_MAX, &n);
	for (size_t i = 0; i < n; i++) {
		take_waiters(all[i], out);
		user_unref(all[i]);
	}
	mem_free(all);
}

void users_published(struct users *users)
{
	for (size_t i = 0; i < users->told_room_n; i++) {
		take_waiters_of_room(users, users->told_rooms[i], users->arena, &users->waiters);
		room_unref(users->told_rooms[i]);
		arena_reset(users->arena);
	}
	users->told_room_n = 0;
	for (size_t i = 0; i < users->told_user_n; i++) {
		take_waiters(users->told_users[i], &users->waiters);
		user_unref(users->told_users[i]);
	}
	users->told_user_n = 0;
	if (users->wakes_all) {
		users->wakes_all = false;
		take_all_waiters(users, &users->waiters);
	}
	wake_waiters(&users->waiters);
}

void users_wake_room(struct users *users, struct room *room)
{
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct waiters waiters = {0};
	take_waiters_of_room(users, room, arena, &waiters);
	wake_waiters(&waiters);
	mem_free(waiters.p);
}

void users_wake_user(struct users *users, struct str user_id)
{
	struct user *user = find_active(users, user_id);
	if (user != NULL) {
		wake(user);
		user_unref(user);
	}
}

/* Numbers of the rooms that a user is joined to. */
static size_t joined_nids(struct user *user, struct arena *arena, int64_t **out)
{
	LOCK_SCOPE(&user->lock);
	*out = ARENA_NEW_ARRAY(arena, int64_t, user->rooms.n);
	size_t n = 0;
	size_t i = 0;
	struct str key;
	void *value;
	while (map_next(&user->rooms, &i, &key, &value)) {
		const struct user_entry *entry = value;
		if (entry->is_listening) {
			(*out)[n++] = room_nid(entry->room);
		}
	}
	return n;
}

static bool is_in_any(struct user *user, const int64_t *nids, size_t count)
{
	LOCK_SCOPE(&user->lock);
	for (size_t i = 0; i < count; i++) {
		const struct user_entry *entry = map_get(&user->rooms, nid_key(&nids[i]));
		if (entry != NULL && entry->is_listening) {
			return true;
		}
	}
	return false;
}

void users_sharing(struct users *users, struct user *user, struct arena *arena,
	const struct str *user_ids, size_t count, bool *out_shares)
{
	int64_t *nids;
	size_t nid_n = joined_nids(user, arena, &nids);
	for (size_t i = 0; i < count; i++) {
		struct user *other = find_active(users, user_ids[i]);
		out_shares[i] = other != NULL && is_in_any(other, nids, nid_n);
		user_unref(other);
	}
}

/* Adds the small rooms of a user to a set, each with a reference. */
static void add_small_rooms(struct user *user, struct map *rooms, int64_t up_to)
{
	LOCK_SCOPE(&user->lock);
	size_t i = 0;
	struct str key;
	void *value;
	while (map_next(&user->rooms, &i, &key, &value)) {
		const struct user_entry *entry = value;
		if (entry->is_listening && map_get(rooms, key) == NULL &&
			room_member_counts(entry->room).joined <= up_to) {
			room_ref(entry->room);
			(void)map_set(rooms, key, entry->room);
		}
	}
}

void users_wake_sharing(struct users *users, struct arena *arena, const struct str *user_ids,
	size_t count, int64_t up_to)
{
	struct map rooms;
	struct waiters waiters = {0};
	map_init(&rooms);
	for (size_t i = 0; i < count; i++) {
		struct user *user = find_active(users, user_ids[i]);
		if (user != NULL) {
			add_small_rooms(user, &rooms, up_to);
			user_unref(user);
		}
	}
	size_t i = 0;
	struct str key;
	void *value;
	while (map_next(&rooms, &i, &key, &value)) {
		take_waiters_of_room(users, value, arena, &waiters);
		room_unref(value);
	}
	map_fini(&rooms);
	wake_waiters(&waiters);
	mem_free(waiters.p);
}

static void remove_idle(struct users *users, struct user *user, int64_t before_ms)
{
	lock_take(&users->lock);
	/* Asked for since it was listed? Stamped in this lock, see find_or_add(). */
	bool is_out = atomic_load(&user->last_used_ms) < before_ms && take_out_locked(users, user);
	lock_give(&users->lock);
	if (is_out) {
		let_go(user);
	}
}

void users_tidy(struct users *users, int64_t idle_ms)
{
	int64_t before_ms = clock_mono_ms(&users->hs->clock) - idle_ms;
	size_t n;
	struct user **idle = list_users(users, before_ms, &n);
	for (size_t i = 0; i < n; i++) {
		lock_take(&idle[i]->lock);
		prune_waiters_locked(idle[i]);
		bool is_waited_for = idle[i]->waiter_n > 0;
		lock_give(&idle[i]->lock);
		if (!is_waited_for) {
			remove_idle(users, idle[i], before_ms);
		}
		user_unref(idle[i]);
	}
	mem_free(idle);
}

/*
 * Who waits is woken by the publication only: before it there is nothing new to see. Those who come in between wait at a user
 * made anew, which nothing told: hence all.
 */
void users_forget(struct users *users)
{
	size_t n;
	struct user **all = list_users(users, INT64_MAX, &n);
	for (size_t i = 0; i < n; i++) {
		lock_take(&users->lock);
		bool is_out = take_out_locked(users, all[i]);
		lock_give(&users->lock);
		if (is_out) {
			user_put_away(all[i]);
			user_unref(all[i]);
		}
		tell_user(users, all[i]);
	}
	mem_free(all);
	users->wakes_all = true;
}
