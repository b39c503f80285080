/**
 * Who is typing where. In memory only: after a restart nobody is.
 *
 * Every change of a room's list has a serial, by which a sync knows whether it has told the list already. Serials rise
 * over restarts too: they begin at the wall clock. Several processes have the same ones (storage/writer.h, writer_ephemeral()).
 */
#ifndef BELFRY_HOMESERVER_TYPING_TYPING_H
#define BELFRY_HOMESERVER_TYPING_TYPING_H

#include "homeserver/room/rooms.h"

enum {
	TYPING_DEFAULT_MS = 30 * 1000,
	TYPING_LONGEST_MS = 120 * 1000, /**< longer times are cut to this */
};

struct typing *typing_create(struct homeserver *hs);
void typing_destroy(struct typing *typing);

/** Ends what has timed out, and wakes who should hear of it. Called each second by the housekeeper. */
void typing_tidy(struct typing *typing);

/**
 * A user, of this server or another, types (timeout_ms > 0) or has stopped. Wakes the room's listeners when the list changed, and those at other
 * processes. From memory where there is one process; else as writer_tell_all().
 *
 * Errors: DENIED M_FORBIDDEN (not joined); STORE
 */
MUST_CHECK enum err typing_set(struct ctx *ctx, struct homeserver *hs, struct str user_id,
	struct str room_id, int64_t timeout_ms);

/** Somebody typed at one of several processes: a line of NEWS_TYPING. Writer's thread. */
void typing_heard(struct homeserver *hs, struct str line, int64_t serial);

/** The joined users who are typing, in the order in which they began. From memory, while the room is there. Errors: as room_membership() */
MUST_CHECK enum err typing_users(struct ctx *ctx, struct homeserver *hs, struct room *room,
	struct str **out, size_t *out_count);

/** The next serial, for something else that is never stored and that syncs are told of by the same counter (presence). */
int64_t typing_serial_next(struct homeserver *hs);
/** Every change up to this serial can be seen at its room (room_typing_serial()). */
int64_t typing_serial_now(const struct homeserver *hs);

#endif
