/**
 * Inside of a sliding sync: what its files share. Others use sliding.h.
 */
#ifndef BELFRY_HOMESERVER_SYNC_SLIDING_INNER_H
#define BELFRY_HOMESERVER_SYNC_SLIDING_INNER_H

#include "base/cache.h"
#include "base/refc.h"
#include "homeserver/sync/sliding.h"
#include "homeserver/sync/sync_inner.h"
#include "matrix/sliding_state.h"
#include "storage/sliding.h"

/** What is remembered of what clients know and lists filter by. */
struct sliding_memory {
	struct cache *positions; /**< number of a position and whose it is → what the client knows */
	struct cache *facts;     /**< user id → struct sliding_facts * */
	struct cache *kinds;     /**< room number → struct room_kind * */
};

enum {
	SLIDING_LISTS_MAX = 100,
	SLIDING_LIST_ENTRIES_MAX = 1000, /**< of required_state, of all lists together */
	SLIDING_RANGES_MAX = 20,
	SLIDING_NAMES_MAX = 1000, /**< of one array of texts */
	SLIDING_SUBSCRIPTIONS_MAX = 1000,
};

/* --- sliding_request.c ------------------------------------------------------------------------------ */

/** A condition that may be left out. */
enum sliding_wish { SLIDING_ANY, SLIDING_ONLY, SLIDING_NONE };

/** Texts that may be left out, which is not the same as none. */
struct sliding_names {
	bool is_given;
	struct str_set set;
};

/** Which rooms a list is of. What is given narrows it. */
struct sliding_filter {
	enum sliding_wish direct, encrypted, invited;
	struct sliding_names spaces;
	struct sliding_names types, not_types; /**< of rooms; the empty text: rooms without a type */
	struct sliding_names tags, not_tags;
	bool asks_state; /**< types or encryption: what the room's state says */
};

struct sliding_range {
	int64_t from;
	int64_t to; /**< inclusive */
};

struct sliding_list {
	struct str name;
	struct sliding_range *ranges;
	size_t range_n;
	bool has_all; /**< no ranges: all rooms */
	struct sliding_config config;
	struct sliding_filter filter;
};

struct sliding_subscription {
	struct str room_id;
	struct sliding_config config;
};

/** An extension that tells of rooms. */
struct sliding_extension {
	bool is_enabled;
	struct sliding_names lists; /**< "*", or not given: all */
	struct sliding_names rooms; /**< the same, of subscriptions */
};

/** What filters ask of a user; counted. */
struct sliding_facts;

/** What a client knows, as it is stored, with what it was answered last; counted. */
struct sliding_position;

/** What they ask of a room's state, which hardly ever changes; counted. Immutable. */
struct room_kind {
	struct refc refc;
	bool is_encrypted;
	int64_t seen_at; /**< position up to which its events were looked at */
	struct str type; /**< heap; empty: none */
};

/** A parsed request. Lives as long as the request waits. */
struct sliding_request {
	struct arena *arena; /**< of all that comes from the body */
	struct str conn_id;
	struct sliding_list *lists; /**< by name */
	size_t list_n;
	struct sliding_subscription *subscriptions;
	size_t subscription_n;
	struct sliding_extension receipts, typing, account_data;
	bool has_encryption;
	bool has_messages;
	int64_t messages_since; /**< 0: none have arrived */
	size_t messages_max;
	uint64_t wish; /**< hash of the body */

	struct user *user; /**< counted; NULL: not got yet */
	bool has_pos;
	struct token since;
	enum presence_state presence;
	struct known_member known_member;
	int64_t deadline_mono_ms; /**< until when it may wait; 0: not at all */
	struct sync_end looked;   /**< up to where there was nothing to tell; 0: nobody has looked */
	uint64_t looked_at;       /**< user_reading() then */
};

/* --- sliding.c ---------------------------------------------------------------------------------------- */

/** A room of the user. */
struct sliding_place {
	struct user_room entry;
	int64_t activity; /**< what lists are ordered by, newest first */
	bool is_listed;   /**< it may be in lists */
	bool is_wanted;   /**< a window or a subscription has it */
	bool is_subscribed;
	struct sliding_wishes *wishes; /**< of which lists and subscription; NULL: of none */
	const struct sliding_config
		*config; /**< of all that want it; shared by who is wanted by the same */
	const struct sliding_room *known; /**< what was told of it before; NULL: nothing */
	const struct sliding_config
		*had;     /**< what was wanted when its events were told; NULL: they never were */
	int64_t told; /**< of its events: SLIDING_NEVER, or up to which position */
	const struct room_kind *kind; /**< NULL: it is not asked for, or not known */
	struct sliding_part *part;    /**< what is told of it; NULL: nothing */
};

/** What wants a room: a list or a subscription, and what wanted it before. Rooms that the same ones want have the same. */
struct sliding_wishes {
	const struct sliding_wishes *before; /**< NULL: nothing */
	const struct sliding_config *of;
	size_t count;
	struct sliding_wishes *after; /**< those with the one that is looked at, if any room has them */
	const struct sliding_config *joined; /**< NULL: nobody has asked yet */
};

/** What a list has of the user's rooms. */
struct sliding_window {
	const struct sliding_list *list;
	struct sliding_place **spaces; /**< of its filter, those that the user is in */
	size_t space_n;
	int64_t count;                 /**< all that it is of */
	struct sliding_place **places; /**< those in its ranges */
	size_t place_n;
};

/** What a config wants against the one of before. */
struct sliding_growth {
	const struct sliding_config *before, *config;
	bool is_more; /**< than before */
	bool is_same;
};

/** One run. */
struct sliding_run {
	struct ctx *ctx;
	struct homeserver *hs;
	const struct principal *who;
	struct sliding_request *request;
	struct user *user;
	int64_t since; /**< 0: the client begins */
	int64_t since_ephemeral;
	struct sync_end end;
	struct str_set ignored;
	const struct sliding_facts *facts; /**< where there are places */
	struct sliding_position
		*position; /**< with which the client came, counted by the arena; NULL: with none */
	struct sliding_state before;   /**< ask sliding_states_before() */
	bool has_before;               /**< it was read */
	struct sliding_change *change; /**< once there may be something to tell */
	struct str loop;               /**< device, connection and position, see struct member_reader */
	struct sliding_place *places;  /**< by activity, newest first */
	size_t place_n;
	struct sliding_place **places_by_id; /**< NULL: not sorted yet */
	struct sliding_wishes wishes;        /**< of a room that nothing wants yet */
	struct sliding_window *windows;      /**< of each list */
	bool has_parts;
	struct sliding_growth
		grown; /**< as it was found last: of many rooms in a row the same is asked */
	struct user_room *stirred; /**< rooms with something new; where encryption is asked for */
	size_t stirred_n;
	struct sliding_told *told; /**< by the extensions */
};

/* --- sliding_facts.c ----------------------------------------------------------------------------------- */

/**
 * The user's direct chats, tags if a list asks for them, and out of which rooms others have put the user.
 * Errors: STORE; DEFER.  Cost: none while nothing of the user's own changed and they left no room; else one round trip for each kind
 */
MUST_CHECK enum err sliding_facts_load(struct sliding_run *run);
extern const struct cache_ops sliding_facts_ops;
/** Whether m.direct has the room. */
bool sliding_is_direct(const struct sliding_run *run, struct str room_id);
/** Position at which m.direct changed last; 0: it never did. */
int64_t sliding_direct_at(const struct sliding_run *run);
/** Names of the user's tags of a room, where a list asks for tags. */
const struct str_set *sliding_tags_of(const struct sliding_run *run, int64_t room_nid);
/** Whether others have put the user out of a room. */
bool sliding_is_thrown_out(const struct sliding_run *run, int64_t room_nid);

/* --- sliding_kinds.c ----------------------------------------------------------------------------------- */

/** Types and encryption of the places' rooms, if a list asks. Errors: STORE; DEFER.  Cost: none while no new rooms came; else one round trip */
MUST_CHECK enum err sliding_kinds_load(struct sliding_run *run);
extern const struct cache_ops sliding_kind_ops;

/* --- sliding_filter.c ---------------------------------------------------------------------------------- */

/** Finds the spaces by which a list filters. Errors: STORE (of spaces that are not loaded) */
MUST_CHECK enum err sliding_filter_prepare(struct sliding_run *run, struct sliding_window *window);
/** Whether a list is of a room, by what it filters. After sliding_facts_load(), sliding_kinds_load() and sliding_filter_prepare(). Errors: STORE */
MUST_CHECK enum err sliding_filter_allows(struct sliding_run *run,
	const struct sliding_window *window, const struct sliding_place *place, bool *out);

/* --- sliding_lists.c ----------------------------------------------------------------------------------- */

/** The user's rooms, and which of them are wanted, with what. Errors: STORE; DEFER */
MUST_CHECK enum err sliding_lists_load(struct sliding_run *run);
/** A room of the user by its id; NULL: it has none. */
struct sliding_place *sliding_place_find(struct sliding_run *run, struct str room_id);
/** Whether there may be something to tell of it that came after a position: an event, another membership, another m.direct. From memory. */
bool sliding_place_has_news(const struct sliding_run *run, const struct sliding_place *place,
	int64_t after);
/** Up to where a stream of it was told: SLIDING_NEVER, or a position. */
int64_t sliding_place_told(const struct sliding_run *run, const struct sliding_place *place,
	enum sliding_stream stream);
/** A stream of it is told with this answer. */
void sliding_place_tell(struct sliding_run *run, const struct sliding_place *place,
	enum sliding_stream stream);

/* --- sliding_room.c ------------------------------------------------------------------------------------ */

/** What is told of a room. */
struct sliding_part {
	struct room *room;
	bool is_outside; /**< invited, or has knocked */
	bool is_left;
	bool was_never_joined; /**< a refused invite: nothing but the own membership */
	bool is_initial;
	bool is_expanded; /**< more of the timeline than what is new */
	int64_t after;    /**< what is new begins after this */
	int64_t up_to;
	struct event_list timeline; /**< oldest first */
	bool has_timeline;
	bool is_limited;
	int64_t start; /**< the timeline begins after this position */
	int64_t live_n;
	struct event_list state;
	struct room_viewer *viewer;
	struct event_view timeline_view, state_view;
	struct event_batch *timeline_batch, *state_batch;
	bool tells_name, tells_avatar, tells_members;
	struct str name, avatar; /**< p == NULL: there is none */
	struct member_counts counts;
	struct str *heroes;
	size_t hero_n;
	struct stored_event **hero_members; /**< NULL where one has none */
	int64_t bump_stamp;                 /**< 0: as it was */
	bool tells_direct, is_direct;
	struct unread_result unread;
};

/** Loads what is new of a wanted room; `place->part` stays NULL when there is nothing. Errors: STORE; DEFER */
MUST_CHECK enum err sliding_room_load(struct sliding_run *run, struct sliding_place *place);
/** What is wanted of a wanted room against what was before, when its events were told. */
const struct sliding_growth *sliding_place_growth(struct sliding_run *run,
	const struct sliding_place *place);
/**
 * Up to where who has left a room may see it: the end of the last time that they were in it; of one that they never joined, the leaving.
 * Errors: STORE.  Cost: one round trip
 */
MUST_CHECK enum err sliding_left_at(struct sliding_run *run, const struct sliding_place *place,
	bool *out_was_never_joined, int64_t *out);
/** Remembers the member events that it tells. */
void sliding_room_remember(struct sliding_run *run, const struct sliding_part *part);

/* --- sliding_told.c ------------------------------------------------------------------------------------ */

/** Loads what the extensions tell, after the rooms. Errors: STORE; DEFER */
MUST_CHECK enum err sliding_told_load(struct sliding_run *run);
/** Whether it is worth an answer. */
bool sliding_told_is_any(const struct sliding_run *run);
/** Whether messages to the device are among it. */
bool sliding_told_has_messages(const struct sliding_run *run);
/** What the encryption layer is asked. */
struct e2ee_ask sliding_encryption_ask(const struct sliding_run *run);
/** Writes the member `extensions`. */
void sliding_told_write(const struct sliding_run *run, struct json_out *out);

/* --- sliding_write.c ------------------------------------------------------------------------------------ */

/** Writes the whole answer. @param connection  number of its position */
void sliding_write(const struct sliding_run *run, int64_t connection, struct json_out *out);

/* --- sliding_states.c ----------------------------------------------------------------------------------- */

extern const struct cache_ops sliding_position_ops;
/** The failure of a request with a position that is not there: INPUT M_UNKNOWN_POS (400). */
enum err sliding_refuse_pos(struct ctx *ctx);
/** Finds the position with which the client came. Errors: INPUT M_UNKNOWN_POS (400); DEFER; STORE.  Cost: none, or one round trip */
MUST_CHECK enum err sliding_states_find(struct sliding_run *run);
/** What the client knows by that position; lives as long as the run. Cost: the first time all of its rooms are read, from memory */
const struct sliding_state *sliding_states_before(struct sliding_run *run);
/** Whether this process has answered just this: then there is nothing to tell up to the position with which the client came. After sliding_states_find(). */
bool sliding_states_is_settled(const struct sliding_run *run);
/** Stores what it knows with this answer, if that is something else or the client begins. @param out  number for the answer's position. Errors: DENIED M_UNKNOWN_TOKEN (401) if the device has ended; DEFER; STORE.  Cost: none, or one round trip and its commit */
MUST_CHECK enum err sliding_states_record(struct sliding_run *run, int64_t *out);

#endif
