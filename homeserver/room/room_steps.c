/*
 * Steps as a sorted array. Of what is not known there are no steps, so what stands before a position is the answer only where it reaches to it.
 */
#include "homeserver/room/room_steps.h"

#include <string.h>

/* How many steps begin at or before a position. */
static size_t count_up_to(const struct room_steps *steps, int64_t position)
{
	size_t low = 0;
	size_t high = steps->list.n;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (steps->list.p[middle].from_position <= position) {
			low = middle + 1;
		} else {
			high = middle;
		}
	}
	return low;
}

struct room_step *room_steps_add(struct arena *arena, struct room_steps *steps,
	const struct room_step *step)
{
	size_t at = count_up_to(steps, step->from_position);
	if (at > 0 && steps->list.p[at - 1].from_position == step->from_position) {
		return NULL;
	}
	VEC_PUSH(arena, &steps->list, *step);
	struct room_step *place = &steps->list.p[at];
	memmove(place + 1, place, (steps->list.n - 1 - at) * sizeof(*place));
	*place = *step;
	return place;
}

void room_steps_asked(struct room_steps *steps, int64_t position)
{
	size_t n = count_up_to(steps, position);
	if (n == 0) {
		steps->begin = steps->has_begin ? MAX_OF(steps->begin, position) : position;
		steps->has_begin = true;
	} else {
		/* Where the state lost the entry, the step before goes on. */
		struct room_step *step = &steps->list.p[n - 1];
		step->to_position = MAX_OF(step->to_position, position + 1);
	}
}

bool room_steps_know(const struct room_steps *steps, int64_t position)
{
	const struct room_step *step = room_steps_at(steps, position);
	return step != NULL ? position < step->to_position
						: steps->has_begin && position <= steps->begin;
}

const struct room_step *room_steps_at(const struct room_steps *steps, int64_t position)
{
	size_t n = count_up_to(steps, position);
	return n > 0 ? &steps->list.p[n - 1] : NULL;
}
