/**
 * Inside of presence: what presence.c (what users do), presence_time.c, presence_tell.c (several processes) and presence_show.c (what others see) share.
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
	size_t told_to; /* so many processes there were when it was last said to all */
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
	struct str user_id;              /* heap */
	struct str status_msg;           /* heap; p == NULL: none */
	struct presence_profile profile; /* heap; as of its last change */
	struct presence_device devices[PRESENCE_MAX_DEVICES];
	size_t device_n;
	int64_t last_active_ms;    /* monotonic; 0: never */
	enum presence_state state; /* what others see */
	bool is_active;
	struct remote_presence remote;
	bool is_untold;   /* nobody was woken since the change */
	bool is_unloaded; /* it changed at another process: it can be shown when its user is loaded */
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
	_Atomic size_t unloaded;       /* entries that are; written with the lock held */
};

static inline bool presence_is_remote(const struct presence_entry *entry)
{
	return entry->remote.room_nids != NULL;
}

/** Brings what others see up to date. Lock held. @param serial  the same in all processes; 0: there is this one only */
void presence_refresh_locked(struct presence *presence, struct presence_entry *entry,
	int64_t now_mono_ms, int64_t serial);
/** Whether that would change something. Lock held. */
bool presence_is_due_locked(struct presence *presence, struct presence_entry *entry,
	int64_t now_mono_ms);

/** Whether an entry is unloaded. Lock held. */
void presence_mark_locked(struct presence *presence, struct presence_entry *entry,
	bool is_unloaded);

/** What somebody did. Where there are several processes, all hear of it, and each does the same with it. */
struct presence_input {
	struct str user_id;
	bool has_device;
	struct str device_id;
	enum presence_state state; /**< of the device */
	int64_t for_ms;            /**< it counts so long */
	bool is_action;            /**< a sign of life */
	bool has_status;
	struct str status_msg;
	const struct presence_profile *profile; /**< it has changed; NULL: it has not */
	const struct presence_news *remote;     /**< of a user of another server; NULL: none */
};

/** Time has passed for a user: what follows from it is brought up to date. */
static inline struct presence_input presence_input_time(struct str user_id)
{
	return (struct presence_input){.user_id = user_id};
}

/** Does what an input says. From memory. @param serial  as above */
void presence_apply(struct homeserver *hs, const struct presence_input *input, int64_t serial);
/**
 * Applies it; where there are several processes, in all of them.
 * @param waits  until all have: costs what writer_tell_all() does then
 */
void presence_say(struct homeserver *hs, const struct presence_input *input, bool waits);
/** Nobody asks for it any more. Lock held. */
void presence_remove_locked(struct presence *presence, struct presence_entry *entry);

/** What others see; texts in the arena. Lock held. */
struct presence_view presence_view_locked(const struct presence_entry *entry, struct arena *arena,
	int64_t now_mono_ms);

/** For qsort: numbers of rooms. */
int presence_compare_nids(const void *a, const void *b);

#endif
