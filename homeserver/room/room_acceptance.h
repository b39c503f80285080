/**
 * One event of another server on its way into a room: what room_accept.c (attempts, ends), room_judge.c (what it stands on, whether
 * it is allowed) and room_standing.c (what the room is after it) share.
 */
#ifndef BELFRY_HOMESERVER_ROOM_ROOM_ACCEPTANCE_H
#define BELFRY_HOMESERVER_ROOM_ROOM_ACCEPTANCE_H

#include "base/vec.h"
#include "homeserver/room/room_fork.h"
#include "homeserver/room/room_known.h"
#include "homeserver/room/room_policy.h"
#include "homeserver/room/room_write.h"

/** The caller has the room's turn. */
struct acceptance {
	struct ctx *ctx;
	struct homeserver *hs;
	struct room *room;
	const struct room_arrival *arrival;
	const struct map
		*absent; /* ids that the database did not have a moment ago; NULL: not looked */
	const struct event *event; /* as it came, or as it was known */
	struct room_outcome *out;
	struct known_event self;
	struct known_event *auth;     /* auth_events */
	struct known_event *prev;     /* prev_events */
	bool is_on_all;               /* it stands on all forward extremities and nothing else */
	bool is_beside;               /* others stand on it already: it is no extremity */
	int64_t closes_at;            /* then: place of the lowest gap at which it was missing */
	struct event_id *extremities; /* as they are */
	size_t extremity_count;
	VEC(struct event_id) missing_prev; /* no state is known after them */
	VEC(struct event_id)
	gap_prev; /* of these, and of what events that were set aside stand on: what is not in the timeline and may come */
	struct fork_state before;
	struct event_standing standing;
	struct policy_server policy; /* whose signature is missing */
	bool was_refused;            /* the policy server was asked already */
};

/* --- room_judge.c ------------------------------------------------------------------------------------------ */

/** Looks up the event and what it names: one round trip at most. Errors: STORE */
MUST_CHECK enum err acceptance_look_up(struct acceptance *a);
/** What may be said without looking at what it names. */
struct verdict acceptance_check_references(const struct acceptance *a);
/** Finds the state before it. Errors: MISSING (told in `out`); STORE; TIMEOUT */
MUST_CHECK enum err acceptance_find_state(struct acceptance *a);
/** By its auth events, then by the state before it. Errors: STORE */
MUST_CHECK enum err acceptance_check(struct acceptance *a, struct verdict *out);
/** By the current state. Errors: STORE */
MUST_CHECK enum err acceptance_check_now(struct acceptance *a, struct verdict *out);
/**
 * What redacts an event that its sender may not redact; of one that is not here yet nothing can be told. Errors: STORE
 * Spec: rooms/v3, "Handling redactions"
 */
MUST_CHECK enum err acceptance_check_redaction(struct acceptance *a, struct verdict *out);
/** By the room's policy server, if it uses one. Errors: MISSING (it has to be asked first: sets a->policy); STORE */
MUST_CHECK enum err acceptance_check_policy(struct acceptance *a, struct verdict *out);
/** Whether the state after an event is known. */
bool acceptance_has_state(const struct known_event *known);
/** Whether an id is among others. */
bool acceptance_names(const struct event_id *ids, size_t count, struct event_id id);

/* --- room_standing.c ---------------------------------------------------------------------------------------- */

/** Whether history is missing right before an event that is here, and this is it: sets is_beside. Errors: STORE */
MUST_CHECK enum err acceptance_find_beside(struct acceptance *a);
/**
 * Where it stands, and what the room's state is after it; nothing of the room is being written. *out_verdict: not allowed when the
 * room has too many forks. Errors: STORE
 */
MUST_CHECK enum err acceptance_find_standing(struct acceptance *a, struct verdict *out_verdict);

#endif
