/**
 * Inside of presence: what presence.c (what users do, time) and presence_show.c (what others see) share.
 */
#ifndef BELFRY_HOMESERVER_PRESENCE_PRESENCE_INNER_H
#define BELFRY_HOMESERVER_PRESENCE_PRESENCE_INNER_H

#include "base/lock.h"
#include "base/map.h"
#include "homeserver/presence/presence.h"

struct presence_device {
	struct str id; /* heap */
	enum presence_state state;
	int64_t until_ms;
};

/* What another server said. */
struct remote_presence {
	enum presence_state state;
	bool is_active;
	int64_t until_ms;   /* it holds so long */
	int64_t *room_nids; /* heap, sorted; NULL: a user of this server */
	size_t room_n;
};

struct presence_entry {
	struct str user_id;    /* heap */
	struct str status_msg; /* heap; p == NULL: none */
	struct presence_device devices[PRESENCE_MAX_DEVICES];
	size_t device_n;
	int64_t last_active_ms;    /* monotonic; 0: never */
	enum presence_state state; /* what others see */
	bool is_active;
	struct remote_presence remote;
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

static inline bool presence_is_remote(const struct presence_entry *entry)
{
	return entry->remote.room_nids != NULL;
}

/** Brings what others see up to date. Lock held. */
void presence_refresh_locked(struct presence *presence, struct presence_entry *entry,
	int64_t now_mono_ms);

/** What others see; texts in the arena. Lock held. */
struct presence_view presence_view_locked(const struct presence_entry *entry, struct arena *arena,
	int64_t now_mono_ms);

/** For qsort: numbers of rooms. */
int presence_compare_nids(const void *a, const void *b);

#endif
