/**
 * The content repository: files under mxc:// URIs.
 *
 * Bytes lie in a store under their hash (media_store.h), the rest in the database. An upload is acknowledged once both
 * are durable. Nobody gets a quarantined file, by whatever way.
 * Spec: client-server API, "Content repository"
 */
#ifndef BELFRY_HOMESERVER_MEDIA_MEDIA_H
#define BELFRY_HOMESERVER_MEDIA_MEDIA_H

#include "homeserver/homeserver.h"
#include "storage/media.h"

enum { MEDIA_ID_LENGTH = 32, MEDIA_ICONS_MAX = 32 };

struct media;

/** What came of a file of another server. Texts in the ctx's arena. */
struct media_fetched {
	int64_t begin, end;      /**< where it lies among the bytes that were written */
	struct str content_type; /**< unchecked; p == NULL: none */
	struct str file_name;    /**< UTF-8 without control characters; p == NULL: none */
};

/**
 * What the federation gives. Filled in app/wire.c; without it files of other servers are not found.
 */
struct media_ports {
	void *self;
	/**
	 * Fetches a file of another server into an empty file. The caller sees to it that only so many run at once, and none twice.
	 * Errors: MISSING M_NOT_FOUND; REMOTE 502 M_TOO_LARGE, M_UNKNOWN; TIMEOUT 504 M_NOT_YET_UPLOADED; DENIED M_FORBIDDEN (no partner);
	 * STORE
	 */
	enum err (*fetch)(void *self, struct ctx *ctx, struct server_name origin, struct str media_id,
		int64_t timeout_ms, int fd, struct media_fetched *out);
};

/**
 * @param folder  DATA/media
 * @param helper  the program that makes thumbnails
 */
struct media *media_create(struct homeserver *hs, const char *folder, const char *helper);
/** Makes the folders, and removes what a crash left of unfinished uploads. Before any request. Errors: STORE. */
MUST_CHECK enum err media_start(struct ctx *ctx, struct media *media);
/** NULL does nothing. */
void media_destroy(struct media *media);
/** Before any request. Borrowed. */
void media_set_ports(struct media *media, const struct media_ports *ports);
/** Makes the folder in which uploads arrive; media_start() does. Errors: STORE. */
MUST_CHECK enum err media_make_incoming(struct ctx *ctx, const struct media *media);
/**
 * A file of this server that everybody may download without a token, whatever the settings say but `off`: an identity provider's icon.
 * Before any request. No more than MEDIA_ICONS_MAX.
 * @param uri  mxc; borrowed as long as media lives
 * Spec: "Content repository", media used for IdP icons is excluded from the freeze
 */
void media_add_icon(struct media *media, struct str uri);
/** Where uploads arrive: a folder of this process in DATA/media/incoming. */
const char *media_incoming_folder(const struct media *media);

/** A complete file and what its uploader says of it. */
struct media_upload {
	struct str user_id;      /**< p == NULL: the server's own, and no quota counts it */
	struct str content_type; /**< unchecked; p == NULL: none */
	struct str file_name;    /**< UTF-8; p == NULL: none */
	const struct body_file *file;
};

/**
 * Keeps a file under a new id. Cost: 2 round trips and the flush of the file.
 * Errors: DENIED M_FORBIDDEN (the user's quota is used up); INPUT M_INVALID_PARAM (file name); STORE
 * @param out_media_id  in the arena
 */
MUST_CHECK enum err media_upload(struct ctx *ctx, struct homeserver *hs,
	const struct media_upload *upload, struct str *out_media_id);

/**
 * Keeps a copy of a file of this machine, as an upload. Cost: as media_upload(), and two ways through the file.
 * Errors: as media_upload(); INPUT M_TOO_LARGE, M_INVALID_PARAM (it is no plain file)
 * @param labels  without file; without content type: what the name or the first bytes say
 */
MUST_CHECK enum err media_upload_copy(struct ctx *ctx, struct homeserver *hs,
	const struct media_upload *labels, int fd, struct str *out_media_id);

/**
 * An id whose content comes later. Cost: 1 round trip.
 * Errors: LIMIT M_LIMIT_EXCEEDED when the user has too many of them; STORE
 */
MUST_CHECK enum err media_reserve(struct ctx *ctx, struct homeserver *hs, struct str user_id,
	struct str *out_media_id, int64_t *out_expires_ms);

/**
 * The content of a reserved id; wakes who waits for it, at other processes too.
 * Errors: those of media_upload(); MISSING M_NOT_FOUND (never reserved, expired); DENIED M_FORBIDDEN (by somebody else);
 * CONFLICT M_CANNOT_OVERWRITE_MEDIA
 */
MUST_CHECK enum err media_fill(struct ctx *ctx, struct homeserver *hs, struct server_name origin,
	struct str media_id, const struct media_upload *upload);

/** A file was uploaded by way of another process: who waits for it here looks again. @param uri  "mxc://…"; writer's thread */
void media_heard(struct media *media, struct str uri);

/** Whether the older endpoints give everything, files of other servers too. */
bool media_is_all_open(const struct homeserver *hs);

/** Which file, and for whom. */
struct media_query {
	struct server_name origin;
	struct str media_id;
	bool is_open;       /**< by an endpoint without authentication: gives what the settings allow */
	bool may_fetch;     /**< a file of another server that is not here is fetched */
	int64_t timeout_ms; /**< how long it may take until it is uploaded */
};

/** How long the request would wait for an upload, within bounds. Errors: INPUT M_INVALID_PARAM. */
MUST_CHECK enum err media_read_timeout(struct call *call, int64_t *out_ms);

/**
 * What is known of a file; sha256.p == NULL when it is not yet uploaded. Cost: 1 round trip.
 * Errors: MISSING M_NOT_FOUND (also quarantined, expired, or after the freeze); those of media_ports.fetch
 */
MUST_CHECK enum err media_find(struct ctx *ctx, struct homeserver *hs,
	const struct media_query *query, struct media_row *out);

/**
 * The same for a handler; parks the request while the file is not yet uploaded.
 * @param out_is_parked  the handler returns ERR_OK at once, and runs again when there is news
 * Errors: also TIMEOUT 504 M_NOT_YET_UPLOADED
 */
MUST_CHECK enum err media_await(struct call *call, const struct media_query *query,
	struct media_row *out, bool *out_is_parked);

/** Opens the content of an uploaded file. Errors: MISSING M_NOT_FOUND; STORE. */
MUST_CHECK enum err media_open(struct ctx *ctx, struct homeserver *hs, const struct media_row *row,
	int *out_fd);
/**
 * The same for a handler that sends a part of it or all. What lies afar is fetched only so far; all of it once, however many want it:
 * the others are parked meanwhile.
 * @param out_fd         has at least the part, where it lies in the whole; -1 when it is empty and does not lie here
 * @param out_is_parked  the handler returns ERR_OK at once
 * Errors: also TIMEOUT
 */
MUST_CHECK enum err media_open_await(struct call *call, const struct media_row *row,
	const struct reply_part *part, int *out_fd, bool *out_is_parked);

/* --- administration ------------------------------------------------------------------------------ */

/**
 * Puts a file in quarantine, or takes it out: it, and every other with the same content, also one that is uploaded later, is as if it were
 * not there. Errors: MISSING M_NOT_FOUND; STORE.     Cost: one round trip.
 */
MUST_CHECK enum err media_quarantine(struct ctx *ctx, struct homeserver *hs,
	struct server_name origin, struct str media_id, bool is_quarantined);
/** All of a user. @param out_count  how many were not in quarantine. Errors: STORE. */
MUST_CHECK enum err media_quarantine_user(struct ctx *ctx, struct homeserver *hs,
	struct str user_id, int64_t *out_count);

enum { MEDIA_DELETE_AT_ONCE = 1000 };

/**
 * Deletes a file: nobody gets it from now on, nor its thumbnails. Its content leaves the store with the next tidying, unless another
 * file has the same. One of another server may be fetched again; quarantine keeps it away.
 * Errors: MISSING M_NOT_FOUND; STORE     Cost: one round trip.
 */
MUST_CHECK enum err media_delete(struct ctx *ctx, struct homeserver *hs, struct server_name origin,
	struct str media_id);
/** The oldest MEDIA_DELETE_AT_ONCE of a user. @param out_ids  media ids, in the arena. Errors: STORE. */
MUST_CHECK enum err media_delete_user(struct ctx *ctx, struct homeserver *hs, struct str user_id,
	struct str **out_ids, size_t *out_count);
/** Removes some content that nothing refers to any more; for the housekeeper, every few seconds. Errors: STORE. */
MUST_CHECK enum err media_remove_garbage(struct ctx *ctx, struct homeserver *hs);

/** Forgets ids that expired without content, old previews, copies of other servers' files, what is left of uploads; for the housekeeper. */
MUST_CHECK enum err media_tidy(struct ctx *ctx, struct homeserver *hs);

#endif
