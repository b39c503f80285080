/**
 * Rooms: the face of the domain. Everything that others may call.
 *
 * A `struct room` exists once per process for each room that was touched; it is light until its content (state,
 * extremities, recent timeline) is loaded. Content is of committed events only. Functions return events with
 * references that end with the ctx's arena. No lock is held by a caller of any function here.
 */
#ifndef BELFRY_HOMESERVER_ROOM_ROOMS_H
#define BELFRY_HOMESERVER_ROOM_ROOMS_H

#include "homeserver/room/stored_event.h"
#include "matrix/state_map.h"

struct room;
struct user;

struct rooms *rooms_create(struct homeserver *hs);
void rooms_destroy(struct rooms *rooms);
/** Puts away the content of rooms that nobody used since a time (monotonic). Called by the housekeeper. */
void rooms_tidy(struct rooms *rooms, int64_t before_ms);
/** All content is read anew by whoever asks next: it may be older than the database. Writer's thread. */
void rooms_forget(struct rooms *rooms);
/**
 * Another process has committed in a room, up to a position: what was added is read, or the content anew, by whoever asks next, and listeners
 * are told. Writer's thread.
 * @param kind  NEWS_MESSAGE, NEWS_ROOM, NEWS_REWRITTEN
 */
void rooms_told(struct rooms *rooms, int64_t room_nid, int64_t position, enum news_kind kind);
/** The same of receipts. */
void rooms_told_receipts(struct rooms *rooms, int64_t room_nid, int64_t position);

/* --- finding ------------------------------------------------------------------------------------ */

/**
 * The room with its content loaded; reference until the ctx's arena is reset.
 * Errors: MISSING M_NOT_FOUND when this server does not know it; STORE
 * Cost: nothing when loaded, else two round trips.
 */
MUST_CHECK enum err rooms_get(struct ctx *ctx, struct homeserver *hs, struct str room_id,
	struct room **out);
/** The same for clients: DENIED M_FORBIDDEN instead of MISSING, so that nothing is told about unknown rooms. */
MUST_CHECK enum err rooms_get_for(struct ctx *ctx, struct homeserver *hs, struct str room_id,
	struct room **out);
/** As rooms_get(), by number. */
MUST_CHECK enum err rooms_get_nid(struct ctx *ctx, struct homeserver *hs, int64_t room_nid,
	struct room **out);
/** The same of a room that is at hand: it has its content, if it had been put away. */
MUST_CHECK enum err rooms_load(struct ctx *ctx, struct homeserver *hs, struct room *room);
/** By number, if it is in memory, loaded or not; reference until the ctx's arena is reset. NULL: nobody can be listening to it. */
struct room *rooms_find(struct ctx *ctx, struct homeserver *hs, int64_t room_nid);

/** The row's number; never changes. Any thread, no lock. */
int64_t room_nid(const struct room *room);
/** Likewise; of the room. */
struct room_id room_id_of(const struct room *room);
/** Likewise; static. */
const struct room_version *room_version_of(const struct room *room);
/** Position of the newest committed event. Any thread, from memory. */
int64_t room_last_position(const struct room *room);
/** Position of the newest receipt (receipt domain sets it in its commit). */
int64_t room_receipt_position(const struct room *room);
void room_set_receipt_position(struct room *room, int64_t position);
/** Serial of the newest change of typing (typing domain). */
int64_t room_typing_serial(const struct room *room);
void room_set_typing_serial(struct room *room, int64_t serial);

/* --- events --------------------------------------------------------------------------------------- */

/** Event by id, of this room only. Errors: MISSING M_NOT_FOUND; STORE. */
MUST_CHECK enum err room_event(struct ctx *ctx, struct homeserver *hs, struct room *room,
	struct str event_id, struct stored_event **out);
/** Event by its position. Errors: MISSING; STORE. */
MUST_CHECK enum err room_event_at(struct ctx *ctx, struct homeserver *hs, struct room *room,
	int64_t position, struct stored_event **out);
/** Events by positions (any order, duplicates allowed); out[i] belongs to positions[i], NULL where there is none. One round trip at most. */
MUST_CHECK enum err room_events_at(struct ctx *ctx, struct homeserver *hs, struct room *room,
	const int64_t *positions, size_t count, struct stored_event ***out);

/**
 * Positions at and below this are no part of the timeline (see room_accept.h); what is negative above it is history from before this
 * server came.
 */
#define ROOM_OUTLIERS (-(INT64_C(1) << 60))

/** A piece of the timeline. */
struct timeline {
	struct stored_event **events; /**< in the order asked for */
	size_t n;
	bool has_more; /**< there are further events within the bounds in that direction */
	const int64_t *
		places; /**< of room_timeline_shown(): theirs, where they may differ from their positions; else NULL */
	const bool *
		childless; /**< of room_timeline_shown(): of each whether nothing relates to it that is bundled; NULL: not known of any */
};
/**
 * Up to `limit` events with after < position <= up_to: the newest ones, newest first, when `backwards`, else the oldest,
 * oldest first. From memory when the recent timeline covers it, else one round trip.
 */
MUST_CHECK enum err room_timeline(struct ctx *ctx, struct homeserver *hs, struct room *room,
	int64_t after, int64_t up_to, bool backwards, size_t limit, struct timeline *out);

/**
 * The same in the order of history: by places. An event's place is its position, unless it came after what stands on it: then it is a number
 * below that. So a place is what a position is to tokens and gaps, while all who are told of events go by positions.
 * From memory as room_timeline(), when nothing that came after `after` is shown elsewhere.
 */
MUST_CHECK enum err room_timeline_shown(struct ctx *ctx, struct homeserver *hs, struct room *room,
	int64_t after, int64_t up_to, bool backwards, size_t limit, struct timeline *out);
/** What is shown around an event. */
struct timeline_around {
	struct timeline before;
	struct timeline after;
	bool is_childless; /**< the event itself, as in a timeline */
	bool is_read;      /**< false: it has to be read by room_timeline_shown() */
};
/**
 * What room_timeline_shown() would give backwards from an event and forwards up to a position, in one round trip. Not read where that may
 * need none, and where history has gaps or another order than that of positions.
 */
MUST_CHECK enum err room_timeline_around(struct ctx *ctx, struct homeserver *hs, struct room *room,
	const struct stored_event *event, int64_t up_to, size_t before, size_t after,
	struct timeline_around *out);
/** Place of one of its events. */
static inline int64_t timeline_place(const struct timeline *timeline, size_t i)
{
	return timeline->places != NULL ? timeline->places[i] : timeline->events[i]->position;
}
/** Places of events by their positions. Cost: none where nothing newer is shown elsewhere, else one round trip. Errors: STORE */
MUST_CHECK enum err room_places_of(struct ctx *ctx, struct homeserver *hs, struct room *room,
	const int64_t *positions, size_t count, int64_t *out);
/** The event that is shown there. Errors: MISSING; STORE. */
MUST_CHECK enum err room_event_at_place(struct ctx *ctx, struct homeserver *hs, struct room *room,
	int64_t place, struct stored_event **out);

/**
 * For reading backwards from `up_to` to `after`: where to stop, right before the event at the newest gap; `after` when there is none.
 * Errors: STORE.  Cost: none for a room without gaps, or with the newest one in the span or before it; else one round trip
 */
MUST_CHECK enum err room_gap_bound(struct ctx *ctx, struct homeserver *hs, struct room *room,
	int64_t after, int64_t up_to, int64_t *out);
/** The same for reading forwards from `after` to `up_to`: right before the event at the oldest gap; `up_to` when there is none. */
MUST_CHECK enum err room_gap_bound_above(struct ctx *ctx, struct homeserver *hs, struct room *room,
	int64_t after, int64_t up_to, int64_t *out);
/** Whether nothing of the room was before the first position, for it was made here. From memory. */
bool room_begins_here(struct room *room);

/* --- rooms without their members ----------------------------------------------------------------------- */

/**
 * Position at which the members became known that were left out when this server came into the room; 0: none were; INT64_MAX: they are
 * not known yet. Of a loaded room; from memory.
 */
int64_t room_whole_at(const struct room *room);
/** How the members stand that a join left out. */
enum room_rest {
	ROOM_REST_ASKED,   /**< others are asked for them, or will be */
	ROOM_REST_LATE,    /**< nobody gave them; they are asked for again after a pause */
	ROOM_REST_REFUSED, /**< the same, and a server says that we are not in the room */
};

/**
 * Whether members are not known yet: of these only local users, and what the room's rules need. Nothing else of the state is missing, so
 * events of members of here are judged rightly; nothing from outside is taken in before the room is whole.
 */
bool room_is_partial(const struct room *room);
/**
 * To be asked before anything that rests on who is in a room: waits until the room is whole, not long once others have failed to tell.
 * A call with a memo is parked. Errors: TIMEOUT; DEFER (ctx_may_ask; parked); STORE.  Cost: none for a whole room, or one in which nobody of here is
 */
MUST_CHECK enum err room_await_whole(struct ctx *ctx, struct homeserver *hs, struct room *room);

/* --- state ------------------------------------------------------------------------------------------ */

/** "Now", for the functions that take a position. */
#define POSITION_NOW INT64_MAX

/**
 * The event that a state event replaced; *out NULL when there is none. Where that one stood elsewhere meanwhile (an event that was known as
 * state alone came into the history), it is what stood before. One round trip for what is not in memory, one or two more for what has moved.
 */
MUST_CHECK enum err room_replaced(struct ctx *ctx, struct homeserver *hs, struct room *room,
	const struct stored_event *event, struct stored_event **out);
/** State event after a position; *out NULL when there is none. From memory unless it changed since. */
MUST_CHECK enum err room_state_event(struct ctx *ctx, struct homeserver *hs, struct room *room,
	struct str type, struct str state_key, int64_t position, struct stored_event **out);

struct state_item {
	struct str type;
	struct str state_key;
	struct str membership; /**< of m.room.member, else p == NULL */
	int64_t from_position;
	int64_t event_position;
	struct stored_event *event; /**< filled when asked for */
};
/** Which entries of the state. A zeroed struct: all of them with their events. */
struct state_query {
	bool without_members; /**< no m.room.member but those listed */
	bool only_members;
	const struct str *members; /**< with without_members: user ids that are wanted all the same */
	size_t member_count;
	bool without_events; /**< leave `event` NULL */
};
/** The room's state after the event at `position`. From memory unless state changed since, then one round trip more. */
MUST_CHECK enum err room_state_list(struct ctx *ctx, struct homeserver *hs, struct room *room,
	int64_t position, const struct state_query *query, struct state_item **out, size_t *out_count);
/**
 * Entries of the state at `up_to` that began after `after`, with events; from the recent timeline when it covers the span.
 */
MUST_CHECK enum err room_state_changes(struct ctx *ctx, struct homeserver *hs, struct room *room,
	int64_t after, int64_t up_to, struct state_item **out, size_t *out_count);

/**
 * Whether the state has changed after a position by something else than the state events of the timeline, one after the other
 * (they met on a fork). True when it is not known. From memory.
 */
bool room_state_forked_since(struct room *room, int64_t position);

/** What of a state somebody may ask for. */
struct state_ask {
	struct str type;
	struct str state_key;
};
/** Current state as the pure rules want it; events stay valid until the ctx's arena is reset. Only `keys` can be asked for. Errors: STORE */
MUST_CHECK enum err room_state_view(struct ctx *ctx, struct homeserver *hs, struct room *room,
	const struct state_ask *keys, size_t count, struct state_view *out);

/* --- members ------------------------------------------------------------------------------------------ */

/** Current membership: "join", "invite", "knock", "leave", "ban"; empty when the user never was there. In the ctx's arena. */
MUST_CHECK enum err room_membership(struct ctx *ctx, struct homeserver *hs, struct room *room,
	struct str user_id, struct str *out);
/** Membership after a position. */
MUST_CHECK enum err room_membership_at(struct ctx *ctx, struct homeserver *hs, struct room *room,
	struct str user_id, int64_t position, struct str *out);
/** Errors: DENIED M_FORBIDDEN when the user is not joined. */
MUST_CHECK enum err room_require_joined(struct ctx *ctx, struct homeserver *hs, struct room *room,
	struct str user_id);
struct member_counts {
	int64_t joined;
	int64_t invited;
};
/** From memory. */
struct member_counts room_member_counts(struct room *room);

/**
 * The text of all joined members that was kept and is still true.
 *
 * @param out_text    valid until the ctx's arena is reset; p == NULL: none is kept
 * @param out_serial  to be given to room_roster_keep() with a text made of what is read from now on
 * Threads: any.     Cost: no copy.
 */
void room_roster_find(struct ctx *ctx, struct room *room, struct str *out_text,
	int64_t *out_serial);
/**
 * Keeps a copy with the room's content until a member changes or the content is put away; nothing when one has changed since
 * `serial` was told, or the room is not loaded.
 */
void room_roster_keep(struct room *room, int64_t serial, struct str text);

/** Whether any user of this server is joined: else what is known of the room is out of date. From memory. */
bool room_is_resident(struct room *room);

/** What users of another server are in a room now. */
struct server_members {
	bool is_joined; /**< any of them */
	bool is_invited;
};
/** From memory; looks at all members until it has found what there is. Errors: STORE */
MUST_CHECK enum err room_server_members(struct ctx *ctx, struct homeserver *hs, struct room *room,
	struct server_name server, struct server_members *out);

/* --- visibility ------------------------------------------------------------------------------------------ */

/**
 * Whether a user may see an event (history visibility, memberships). Errors: STORE
 * Cost: as room_viewer_cover()
 */
MUST_CHECK enum err room_is_visible(struct ctx *ctx, struct homeserver *hs, struct room *room,
	struct str user_id, struct stored_event *event, bool *out);

/**
 * What a user may see of a room, and what the user was in it at each time. Lives in the ctx's arena. To be asked only about
 * events that it covers.
 */
struct room_viewer;

/** For events of now; from memory. */
struct room_viewer *room_viewer_create(struct ctx *ctx, struct room *room, struct str user_id);
/**
 * The same for another server: it sees what any of its users may see. Looks at all members, in memory; what covers more of the past
 * reads all memberships that the room ever had.
 */
struct room_viewer *room_viewer_create_for_server(struct ctx *ctx, struct room *room,
	struct server_name server);
/**
 * Makes it good for some events (NULL: none). Nothing to do for a user who has been joined all along and for what is known, else two round
 * trips at most. Reads the memberships and visibilities in which the events lie, whatever else there was. Errors: STORE.
 */
MUST_CHECK enum err room_viewer_cover(struct ctx *ctx, struct homeserver *hs,
	struct room_viewer *viewer, struct stored_event *const *events, size_t count);
/**
 * The same for room_viewer_sees() alone: a member needs no round trip either where history has been shared all along.
 * Errors: STORE.
 */
MUST_CHECK enum err room_viewer_cover_sight(struct ctx *ctx, struct homeserver *hs,
	struct room_viewer *viewer, struct stored_event *const *events, size_t count);
/** Whether the user may see the event; false when it is not covered. */
bool room_viewer_sees(const struct room_viewer *viewer, const struct stored_event *event);
/**
 * Whether the user could see the event by what had happened up to a position, as a member or invited: reading without being in
 * the room (world-readable history) does not count. Covers the event by itself. Errors: STORE.
 */
MUST_CHECK enum err room_viewer_saw(struct ctx *ctx, struct homeserver *hs,
	struct room_viewer *viewer, struct stored_event *event, int64_t by_position, bool *out);
/** The user's membership after the event; "leave" when there was none. Borrowed from the viewer. */
struct str room_viewer_membership(const struct room_viewer *viewer,
	const struct stored_event *event);
/**
 * Up to where the user may know anything: POSITION_NOW for members (and anybody where history is world-readable), the leaving
 * for who has left, 0 for others. Errors: STORE.
 */
MUST_CHECK enum err room_viewer_horizon(struct ctx *ctx, struct homeserver *hs,
	struct room_viewer *viewer, int64_t *out);

/* --- changing --------------------------------------------------------------------------------------------- */

/** An entry of the state as it was read. */
struct room_premise {
	struct str type, state_key;
	int64_t position; /**< of the event that sets it; 0: none does */
};

/** What a local user wants to add. */
struct room_intent {
	struct user_id sender;
	struct str type;
	bool is_state;
	struct str state_key;
	const struct json *content;
	struct str redacts;       /**< event id; p == NULL unless m.room.redaction */
	int64_t origin_server_ts; /**< 0: now, unless is_dated */
	bool is_dated;            /**< the time is as it is given, also when it is 0 */
	bool is_servers;    /**< the server itself wants it: an invite reaches also who takes none */
	struct str txn_key; /**< TRANSACTION_KEY_BYTES; p == NULL: no transaction id */
	struct str txn_device, txn_id; /**< for unsigned.transaction_id */
	const struct delayed_key
		*delayed; /**< what is taken away with it (of the first intent); NULL: nothing */
	const struct room_premise
		*premise; /**< what it rests on (of the first intent); NULL: nothing */
};

/**
 * Builds, authorises, signs and commits events, all or none, in order. Returns after the commit.
 *
 * @param out  one per intent; may be NULL
 * Errors: DENIED M_FORBIDDEN (rules), M_INVITE_BLOCKED; INPUT M_TOO_LARGE, M_BAD_JSON, M_BAD_STATE (server ACL); STORE; SHUTDOWN
 * CONFLICT M_BAD_STATE when the premise is not the room's state any more, or the delayed event another by now: nothing was added, read it again
 * Where the room has a policy server, each event is committed by itself, once that one has signed it; then also what struct policy_port
 * says (DEFER before anything was changed).
 * A repeated transaction id gives the event made before (only for count == 1).
 */
MUST_CHECK enum err room_add(struct ctx *ctx, struct homeserver *hs, struct room *room,
	const struct room_intent *intents, size_t count, struct stored_event **out);

/**
 * What a transaction made that may be repeated, once it can be seen.
 *
 * @param txn_key  as in struct room_intent
 * @param out      borrowed from the arena; may be NULL
 * Errors: MISSING when it is new; TIMEOUT (it cannot be seen yet), DEFER as writer_await(); STORE
 */
MUST_CHECK enum err room_made(struct ctx *ctx, struct homeserver *hs, struct room *room,
	struct str txn_key, struct stored_event **out);

/** What a new room begins with. */
struct room_start {
	const struct room_version *version;
	const struct room_intent *intents; /**< the first is m.room.create */
	size_t count;
	struct str alias; /**< local alias that is made for it; p == NULL: none */
	bool is_published;
	struct str
		server_notices_for; /**< user whose room for server notices it becomes; p == NULL: nobody's */
};
/**
 * A new room: all its events, its alias and its place in the directory in one commit, so there is all of it or nothing. For
 * versions ≥ 12 the room id is made from the create event.
 *
 * Errors: as room_add(); INPUT M_ROOM_IN_USE when the alias is taken; CONFLICT (no fault text) when `server_notices_for` has such a room
 */
MUST_CHECK enum err rooms_add_new(struct ctx *ctx, struct homeserver *hs,
	const struct room_start *start, struct room **out);

/**
 * The one room in which a user is told things by the server; invites the user, also one who takes no invites. Nobody but
 * `sender` talks in it. Errors: as room_add(); CONFLICT (no fault text) when the user has it already
 */
MUST_CHECK enum err rooms_make_for_server_notices(struct ctx *ctx, struct homeserver *hs,
	struct user_id sender, struct str user_id, struct str name, struct room **out);

/** How a new room takes the place of an old one. */
struct room_succession {
	struct room *old;
	struct user_id by;            /**< who upgrades; sends the events of the old room */
	const struct json *tombstone; /**< content; gets `replacement_room` */
	const struct json
		*canonical_alias;            /**< the old room's, as far as it may be set; NULL: as it is */
	const struct json *power_levels; /**< the same */
	const struct room_premise *premise; /**< the tombstone that it takes the place of */
};
/**
 * A new room, and what the old one is told of it, in one commit: all of it or nothing; in several where the old room has a policy
 * server. Aliases and the place in the directory go over to the new room.
 *
 * Errors: as room_add(): CONFLICT M_BAD_STATE when somebody else has replaced the old room meanwhile; DENIED M_FORBIDDEN when the user
 * may not send the tombstone
 */
MUST_CHECK enum err rooms_replace(struct ctx *ctx, struct homeserver *hs,
	const struct room_start *start, const struct room_succession *how, struct room **out);

/* --- who is told (user/users.h only) ---------------------------------------------------------------------- */

/** The light room for what a user's list of rooms says; makes it when unknown. One reference for the caller. */
struct room *rooms_intern(struct rooms *rooms, int64_t room_nid, struct str room_id,
	struct str version, int64_t last_position, int64_t receipt_position);
void room_ref(struct room *room);
void room_unref(struct room *room);

/**
 * Who hears of commits. The callbacks run on the writer's thread, in order, before the position is published;
 * no lock is held.
 */
struct room_observer {
	void *self;
	/** Something for everybody who listens to the room. */
	void (*room_committed)(void *self, struct room *room);
	/** A membership of a local user changed; `stripped` may have p == NULL. */
	void (*membership_committed)(void *self, struct room *room, struct str user_id,
		struct str membership, int64_t position, struct str stripped);
	/** A local user has forgotten a room, which is stored; on the request's thread. Other processes are told by NEWS_USER. */
	void (*forgotten)(void *self, struct str user_id);
	/** Takes a reference if a request of the user waits. A look at memory, no lock. @return whether it did */
	bool (*user_ref_waiting)(struct user *user);
};
/** Set once, before threads start. */
void rooms_observe(struct rooms *rooms, const struct room_observer *observer);

/** Adds or removes a loaded user from those who are woken by the room; the caller knows that it is not (is) there. */
void room_listen(struct room *room, struct user *user);
void room_unlisten(struct room *room, struct user *user);
/** Those listeners of whom a request waits, with a reference each. @return count */
size_t room_waiting(struct rooms *rooms, struct room *room, struct arena *arena,
	struct user ***out);

#endif
