/*
 * What others see. Of users here is told whoever shares a room with them, by the lists of active users; of users of other servers, whoever is
 * in one of the rooms that are kept with their entries.
 */
#include "homeserver/presence/presence_inner.h"

#include <stdlib.h>

#include "base/vec.h"
#include "storage/state.h"

static struct str dup_or_none(struct arena *arena, struct str text)
{
	return text.p != NULL ? str_dup(arena, text) : str_from(NULL, 0);
}

struct presence_view presence_view_locked(const struct presence_entry *entry, struct arena *arena,
	int64_t now)
{
	return (struct presence_view){
		.user_id = str_dup(arena, entry->user_id),
		.state = entry->state,
		.is_currently_active = entry->is_active,
		.last_active_ago_ms = entry->last_active_ms != 0 ? now - entry->last_active_ms : -1,
		.status_msg = dup_or_none(arena, entry->status_msg),
		.profile = {.displayname = dup_or_none(arena, entry->profile.displayname),
			.avatar_url = dup_or_none(arena, entry->profile.avatar_url)},
	};
}

static bool is_due(struct presence *presence, struct str user_id)
{
	LOCK_SCOPE(&presence->lock);
	struct presence_entry *entry = map_get(&presence->by_user, user_id);
	return entry != NULL &&
		presence_is_due_locked(presence, entry, clock_mono_ms(&presence->hs->clock));
}

enum err presence_get(struct ctx *ctx, struct homeserver *hs, const struct principal *who,
	struct str user_id, struct presence_view *out)
{
	struct presence *presence = hs->presence;
	bool is_shared = str_equals(who->user.s, user_id);
	if (!is_shared) {
		TRY(store_member_share_room(ctx, hs->db, who->user.s, user_id, &is_shared));
	}
	if (!is_shared) {
		return fail(ctx, ERR_DENIED, M_FORBIDDEN, "You share no room with this user");
	}
	if (is_due(presence, user_id)) {
		const struct presence_input input = presence_input_time(user_id);
		presence_say(hs, &input, true);
	}
	*out = (struct presence_view){.user_id = user_id, .last_active_ago_ms = -1};
	LOCK_SCOPE(&presence->lock);
	const struct presence_entry *entry = map_get(&presence->by_user, user_id);
	if (entry != NULL) {
		*out = presence_view_locked(entry, ctx->arena, clock_mono_ms(&hs->clock));
	}
	return ERR_OK;
}

/* --- rooms --------------------------------------------------------------------------------------------------- */

/* Numbers of rooms, sorted. */
struct nids {
	int64_t *p;
	size_t n;
};

int presence_compare_nids(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a;
	int64_t y = *(const int64_t *)b;
	return (x > y) - (x < y);
}

static struct nids sorted(struct nids nids)
{
	if (nids.n > 0) {
		qsort(nids.p, nids.n, sizeof(*nids.p), presence_compare_nids);
	}
	return nids;
}

static struct nids joined_nids(struct arena *arena, struct user *user)
{
	struct user_room *rooms;
	size_t count;
	struct nids nids = {0};
	user_rooms(user, arena, &rooms, &count);
	nids.p = ARENA_NEW_ARRAY(arena, int64_t, count);
	for (size_t i = 0; i < count; i++) {
		if (str_equals(rooms[i].membership, STR("join"))) {
			nids.p[nids.n++] = room_nid(rooms[i].room);
		}
	}
	return sorted(nids);
}

static struct nids copied_nids(struct arena *arena, const int64_t *room_nids, size_t count)
{
	struct nids nids = {.p = ARENA_NEW_ARRAY(arena, int64_t, count), .n = count};
	for (size_t i = 0; i < count; i++) {
		nids.p[i] = room_nids[i];
	}
	return sorted(nids);
}

static bool is_in_any(const struct remote_presence *remote, const struct nids *nids)
{
	size_t i = 0;
	size_t k = 0;
	while (i < remote->room_n && k < nids->n && remote->room_nids[i] != nids->p[k]) {
		if (remote->room_nids[i] < nids->p[k]) {
			i++;
		} else {
			k++;
		}
	}
	return i < remote->room_n && k < nids->n;
}

/* --- changes ------------------------------------------------------------------------------------------------- */

/* Views, and which of them are of users of other servers: these are in one of the rooms. */
struct seen {
	struct presence_view *views;
	struct str *ids;
	bool *is_remote;
	size_t n;
};

/* Changes of anybody here but one user (n == 0: nobody), and of those elsewhere who are in one of the rooms. */
static void collect(struct presence *presence, struct arena *arena, struct str but,
	const struct nids *nids, int64_t since, struct seen *out)
{
	VEC(struct presence_view) views = {0};
	VEC(bool) is_remote = {0};
	int64_t now = clock_mono_ms(&presence->hs->clock);
	lock_take(&presence->lock);
	const struct presence_entry *entry = presence->newest;
	for (size_t i = 0; entry != NULL && entry->serial > since && i < PRESENCE_LOOKS_AT;
		 i++, entry = entry->older) {
		bool is_told = (since > 0 || entry->state != PRESENCE_OFFLINE) &&
			(!presence_is_remote(entry) || is_in_any(&entry->remote, nids));
		if (is_told && !str_equals(entry->user_id, but)) {
			struct presence_view view = presence_view_locked(entry, arena, now);
			VEC_PUSH(arena, &views, view);
			VEC_PUSH(arena, &is_remote, presence_is_remote(entry));
		}
	}
	lock_give(&presence->lock);
	*out = (struct seen){.views = views.p, .is_remote = is_remote.p, .n = views.n};
	out->ids = ARENA_NEW_ARRAY(arena, struct str, views.n);
	for (size_t i = 0; i < views.n; i++) {
		out->ids[i] = views.p[i].user_id;
	}
}

static void mark_oneself(const struct seen *seen, struct str user_id, bool *marks)
{
	for (size_t i = 0; i < seen->n; i++) {
		marks[i] = marks[i] || str_equals(seen->ids[i], user_id);
	}
}

static size_t keep_marked(const struct seen *seen, const bool *marks)
{
	size_t kept = 0;
	for (size_t i = 0; i < seen->n; i++) {
		if (marks[i] || seen->is_remote[i]) {
			seen->views[kept++] = seen->views[i];
		}
	}
	return kept;
}

static bool is_quiet(const struct homeserver *hs)
{
	return !hs->settings.presence_enabled || presence_serial_now(hs) == 0;
}

size_t presence_changes(struct ctx *ctx, struct homeserver *hs, struct user *user, int64_t since,
	struct presence_view **out)
{
	*out = NULL;
	if (is_quiet(hs)) {
		return 0;
	}
	struct seen seen;
	struct nids nids = joined_nids(ctx->arena, user);
	collect(hs->presence, ctx->arena, STR(""), &nids, since, &seen);
	bool *shares = ARENA_NEW_ARRAY(ctx->arena, bool, seen.n);
	users_sharing(hs->users, user, ctx->arena, seen.ids, seen.n, shares);
	mark_oneself(&seen, user_id_of(user), shares);
	*out = seen.views;
	return keep_marked(&seen, shares);
}

size_t presence_of_rooms(struct ctx *ctx, struct homeserver *hs, const struct user *user,
	const int64_t *room_nids, size_t room_n, struct presence_view **out)
{
	*out = NULL;
	if (is_quiet(hs) || room_n == 0) {
		return 0;
	}
	struct seen seen;
	struct nids nids = copied_nids(ctx->arena, room_nids, room_n);
	collect(hs->presence, ctx->arena, user_id_of(user), &nids, 0, &seen);
	bool *is_in = ARENA_NEW_ARRAY(ctx->arena, bool, seen.n);
	users_in_rooms(hs->users, room_nids, room_n, seen.ids, seen.n, is_in);
	*out = seen.views;
	return keep_marked(&seen, is_in);
}

size_t presence_of(struct ctx *ctx, struct homeserver *hs, const struct str *user_ids, size_t count,
	struct presence_view **out)
{
	*out = NULL;
	if (is_quiet(hs) || count == 0) {
		return 0;
	}
	size_t n = 0;
	int64_t now = clock_mono_ms(&hs->clock);
	*out = ARENA_NEW_ARRAY(ctx->arena, struct presence_view, count);
	LOCK_SCOPE(&hs->presence->lock);
	for (size_t i = 0; i < count; i++) {
		const struct presence_entry *entry = map_get(&hs->presence->by_user, user_ids[i]);
		if (entry != NULL && entry->state != PRESENCE_OFFLINE) {
			(*out)[n++] = presence_view_locked(entry, ctx->arena, now);
		}
	}
	return n;
}
