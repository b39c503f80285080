/*
 * One entry for each user who was here, in a list by the serial of the last change: the newest at its head.
 *
 * A reader takes typing_serial_now() first and the lock afterwards; a change takes its serial under the lock. So whoever sees a
 * serial as "now" finds the change.
 */
#include "homeserver/presence/presence.h"

#include <stdatomic.h>

#include "base/lock.h"
#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "base/vec.h"
#include "homeserver/typing/typing.h"
#include "http/route.h"
#include "storage/presence.h"
#include "storage/state.h"

enum { ACTIVE_PART = 5 /* of the idle time: so long after an action one is "currently active" */ };

static struct metric users_here =
	METRIC_GAUGE("belfry_presence_users", "Local users who are online or unavailable");

struct presence_device {
	struct str id; /* heap */
	enum presence_state state;
	int64_t until_ms;
};

struct presence_entry {
	struct str user_id;    /* heap */
	struct str status_msg; /* heap; p == NULL: none */
	struct presence_device devices[PRESENCE_MAX_DEVICES];
	size_t device_n;
	int64_t last_active_ms;    /* monotonic; 0: never */
	enum presence_state state; /* what others see */
	bool is_active;
	bool is_untold; /* nobody was woken since the change */
	int64_t serial;
	struct presence_entry *newer;
	struct presence_entry *older;
};

struct presence {
	struct homeserver *hs;
	_Atomic int64_t serial;
	struct lock lock;   /* guards all below */
	struct map by_user; /* user id → struct presence_entry * */
	struct presence_entry *newest;
	struct presence_entry *oldest; /* those without any change yet are last */
};

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

void presence_destroy(struct presence *presence)
{
	if (presence == NULL) {
		return;
	}
	struct presence_entry *entry = presence->newest;
	while (entry != NULL) {
		struct presence_entry *older = entry->older;
		for (size_t i = 0; i < entry->device_n; i++) {
			str_free(entry->devices[i].id);
		}
		str_free(entry->status_msg);
		str_free(entry->user_id);
		mem_free(entry);
		entry = older;
	}
	map_fini(&presence->by_user);
	lock_fini(&presence->lock);
	mem_free(presence);
}

bool presence_state_parse(struct str text, enum presence_state *out)
{
	static const struct str words[] = {STR_INIT("offline"), STR_INIT("unavailable"),
		STR_INIT("online")};
	for (size_t i = 0; i < COUNT_OF(words); i++) {
		if (str_equals(text, words[i])) {
			*out = (enum presence_state)i;
			return true;
		}
	}
	return false;
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
static void refresh_locked(struct presence *presence, struct presence_entry *entry, int64_t now)
{
	int64_t idle_ms = presence->hs->settings.presence_idle_ms;
	enum presence_state state = state_at(entry, now, idle_ms);
	bool is_active =
		state == PRESENCE_ONLINE && now - entry->last_active_ms < idle_ms / ACTIVE_PART;
	if (state == entry->state && is_active == entry->is_active) {
		return;
	}
	bool was_here = entry->state != PRESENCE_OFFLINE;
	metric_add(&users_here, (state != PRESENCE_OFFLINE) - was_here);
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
	refresh_locked(presence, entry, now);
}

void presence_note_request(struct homeserver *hs, const struct call *call)
{
	struct presence *presence = hs->presence;
	const struct principal *who = principal_of(call);
	enum route_auth auth = call->route->auth;
	enum route_rate rate = call->route->rate;
	bool is_users = auth == AUTH_USER || auth == AUTH_GUEST;
	bool is_action = is_users && (rate == RATE_WRITE || rate == RATE_MESSAGE || rate == RATE_JOIN);
	if (!hs->settings.presence_enabled || who == NULL || !is_action) {
		return;
	}
	int64_t now = now_ms(hs);
	LOCK_SCOPE(&presence->lock);
	struct presence_entry *entry = map_get(&presence->by_user, who->user.s);
	if (entry != NULL) {
		entry->last_active_ms = now;
		refresh_locked(presence, entry, now);
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
	refresh_locked(presence, entry, now);
	return ERR_OK;
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

/* --- what others see --------------------------------------------------------------------------------------------- */

static struct presence_view view_of_locked(const struct presence_entry *entry, struct arena *arena,
	int64_t now)
{
	return (struct presence_view){
		.user_id = str_dup(arena, entry->user_id),
		.state = entry->state,
		.is_currently_active = entry->is_active,
		.last_active_ago_ms = entry->last_active_ms != 0 ? now - entry->last_active_ms : -1,
		.status_msg =
			entry->status_msg.p != NULL ? str_dup(arena, entry->status_msg) : str_from(NULL, 0),
	};
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
	*out = (struct presence_view){.user_id = user_id, .last_active_ago_ms = -1};
	int64_t now = now_ms(hs);
	LOCK_SCOPE(&presence->lock);
	struct presence_entry *entry = map_get(&presence->by_user, user_id);
	if (entry != NULL) {
		refresh_locked(presence, entry, now);
		*out = view_of_locked(entry, ctx->arena, now);
	}
	return ERR_OK;
}

/* Changes of anybody else. */
static size_t collect(struct presence *presence, struct arena *arena, struct str user_id,
	int64_t since, struct presence_view **out)
{
	VEC(struct presence_view) views = {0};
	int64_t now = now_ms(presence->hs);
	LOCK_SCOPE(&presence->lock);
	const struct presence_entry *entry = presence->newest;
	for (size_t i = 0; entry != NULL && entry->serial > since && i < PRESENCE_LOOKS_AT;
		 i++, entry = entry->older) {
		bool is_told = since > 0 || entry->state != PRESENCE_OFFLINE;
		if (is_told && !str_equals(entry->user_id, user_id)) {
			struct presence_view view = view_of_locked(entry, arena, now);
			VEC_PUSH(arena, &views, view);
		}
	}
	*out = views.p;
	return views.n;
}

/* Ids of the views' users, and room for a mark at each. */
static struct str *ids_of(struct arena *arena, const struct presence_view *views, size_t count,
	bool **out_marks)
{
	struct str *ids = ARENA_NEW_ARRAY(arena, struct str, count);
	for (size_t i = 0; i < count; i++) {
		ids[i] = views[i].user_id;
	}
	*out_marks = ARENA_NEW_ARRAY(arena, bool, count);
	return ids;
}

static size_t keep_marked(struct presence_view *views, size_t count, const bool *marks)
{
	size_t kept = 0;
	for (size_t i = 0; i < count; i++) {
		if (marks[i]) {
			views[kept++] = views[i];
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
	bool *shares;
	size_t count = collect(hs->presence, ctx->arena, user_id_of(user), since, out);
	const struct str *ids = ids_of(ctx->arena, *out, count, &shares);
	users_sharing(hs->users, user, ctx->arena, ids, count, shares);
	return keep_marked(*out, count, shares);
}

size_t presence_of_rooms(struct ctx *ctx, struct homeserver *hs, const struct user *user,
	const int64_t *room_nids, size_t room_n, struct presence_view **out)
{
	*out = NULL;
	if (is_quiet(hs) || room_n == 0) {
		return 0;
	}
	bool *is_in;
	size_t count = collect(hs->presence, ctx->arena, user_id_of(user), 0, out);
	const struct str *ids = ids_of(ctx->arena, *out, count, &is_in);
	users_in_rooms(hs->users, room_nids, room_n, ids, count, is_in);
	return keep_marked(*out, count, is_in);
}

size_t presence_of(struct ctx *ctx, struct homeserver *hs, const struct str *user_ids, size_t count,
	struct presence_view **out)
{
	*out = NULL;
	if (is_quiet(hs) || count == 0) {
		return 0;
	}
	size_t n = 0;
	int64_t now = now_ms(hs);
	*out = ARENA_NEW_ARRAY(ctx->arena, struct presence_view, count);
	LOCK_SCOPE(&hs->presence->lock);
	for (size_t i = 0; i < count; i++) {
		const struct presence_entry *entry = map_get(&hs->presence->by_user, user_ids[i]);
		if (entry != NULL && entry->state != PRESENCE_OFFLINE) {
			(*out)[n++] = view_of_locked(entry, ctx->arena, now);
		}
	}
	return n;
}

void presence_write_members(const struct presence_view *view, struct json_out *out)
{
	static const char *const words[] = {"offline", "unavailable", "online"};
	json_out_key_str(out, "presence", str_of(words[view->state]));
	if (view->last_active_ago_ms >= 0) {
		json_out_key_int(out, "last_active_ago", view->last_active_ago_ms);
	}
	if (view->state == PRESENCE_ONLINE) {
		json_out_key_bool(out, "currently_active", view->is_currently_active);
	}
	if (view->status_msg.p != NULL) {
		json_out_key_str(out, "status_msg", view->status_msg);
	}
}

void presence_write(const struct presence_view *view, struct json_out *out)
{
	json_out_object(out);
	presence_write_members(view, out);
	json_out_end(out);
}

void presence_write_event(const struct presence_view *view, struct json_out *out)
{
	json_out_object(out);
	json_out_key(out, STR("content"));
	presence_write(view, out);
	json_out_key_str(out, "sender", view->user_id);
	json_out_key_str(out, "type", STR("m.presence"));
	json_out_end(out);
}

/* --- time passes --------------------------------------------------------------------------------------------------- */

/* Users of whom others have not been woken yet. */
static size_t collect_untold(struct presence *presence, struct arena *arena, struct str **out)
{
	VEC(struct str) ids = {0};
	int64_t now = now_ms(presence->hs);
	LOCK_SCOPE(&presence->lock);
	size_t i = 0;
	struct str key;
	void *value;
	while (map_next(&presence->by_user, &i, &key, &value)) {
		struct presence_entry *entry = value;
		refresh_locked(presence, entry, now);
		if (entry->is_untold) {
			entry->is_untold = false;
			struct str id = str_dup(arena, entry->user_id);
			VEC_PUSH(arena, &ids, id);
		}
	}
	*out = ids.p;
	return ids.n;
}

/* By way of the port, for users of other servers. */
static void tell_servers(struct homeserver *hs, struct arena *arena, const struct str *ids,
	size_t count)
{
	const struct edu_port *port = &hs->ports.edus;
	struct presence *presence = hs->presence;
	for (size_t i = 0; port->presence != NULL && i < count; i++) {
		struct presence_view view;
		lock_take(&presence->lock);
		const struct presence_entry *entry = map_get(&presence->by_user, ids[i]);
		bool is_known = entry != NULL;
		if (is_known) {
			view = view_of_locked(entry, arena, now_ms(hs));
		}
		lock_give(&presence->lock);
		if (is_known) {
			port->presence(port->self, &view);
		}
	}
}

void presence_tidy(struct homeserver *hs)
{
	if (!hs->settings.presence_enabled) {
		return;
	}
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct str *ids;
	size_t count = collect_untold(hs->presence, arena, &ids);
	if (count > 0) {
		users_wake_sharing(hs->users, arena, ids, count, PRESENCE_WAKES_UP_TO);
		tell_servers(hs, arena, ids, count);
	}
}
