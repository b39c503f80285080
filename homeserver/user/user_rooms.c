/*
 * What one user is to each room, and what else is kept with an active user: whom it ignores, whether it takes invites.
 */
#include "homeserver/user/users_inner.h"

#include "base/mem.h"
#include "base/vec.h"
#include "matrix/account_data.h"
#include "storage/account_data.h"
#include "storage/state.h"

static const char joined[] = "join";

int64_t user_own_position(const struct user *user)
{
	return atomic_load(&user->own_position);
}

void user_raise_own_position(struct user *user, int64_t position)
{
	int64_t now = atomic_load(&user->own_position);
	while (now < position && !atomic_compare_exchange_weak(&user->own_position, &now, position)) {
	}
}

/* Sets an entry unless what stands there is newer. User's lock held. */
void user_set_entry_locked(struct user *user, struct room *room, struct str membership,
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
	entry->membership = str_equals(membership, STR("join")) ? joined
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

enum err user_load_rooms(struct ctx *ctx, struct homeserver *hs, struct user *user)
{
	struct member_row *rows;
	size_t count;
	int64_t own_position;
	struct str invite_permission;
	TRY(store_account_data_position(ctx, hs->db, user->id, &own_position, &invite_permission));
	user_raise_own_position(user, own_position);
	set_invites(user, ctx->arena, invite_permission, true);
	TRY(store_member_rooms(ctx, hs->db, user->id, &rows, &count));
	for (size_t i = 0; i < count; i++) {
		const struct member_row *row = &rows[i];
		struct room *room = rooms_intern(hs->rooms, row->room_nid, row->room_id, row->room_version,
			row->room_last_position, row->room_receipt_position);
		lock_take(&user->lock);
		user_set_entry_locked(user, room, row->membership, row->position, row->is_forgotten,
			row->stripped);
		lock_give(&user->lock);
		room_unref(room);
	}
	return ERR_OK;
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

/* Not whether the user listens: who was just put away does not, and still answers for what was committed before. */
static bool is_stirred(const struct user_entry *entry, struct rooms_since since)
{
	return entry->position > since.position ||
		(entry->membership == joined &&
			(room_last_position(entry->room) > since.position ||
				room_receipt_position(entry->room) > since.position ||
				room_typing_serial(entry->room) > since.ephemeral));
}

void user_rooms_since(struct user *user, struct arena *arena, struct rooms_since since,
	struct user_room **out, size_t *out_count)
{
	LOCK_SCOPE(&user->lock);
	VEC(struct user_room) list = {0};
	size_t i = 0;
	struct str key;
	void *value;
	while (map_next(&user->rooms, &i, &key, &value)) {
		if (!is_stirred(value, since)) {
			continue;
		}
		struct user_room entry = copy_entry(value, arena);
		/* Who takes no invites is not told of them, nor of those that came before. */
		entry.is_forgotten = entry.is_forgotten ||
			(user->invites == INVITES_BLOCKED && str_equals(entry.membership, STR("invite")));
		VEC_PUSH(arena, &list, entry);
	}
	*out = list.p;
	*out_count = list.n;
}

void user_rooms(struct user *user, struct arena *arena, struct user_room **out, size_t *out_count)
{
	user_rooms_since(user, arena, ROOMS_SINCE_EVER, out, out_count);
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
	struct user *user = users_find_active(users, user_id);
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
	struct user *user = users_find_active(users, user_id);
	if (user != NULL) {
		struct arena *arena CLEANUP(arena_cleanup) = arena_create();
		set_invites(user, arena, content, false);
		user_unref(user);
	}
}
