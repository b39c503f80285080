/*
 * The table of active local users.
 *
 * A user's list of rooms is read from the database once, and kept up to date by the commits. A commit that falls
 * between the query and its result is not lost: the user stands in the table before the query starts, and
 * of two entries for a room the one with the higher position stays.
 */
#include "homeserver/user/users_inner.h"

#include "base/mem.h"
#include "base/metrics.h"

enum { LOAD_WAIT_MS = 10000 };

static struct metric active_users =
	METRIC_GAUGE("belfry_users_active", "Local users with their rooms in memory");

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
	user_wake(user);
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

struct user *users_find_active(struct users *users, struct str user_id)
{
	LOCK_SCOPE(&users->lock);
	struct user *user = map_get(&users->by_id, user_id);
	if (user != NULL) {
		user_ref(user);
	}
	return user;
}

/* Active users without a sync since a time, with a reference each; heap. */
struct user **users_list(struct users *users, int64_t before_ms, size_t *out_n)
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

static void observe_room(void *self, struct room *room)
{
	users_room_committed(self, room);
}

static void observe_membership(void *self, struct room *room, struct str user_id,
	struct str membership, int64_t position, struct str stripped)
{
	users_membership_committed(self, room, user_id, membership, position, stripped);
}

static void observe_forgotten(void *self, struct str user_id)
{
	users_heard(self, user_id);
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
		.user_ref_waiting = user_ref_waiting,
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
	mem_free(users->told_ids);
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
	atomic_store(&user->last_used_ms, clock_about_ms(&user->users->hs->clock));
}

struct str user_id_of(const struct user *user)
{
	return user->id;
}

uint64_t user_reading(const struct user *user)
{
	return user->reading;
}

/* The user in the table, counted; made (and *out_is_new set) when not there. */
static struct user *find_or_add(struct users *users, struct str user_id, bool *out_is_new)
{
	LOCK_SCOPE(&users->lock);
	struct user *user = map_get(&users->by_id, user_id);
	*out_is_new = user == NULL;
	if (user == NULL) {
		user = user_create(users, user_id);
		user->reading = ++users->readings;
		(void)map_set(&users->by_id, user_id, user);
		metric_set(&active_users, (int64_t)users->by_id.n);
	}
	user_ref(user);
	/* In the table's lock, as in remove_idle(): who was just asked for is not put away. */
	atomic_store(&user->last_used_ms, clock_about_ms(&users->hs->clock));
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
		atomic_store(&user->last_used_ms, clock_about_ms(&hs->clock));
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
	enum err err = user_load_rooms(ctx, hs, user);
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

bool users_keep(struct users *users, struct str user_id)
{
	LOCK_SCOPE(&users->lock);
	struct user *user = map_get(&users->by_id, user_id);
	if (user == NULL) {
		return false;
	}
	user_touch(user);
	LOCK_SCOPE(&user->lock);
	return user->load == USER_LOADED;
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
	struct user **idle = users_list(users, before_ms, &n);
	for (size_t i = 0; i < n; i++) {
		lock_take(&idle[i]->lock);
		user_prune_waiters_locked(idle[i]);
		bool is_waited_for = idle[i]->waiter_n > 0;
		lock_give(&idle[i]->lock);
		if (!is_waited_for) {
			remove_idle(users, idle[i], before_ms);
		}
		user_unref(idle[i]);
	}
	mem_free(idle);
}

/* Afterwards it is made anew by whoever asks. Who waits is woken by the publication only: before it there is nothing new to see. */
static void forget(struct users *users, struct user *user)
{
	lock_take(&users->lock);
	bool is_out = take_out_locked(users, user);
	lock_give(&users->lock);
	if (is_out) {
		user_put_away(user);
		user_unref(user);
	}
	users_tell(users, user);
}

void users_told(struct users *users, struct str user_id)
{
	struct user *user = users_find_active(users, user_id);
	if (user != NULL) {
		forget(users, user);
		users_tell_id(users, user_id);
	}
}

void users_heard(struct users *users, struct str user_id)
{
	struct user *user = users_find_active(users, user_id);
	if (user != NULL) {
		remove_from_table(users, user);
		user_unref(user);
	}
}

void users_heard_all(struct users *users)
{
	size_t n;
	struct user **all = users_list(users, INT64_MAX, &n);
	for (size_t i = 0; i < n; i++) {
		remove_from_table(users, all[i]);
		user_unref(all[i]);
	}
	mem_free(all);
}

void users_tell_all(struct users *users)
{
	users->wakes_all = true;
}

/* Those who come in between wait at a user made anew, which nothing told: hence all. */
void users_forget(struct users *users)
{
	size_t n;
	struct user **all = users_list(users, INT64_MAX, &n);
	for (size_t i = 0; i < n; i++) {
		forget(users, all[i]);
	}
	mem_free(all);
	users_tell_all(users);
}
