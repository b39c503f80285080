/**
 * Inside of the active users: what the files of this folder share. Others use users.h.
 */
#ifndef BELFRY_HOMESERVER_USER_USERS_INNER_H
#define BELFRY_HOMESERVER_USER_USERS_INNER_H

#include "base/lock.h"
#include "base/map.h"
#include "homeserver/user/users.h"

/* A user's relation to a room. Guarded by the user's lock. */
struct user_entry {
	struct room *room; /* counted */
	const char *membership;
	int64_t position;
	bool is_forgotten;
	bool is_listening;
	struct str stripped; /* heap */
};

/* Whether the user takes invites. */
enum invite_permission { INVITES_UNKNOWN, INVITES_TAKEN, INVITES_BLOCKED };

enum user_load { USER_LOADING, USER_LOADED, USER_FAILED };

struct user {
	struct refc refc;
	struct users *users;
	struct str id; /* heap */
	uint64_t reading;
	_Atomic int64_t own_position;
	_Atomic int64_t last_used_ms;
	atomic_bool is_active; /* in the table; cleared in the table's lock */
	struct lock lock;      /* guards all below */
	enum invite_permission invites;
	struct cond loaded;
	enum user_load load;
	bool is_removed;         /* put away: nobody tells it anything any more */
	bool knows_ignored;      /* ignored_list is what the account data say */
	struct str ignored_list; /* content of m.ignored_user_list; heap; p == NULL: none */
	struct map rooms;        /* bytes of the room's number → struct user_entry * */
	struct park **waiters;   /* counted */
	_Atomic size_t waiter_n; /* changed in the lock; user_ref_waiting() reads it without */
	size_t waiter_capacity;
};

/* Parked requests taken off their users' lists, with their references. Heap. */
struct waiters {
	struct park **p;
	size_t n;
	size_t capacity;
};

struct users {
	struct homeserver *hs;
	struct lock lock; /* guards by_id, readings */
	struct map by_id; /* user id → struct user *, counted */
	uint64_t readings;
	/* Told since the last publication. Writer's thread only. */
	struct room **told_rooms;
	size_t told_room_n;
	size_t told_room_capacity;
	struct user **told_users;
	size_t told_user_n;
	size_t told_user_capacity;
	struct str *told_ids; /* heap; of users who are loaded anew */
	size_t told_id_n;
	size_t told_id_capacity;
	bool wakes_all; /* at the next publication */
	struct waiters waiters;
	struct arena *arena; /* of one publication */
};

/** A room's number as a key of struct user's `rooms`. */
static inline struct str nid_key(const int64_t *room_nid)
{
	return str_from((const char *)room_nid, sizeof(*room_nid));
}

/* --- users.c ------------------------------------------------------------------------------------------ */

/** The user if it is in the table, with a reference; else NULL. */
struct user *users_find_active(struct users *users, struct str user_id);
/** Active users without a sync since a time, with a reference each; heap. */
struct user **users_list(struct users *users, int64_t before_ms, size_t *out_n);

/* --- user_rooms.c ------------------------------------------------------------------------------------- */

/** Sets an entry unless what stands there is newer. User's lock held. */
void user_set_entry_locked(struct user *user, struct room *room, struct str membership,
	int64_t position, bool is_forgotten, struct str stripped);
void user_raise_own_position(struct user *user, int64_t position);
/** Reads what the database knows of a user who stands in the table already. Two round trips. Errors: STORE. */
MUST_CHECK enum err user_load_rooms(struct ctx *ctx, struct homeserver *hs, struct user *user);

/* --- users_wake.c ------------------------------------------------------------------------------------- */

/** Drops those who ended by their deadline. User's lock held. */
void user_prune_waiters_locked(struct user *user);
/** A reference if a request of the user waits; for the room, which has its own lock then. */
bool user_ref_waiting(struct user *user);
/** Takes the waiting requests of everybody who listens to a room off their lists. */
void users_take_waiters_of_room(struct users *users, struct room *room, struct arena *arena,
	struct waiters *out);
/** Wakes them together, and empties the list; its memory stays the caller's. */
void waiters_wake(struct waiters *waiters);
/** Wakes all requests of the user. */
void user_wake(struct user *user);
/** Woken with the next publication. Takes over the reference. Writer's thread. */
void users_tell(struct users *users, struct user *user);
/** The same for whoever is that user by then, for one that is about to be made anew. */
void users_tell_id(struct users *users, struct str user_id);

#endif
