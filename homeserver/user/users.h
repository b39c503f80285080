/**
 * Active local users: their rooms, what changed for them, and who waits. A `struct user` is loaded when the user
 * first syncs and put away after a while without one.
 *
 * Memberships come from the commits of room events (in order, before the position is published), so a
 * reader that took writer_position() first sees everything up to it.
 */
#ifndef BELFRY_HOMESERVER_USER_USERS_H
#define BELFRY_HOMESERVER_USER_USERS_H

#include "homeserver/room/rooms.h"

struct user;

struct users *users_create(struct homeserver *hs);
void users_destroy(struct users *users);

/** Loaded user; reference until the arena is reset. One round trip when not loaded. Errors: STORE; DEFER. */
MUST_CHECK enum err users_get(struct ctx *ctx, struct homeserver *hs, struct str user_id,
	struct user **out);
void user_ref(struct user *user);
void user_unref(struct user *user);
/**
 * Whether it hears of commits: while it does after a position was taken, all that it says is good up to there. One that
 * was put away does not, and has to be got anew.
 */
bool user_is_active(const struct user *user);
/** Whether a user is loaded; who is, is not put away for a while. From memory. */
bool users_keep(struct users *users, struct str user_id);
/** Its user has just asked for something: it is not put away for a while. */
void user_touch(struct user *user);
struct str user_id_of(const struct user *user);
/** Number of the reading from the database by which it is known, from 1. With another one also that may be different which has no position: a room was forgotten. */
uint64_t user_reading(const struct user *user);

/** A user's relation to one room, copied out. */
struct user_room {
	struct room *room;     /**< reference until the arena is reset */
	struct str membership; /**< static text */
	int64_t position;      /**< of the membership event */
	bool is_forgotten;     /**< or not to be told: an invite of a user who takes none */
	struct str stripped;   /**< JSON array of stripped state; in the arena; p == NULL: none */
};
/** A moment in a user's rooms: what a sync has told up to. */
struct rooms_since {
	int64_t position;  /**< of events, memberships and receipts */
	int64_t ephemeral; /**< of typing, see typing_serial_now() */
};
#define ROOMS_SINCE_EVER ((struct rooms_since){INT64_MIN, INT64_MIN})
/**
 * Rooms of the user in which something happened after a moment: another membership of the user, or, where it has joined, an event, a
 * receipt or typing. In no order. From memory.
 *
 * Cost: a look at each room of the user; what is copied is what is given.
 */
void user_rooms_since(struct user *user, struct arena *arena, struct rooms_since since,
	struct user_room **out, size_t *out_count);
/** All rooms of the user, in no order. From memory. */
void user_rooms(struct user *user, struct arena *arena, struct user_room **out, size_t *out_count);
/** One of them. @return false when the user has none with the room */
bool user_room_find(struct user *user, struct arena *arena, int64_t room_nid,
	struct user_room *out);

/** Newest position at which something of the user's own changed (account data, later: to-device, device lists). */
int64_t user_own_position(const struct user *user);

/**
 * Content of the user's m.ignored_user_list, kept with the active user: JSON text in the arena, p == NULL when there is none.
 * @return false when it has not been asked for yet; then read it and user_keep_ignored_list()
 */
bool user_ignored_list(struct user *user, struct arena *arena, struct str *out_content);
void user_keep_ignored_list(struct user *user, struct str content);
/** From the commit callback of a change. */
void users_ignored_list_committed(struct users *users, struct str user_id, struct str content);

/** From the commit callback of a change of m.invite_permission_config. */
void users_invite_permission_committed(struct users *users, struct str user_id, struct str content);

/* --- waiting ------------------------------------------------------------------------------------- */

/**
 * Registers a parked request to be woken by the user's next change. The caller then looks once more whether
 * something has come meanwhile. Takes over the reference of `park`.
 */
void user_wait(struct user *user, struct park *park);

/* --- telling --------------------------------------------------------------------------------------- */

/*
 * The first four are called from commit callbacks (writer's thread); waking happens when the position is published.
 */

/** A membership of a local user changed; `stripped` is copied. */
void users_membership_committed(struct users *users, struct room *room, struct str user_id,
	struct str membership, int64_t position, struct str stripped);
/** Something for everybody who listens to the room. */
void users_room_committed(struct users *users, struct room *room);
/** Something of the user's own. */
void users_own_committed(struct users *users, struct str user_id, int64_t position);
/** Something for the user that user_own_position() does not count: who tells it keeps its position. */
void users_news_committed(struct users *users, struct str user_id);
/** The writer's `published` callback: wakes who was told above. */
void users_published(struct users *users);

/**
 * All users are loaded anew: what memory knows may be older than the database. Who waits looks again once the next position
 * is published. Writer's thread.
 */
void users_forget(struct users *users);
/** The same for one user: another process has changed memberships or account data. Writer's thread. */
void users_told(struct users *users, struct str user_id);
/** The same for a change that is no commit (a room was forgotten): no publication follows, so who waits looks again at once. Any thread. */
void users_heard(struct users *users, struct str user_id);
/** The same for all users: such changes may have been missed. */
void users_heard_all(struct users *users);
/** Who waits, whoever it is, is woken once the next position is published. Writer's thread. */
void users_tell_all(struct users *users);

/** Wakes the room's listeners at once (typing: nothing is committed). */
void users_wake_room(struct users *users, struct room *room);
/** Wakes all requests of one user at once (a session ended). */
void users_wake_user(struct users *users, struct str user_id);

/**
 * Which of some users share a joined room with one. From memory: who is not active counts as sharing none.
 * @param out_shares  out_shares[i] belongs to user_ids[i]
 */
void users_sharing(struct users *users, struct user *user, struct arena *arena,
	const struct str *user_ids, size_t count, bool *out_shares);
/** Which of some users are joined to any of some rooms. From memory: who is not active counts as joined to none. */
void users_in_rooms(struct users *users, const int64_t *room_nids, size_t room_n,
	const struct str *user_ids, size_t count, bool *out_is_in);
/** Wakes who shares a joined room of at most `up_to` members with one of some users. From memory. */
void users_wake_sharing(struct users *users, struct arena *arena, const struct str *user_ids,
	size_t count, int64_t up_to);

/** Puts away users without a sync since `idle_ms`. Called by the housekeeper. */
void users_tidy(struct users *users, int64_t idle_ms);

#endif
