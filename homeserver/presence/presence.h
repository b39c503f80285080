/**
 * Who is there. In memory, but for status messages; after a restart everybody is offline until the next sync.
 * Spec: client-server API, "Presence"
 *
 * Each change of what others see has a serial of the same counter as typing. A sync is told of the changes since its token, of users
 * who share a room with it: that walks the changes from the newest on, and needs no database. Waiting syncs are woken once a
 * second for all changes together, and only through rooms of at most PRESENCE_WAKES_UP_TO members; members of larger rooms hear of
 * a change with the next thing that their sync tells, or at its end. So a change costs a room of 1,000 nothing.
 */
#ifndef BELFRY_HOMESERVER_PRESENCE_PRESENCE_H
#define BELFRY_HOMESERVER_PRESENCE_PRESENCE_H

#include "homeserver/user/users.h"
#include "matrix/filter.h"

enum {
	PRESENCE_WAKES_UP_TO = 100,       /**< joined members of a room through which syncs are woken */
	PRESENCE_LOOKS_AT = 2000,         /**< changes that one sync looks at, the newest */
	PRESENCE_MAX_STATUS_BYTES = 1024, /**< of a status message */
	PRESENCE_MAX_DEVICES = 8, /**< of one user; the one that synced longest ago makes room */
	PRESENCE_REMOTE_MS = 30 * 60 * 1000, /**< so long holds what another server said */
};

enum presence_state { PRESENCE_OFFLINE, PRESENCE_UNAVAILABLE, PRESENCE_ONLINE };

struct presence *presence_create(struct homeserver *hs);
void presence_destroy(struct presence *presence);

/** Reads the stored status messages; called once before anybody is served. Errors: STORE */
MUST_CHECK enum err presence_load(struct ctx *ctx, struct homeserver *hs);

/** "online", "unavailable", "offline". @return false for other words */
MUST_CHECK bool presence_state_parse(struct str text, enum presence_state *out);

/** Of a user's profile, what is told with the presence once it has changed. p == NULL: none. */
struct presence_profile {
	struct str displayname;
	struct str avatar_url;
};

/** What others see of a user. */
struct presence_view {
	struct str user_id;
	enum presence_state state;
	bool is_currently_active;
	int64_t last_active_ago_ms; /**< -1: never seen */
	struct str status_msg;      /**< p == NULL: none */
	struct presence_profile
		profile; /**< for clients; empty while it has not changed since the start */
};

/**
 * A device begins to sync: it counts as `state` until a monotonic time. PRESENCE_OFFLINE: it does not count.
 * From memory. Where there are several processes, all are told when something changes by it, before this returns, and now and then that the
 * device is still there; so it may count for ten seconds longer. Errors: DEFER
 */
MUST_CHECK enum err presence_synced(struct ctx *ctx, struct homeserver *hs,
	const struct principal *who, enum presence_state state, int64_t until_mono_ms);
/** Its sync is over: it counts for a while. Where there are several processes, as long as the sync might have lasted. Any thread, no database. */
void presence_sync_ended(struct homeserver *hs, const struct principal *who,
	enum presence_state state);
/** The user has done something, as far as the request shows it (sent, changed, joined). Any thread, no database. */
void presence_note_request(struct homeserver *hs, const struct call *call);
/**
 * A user sets the own presence. Errors: INPUT M_TOO_LARGE (413); STORE
 * @param status_msg  replaces the one before; p == NULL: none
 */
MUST_CHECK enum err presence_set(struct ctx *ctx, struct homeserver *hs,
	const struct principal *who, enum presence_state state, struct str status_msg);
/**
 * A user of this server has another name or picture: who sees the presence is told of both. Spec: "Events on Change of Profile
 * Information". From memory; where there are several processes, all know it when this returns.
 */
void presence_profile_changed(struct homeserver *hs, struct str user_id,
	const struct presence_profile *profile);
/** What a user may see of another. Errors: DENIED M_FORBIDDEN when they share no room; STORE. One round trip at most. */
MUST_CHECK enum err presence_get(struct ctx *ctx, struct homeserver *hs,
	const struct principal *who, struct str user_id, struct presence_view *out);

/** What another server says of a user of its own. */
struct presence_news {
	struct str user_id;
	enum presence_state state;
	bool is_currently_active;
	int64_t last_active_ago_ms; /**< -1: it does not say */
	struct str status_msg;      /**< p == NULL: none */
	const int64_t *room_nids; /**< rooms known here that the user is joined to, sorted; not empty */
	size_t room_n;
};
/** Takes it over, for those who share one of the rooms. Any thread, no database. */
void presence_received(struct homeserver *hs, const struct presence_news *news);

/**
 * To be called before what follows, after presence_serial_now() or typing_serial_now(): from then on all changes up to there can be shown, those too
 * that came by other processes. Errors: DEFER. From memory, but for a round trip for each user who came to another process just now.
 */
MUST_CHECK enum err presence_settle(struct ctx *ctx, struct homeserver *hs);
/**
 * Changes with a serial after `since` (0: whoever is not offline) of the user, for the other devices, and of those who share a room with
 * the user, newest first; in the ctx's arena. No database.
 */
size_t presence_changes(struct ctx *ctx, struct homeserver *hs, struct user *user, int64_t since,
	struct presence_view **out);
/** Those of some users who are not offline, in their order; in the ctx's arena. No database. */
size_t presence_of(struct ctx *ctx, struct homeserver *hs, const struct str *user_ids, size_t count,
	struct presence_view **out);
/** Members of some rooms who are not offline, but for the user, newest change first; in the ctx's arena. No database. */
size_t presence_of_rooms(struct ctx *ctx, struct homeserver *hs, const struct user *user,
	const int64_t *room_nids, size_t room_n, struct presence_view **out);
/** Serial of the newest change; for who is about to wait. */
int64_t presence_serial_now(const struct homeserver *hs);

/** Writes the members of the content of m.presence; the object is the caller's. */
void presence_write_members(const struct presence_view *view, struct json_out *out);
/** Writes the content of m.presence, which is the body of GET …/status too. */
void presence_write(const struct presence_view *view, struct json_out *out);
/** Writes the m.presence event. */
void presence_write_event(const struct presence_view *view, struct json_out *out);

/** Something happened at one of several processes: a line of NEWS_PRESENCE. Writer's thread. */
void presence_heard(struct homeserver *hs, struct str line, int64_t serial);

/**
 * Ends what has timed out and wakes who should hear of changes. Called at each round of the housekeeper.
 * Cost: nothing but memory; where there are several processes, a round trip for each user who came to another one just now.
 */
void presence_tidy(struct ctx *ctx, struct homeserver *hs);

#endif
