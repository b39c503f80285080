/**
 * The values of `membership`.
 * Spec: client-server API, "m.room.member"
 */
#ifndef BELFRY_MATRIX_MEMBERSHIP_H
#define BELFRY_MATRIX_MEMBERSHIP_H

#include "matrix/event.h"

enum membership {
	MEMBERSHIP_NONE, /**< there is no m.room.member event */
	MEMBERSHIP_INVITE,
	MEMBERSHIP_JOIN,
	MEMBERSHIP_KNOCK,
	MEMBERSHIP_LEAVE,
	MEMBERSHIP_BAN,
	MEMBERSHIP_UNKNOWN, /**< some other text, or none at all */
};

/** MEMBERSHIP_UNKNOWN for anything that the specification does not name. */
enum membership membership_parse(struct str text);

/** What a m.room.member event says; MEMBERSHIP_NONE for NULL. */
enum membership membership_of(const struct event *event);

/** "join", …; empty for NONE and UNKNOWN. Static. */
struct str membership_name(enum membership membership);

#endif
