/**
 * History visibility: may a user see an event.
 * Spec: client-server API, "Room History Visibility"
 */
#ifndef BELFRY_MATRIX_VISIBILITY_H
#define BELFRY_MATRIX_VISIBILITY_H

#include "matrix/membership.h"

enum visibility {
	VISIBILITY_SHARED, /**< also what unset and unknown values mean */
	VISIBILITY_INVITED,
	VISIBILITY_JOINED,
	VISIBILITY_WORLD_READABLE,
};

/** VISIBILITY_SHARED for anything that the specification does not name. */
enum visibility visibility_parse(struct str text);
/** What a m.room.history_visibility event sets; NULL: the default. */
enum visibility visibility_of(const struct event *event);

/**
 * What the decision needs. "At the event" means in the state on which the event stands; the values
 * "after" differ from it only where the event itself sets them.
 */
struct visibility_facts {
	enum visibility before; /**< history visibility at the event */
	enum visibility after;  /**< = before, unless the event is m.room.history_visibility */
	enum membership membership_before; /**< the user's, at the event */
	enum membership
		membership_after; /**< = membership_before, unless it is the user's own m.room.member */
	bool joined_later;    /**< the user is joined now, or was at any time after the event */
};

/** The facts of an event that sets neither the visibility nor the user's membership. */
struct visibility_facts visibility_facts_plain(enum visibility visibility,
	enum membership membership, bool joined_later);

/**
 * The facts of any event: takes in what the event itself sets.
 * @param user  who wants to see it
 */
struct visibility_facts visibility_facts_of(const struct event *event, struct user_id user,
	enum visibility before, enum membership membership_before, bool joined_later);

/**
 * Whether the user may see the event: by what held before it or by what held after it.
 *
 * Ownership: nothing is kept.     Threads: any.     Cost: constant.
 */
bool visibility_allows(const struct visibility_facts *facts);

#endif
