/*
 * One entry for each user who was here, in a list by the serial of the last change: the newest at its head.
 *
 * A reader takes typing_serial_now() first and the lock afterwards; a change takes its serial under the lock. So whoever sees a
 * serial as "now" finds the change.
 *
 * Users of other servers have entries too, for as long as their servers speak of them. Whom they share rooms with is kept with the
 * entry, as it was when the server spoke last.
 */
#include "homeserver/presence/presence_inner.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "base/vec.h"
#include "homeserver/typing/typing.h"
#include "http/route.h"
#include "storage/presence.h"

enum {
	ACTIVE_PART = 5, /* of the idle time: so long after an action one is "currently active" */
	REMOTE_KEPT_MS = 60 * 60 * 1000, /* offline users of other servers, so that all hear of it */
};

static struct metric users_here =
	METRIC_GAUGE("belfry_presence_users", "Local users who are online or unavailable");

static int64_t now_ms(const struct homeserver *hs)
{
	return clock_mono_ms(&hs->clock);
}

struct presence *presence_create(struct homeserver *hs)
{
	struct presence *presence = mem_alloc(sizeof(*presence));
	presence->hs = hs;
	atomic_init(&presence->serial, 0);
	lock_init(&presence->lock, RANK_PRESENCE);
	return presence;
}

static void entry_destroy(struct presence_entry *entry)
{
	for (size_t i = 0; i < entry->device_n; i++) {
		str_free(entry->devices[i].id);
	}
	mem_free(entry->remote.room_nids);
	str_free(entry->status_msg);
	str_free(entry->user_id);
	mem_free(entry);
}

void presence_destroy(struct presence *presence)
{
	if (presence == NULL) {
		return;
	}
	struct presence_entry *entry = presence->newest;
	while (entry != NULL) {
		struct presence_entry *older = entry->older;
		entry_destroy(entry);
		entry = older;
	}
	map_fini(&presence->by_user);
	lock_fini(&presence->lock);
	mem_free(presence);
}

int64_t presence_serial_now(const struct homeserver *hs)
{
	return atomic_load(&hs->presence->serial);
}

/* --- entries, lock held -------------------------------------------------------------------------------------- */

static void put_in_front_locked(struct presence *presence, struct presence_entry *entry)
{
	entry->newer = NULL;
	entry->older = presence->newest;
	if (presence->newest != NULL) {
		presence->newest->newer = entry;
	} else {
		presence->oldest = entry;
	}
	presence->newest = entry;
}

static void put_at_end_locked(struct presence *presence, struct presence_entry *entry)
{
	entry->newer = presence->oldest;
	entry->older = NULL;
	if (presence->oldest != NULL) {
		presence->oldest->older = entry;
	} else {
		presence->newest = entry;
	}
	presence->oldest = entry;
}

static void take_out_locked(struct presence *presence, const struct presence_entry *entry)
{
	if (entry->newer != NULL) {
		entry->newer->older = entry->older;
	} else {
		presence->newest = entry->older;
	}
	if (entry->older != NULL) {
		entry->older->newer = entry->newer;
	} else {
		presence->oldest = entry->newer;
	}
}

static struct presence_entry *entry_of_locked(struct presence *presence, struct str user_id)
{
	struct presence_entry *entry = map_get(&presence->by_user, user_id);
	if (entry == NULL) {
		entry = mem_alloc(sizeof(*entry));
		entry->user_id = str_heap(user_id);
		(void)map_set(&presence->by_user, user_id, entry);
		put_at_end_locked(presence, entry);
	}
	return entry;
}

static void changed_locked(struct presence *presence, struct presence_entry *entry)
{
	take_out_locked(presence, entry);
	put_in_front_locked(presence, entry);
	entry->serial = typing_serial_next(presence->hs);
	entry->is_untold = true;
	atomic_store(&presence->serial, entry->serial);
}

static enum presence_state state_at(struct presence_entry *entry, int64_t now, int64_t idle_ms)
{
	if (presence_is_remote(entry)) {
		return now < entry->remote.until_ms ? entry->remote.state : PRESENCE_OFFLINE;
	}
	enum presence_state best = PRESENCE_OFFLINE;
	size_t kept = 0;
	for (size_t i = 0; i < entry->device_n; i++) {
		if (entry->devices[i].until_ms <= now) {
			str_free(entry->devices[i].id);
			continue;
		}
		best = MAX_OF(best, entry->devices[i].state);
		entry->devices[kept++] = entry->devices[i];
	}
	entry->device_n = kept;
	return best == PRESENCE_ONLINE && now - entry->last_active_ms >= idle_ms ? PRESENCE_UNAVAILABLE
																			 : best;
}

/* What others see is brought up to date. */
void presence_refresh_locked(struct presence *presence, struct presence_entry *entry, int64_t now)
{
	int64_t idle_ms = presence->hs->settings.presence_idle_ms;
	enum presence_state state = state_at(entry, now, idle_ms);
	bool is_active = state == PRESENCE_ONLINE &&
		(presence_is_remote(entry) ? entry->remote.is_active
								   : now - entry->last_active_ms < idle_ms / ACTIVE_PART);
	if (state == entry->state && is_active == entry->is_active) {
		return;
	}
	if (!presence_is_remote(entry)) {
		bool was_here = entry->state != PRESENCE_OFFLINE;
		metric_add(&users_here, (state != PRESENCE_OFFLINE) - was_here);
	}
	entry->state = state;
	entry->is_active = is_active;
	changed_locked(presence, entry);
}

static struct presence_device *find_device(struct presence_entry *entry, struct str id)
{
	for (size_t i = 0; i < entry->device_n; i++) {
		if (str_equals(entry->devices[i].id, id)) {
			return &entry->devices[i];
		}
	}
	return NULL;
}

static struct presence_device *add_device(struct presence_entry *entry, struct str id)
{
	struct presence_device *device = &entry->devices[0];
	if (entry->device_n < PRESENCE_MAX_DEVICES) {
		device = &entry->devices[entry->device_n++];
	} else {
		for (size_t i = 1; i < entry->device_n; i++) {
			device = entry->devices[i].until_ms < device->until_ms ? &entry->devices[i] : device;
		}
		str_free(device->id);
	}
	*device = (struct presence_device){.id = str_heap(id)};
	return device;
}

/* A device that comes, or becomes online, is an action of its user; one that just goes on is none. */
static void set_device_locked(struct presence_entry *entry, struct str id,
	enum presence_state state, int64_t until, int64_t now)
{
	struct presence_device *device = find_device(entry, id);
	if (device == NULL && state == PRESENCE_OFFLINE) {
		return;
	}
	if (device == NULL) {
		device = add_device(entry, id);
	}
	if (state == PRESENCE_ONLINE && device->state != PRESENCE_ONLINE) {
		entry->last_active_ms = now;
	}
	device->state = state;
	device->until_ms = state == PRESENCE_OFFLINE ? 0 : until;
}

/* --- what users do --------------------------------------------------------------------------------------------- */

void presence_synced(struct homeserver *hs, const struct principal *who, enum presence_state state,
	int64_t until_mono_ms)
{
	struct presence *presence = hs->presence;
	if (!hs->settings.presence_enabled) {
		return;
	}
	int64_t now = now_ms(hs);
	LOCK_SCOPE(&presence->lock);
	if (state == PRESENCE_OFFLINE && map_get(&presence->by_user, who->user.s) == NULL) {
		return;
	}
	struct presence_entry *entry = entry_of_locked(presence, who->user.s);
	set_device_locked(entry, who->device_id, state,
		until_mono_ms + hs->settings.presence_offline_ms, now);
	presence_refresh_locked(presence, entry, now);
}

void presence_note_request(struct homeserver *hs, const struct call *call)
{
	struct presence *presence = hs->presence;
	const struct principal *who = principal_of(call);
	enum route_rate rate = call->route->rate;
	bool is_users = route_acts(call->route) || call->route->auth == AUTH_USER ||
		call->route->auth == AUTH_GUEST;
	bool is_action = is_users && (rate == RATE_WRITE || rate == RATE_MESSAGE || rate == RATE_JOIN);
	if (!hs->settings.presence_enabled || who == NULL || !is_action) {
		return;
	}
	int64_t now = now_ms(hs);
	LOCK_SCOPE(&presence->lock);
	struct presence_entry *entry = map_get(&presence->by_user, who->user.s);
	if (entry != NULL) {
		entry->last_active_ms = now;
		presence_refresh_locked(presence, entry, now);
	}
}

static void set_status_locked(struct presence *presence, struct presence_entry *entry,
	struct str status_msg)
{
	if (!str_equals(entry->status_msg, status_msg)) {
		str_free(entry->status_msg);
		entry->status_msg = status_msg.n > 0 ? str_heap(status_msg) : str_from(NULL, 0);
		changed_locked(presence, entry);
	}
}

enum err presence_set(struct ctx *ctx, struct homeserver *hs, const struct principal *who,
	enum presence_state state, struct str status_msg)
{
	struct presence *presence = hs->presence;
	if (status_msg.n > PRESENCE_MAX_STATUS_BYTES) {
		return fail_status(ctx, ERR_INPUT, 413, M_TOO_LARGE, "The status message is too long");
	}
	if (!hs->settings.presence_enabled) {
		return ERR_OK;
	}
	struct user *user; /* active, so that others can be told */
	TRY(users_get(ctx, hs, who->user.s, &user));
	TRY(store_presence_status_set(ctx, hs->db, who->user.s, status_msg));
	int64_t now = now_ms(hs);
	LOCK_SCOPE(&presence->lock);
	struct presence_entry *entry = entry_of_locked(presence, who->user.s);
	const struct presence_device *device = find_device(entry, who->device_id);
	int64_t until = now + hs->settings.presence_offline_ms;
	set_device_locked(entry, who->device_id, state,
		device != NULL ? MAX_OF(device->until_ms, until) : until, now);
	entry->last_active_ms = now;
	set_status_locked(presence, entry, status_msg);
	presence_refresh_locked(presence, entry, now);
	return ERR_OK;
}

void presence_received(struct homeserver *hs, const struct presence_news *news)
{
	struct presence *presence = hs->presence;
	invariant(news->room_n > 0);
	if (!hs->settings.presence_enabled) {
		return;
	}
	int64_t now = now_ms(hs);
	size_t bytes = news->room_n * sizeof(*news->room_nids);
	LOCK_SCOPE(&presence->lock);
	struct presence_entry *entry = entry_of_locked(presence, news->user_id);
	mem_free(entry->remote.room_nids);
	entry->remote = (struct remote_presence){
		.state = news->state,
		.is_active = news->is_currently_active,
		.until_ms = now + PRESENCE_REMOTE_MS,
		.room_nids = mem_dup(news->room_nids, bytes),
		.room_n = news->room_n,
	};
	if (news->last_active_ago_ms >= 0) {
		entry->last_active_ms = MAX_OF(now - news->last_active_ago_ms, (int64_t)1);
	}
	if (news->status_msg.n <= PRESENCE_MAX_STATUS_BYTES) {
		set_status_locked(presence, entry, news->status_msg);
	}
	presence_refresh_locked(presence, entry, now);
}

enum err presence_load(struct ctx *ctx, struct homeserver *hs)
{
	struct presence *presence = hs->presence;
	struct presence_status_row *rows;
	size_t count;
	if (!hs->settings.presence_enabled) {
		return ERR_OK;
	}
	TRY(store_presence_statuses(ctx, hs->db, &rows, &count));
	LOCK_SCOPE(&presence->lock);
	for (size_t i = 0; i < count; i++) {
		struct presence_entry *entry = entry_of_locked(presence, rows[i].user_id);
		entry->status_msg = str_heap(rows[i].status_msg);
	}
	return ERR_OK;
}

/* --- time passes --------------------------------------------------------------------------------------------------- */

/* Of whom others have not been woken yet: users, of these who is of this server, and rooms of users of others. */
struct untold {
	VEC(struct str) all;
	VEC(struct str) ids;
	VEC(int64_t) nids;
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

static void collect_untold(struct presence *presence, struct arena *arena, struct untold *out)
{
	int64_t now = now_ms(presence->hs);
	LOCK_SCOPE(&presence->lock);
	size_t i = 0;
	struct str key;
	void *value;
	while (map_next(&presence->by_user, &i, &key, &value)) {
		struct presence_entry *entry = value;
		presence_refresh_locked(presence, entry, now);
		if (entry->is_untold) {
			entry->is_untold = false;
			note_untold(out, arena, entry);
		} else if (presence_is_remote(entry) && entry->remote.until_ms + REMOTE_KEPT_MS < now) {
			take_out_locked(presence, entry);
			(void)map_remove(&presence->by_user, key);
			entry_destroy(entry);
		}
	}
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
			view = presence_view_locked(entry, arena, now_ms(hs));
		}
		lock_give(&presence->lock);
		if (is_known) {
			tell(hs, &view);
		}
	}
}

void presence_tidy(struct homeserver *hs)
{
	if (!hs->settings.presence_enabled) {
		return;
	}
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct untold untold = {0};
	collect_untold(hs->presence, arena, &untold);
	if (untold.ids.n > 0) {
		users_wake_sharing(hs->users, arena, untold.ids.p, untold.ids.n, PRESENCE_WAKES_UP_TO);
	}
	tell_others(hs, arena, untold.all.p, untold.all.n);
	if (untold.nids.n > 0) {
		wake_rooms(hs, arena, &untold);
	}
}
