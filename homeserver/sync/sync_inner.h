/**
 * Inside of a sync: what the files of this folder share. Others use sync.h.
 */
#ifndef BELFRY_HOMESERVER_SYNC_SYNC_INNER_H
#define BELFRY_HOMESERVER_SYNC_SYNC_INNER_H

#include "homeserver/person/persons.h"
#include "homeserver/presence/presence.h"
#include "homeserver/receipt/receipts.h"
#include "homeserver/sync/sync.h"
#include "homeserver/user/users.h"

/* --- sync.c: what both ways to sync share ---------------------------------------------------------- */

enum {
	SYNC_THROWN_OUT_MAX = 100,  /**< rooms told of that others have put the user out of long ago */
	SYNC_LEFT_LOOKED_AT = 1000, /**< for them, of the newest that the user has left */
	SYNC_SCAN_LIMIT = 1000,     /**< events looked at for what is told of a room */
};

/** How far a run goes. */
struct sync_end {
	int64_t up_to;
	int64_t ephemeral; /**< typing_serial_now() */
};
/**
 * The user, and the end of a run. A user who was put away in between may have missed what was committed since.
 * @param user             counted; the one of the request before, if it has one
 * @param since_ephemeral  where the client stands; 0 afterwards when it comes from another time
 * Errors: STORE; DEFER
 */
MUST_CHECK enum err sync_begin(struct ctx *ctx, struct homeserver *hs, struct str user_id,
	struct user **user, struct sync_end *out, int64_t *since_ephemeral);
/** Whether something came for the user after a run had looked. From memory. @param ask  of that run; ephemeral: its end */
bool sync_is_overtaken(struct homeserver *hs, struct arena *arena, const struct e2ee_ask *ask,
	int64_t ephemeral);
/** The user's list of rooms may be ahead of a run: then the entry is made what it was at its end. Errors: STORE */
MUST_CHECK enum err sync_entry_at_end(struct ctx *ctx, struct homeserver *hs, struct str user_id,
	int64_t up_to, struct user_room *entry);
/** Whether the user has joined. */
bool sync_is_member(const struct user_room *entry);
/** Whether it is an invite or a knock. */
bool sync_is_outside(const struct user_room *entry);
/** Whether it is neither: the user has left, or was put out. */
bool sync_is_left(const struct user_room *entry);
/** Whether the user was joined after a position; after 0 nobody was. Errors: STORE */
MUST_CHECK enum err sync_was_joined(struct ctx *ctx, struct homeserver *hs, struct room *room,
	struct str user_id, int64_t position, bool *out);
/** Whether somebody whom the user ignores has sent the invite. */
bool sync_is_ignored_invite(struct arena *arena, struct str user_id, const struct str_set *ignored,
	const struct user_room *entry);

/** The query's `set_presence`. Errors: INPUT M_INVALID_PARAM */
MUST_CHECK enum err sync_read_presence(struct call *call, enum presence_state *out);

/** A member event that a device has, as it was found last. */
struct known_member {
	int64_t room_nid;
	int64_t position;
	int64_t told_up_to; /**< position of the answer's token */
};

/** A parsed request. Lives as long as the request waits, and is then the next one's of its connection, if there is one. */
struct sync_request {
	struct shared_filter *shared_filter; /**< counted */
	const struct filter *filter;         /**< in it */
	struct user *user;                   /**< counted; NULL: not got yet, or put away since */
	bool has_since;
	struct token since; /**< moves on while there is nothing to tell */
	bool is_full_state;
	bool uses_state_after;
	enum presence_state presence;     /**< set_presence */
	struct known_member known_member; /**< of the device that asks */
	int64_t deadline_mono_ms;         /**< until when it may wait; 0: not at all */
};

/** One run of a sync. */
struct sync_run {
	struct ctx *ctx;
	struct homeserver *hs;
	const struct principal *who;
	struct sync_request *request;
	struct user *user;
	bool is_initial;
	int64_t since;
	int64_t since_ephemeral;
	int64_t up_to;
	int64_t ephemeral_now;
	struct str_set ignored;
	struct user_room *
		rooms; /**< of the user, those in which something happened since; all, where all are told */
	size_t room_n;
	int64_t *
		thrown_out; /**< of a first sync: rooms that are told though the user is not in them any more */
	size_t thrown_out_n;
	struct e2ee_news encryption;
	struct account_data_item *global_data; /**< what changed, or all */
	size_t global_data_n;
	struct account_data_item *room_data; /**< of all rooms */
	size_t room_data_n;
	struct presence_view *presence; /**< what changed of others */
	size_t presence_n;
	struct room_part **parts;
	size_t part_n;
	struct user_room *outside; /**< new invites and knocks */
	size_t outside_n;
	bool is_late; /**< it waited for a room's members: what it tells ends before they came */
};

/** A list of events in the arena. */
struct event_list {
	struct stored_event **p;
	size_t n;
	size_t capacity;
};

struct room_summary {
	bool is_told;
	struct member_counts counts;
	bool has_heroes;
	struct str *heroes;
	size_t hero_n;
};

/** What is told about one joined or left room. */
struct room_part {
	struct room *room;
	bool is_left;
	bool is_whole; /**< all of its state: initial, newly joined, full_state */
	bool
		was_never_joined; /**< a refused invite, or news of a leaving that was told: nothing but the own membership */
	int64_t after;  /**< timeline and changes begin after this; 0: from the beginning */
	int64_t up_to;  /**< and end here: now, or the leaving */
	int64_t own_at; /**< of one that is left: where the newest own membership stands */
	struct stored_event
		*own_end; /**< that membership, where it stands in no timeline; NULL: it does */
	struct room_viewer *viewer;

	struct event_list timeline; /**< oldest first */
	bool is_limited;
	int64_t start;          /**< the timeline begins after this position */
	bool has_skipped;       /**< there are events behind it that the client does not get */
	bool has_skipped_state; /**< state events among them */
	struct event_list state;
	struct event_list had_members; /**< of the timeline's senders, which the device has already */
	struct room_shown
		*shown; /**< timeline and state as they were written for another; NULL: they were not */

	struct room_summary summary;
	struct str *receipts; /**< contents of m.receipt events */
	size_t receipt_n;
	bool has_typing;
	struct str *typing;
	size_t typing_n;
	struct account_data_item *data;
	size_t data_n;
	struct unread_result unread;
	struct event_view timeline_view, state_view;
	struct event_batch *timeline_batch, *state_batch;
};

/* --- sync_delta.c ------------------------------------------------------------------------------- */

/** Timeline of the part, newest events, as far as the filter allows. */
MUST_CHECK enum err sync_delta_timeline(struct sync_run *run, struct room_part *part);
/** State of the part, up to the start or the end of its timeline. After the timeline and the summary. */
MUST_CHECK enum err sync_delta_state(struct sync_run *run, struct room_part *part);

/* --- sync_members.c ----------------------------------------------------------------------------- */

/** Who is told of members. */
struct member_reader {
	struct homeserver *hs;
	struct str user_id;
	struct str loop;            /**< device, and of a sliding sync its connection */
	int64_t since;              /**< with which token it came back */
	struct known_member *known; /**< found last */
};
/** Whether a reader has a member event. Cost: mostly none, else a look into a cache. */
bool member_reader_has(const struct member_reader *reader, struct arena *arena,
	const struct stored_event *member);
/** Remembers the member events among those that an answer up to a position tells. */
void member_reader_remember(const struct member_reader *reader, struct arena *arena,
	const struct event_list *events, int64_t up_to);

/** Whose member events a lazily loaded part has to have, as far as they are not known. In the arena. */
struct str_set sync_members_wanted(struct sync_run *run, const struct room_part *part);
/** Adds member events of wanted users that the device does not have and the part does not hold. */
MUST_CHECK enum err sync_members_add(struct sync_run *run, struct room_part *part,
	const struct str_set *wanted, int64_t position);
/** Remembers the member events that the part tells. */
void sync_members_remember(struct sync_run *run, const struct room_part *part);
/** Whether the device has a member event. */
bool sync_members_has(struct sync_run *run, const struct stored_event *member);

/* --- sync_shown.c ------------------------------------------------------------------------------- */

/** What was written for another to whom the same span of the room shows the same; NULL: nothing. In the arena. */
struct room_shown *sync_shown_find(struct sync_run *run, const struct room_part *part);
/** Timeline and state of a part that is prepared, written for those to whom they are the same; NULL: they may be to nobody. In the arena. */
struct room_shown *sync_shown_make(struct sync_run *run, const struct room_part *part);
/** Members of an object, without braces. */
struct str sync_shown_text(const struct room_shown *shown);

/* --- sync_summary.c ----------------------------------------------------------------------------- */

/**
 * By whom a room without a name is called for a user, as it is now: some who are in it or invited, else some who were. In the arena, without events.
 * Errors: STORE.  Cost: a look at all members, from memory
 */
MUST_CHECK enum err room_heroes(struct ctx *ctx, struct homeserver *hs, struct room *room,
	struct str user_id, struct str **out, size_t *out_n);
/** Counts and heroes, when they may have changed. */
MUST_CHECK enum err sync_summary_load(struct sync_run *run, struct room_part *part);

/* --- sync_room.c -------------------------------------------------------------------------------- */

/** Fills a part whose room, span and flags are set. */
MUST_CHECK enum err sync_room_load(struct sync_run *run, struct room_part *part);
/** Whether it tells anything. */
bool sync_room_is_empty(const struct room_part *part);
/** Writes its state and its timeline as members. */
void sync_room_write_events(const struct sync_run *run, const struct room_part *part,
	struct json_out *out);
/** Writes it as a value. */
void sync_room_write(const struct sync_run *run, const struct room_part *part,
	struct json_out *out);

/** A section without anything, as most are; written in one piece. */
#define SYNC_NO_EVENTS STR("{\"events\":[]}")
/** Writes account data as a member `account_data`. */
void sync_data_write(const struct account_data_item *items, size_t count, struct json_out *out);

/* --- sync_presence.c ---------------------------------------------------------------------------- */

/** What changed since the token, of users who share a room; as far as the filter lets it pass. Errors: DEFER. From memory, but see presence_settle(). */
MUST_CHECK enum err sync_presence_load(struct sync_run *run);
/**
 * Who is here of those with whom the user shares a room since the token: members of a room that the user has joined, and
 * who has joined a room of the user. After the rooms. Errors: STORE. Cost: none but for what joins replaced, when it is not in memory.
 */
MUST_CHECK enum err sync_presence_add_newcomers(struct sync_run *run);
/** Writes the section. */
void sync_presence_write(const struct sync_run *run, struct json_out *out);

/* --- sync_sections.c ---------------------------------------------------------------------------- */

/** Loads account data, global and of rooms, and what is new of encryption, if any of it can be new. After `rooms`. */
MUST_CHECK enum err sync_sections_load(struct sync_run *run);
bool sync_sections_are_empty(const struct sync_run *run);
/** What the encryption layer is asked for this run. */
struct e2ee_ask sync_sections_encryption_ask(const struct sync_run *run);
/** Writes the whole answer. */
void sync_sections_write(const struct sync_run *run, struct json_out *out);

#endif
