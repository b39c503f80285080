/**
 * Events of other servers: what this server knows of a room beyond its timeline, taking events in, and coming into
 * rooms of others. The rules are matrix/'s; who fetches what is missing is federation/'s affair.
 *
 * Where an event stands, says its position: above ROOM_OUTLIERS it is in the timeline (what was fetched from before this server
 * came has negative positions); below it is kept because others stand on it (state and auth events of before, soft-failed and
 * rejected ones), and no client ever sees it.
 * Spec: server-server API, "PDUs", "Checks performed on receipt of a PDU", "Soft failure", "Rejection"
 */
#ifndef BELFRY_HOMESERVER_ROOM_ROOM_ACCEPT_H
#define BELFRY_HOMESERVER_ROOM_ROOM_ACCEPT_H

#include "homeserver/room/rooms.h"

/** Positions that are left free before an event whose history is missing: as much of it can be fetched later. */
enum { ROOM_GAP_POSITIONS = 1 << 20 };

/* --- what is known ---------------------------------------------------------------------------------- */

enum event_fate {
	EVENT_UNKNOWN,
	EVENT_IN_TIMELINE,
	EVENT_OUTLIER, /**< known and allowed by its auth events; what came before it is not known */
	EVENT_SOFT_FAILED, /**< right where it stands, but not allowed by what is now */
	EVENT_REJECTED,
};

struct known_event {
	enum event_fate fate;
	int64_t position;
	const struct event
		*event; /**< NULL: unknown. With a reference until the ctx's arena is reset */
	const struct stored_event *stored; /**< the same event with what hangs on it */
	bool is_elsewhere;                 /**< unknown, for it is another room's event */
};

/** Events of this room by id, whatever their fate; out[i] belongs to ids[i]. From memory, or one round trip. Errors: STORE */
MUST_CHECK enum err room_known_events(struct ctx *ctx, struct homeserver *hs, struct room *room,
	const struct event_id *ids, size_t count, struct known_event *out);

/**
 * Any event of the room by id, also one that is no part of the timeline; *out NULL when it is unknown. As room_event().
 * Errors: STORE
 */
MUST_CHECK enum err room_any_event(struct ctx *ctx, struct homeserver *hs, struct room *room,
	struct str event_id, struct stored_event **out);

/** Whether the room's current access list lets a server take part. From memory. */
MUST_CHECK enum err room_allows_server(struct ctx *ctx, struct homeserver *hs, struct room *room,
	struct server_name server, bool *out);

/** Servers with joined users now, without ours, sorted. In the ctx's arena. From memory. */
MUST_CHECK enum err room_servers(struct ctx *ctx, struct homeserver *hs, struct room *room,
	struct server_name **out, size_t *out_count);

/** The room's forward extremities: what the next event here will stand on. Waits for the room's turn. Errors: STORE, TIMEOUT */
MUST_CHECK enum err room_extremities(struct ctx *ctx, struct homeserver *hs, struct room *room,
	struct event_id **out, size_t *out_count);

/**
 * The state on which an event stands, or that holds after it.
 * Errors: MISSING (the event is unknown, or an outlier whose state nobody asked for); STORE
 */
MUST_CHECK enum err room_state_around(struct ctx *ctx, struct homeserver *hs, struct room *room,
	struct event_id id, bool is_after, struct state_map *out);
/**
 * Of which events the state after them lets all who are in the room now see what was said then, whenever they came.
 *
 * @param out  of each id; false where the event, or its state, is not known
 *
 * Errors: STORE, TIMEOUT     Cost: two or three round trips for all together, and the room's turn; none without ids
 */
MUST_CHECK enum err room_were_open_at(struct ctx *ctx, struct homeserver *hs, struct room *room,
	const struct event_id *ids, size_t count, bool *out);

/** All events from which these descend by auth_events (themselves not included unless another names them). Errors: STORE */
MUST_CHECK enum err room_auth_chain(struct ctx *ctx, struct homeserver *hs, struct room *room,
	const struct event *const *events, size_t count, const struct event ***out, size_t *out_count);

/* --- holes in history --------------------------------------------------------------------------------- */

/** Where the timeline does not go on although the room does: before it others have events. */
struct room_gap {
	int64_t below; /**< the event on this side: what is fetched belongs before it */
	const struct event_id
		*prevs; /**< prev_events that are not in the timeline: where /backfill begins */
	size_t prev_count;
};
/**
 * The newest gap whose `below` is in (after, up_to].
 * @param out  `below` is 0 when there is none
 * Errors: STORE.  Cost: none for a room without gaps, else one round trip
 */
MUST_CHECK enum err room_gap_find(struct ctx *ctx, struct homeserver *hs, struct room *room,
	int64_t after, int64_t up_to, struct room_gap *out);
/** Whether the timeline is known to have any. From memory. */
bool room_has_gaps(struct room *room);
/**
 * The event right over the place where one of that depth is missing; *out 0: it is missing nowhere.
 * Errors: STORE.  Cost: none for a room without gaps, else one round trip
 */
MUST_CHECK enum err room_gap_over(struct ctx *ctx, struct homeserver *hs, struct room *room,
	int64_t depth, int64_t *out);
/**
 * The event over the newest gap in which events of a time may be missing, both ends included; *out 0: there is none. By what the clocks
 * of those say who sent the events around it. Errors: STORE.  Cost: as above
 */
MUST_CHECK enum err room_gap_in_time(struct ctx *ctx, struct homeserver *hs, struct room *room,
	int64_t from_ms, int64_t to_ms, int64_t *out);
/**
 * Nobody could fill it: it is not found again for a while (which grows), so that readers do not wait for nothing.
 * @param is_unanswered  somebody did not answer: that may be over soon
 */
void room_gap_postpone(struct ctx *ctx, struct homeserver *hs, struct room *room,
	const struct room_gap *gap, bool is_unanswered);

/* --- taking events in -------------------------------------------------------------------------------- */

/** An event that came from another server. Its signatures were checked; if its hash was wrong it is redacted already. */
struct room_arrival {
	const struct event *event;
	/** The state before it, as another server says (all events known as outliers); NULL: made of its prev_events. */
	const struct event_id *state_before;
	size_t state_before_count;
	/** An event of ours was built for it: either it comes into the timeline, or nothing of it is kept. NULL: another server's. */
	const struct room_intent *intent;
	/** A new room that is committed with the event, or not at all (room_write.h). NULL: none. */
	const struct room_successor *successor;
	/** Whoever brings it comes again if the policy server cannot be asked now. Else the event is soft-failed then. */
	bool comes_again;
};

struct room_outcome {
	enum event_fate fate;
	struct verdict verdict; /**< why it was rejected or soft-failed */
	bool was_known;         /**< it had been taken in before: nothing was done */
	bool is_outdated; /**< what the intent rests on is not so any more: it fails with CONFLICT */
	const struct event
		*event; /**< as it was taken in, with the policy server's signature if it had none */
	/** When the function fails with MISSING: what has to be fetched first. In the ctx's arena. */
	const struct event_id *missing_prev;
	size_t missing_prev_count;
	const struct event_id *missing_auth;
	size_t missing_auth_count;
};

/**
 * Takes one event in: authorised by its auth events, by the state before it, and by the current state, and signed by the room's policy
 * server, which is asked where its signature is missing; then the room's forward extremities, resolved state, members and timeline go
 * on. Returns after the commit.
 *
 * Errors: MISSING (see struct room_outcome; nothing was done); STORE; TIMEOUT; DEFER (the policy server has to be asked and the ctx may
 * not). An event that breaks a rule is no error, but rejected or soft-failed; one of ours (`intent`) is refused: DENIED M_FORBIDDEN, and
 * what struct policy_port says. With `comes_again` REMOTE, TIMEOUT, LIMIT: the policy server cannot be asked now.
 * Cost: an event that stands on all forward extremities: as one of our own. Else the state of the forks: at most a few round trips; with
 * state resolution only where the forks' states differ.
 */
MUST_CHECK enum err room_accept(struct ctx *ctx, struct homeserver *hs, struct room *room,
	const struct room_arrival *arrival, struct room_outcome *out);

/**
 * The same for an event of ours (`intent`) that was made before its turn, so that others could sign it.
 * Errors: as above; CONFLICT where another has to be made: what it was built on is not in the room after all, its premise is gone
 * (`is_outdated`), or the same words in the same millisecond at the same place are another's, whose event has that id.
 */
MUST_CHECK enum err room_accept_ours(struct ctx *ctx, struct homeserver *hs, struct room *room,
	const struct room_arrival *arrival, struct room_outcome *out);

/**
 * Takes a run of events in, in order, as room_accept() would one after the other. Those that stand on all forward extremities and change
 * neither the state nor the text of an earlier event share a commit; the others wait for theirs.
 *
 * @param out       one for each event, filled for those that are done
 * @param out_done  how many are, from the first on: all if it succeeds, else the error is that of the next one
 * Errors: as room_accept() with `comes_again`; what is not done may have been committed all the same when it is STORE
 * Cost: one round trip for all that is not in memory, and a shared commit; what does not share it, as room_accept()
 */
MUST_CHECK enum err room_accept_run(struct ctx *ctx, struct homeserver *hs, struct room *room,
	const struct event *const *events, size_t count, struct room_outcome *out, size_t *out_done);

/**
 * Stores events that are known only for others' sake (auth events, state). Each is authorised by its auth events, which are among
 * them or known; those that are not allowed are stored as rejected. Signatures were checked.
 * Errors: MISSING (auth events missing, in `out`); STORE
 */
MUST_CHECK enum err room_accept_outliers(struct ctx *ctx, struct homeserver *hs, struct room *room,
	const struct event *const *events, size_t count, struct room_outcome *out);

/**
 * Gives up the oldest of what is kept outside of the timeline and not needed, if there is too much of it (room_aside_plan). To be called
 * when whoever fetched such events has taken in what they were fetched for. Errors: STORE; TIMEOUT
 * Cost: two or three round trips with the room's turn for each tenth of the ceiling, else none
 */
MUST_CHECK enum err room_aside_limit(struct ctx *ctx, struct homeserver *hs, struct room *room);

/** The auth events of these that are neither known nor among them. One round trip. Errors: STORE */
MUST_CHECK enum err room_missing_auth(struct ctx *ctx, struct homeserver *hs, struct room *room,
	const struct event *const *events, size_t count, struct event_id **out, size_t *out_count);

/**
 * Adds history at a gap (room_gap_find): events as another server gave them in answer to /backfill, signatures checked. They get
 * positions before `below`, newest first by depth. Left out are those to which the gap does not lead, those in the timeline already,
 * rejected ones, and those whose auth events are unknown: whoever fetched them asks for room_missing_auth() first, and gives these to
 * room_accept_outliers().
 * @param out_added  may be 0
 * Errors: STORE
 */
MUST_CHECK enum err room_accept_history(struct ctx *ctx, struct homeserver *hs, struct room *room,
	int64_t below, const struct event *const *events, size_t count, size_t *out_added);

/**
 * Puts in order what had come at a gap when somebody ended before that was done: room_accept_history() begins with it too.
 * @param out_missing  how many events are still missing there
 * Errors: STORE; SHUTDOWN.  Cost: the room's turn, two round trips; a commit for each that has to be put in order
 */
MUST_CHECK enum err room_order_history(struct ctx *ctx, struct homeserver *hs, struct room *room,
	int64_t below, size_t *out_missing);

/**
 * Adds one event of long ago, with the state before it (all of it known as outliers): between it and the timeline there may be any number
 * of others, which are missing as before. It is judged by its auth events and by that state; who may see it is told by that state too.
 * @param out_is_added  false: it is not allowed there, was judged before, or belongs into no gap
 * Errors: MISSING (its auth events are unknown); STORE
 */
MUST_CHECK enum err room_accept_past(struct ctx *ctx, struct homeserver *hs, struct room *room,
	const struct room_arrival *arrival, bool *out_is_added);

/* --- coming into a room of others ---------------------------------------------------------------------- */

/** What send_join answered, and the join that it took. All events' signatures were checked. */
struct room_import {
	const struct room_version *version;
	struct room_id room_id;
	const struct event *join;         /**< our user's, as signed by all who have to */
	const struct event *const *state; /**< before the join */
	size_t state_count;
	const struct event *const *auth; /**< the auth chain of all of these */
	size_t auth_count;
	/** Members are left out of the state, but what the join stands on: the room is partial until rooms_make_whole(). */
	bool omits_members;
	const struct server_name *servers; /**< then: who may know the state, who took the join first */
	size_t server_count;
};
/**
 * Makes the room known here, or brings it up to date after nobody of this server was in it. One commit makes it visible. Members may be
 * left out only where nothing of the room's state is known.
 * Errors: DENIED M_FORBIDDEN (the join is not allowed by that state; there is no create event; the user left meanwhile); CONFLICT (another join was
 * first: the room is resident by now); STORE
 */
MUST_CHECK enum err rooms_import(struct ctx *ctx, struct homeserver *hs,
	const struct room_import *import, struct room **out);
/**
 * Stores the rest of a partial room's state: of the whole state before the join what is not known. What was known stays as it is, so
 * nothing that was judged by it changes. Nobody sees it before rooms_make_whole(). A room that is whole, or that nobody of
 * here is in any more, is left as it is.
 * Errors: DENIED M_FORBIDDEN (it is not this room's state); STORE; TIMEOUT
 * Cost: as a join with all members; the room's turn is kept while the state is written, not while its events are
 */
MUST_CHECK enum err rooms_store_rest(struct ctx *ctx, struct homeserver *hs, struct room *room,
	const struct room_import *import);
/** The rest is stored: the room is whole from now on, and users of here hear of it. Errors: STORE; TIMEOUT.  Cost: one commit */
MUST_CHECK enum err rooms_make_whole(struct ctx *ctx, struct homeserver *hs, struct room *room);
/** How the members of a partial room stand, as far as this process has seen: who waits for them need not once nobody gave them. */
void room_note_rest(struct room *room, enum room_rest rest);
/** What was noted last; ROOM_REST_ASKED before anything was. */
enum room_rest room_rest_noted(struct room *room);
/** Those who wait for the members look whether the room is whole. No lock of it may be held. */
void room_wake_rest_waiters(struct room *room);

/**
 * A membership of a local user in a room in which this server has nobody: an invite, a knock, or the end of one. Or the end of a join that left
 * the members out: it is the only one of this server, and nobody tells it anything of the room any more. They are told in any order; what names
 * another membership among its auth events came later, and stays.
 */
struct outside_membership {
	const struct room_version *version;
	const struct event *event; /**< m.room.member of a local user, signed */
	struct str stripped;       /**< JSON array for clients; of an invite or knock */
};
/**
 * Judged with the room's turn, by the membership of now: it changes nothing where a later one holds, or, of an end that somebody else made,
 * another one than it names.
 * Errors: CONFLICT (the room is resident, and this is not the end of its partial join: room_accept() is right); STORE; TIMEOUT
 */
MUST_CHECK enum err rooms_set_outside(struct ctx *ctx, struct homeserver *hs,
	const struct outside_membership *what);

/* --- templates for other servers ------------------------------------------------------------------------ */

/**
 * What room_add() would make of an intent, for a user of another server to sign: prev and auth events, depth; authorised, neither
 * hashed nor signed, not stored. Errors: as room_add()
 */
MUST_CHECK enum err room_template(struct ctx *ctx, struct homeserver *hs, struct room *room,
	const struct room_intent *intent, struct json *out);

#endif
