/**
 * What a connection of sliding sync has told its client: of each room up to where, and what the client wanted of it then. Each answer that
 * changes something of it makes another one, since the client may come back with the position before.
 * Spec: MSC4186, "Connections", "Changing room configs"
 */
#ifndef BELFRY_MATRIX_SLIDING_STATE_H
#define BELFRY_MATRIX_SLIDING_STATE_H

#include "matrix/sliding_config.h"

/** What is told of a room by itself: an extension may be asked for later than the room, or of fewer rooms. */
enum sliding_stream {
	SLIDING_EVENTS,
	SLIDING_RECEIPTS,
	SLIDING_ACCOUNT_DATA,
	SLIDING_TYPING, /**< its positions say nothing */
	SLIDING_STREAM_COUNT,
};

enum {
	SLIDING_NEVER = -1, /**< nothing was told */
	SLIDING_LIVE = 0,   /**< all was, up to the position of the answer */
};

struct sliding_room {
	int64_t room_nid;
	/** SLIDING_NEVER, SLIDING_LIVE, or the position up to which it was told. */
	int64_t told[SLIDING_STREAM_COUNT];
	/** Number of what was wanted when its events were told last; 0 if they never were. */
	uint32_t config;
};

/** Immutable. A zeroed one is of a client that knows nothing. */
struct sliding_state {
	const struct sliding_room *rooms; /**< by number, ascending */
	size_t room_n;
	/** Each that a room has, once, in the order of sliding_config_compare(). */
	const struct sliding_config *configs;
	size_t config_n;
};

/** A room of it; NULL: nothing was told of it. */
const struct sliding_room *sliding_state_room(const struct sliding_state *state, int64_t room_nid);
/** Up to where a stream of a room was told: SLIDING_NEVER, SLIDING_LIVE or a position. */
int64_t sliding_state_told(const struct sliding_state *state, int64_t room_nid,
	enum sliding_stream stream);
/** What was wanted of a room of it, which may be NULL, when its events were told last; NULL: they never were. */
const struct sliding_config *sliding_state_config(const struct sliding_state *state,
	const struct sliding_room *room);

/** As bytes, to be stored. In the arena. */
struct str sliding_state_write(struct arena *arena, const struct sliding_state *state);
/**
 * Reads what sliding_state_write() wrote; `bytes` has to live as long as the state.
 * @return false when it cannot be read as that; what can be read may yet be something that was never written
 */
MUST_CHECK bool sliding_state_read(struct arena *arena, struct str bytes,
	struct sliding_state *out);
/** Whether the configs of what was read from elsewhere are as struct sliding_state says. Each run reads what this process wrote, and does not ask. */
bool sliding_state_is_well_formed(const struct sliding_state *state);

/** A state that is being made of another. */
struct sliding_change;
/** Begins with what `before` says, which has to live as long. In the arena. */
struct sliding_change *sliding_change_begin(struct arena *arena,
	const struct sliding_state *before);
/** A stream of a room is told with this answer: it is live from now on. Events without sliding_change_config() are told of a room of which nothing is wanted. */
void sliding_change_told(struct sliding_change *change, int64_t room_nid,
	enum sliding_stream stream);
/** What was live, and has news that this answer does not tell, was told up to `position`; not above 0 it never was. Any other stays as it was. */
void sliding_change_missed(struct sliding_change *change, int64_t room_nid,
	enum sliding_stream stream, int64_t position);
/** What is wanted of a room whose events this answer tells; `config` lives as long as the change and what comes of it. */
void sliding_change_config(struct sliding_change *change, int64_t room_nid,
	const struct sliding_config *config);
/** Whether anything is different from before, up to here. */
bool sliding_change_is_any(const struct sliding_change *change);
/** The new state: without configs that no room has. In the change's arena. */
struct sliding_state sliding_change_end(struct sliding_change *change);

#endif
