/**
 * Inside of a room: what the files of this folder share. Others use rooms.h.
 *
 * Two things guard a room. Its `lock` is held for moments and guards what is committed: content, listeners,
 * flags. Its *turn* belongs to one request at a time, may be kept during database work, and guards the
 * head: what the next event is built on, events that are still being committed included.
 */
#ifndef BELFRY_HOMESERVER_ROOM_ROOM_H
#define BELFRY_HOMESERVER_ROOM_ROOM_H

#include "base/cache.h"
#include "base/lock.h"
#include "base/map.h"
#include "homeserver/room/rooms.h"
#include "storage/graph.h"

enum {
	ROOM_RECENT = 48, /**< newest events kept with a loaded room */
};

/** One entry of the current state. */
struct state_slot {
	struct str type;        /**< views `key` */
	struct str state_key;   /**< views `key` */
	const char *membership; /**< of m.room.member: static text; else NULL */
	int64_t from_position;
	int64_t event_position;
	struct stored_event *event; /**< counted; NULL until somebody asks */
	struct state_slot *next;    /**< in room_content.others */
	size_t key_size;
	char key[]; /**< type, NUL, state key */
};

/** Joined members of one server. */
struct room_server {
	int64_t joined;
};

/** Running counts of notifying events, see storage/room.h. */
struct unread_counts {
	int64_t notify_seq;
	int64_t highlight_seq;
};

/** What the next event is built on. Guarded by the turn. */
struct room_head {
	int64_t event_seq;
	int64_t depth;
	struct str extremities; /**< JSON array of event ids; heap */
	struct unread_counts main;
	struct map
		threads; /**< root event id → struct unread_counts *, of threads that got events lately */
};

/** Committed facts of a loaded room. Guarded by the room's lock. */
struct room_content {
	struct map state; /**< key (type, NUL, state key) → struct state_slot * */
	struct state_slot *
		others; /**< of these, those of no members, in a list: what is asked for without members is few */
	int64_t state_position; /**< newest from_position */
	/**
	 * Newest position at which the state changed by another event than the one that stands there, or did not change by the state
	 * event that stands there: the ring of events does not tell what changed up to here.
	 */
	int64_t forked_position;
	struct member_counts counts;
	struct map servers; /**< name → struct room_server *, of all joined members */
	struct graph_summary graph;
	struct stored_event *recent[ROOM_RECENT]; /**< ring of the newest events, counted */
	size_t recent_first;
	size_t recent_n;
	int64_t recent_after; /**< every event after this position is in the ring */
};

struct memo_wait;
struct roster;

struct room {
	struct refc refc;
	int64_t nid;
	struct room_id id; /**< heap */
	const struct room_version *version;
	_Atomic int64_t last_position;
	_Atomic int64_t receipt_position;
	_Atomic int64_t typing_serial;
	_Atomic int64_t last_used_ms;
	_Atomic int64_t local_joined; /**< users of this server, once the content was loaded */
	_Atomic int64_t whole_at;     /**< see room_whole_at(); the same */
	struct lock lock;
	struct cond changed;   /**< the turn was given back, or a pending write ended */
	struct cond turn_free; /**< the same, for one of those who wait for the turn */
	bool turn_taken;       /**< guarded by lock, like all below but head */
	bool is_stale;         /**< head and content have to be loaded anew */
	int64_t messages_told; /**< times that another process added events that are no state */
	int64_t messages_read; /**< of these, what the content has */
	int pending;           /**< writes submitted and not finished */
	enum room_rest rest;   /**< how the members that are missing stand: see room_note_rest() */
	struct memo_wait *rest_waiters; /**< a list of parked requests that wait for these members */
	struct room_content *content;   /**< NULL: not loaded */
	int64_t redactions;    /**< applied so far: what was read before one may be out of date */
	struct roster *roster; /**< text of the joined members; NULL: none is kept */
	int64_t roster_serial; /**< changes of members so far */
	struct user **listeners;
	size_t listener_n;
	size_t listener_capacity;
	int keeping;           /**< threads that store outliers, see room_aside.h */
	bool is_pruning;       /**< what is outside of the timeline is being given up */
	struct room_head head; /**< guarded by the turn */
	/** What is outside of the timeline from here upwards came with our joins; 0 before the room was loaded. */
	_Atomic int64_t ground;
	/** As much more may be kept outside of the timeline before its ceiling is looked at. */
	_Atomic int64_t aside_left;
	_Atomic int64_t aside_left_bytes;
};

struct rooms {
	struct homeserver *hs;
	struct room_observer observer; /**< const once threads run */
	struct lock lock;              /**< guards the maps and the numbers */
	struct map by_id;              /**< room id → struct room *, one reference each */
	struct map by_nid; /**< the same rooms, by the bytes of their number; no reference */
	int64_t next_nid;
	int64_t nids_left;
	int64_t next_outlier; /**< positions below the timeline, counting down */
	int64_t outliers_left;
	struct cache *events;   /**< stored_event by room number and position, and by event id */
	_Atomic int64_t loaded; /**< rooms with content */
};

/** "type\0state_key" in the arena. */
struct str state_slot_key(struct arena *arena, struct str type, struct str state_key);

/** Waits for the turn. Errors: TIMEOUT at the ctx's deadline. No lock may be held. */
MUST_CHECK enum err room_turn_take(struct ctx *ctx, struct homeserver *hs, struct room *room);
void room_turn_give(struct room *room);

/** How often, and until when, something is tried that another process has been faster at each time. Zeroed before the first. */
struct room_tries {
	int n;
	int64_t until_ms; /**< monotonic */
};
/**
 * Whether to try (again): some times, and then for as long as one waits for the turn. At each conflict somebody else has got on, so
 * of many who write to one room at several processes each comes through.
 */
bool room_may_try(struct ctx *ctx, const struct homeserver *hs, struct room_tries *tries);

/** Whether the content lacks events of another process, which room_load() reads. Lock held. */
static inline bool room_is_behind_locked(const struct room *room)
{
	return room->messages_read != room->messages_told;
}

/** Whether the content is there, and all of it. Lock held. */
static inline bool room_is_current_locked(const struct room *room)
{
	return room->content != NULL && !room->is_stale && !room_is_behind_locked(room);
}

/**
 * Loads the content (again when stale), once nothing is pending any more; the caller has the turn. Where it lacks only the newest events, these
 * are read: two round trips.
 */
MUST_CHECK enum err room_load(struct ctx *ctx, struct homeserver *hs, struct room *room);
/** The same, unless the content is there and good. */
MUST_CHECK enum err room_load_if_needed(struct ctx *ctx, struct homeserver *hs, struct room *room);
/** Whether content was only behind, and has been brought up to date by the events that it lacked. The caller has the turn. */
MUST_CHECK enum err room_follow(struct ctx *ctx, struct homeserver *hs, struct room *room,
	bool *out_done);

/** Of the ring's events, the oldest is 0. Lock held. */
static inline struct stored_event *room_recent_at_locked(const struct room_content *content,
	size_t i)
{
	return content->recent[(content->recent_first + i) % ROOM_RECENT];
}

/** Adds an event at the end of the ring, and takes over its reference. Lock held. */
void room_push_recent_locked(struct room_content *content, struct stored_event *event);
struct room_row;
/** What the next event is built on, as the row says. The caller has the turn. */
void room_head_set(struct room *room, const struct room_row *row);
/** The text of the joined members that is kept, or is being made, is not true any more. Lock held. */
void room_roster_drop_locked(struct room *room);
/** Frees the content; lock held. */
void room_unload_locked(struct rooms *rooms, struct room *room);
/** Forgets the counts of threads: the caller has the turn (or nobody else has the room), and nothing is pending. */
void room_head_clear_threads(struct room_head *head);

/** One entry of the state that changes. */
struct state_step {
	struct str type;
	struct str state_key;
	struct str event_id;    /**< p == NULL: there is no such state any more */
	struct str membership;  /**< of m.room.member; p == NULL otherwise */
	int64_t event_position; /**< 0: the event that stands at the position of the change */
};

/** What a commit brings. */
struct room_news {
	struct stored_event *event; /**< its reference is taken over */
	bool is_forked; /**< the state changes by `steps`, else by the event, if it is a state event */
	const struct state_step *steps;
	size_t step_count;
	bool has_gap;     /**< history is missing before it */
	bool is_placed;   /**< history shows it elsewhere */
	bool has_waiting; /**< it redacts what has not come yet */
};
/** Brings a committed event into the content; writer's thread. */
void room_apply(struct homeserver *hs, struct room *room, const struct room_news *news);
/** History was added behind the ring, up to a position: it does not cover it. Writer's thread. */
void room_apply_history(struct room *room, int64_t newest);
/** An event of the state stands elsewhere now. Writer's thread. */
void room_apply_move(struct room *room, struct str type, struct str state_key,
	int64_t from_position, int64_t to_position);
/** It is known now since when an entry of the state holds, and where its event stands. Writer's thread. */
void room_apply_since(struct room *room, struct str type, struct str state_key,
	int64_t from_position, int64_t event_position);
/** Reads anew what gaps there are, and what history shows elsewhere; when it cannot, the room is loaded anew. One round trip. */
MUST_CHECK enum err room_refresh_gaps(struct ctx *ctx, struct homeserver *hs, struct room *room);
/** Waits until no write of the room is under way; the caller has the turn. Errors: TIMEOUT */
MUST_CHECK enum err room_settle(struct ctx *ctx, struct homeserver *hs, struct room *room);
/** Waits until an event after a position is in the room, or until the deadline. Not with the turn. */
void room_await_event(struct room *room, int64_t position, int64_t deadline_mono_ms);
/** Puts the redacted form of an event everywhere the old one is kept; writer's thread. Takes over the reference. */
void room_apply_redaction(struct homeserver *hs, struct room *room, struct stored_event *redacted);

/** An event from the ring by position or id, with a reference until reset; NULL when not there. Takes the lock. */
struct stored_event *room_recent_find(struct ctx *ctx, struct room *room, int64_t position,
	struct str event_id);

/** To be asked before events are read from the database, and given to room_cache_event(). */
int64_t room_redactions(struct room *room);
/** Stores what was read in the event cache, unless something was redacted meanwhile: it may be the old form. */
void room_cache_event(struct homeserver *hs, struct room *room, struct stored_event *event,
	int64_t redactions_before);

/** An event stands elsewhere than where it was: it is forgotten there. */
void room_uncache_event(struct homeserver *hs, struct room *room, struct str event_id,
	int64_t position);

/** A room number that nobody has. */
MUST_CHECK enum err rooms_new_nid(struct ctx *ctx, struct homeserver *hs, int64_t *out);

/**
 * Positions below the timeline and the room's ground that nobody has; *out is the first, the others follow downwards. At most one round
 * trip.
 */
MUST_CHECK enum err rooms_new_outliers(struct ctx *ctx, struct homeserver *hs,
	const struct room *room, size_t count, int64_t **out);

#endif
