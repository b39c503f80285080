/*
 * Users who share rooms with others: who may know of a user's presence and devices, and who is woken for it.
 */
#include "homeserver/user/users_inner.h"

#include "base/mem.h"

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
	users_in_rooms(users, nids, nid_n, user_ids, count, out_shares);
}

void users_in_rooms(struct users *users, const int64_t *room_nids, size_t room_n,
	const struct str *user_ids, size_t count, bool *out_is_in)
{
	for (size_t i = 0; i < count; i++) {
		struct user *other = users_find_active(users, user_ids[i]);
		out_is_in[i] = other != NULL && is_in_any(other, room_nids, room_n);
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
		struct user *user = users_find_active(users, user_ids[i]);
		if (user != NULL) {
			add_small_rooms(user, &rooms, up_to);
			user_unref(user);
		}
	}
	size_t i = 0;
	struct str key;
	void *value;
	while (map_next(&rooms, &i, &key, &value)) {
		users_take_waiters_of_room(users, value, arena, &waiters);
		room_unref(value);
	}
	map_fini(&rooms);
	waiters_wake(&waiters);
	mem_free(waiters.p);
}
