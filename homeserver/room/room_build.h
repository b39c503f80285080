/**
 * Building events on the head of a room: prev and auth events, authorisation, counts, the rows to write.
 * The caller has the room's turn; nothing of the room changes here.
 */
#ifndef BELFRY_HOMESERVER_ROOM_ROOM_BUILD_H
#define BELFRY_HOMESERVER_ROOM_ROOM_BUILD_H

#include "base/vec.h"
#include "homeserver/room/room.h"
#include "storage/writer.h"

/** Where an event of another server stands, and what it does to the room. */
struct event_standing {
	bool is_forked; /**< the state goes on by `steps`; else by the event, if it is a state event */
	const struct state_step *steps;
	size_t step_count;
	struct str difference;  /**< of the state after it from the room's; p == NULL: none */
	struct str extremities; /**< the room's, JSON array */
	int64_t moved_from;     /**< position at which it was known, below the timeline; 0: it is new */
	int64_t redacted_by;    /**< it was redacted there */
	const struct event_id *missing_prev; /**< history is missing before it */
	size_t missing_prev_count;
	bool closes_gap; /**< it was missing before another event */
	int64_t place;   /**< where history shows it then; 0: at its position */
};

/** One event that was built, or taken in. */
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
	bool is_counted;                       /**< in notify_seq */
	const struct event_standing *standing; /**< NULL: it is the only extremity, on all before */
	bool is_waiting;     /**< it redacts what has not come yet, or may not be redacted by it yet */
	int64_t redacted_by; /**< position of a redaction that came before it; 0: none */
	struct str redacted_json; /**< then its redacted form */
	bool is_held; /**< it waits for another server's event, so clients are not told of it */
	/** Redactions that came before it, were held back and are told from now on. References until the ctx's arena is reset. */
	VEC(struct stored_event *) released;
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
	struct room_commit *successor; /**< room_write_successor() */
	bool
		leaves_turn; /**< to the writer's thread, which gives it on behind the commit: room_submit() */
};

void room_builder_init(struct room_builder *builder, struct ctx *ctx, struct homeserver *hs,
	struct room *room, size_t capacity);
/** One that lives as long as the ctx's arena, with what it built. */
struct room_builder *room_builder_until_reset(struct ctx *ctx, struct homeserver *hs,
	struct room *room, size_t capacity);
/** For CLEANUP(). Drops what was not handed over. */
void room_builder_fini(struct room_builder *builder);

/**
 * Takes in an event that is allowed: of another server, or of ours and made before. Errors: STORE
 * @param standing  lives as long as the builder; NULL: it stands on all extremities
 * @param intent    what it was made for; NULL: another server's
 */
MUST_CHECK enum err room_builder_take(struct room_builder *builder, const struct event *event,
	const struct event_standing *standing, const struct room_intent *intent);
/** Builds and authorises what room_builder_add() would, without keeping it. Errors: the same */
MUST_CHECK enum err room_builder_draft(struct room_builder *builder,
	const struct room_intent *intent, const struct event **out);
/** JSON array of event ids. */
struct str room_extremities_text(struct arena *arena, const struct event_id *ids, size_t count);
/** Reads such a text. Errors: INTERNAL */
MUST_CHECK enum err room_extremities_read(struct ctx *ctx, struct str text, struct event_id **out,
	size_t *out_count);
/** Columns of an event. */
struct event_columns room_event_columns(const struct event *event);

/**
 * Builds the next event. Errors: DENIED M_FORBIDDEN; INPUT M_TOO_LARGE, M_BAD_JSON; MISSING (redacted event unknown); STORE
 */
MUST_CHECK enum err room_builder_add(struct room_builder *builder,
	const struct room_intent *intent);

#endif
