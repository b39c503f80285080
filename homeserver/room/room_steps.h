/**
 * What held in a room, step by step, as far as it was asked for: of a long history only the steps in which some positions lie.
 */
#ifndef BELFRY_HOMESERVER_ROOM_ROOM_STEPS_H
#define BELFRY_HOMESERVER_ROOM_ROOM_STEPS_H

#include "base/str.h"
#include "base/vec.h"

/** Something that holds from a position on, until the next step. */
struct room_step {
	int64_t from_position;
	int64_t to_position;    /**< no other step begins before this */
	int64_t event_position; /**< of the event that set it */
	int value;
	struct str text; /**< borrowed */
};

/** Steps in order; zeros: nothing is known. */
struct room_steps {
	VEC(struct room_step) list;
	bool has_begin;
	int64_t begin; /**< nothing holds up to here; only with has_begin */
};

/** Adds a step, unless it is there. @return the new one, until the next is added; NULL: it was there */
struct room_step *room_steps_add(struct arena *arena, struct room_steps *steps,
	const struct room_step *step);
/** The step in which a position lies has been added, if there is one. */
void room_steps_asked(struct room_steps *steps, int64_t position);
/** Whether it is known what held at a position. */
bool room_steps_know(const struct room_steps *steps, int64_t position);
/** What held at a position, of what is known; NULL: nothing did. */
const struct room_step *room_steps_at(const struct room_steps *steps, int64_t position);

#endif
