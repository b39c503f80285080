/**
 * Writing built events: rows, and the callbacks of the commit. Inner to room/.
 */
#ifndef BELFRY_HOMESERVER_ROOM_ROOM_WRITE_H
#define BELFRY_HOMESERVER_ROOM_ROOM_WRITE_H

#include "homeserver/room/room_build.h"

/** What the commit callbacks need; in the arena of the request whose answer waits for them. */
struct room_commit {
	struct homeserver *hs;
	struct room *room;
	struct built_event *events;
	size_t count;
	size_t base;                   /**< index of the first event's position in the write */
	struct room_commit *successor; /**< the new room that is committed with it; NULL: none */
	bool has_turn;                 /**< to be given on */
};

/** A new room that is committed with what the old one is told, in whose place it comes. */
struct room_successor {
	struct room_builder *builder; /**< all of it was built; the room has its number */
	const struct room_start *start;
};

/**
 * Adds the rows of everything that was built; the events take the write's positions from `base` on.
 * @param start  of a new room; NULL: the room goes on
 */
MUST_CHECK enum err room_write_rows(struct room_builder *builder, const struct room_start *start,
	struct write *write, size_t base);

/** Adds the rows of a new room to the write of what the old one is told, from position `base` on; before room_submit(). */
MUST_CHECK enum err room_write_successor(struct room_builder *old,
	const struct room_successor *successor, struct write *write, size_t base);

/** Rows of one change of the state at position `index` of the write, with the membership that it is. @param stripped  p == NULL: none */
void room_write_step(struct write *write, struct homeserver *hs, struct room *room,
	const struct state_step *step, struct str stripped, size_t index);

/** Errors: DENIED M_FORBIDDEN when others are in the room and nobody of this server; its content is loaded. From memory. */
MUST_CHECK enum err room_require_resident(struct ctx *ctx, struct room *room);

/** Whether what the intent rests on is the room's state still; the caller has the turn, and its content is loaded. From memory. */
bool room_premise_holds(struct room *room, const struct room_intent *intent);

/**
 * After a write that failed with CONFLICT: whether it did because the delayed event that the intent takes is another by now, or none, so that no
 * further try can succeed. NULL, and an intent without one: no. Cost: one round trip where there is one.
 */
MUST_CHECK enum err room_delayed_is_gone(struct ctx *ctx, struct homeserver *hs,
	const struct room_intent *intent, bool *out);

/**
 * What room_add() would make of an intent: authorised and signed, not stored; nothing of the room changes. Waits for the turn.
 * Errors: as room_add()
 */
MUST_CHECK enum err room_draft(struct ctx *ctx, struct homeserver *hs, struct room *room,
	const struct room_intent *intent, const struct event **out);

/** Whether the next event has to wait for these: they change the state, or earlier events. */
bool room_changes_the_past(const struct room_builder *builder);
/**
 * Hands a write with the rows of what was built to the writer; the caller has the turn, and waits for the write or hands that over. The built
 * events belong to the writer's thread until then. With builder->leaves_turn so does the turn, also if the write fails.
 */
void room_submit(struct room_builder *builder, struct write *write, size_t base);

/** On the writer's thread, for a new room. */
void room_commit_new_done(struct room_commit *commit, int64_t first_position);

#endif
