/**
 * What the files of media/ share.
 */
#ifndef BELFRY_HOMESERVER_MEDIA_MEDIA_INNER_H
#define BELFRY_HOMESERVER_MEDIA_MEDIA_INNER_H

#include "base/lock.h"
#include "homeserver/media/media.h"
#include "homeserver/media/media_store.h"
#include "homeserver/media/media_turn.h"

enum {
	MEDIA_FETCHES_MAX = 8, /* from other servers at once: fewer than the remote lane has workers */
	MEDIA_FETCHES_A_USERS = 3, /* of them, at most */
};

struct media_wait;
struct previews;
struct thumbs;

struct media {
	struct homeserver *hs;
	struct media_store store;
	const struct media_ports *ports; /**< NULL: no other servers */
	struct str incoming;             /**< folder */
	struct thumbs *thumbs;
	struct previews *previews;
	struct media_turns fetches;        /**< files of other servers that are on their way */
	struct media_turns openings;       /**< content that is on its way from the store */
	_Atomic int64_t remote_bytes;      /**< of copies since they were last counted, about */
	struct lock lock;                  /**< RANK_LEAF; guards the list */
	struct media_wait *waits;          /**< requests that are parked here */
	struct str icons[MEDIA_ICONS_MAX]; /**< mxc URIs that need no token */
	size_t icon_count;
};

/**
 * Parks the request until media_wake() with this key, or until `timeout_ms` after its first wait for it. The caller looks
 * again afterwards, and returns when there still is nothing; if there is, it may answer all the same.
 * @return false when that time is over, or the server stops
 */
MUST_CHECK bool media_park(struct call *call, struct str key, int64_t timeout_ms);

/** Wakes all who are parked with the key. Any thread; nobody there does nothing. */
void media_wake(struct media *media, struct str key);

/** Somebody has uploaded this: who waits for it looks again, at other processes too. */
void media_wake_for_upload(struct ctx *ctx, struct homeserver *hs, struct server_name origin,
	struct str media_id);

/* --- files that the server makes itself --------------------------------------------------------------------- */

/** A new empty file among those that arrive. Errors: STORE. */
MUST_CHECK enum err media_file_create(struct ctx *ctx, const struct media *media,
	struct body_file *out);
/** Size and hash, by reading it. Errors: STORE. */
MUST_CHECK enum err media_file_measure(struct ctx *ctx, struct body_file *file);
/** A part of a file into an empty one, which is measured then. Errors: STORE. */
MUST_CHECK enum err media_file_copy(struct ctx *ctx, const struct body_file *from, int64_t begin,
	int64_t end, struct body_file *to);
/** Closes, and removes it if it was not kept. For CLEANUP too; a file whose path is NULL is none. */
void media_file_discard(struct body_file *file);

/* --- files of other servers --------------------------------------------------------------------------------- */

/**
 * Fetches a file that is not there, once for all who ask; others are parked meanwhile.
 * Errors: MISSING M_NOT_FOUND (nobody to ask, or there is none); those of media_ports.fetch
 */
MUST_CHECK enum err media_remote_await(struct call *call, const struct media_query *query,
	struct media_row *out, bool *out_is_parked);
/** Somebody wants a copy. Once a day a statement. */
void media_remote_use(struct ctx *ctx, struct homeserver *hs, const struct media_query *query,
	const struct media_row *row);
/** Removes copies that are too old or too many. Errors: STORE. */
MUST_CHECK enum err media_remote_tidy(struct ctx *ctx, struct homeserver *hs);
/** The name in the store of what belongs to one file of another server only. In the arena. */
struct str media_own_name(struct arena *arena, struct str sha256, struct str owner);

#endif
