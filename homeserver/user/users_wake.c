/*
 * Who waits, and who is told of what a commit changed: told while it is brought to memory, woken once it is published.
 */
#include "homeserver/user/users_inner.h"

#include "base/mem.h"

enum { WAITERS_PRUNED_AT = 8 };

/* Requests that ended by their deadline are still listed: drops them. */
void user_prune_waiters_locked(struct user *user)
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
			user_prune_waiters_locked(user);
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

/*
 * Most who listen to a room do not wait, and each message asks about all of them: without the user's lock. Nobody is missed: who begins
 * to wait is counted before it looks once more at what the waking thread has changed before it asks here, both in one order for all.
 */
bool user_ref_waiting(struct user *user)
{
	if (atomic_load(&user->waiter_n) == 0) {
		return false;
	}
	user_ref(user);
	return true;
}

/* Moves the user's waiting requests to a list. */
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

void waiters_wake(struct waiters *waiters)
{
	park_wake_many(waiters->p, waiters->n);
	for (size_t i = 0; i < waiters->n; i++) {
		park_unref(waiters->p[i]);
	}
	waiters->n = 0;
}

void user_wake(struct user *user)
{
	struct waiters waiters = {0};
	take_waiters(user, &waiters);
	waiters_wake(&waiters);
	mem_free(waiters.p);
}

void users_take_waiters_of_room(struct users *users, struct room *room, struct arena *arena,
	struct waiters *out)
{
	struct user **waiting;
	size_t n = room_waiting(users->hs->rooms, room, arena, &waiting);
	for (size_t i = 0; i < n; i++) {
		take_waiters(waiting[i], out);
		user_unref(waiting[i]);
	}
}

static void take_all_waiters(struct users *users, struct waiters *out)
{
	size_t n;
	struct user **all = users_list(users, INT64_MAX, &n);
	for (size_t i = 0; i < n; i++) {
		take_waiters(all[i], out);
		user_unref(all[i]);
	}
	mem_free(all);
}

/* Takes over the reference. */
void users_tell(struct users *users, struct user *user)
{
	if (users->told_user_n == users->told_user_capacity) {
		users->told_user_capacity =
			users->told_user_capacity == 0 ? 16 : users->told_user_capacity * 2;
		users->told_users =
			mem_realloc(users->told_users, users->told_user_capacity * sizeof(struct user *));
	}
	users->told_users[users->told_user_n++] = user;
}

void users_tell_id(struct users *users, struct str user_id)
{
	if (users->told_id_n == users->told_id_capacity) {
		users->told_id_capacity = users->told_id_capacity == 0 ? 16 : users->told_id_capacity * 2;
		users->told_ids =
			mem_realloc(users->told_ids, users->told_id_capacity * sizeof(struct str));
	}
	users->told_ids[users->told_id_n++] = str_heap(user_id);
}

static void take_waiters_of_ids(struct users *users)
{
	for (size_t i = 0; i < users->told_id_n; i++) {
		struct user *user = users_find_active(users, users->told_ids[i]);
		if (user != NULL) {
			take_waiters(user, &users->waiters);
			user_unref(user);
		}
		str_free(users->told_ids[i]);
	}
	users->told_id_n = 0;
}

void users_membership_committed(struct users *users, struct room *room, struct str user_id,
	struct str membership, int64_t position, struct str stripped)
{
	struct user *user = users_find_active(users, user_id);
	if (user == NULL) {
		return;
	}
	lock_take(&user->lock);
	bool is_over = str_equals(membership, STR("leave")) || str_equals(membership, STR("ban"));
	user_set_entry_locked(user, room, membership, position,
		is_over && users->hs->settings.forgets_on_leave, stripped);
	lock_give(&user->lock);
	users_tell(users, user);
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
	struct user *user = users_find_active(users, user_id);
	if (user != NULL) {
		user_raise_own_position(user, position);
		users_tell(users, user);
	}
}

void users_news_committed(struct users *users, struct str user_id)
{
	struct user *user = users_find_active(users, user_id);
	if (user != NULL) {
		users_tell(users, user);
	}
}

void users_published(struct users *users)
{
	for (size_t i = 0; i < users->told_room_n; i++) {
		users_take_waiters_of_room(users, users->told_rooms[i], users->arena, &users->waiters);
		room_unref(users->told_rooms[i]);
		arena_reset(users->arena);
	}
	users->told_room_n = 0;
	for (size_t i = 0; i < users->told_user_n; i++) {
		take_waiters(users->told_users[i], &users->waiters);
		user_unref(users->told_users[i]);
	}
	users->told_user_n = 0;
	take_waiters_of_ids(users);
	if (users->wakes_all) {
		users->wakes_all = false;
		take_all_waiters(users, &users->waiters);
	}
	waiters_wake(&users->waiters);
}

void users_wake_room(struct users *users, struct room *room)
{
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct waiters waiters = {0};
	users_take_waiters_of_room(users, room, arena, &waiters);
	waiters_wake(&waiters);
	mem_free(waiters.p);
}

void users_wake_user(struct users *users, struct str user_id)
{
	struct user *user = users_find_active(users, user_id);
	if (user != NULL) {
		user_wake(user);
		user_unref(user);
	}
}
