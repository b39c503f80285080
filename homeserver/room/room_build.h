/**
 * Building events on the head of a room: prev and auth events, authorisation, counts, the rows to write.
 * The caller has the room's turn; nothing of the room changes here.
 */
#ifndef BELFRY_HOMESERVER_ROOM_ROOM_BUILD_H
#define BELFRY_HOMESERVER_ROOM_ROOM_BUILD_H

#include "homeserver/room/room.h"
#include "storage/writer.h"

/** One event that was built. */
struct built_event {
	const struct event *event;
	struct event_row
		row; /**< as it will stand in the timeline; position and nid filled at commit */
	struct event_columns columns;
	struct str stripped;             /**< of an invite or knock of a local user; p == NULL: none */
	struct stored_event *stored;     /**< made before the commit; position set by it */
	struct stored_event *redacted;   /**< what it redacts, in its redacted form; NULL: nothing */
	const struct user_id *mentioned; /**< local users that it highlights for */
	size_t mentioned_count;
	bool is_counted; /**< in notify_seq */
};

struct room_builder {
	struct ctx *ctx;
	struct homeserver *hs;
	struct room *room;        /**< of a new room: not published yet */
	struct state_map overlay; /**< state of the events built so far */
	struct room_head head; /**< after the events built so far; texts in the arena, threads unused */
	struct map
		threads; /**< counts of threads that these events touch; heap, root → struct unread_counts * in the arena */
	struct built_event *events;
	size_t count;
	size_t capacity;
};

void room_builder_init(struct room_builder *builder, struct ctx *ctx, struct homeserver *hs,
	struct room *room, size_t capacity);
/** For CLEANUP(). Drops what was not handed over. */
void room_builder_fini(struct room_builder *builder);

/**
 * Builds the next event. Errors: DENIED M_FORBIDDEN; INPUT M_TOO_LARGE, M_BAD_JSON; MISSING (redacted event unknown); STORE
 */
MUST_CHECK enum err room_builder_add(struct room_builder *builder,
	const struct room_intent *intent);

#endif
