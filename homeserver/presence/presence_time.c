/*
 * What only the passing of time changes, and who is told of changes: once a round of the housekeeper, for all together.
 */
#include "homeserver/presence/presence_inner.h"

#include <stdlib.h>

#include "base/vec.h"

enum {
	REMOTE_KEPT_MS = 60 * 60 * 1000, /* offline users of other servers, so that all hear of it */
};

/* --- time passes --------------------------------------------------------------------------------------------------- */

/* Of whom others have not been woken yet: users, of these who is of this server, and rooms of users of others. */
struct untold {
	VEC(struct str) all;
	VEC(struct str) ids;
	VEC(int64_t) nids;
	VEC(struct str) due; /* of whom all have to be told that time has passed */
};

static void note_untold(struct untold *untold, struct arena *arena,
	const struct presence_entry *entry)
{
	struct str id = str_dup(arena, entry->user_id);
	VEC_PUSH(arena, &untold->all, id);
	if (!presence_is_remote(entry)) {
		VEC_PUSH(arena, &untold->ids, id);
	}
	for (size_t i = 0; i < entry->remote.room_n; i++) {
		VEC_PUSH(arena, &untold->nids, entry->remote.room_nids[i]);
	}
}

/* What time changed is said to all, or done at once. */
static void time_passes_locked(struct presence *presence, struct arena *arena,
	struct presence_entry *entry, struct untold *out)
{
	int64_t now = clock_mono_ms(&presence->hs->clock);
	if (!writer_has_peers(presence->hs->writer)) {
		presence_refresh_locked(presence, entry, now, 0);
	} else if (presence_is_due_locked(presence, entry, now)) {
		struct str id = str_dup(arena, entry->user_id);
		VEC_PUSH(arena, &out->due, id);
	}
}

static void collect_untold(struct presence *presence, struct arena *arena, struct untold *out)
{
	int64_t now = clock_mono_ms(&presence->hs->clock);
	LOCK_SCOPE(&presence->lock);
	size_t i = 0;
	struct str key;
	void *value;
	while (map_next(&presence->by_user, &i, &key, &value)) {
		struct presence_entry *entry = value;
		time_passes_locked(presence, arena, entry, out);
		if (entry->is_untold) {
			entry->is_untold = false;
			note_untold(out, arena, entry);
		} else if (presence_is_remote(entry) && entry->remote.until_ms + REMOTE_KEPT_MS < now) {
			presence_remove_locked(presence, entry);
		}
	}
}

static size_t collect_unloaded(struct presence *presence, struct arena *arena, struct str **out)
{
	VEC(struct str) ids = {0};
	LOCK_SCOPE(&presence->lock);
	size_t i = 0;
	struct str key;
	void *value;
	while (map_next(&presence->by_user, &i, &key, &value)) {
		const struct presence_entry *entry = value;
		if (entry->is_unloaded) {
			struct str id = str_dup(arena, entry->user_id);
			VEC_PUSH(arena, &ids, id);
		}
	}
	*out = ids.p;
	return ids.n;
}

/* Who shares rooms with whom is known of active users only: those who are here by way of another process are made so. */
static void load_users(struct ctx *ctx, struct homeserver *hs)
{
	struct presence *presence = hs->presence;
	struct str *ids = NULL;
	size_t count =
		atomic_load(&presence->unloaded) > 0 ? collect_unloaded(presence, ctx->arena, &ids) : 0;
	for (size_t i = 0; i < count; i++) {
		struct user *user;
		if (users_get(ctx, hs, ids[i], &user) != ERR_OK) {
			ctx->fault = (struct fault){0};
			return; /* the next one tries again */
		}
		LOCK_SCOPE(&presence->lock);
		struct presence_entry *entry = map_get(&presence->by_user, ids[i]);
		if (entry != NULL) {
			presence_mark_locked(presence, entry, false);
		}
	}
}

enum err presence_settle(struct ctx *ctx, struct homeserver *hs)
{
	if (atomic_load(&hs->presence->unloaded) > 0) {
		TRY(ctx_may_wait(ctx));
		load_users(ctx, hs);
	}
	return ERR_OK;
}

static void wake_rooms(struct homeserver *hs, struct arena *arena, struct untold *untold)
{
	struct ctx ctx;
	ctx_init(&ctx, arena);
	qsort(untold->nids.p, untold->nids.n, sizeof(*untold->nids.p), presence_compare_nids);
	for (size_t i = 0; i < untold->nids.n; i++) {
		bool is_new = i == 0 || untold->nids.p[i] != untold->nids.p[i - 1];
		struct room *room = is_new ? rooms_find(&ctx, hs, untold->nids.p[i]) : NULL;
		if (room != NULL && room_member_counts(room).joined <= PRESENCE_WAKES_UP_TO) {
			users_wake_room(hs->users, room);
		}
	}
}

static bool has_presence_listeners(const struct homeserver *hs)
{
	bool has = false;
	for (size_t i = 0; i < EDU_LISTENERS; i++) {
		has = has || hs->ports.edus[i].presence != NULL;
	}
	return has;
}

static void tell(struct homeserver *hs, const struct presence_view *view)
{
	for (size_t i = 0; i < EDU_LISTENERS; i++) {
		const struct edu_port *port = &hs->ports.edus[i];
		if (port->presence != NULL) {
			port->presence(port->self, view);
		}
	}
}

/* By way of the ports. */
static void tell_others(struct homeserver *hs, struct arena *arena, const struct str *ids,
	size_t count)
{
	struct presence *presence = hs->presence;
	for (size_t i = 0; has_presence_listeners(hs) && i < count; i++) {
		struct presence_view view;
		lock_take(&presence->lock);
		const struct presence_entry *entry = map_get(&presence->by_user, ids[i]);
		bool is_known = entry != NULL;
		if (is_known) {
			view = presence_view_locked(entry, arena, clock_mono_ms(&hs->clock));
		}
		lock_give(&presence->lock);
		if (is_known) {
			tell(hs, &view);
		}
	}
}

void presence_tidy(struct ctx *ctx, struct homeserver *hs)
{
	if (!hs->settings.presence_enabled) {
		return;
	}
	struct arena *arena = ctx->arena;
	struct untold untold = {0};
	load_users(ctx, hs);
	collect_untold(hs->presence, arena, &untold);
	for (size_t i = 0; i < untold.due.n; i++) {
		const struct presence_input input = presence_input_time(untold.due.p[i]);
		presence_say(hs, &input, false);
	}
	if (untold.ids.n > 0) {
		users_wake_sharing(hs->users, arena, untold.ids.p, untold.ids.n, PRESENCE_WAKES_UP_TO);
	}
	tell_others(hs, arena, untold.all.p, untold.all.n);
	if (untold.nids.n > 0) {
		wake_rooms(hs, arena, &untold);
	}
}
