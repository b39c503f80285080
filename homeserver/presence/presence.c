/*
 * One entry for each user who was here, in a list by the serial of the last change: the newest at its head.
 *
 * A reader takes typing_serial_now() first and the lock afterwards; a change takes its serial under the lock. So whoever sees a
 * serial as "now" finds the change.
 *
 * What users do comes by presence_apply(), in the same order in all processes (presence_tell.c); time passes in each, and what follows from
 * it is said to all like everything else.
 *
 * Users of other servers have entries too, for as long as their servers speak of them. Whom they share rooms with is kept with the
 * entry, as it was when the server spoke last.
 */
#include "homeserver/presence/presence_inner.h"

#include <stdatomic.h>

#include "base/mem.h"
#include "base/metrics.h"
#include "homeserver/typing/typing.h"
#include "http/route.h"
#include "storage/presence.h"

enum {
	ACTIVE_PART = 5, /* of the idle time: so long after an action one is "currently active" */
	HOLDS_LONGER_MS =
		10 * 1000, /* what all are told of a device, so that not each sync has to be */
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
	str_free(entry->profile.displayname);
	str_free(entry->profile.avatar_url);
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

void presence_mark_locked(struct presence *presence, struct presence_entry *entry, bool is_unloaded)
{
	if (is_unloaded && !entry->is_unloaded) {
		atomic_fetch_add(&presence->unloaded, 1);
	} else if (!is_unloaded && entry->is_unloaded) {
		atomic_fetch_sub(&presence->unloaded, 1);
	}
	entry->is_unloaded = is_unloaded;
}

void presence_remove_locked(struct presence *presence, struct presence_entry *entry)
{
	presence_mark_locked(presence, entry, false);
	take_out_locked(presence, entry);
	(void)map_remove(&presence->by_user, entry->user_id);
	entry_destroy(entry);
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

static void changed_locked(struct presence *presence, struct presence_entry *entry, int64_t serial)
{
	take_out_locked(presence, entry);
	put_in_front_locked(presence, entry);
	entry->serial = serial > 0 ? serial : typing_serial_next(presence->hs);
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

static bool is_active_at(const struct presence_entry *entry, enum presence_state state, int64_t now,
	int64_t idle_ms)
{
	if (state != PRESENCE_ONLINE) {
		return false;
	}
	return presence_is_remote(entry) ? entry->remote.is_active
									 : now - entry->last_active_ms < idle_ms / ACTIVE_PART;
}

bool presence_is_due_locked(struct presence *presence, struct presence_entry *entry, int64_t now)
{
	int64_t idle_ms = presence->hs->settings.presence_idle_ms;
	enum presence_state state = state_at(entry, now, idle_ms);
	return state != entry->state || is_active_at(entry, state, now, idle_ms) != entry->is_active;
}

/* What others see is brought up to date. */
void presence_refresh_locked(struct presence *presence, struct presence_entry *entry, int64_t now,
	int64_t serial)
{
	if (!presence_is_due_locked(presence, entry, now)) {
		return;
	}
	int64_t idle_ms = presence->hs->settings.presence_idle_ms;
	enum presence_state state = state_at(entry, now, idle_ms);
	if (!presence_is_remote(entry)) {
		bool was_here = entry->state != PRESENCE_OFFLINE;
		metric_add(&users_here, (state != PRESENCE_OFFLINE) - was_here);
	}
	entry->state = state;
	entry->is_active = is_active_at(entry, state, now, idle_ms);
	changed_locked(presence, entry, serial);
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

static void set_status_locked(struct presence *presence, struct presence_entry *entry,
	struct str status_msg, int64_t serial)
{
	if (!str_equals(entry->status_msg, status_msg)) {
		str_free(entry->status_msg);
		entry->status_msg = status_msg.n > 0 ? str_heap(status_msg) : str_from(NULL, 0);
		changed_locked(presence, entry, serial);
	}
}

static struct str heap_or_none(struct str text)
{
	return text.p != NULL ? str_heap(text) : text;
}

static void set_profile_locked(struct presence *presence, struct presence_entry *entry,
	const struct presence_profile *profile, int64_t serial)
{
	str_free(entry->profile.displayname);
	str_free(entry->profile.avatar_url);
	entry->profile.displayname = heap_or_none(profile->displayname);
	entry->profile.avatar_url = heap_or_none(profile->avatar_url);
	changed_locked(presence, entry, serial);
}

static void set_remote_locked(struct presence_entry *entry, const struct presence_news *news,
	int64_t now)
{
	mem_free(entry->remote.room_nids);
	entry->remote = (struct remote_presence){
		.state = news->state,
		.is_active = news->is_currently_active,
		.until_ms = now + PRESENCE_REMOTE_MS,
		.room_nids = mem_dup(news->room_nids, news->room_n * sizeof(*news->room_nids)),
		.room_n = news->room_n,
	};
	if (news->last_active_ago_ms >= 0) {
		entry->last_active_ms = MAX_OF(now - news->last_active_ago_ms, (int64_t)1);
	}
}

/* What concerns nobody who is known needs no entry. */
static bool makes_entry(const struct presence_input *input)
{
	return input->remote != NULL || input->has_status || input->profile != NULL ||
		(input->has_device && input->state != PRESENCE_OFFLINE);
}

static void apply_locked(struct presence *presence, struct presence_entry *entry,
	const struct presence_input *input, int64_t serial)
{
	int64_t now = now_ms(presence->hs);
	if (input->remote != NULL) {
		set_remote_locked(entry, input->remote, now);
	}
	if (input->has_device) {
		set_device_locked(entry, input->device_id, input->state, now + input->for_ms, now);
		struct presence_device *device = find_device(entry, input->device_id);
		if (device != NULL && serial > 0) {
			device->told_to = writer_process_count(presence->hs->writer);
		}
	}
	if (input->is_action) {
		entry->last_active_ms = now;
	}
	if (input->has_status) {
		set_status_locked(presence, entry, input->status_msg, serial);
	}
	if (input->profile != NULL) {
		set_profile_locked(presence, entry, input->profile, serial);
	}
	presence_refresh_locked(presence, entry, now, serial);
}

void presence_apply(struct homeserver *hs, const struct presence_input *input, int64_t serial)
{
	struct presence *presence = hs->presence;
	/* A change of memberships by another process, as a new name makes it, has put away who was loaded. */
	bool is_unloaded =
		serial > 0 && hs_is_local(hs, input->user_id) && !users_keep(hs->users, input->user_id);
	LOCK_SCOPE(&presence->lock);
	struct presence_entry *entry = map_get(&presence->by_user, input->user_id);
	if (entry == NULL && makes_entry(input)) {
		entry = entry_of_locked(presence, input->user_id);
	}
	if (entry != NULL) {
		apply_locked(presence, entry, input, serial);
		presence_mark_locked(presence, entry, entry->is_unloaded || is_unloaded);
	}
}

static struct presence_input input_of_sync(struct homeserver *hs, const struct principal *who,
	enum presence_state state, int64_t until_mono_ms)
{
	return (struct presence_input){
		.user_id = who->user.s,
		.has_device = true,
		.device_id = who->device_id,
		.state = state,
		.for_ms = until_mono_ms + hs->settings.presence_offline_ms - now_ms(hs),
	};
}

/* What others, at other processes, do not know already. */
enum sync_news { SYNC_SAYS_NOTHING, SYNC_GOES_ON, SYNC_CHANGES };

static enum sync_news news_of_sync(struct homeserver *hs, const struct presence_input *input)
{
	struct presence *presence = hs->presence;
	LOCK_SCOPE(&presence->lock);
	struct presence_entry *entry = map_get(&presence->by_user, input->user_id);
	const struct presence_device *device =
		entry != NULL ? find_device(entry, input->device_id) : NULL;
	enum presence_state known = device != NULL ? device->state : PRESENCE_OFFLINE;
	if (known != input->state) {
		return SYNC_CHANGES;
	}
	bool is_known = input->state == PRESENCE_OFFLINE ||
		(device->until_ms >= now_ms(hs) + input->for_ms &&
			device->told_to == writer_process_count(hs->writer));
	return is_known ? SYNC_SAYS_NOTHING : SYNC_GOES_ON;
}

enum err presence_synced(struct ctx *ctx, struct homeserver *hs, const struct principal *who,
	enum presence_state state, int64_t until_mono_ms)
{
	if (!hs->settings.presence_enabled) {
		return ERR_OK;
	}
	struct presence_input input = input_of_sync(hs, who, state, until_mono_ms);
	if (!writer_has_peers(hs->writer)) {
		presence_apply(hs, &input, 0);
		return ERR_OK;
	}
	enum sync_news news = news_of_sync(hs, &input);
	if (news == SYNC_SAYS_NOTHING) {
		return ERR_OK;
	}
	if (news == SYNC_CHANGES) {
		TRY(ctx_may_wait(ctx));
	}
	input.for_ms += MIN_OF(hs->settings.presence_offline_ms / 2, (int64_t)HOLDS_LONGER_MS);
	presence_say(hs, &input, news == SYNC_CHANGES);
	return ERR_OK;
}

void presence_sync_ended(struct homeserver *hs, const struct principal *who,
	enum presence_state state)
{
	if (hs->settings.presence_enabled && !writer_has_peers(hs->writer)) {
		const struct presence_input input = input_of_sync(hs, who, state, now_ms(hs));
		presence_apply(hs, &input, 0);
	}
}

/* Where all have to be told, not each action is; but one that shows that somebody is active again. */
static bool is_sign_of_life(struct homeserver *hs, struct str user_id)
{
	struct presence *presence = hs->presence;
	int64_t often_ms = hs->settings.presence_idle_ms / 2 / ACTIVE_PART;
	LOCK_SCOPE(&presence->lock);
	const struct presence_entry *entry = map_get(&presence->by_user, user_id);
	return entry != NULL && now_ms(hs) - entry->last_active_ms >= often_ms;
}

void presence_note_request(struct homeserver *hs, const struct call *call)
{
	const struct principal *who = principal_of(call);
	enum route_rate rate = call->route->rate;
	bool is_users = route_acts(call->route) || call->route->auth == AUTH_USER ||
		call->route->auth == AUTH_GUEST;
	bool is_action = is_users && (rate == RATE_WRITE || rate == RATE_MESSAGE || rate == RATE_JOIN);
	if (!hs->settings.presence_enabled || who == NULL || !is_action) {
		return;
	}
	if (!writer_has_peers(hs->writer) || is_sign_of_life(hs, who->user.s)) {
		const struct presence_input input = {.user_id = who->user.s, .is_action = true};
		presence_say(hs, &input, false);
	}
}

/* How long a device counts that has said something without a sync: at least as long as before. */
static int64_t counts_for(struct homeserver *hs, const struct principal *who)
{
	struct presence *presence = hs->presence;
	int64_t for_ms = hs->settings.presence_offline_ms;
	LOCK_SCOPE(&presence->lock);
	struct presence_entry *entry = map_get(&presence->by_user, who->user.s);
	const struct presence_device *device =
		entry != NULL ? find_device(entry, who->device_id) : NULL;
	return device != NULL ? MAX_OF(device->until_ms - now_ms(hs), for_ms) : for_ms;
}

enum err presence_set(struct ctx *ctx, struct homeserver *hs, const struct principal *who,
	enum presence_state state, struct str status_msg)
{
	if (status_msg.n > PRESENCE_MAX_STATUS_BYTES) {
		return fail_status(ctx, ERR_INPUT, 413, M_TOO_LARGE, "The status message is too long");
	}
	if (!hs->settings.presence_enabled) {
		return ERR_OK;
	}
	struct user *user; /* active, so that others can be told */
	TRY(users_get(ctx, hs, who->user.s, &user));
	TRY(store_presence_status_set(ctx, hs->db, who->user.s, status_msg));
	const struct presence_input input = {
		.user_id = who->user.s,
		.has_device = true,
		.device_id = who->device_id,
		.state = state,
		.for_ms = counts_for(hs, who),
		.is_action = true,
		.has_status = true,
		.status_msg = status_msg,
	};
	presence_say(hs, &input, true);
	return ERR_OK;
}

void presence_profile_changed(struct homeserver *hs, struct str user_id,
	const struct presence_profile *profile)
{
	if (hs->settings.presence_enabled) {
		const struct presence_input input = {.user_id = user_id, .profile = profile};
		presence_say(hs, &input, true);
	}
}

void presence_received(struct homeserver *hs, const struct presence_news *news)
{
	invariant(news->room_n > 0);
	if (!hs->settings.presence_enabled) {
		return;
	}
	const struct presence_input input = {
		.user_id = news->user_id,
		.has_status = news->status_msg.n <= PRESENCE_MAX_STATUS_BYTES,
		.status_msg = news->status_msg,
		.remote = news,
	};
	presence_say(hs, &input, false);
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
