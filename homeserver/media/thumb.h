/**
 * Thumbnails, made by a confined process of its own (app/thumbnail/), kept in the store by the content that they show.
 * Spec: client-server API, "Thumbnails"
 */
#ifndef BELFRY_HOMESERVER_MEDIA_THUMB_H
#define BELFRY_HOMESERVER_MEDIA_THUMB_H

#include "homeserver/media/media.h"

struct thumbs;

/** @param helper  path of the program */
struct thumbs *thumbs_create(const char *helper);
/** NULL does nothing. */
void thumbs_destroy(struct thumbs *thumbs);
/** Says so in the log when the program is not there. */
void thumbs_check(const struct thumbs *thumbs);

/**
 * What a request for a thumbnail gets, a client's or a server's: its query tells size, method and whether it may move. From the
 * database, else made now. While the file is not yet here, another request makes it, or all helpers are busy, the request is parked.
 *
 * Cost: 2 round trips; once per file and size a process of some tens of milliseconds (the largest size: seconds) and 2 more.
 * Errors: those of media_await(); INPUT M_MISSING_PARAM, M_INVALID_PARAM (the query), M_UNKNOWN (no image that can be decoded); LIMIT
 * 413 M_TOO_LARGE (the image, or a large thumbnail out of all proportion to it), of another server's file 502; TIMEOUT; STORE
 * @param out            type, name, size, hash of the thumbnail, and whether it is of a copy
 * @param out_is_parked  the handler returns ERR_OK at once
 */
MUST_CHECK enum err thumb_await(struct call *call, const struct media_query *query,
	struct media_row *out, bool *out_is_parked);

/* --- inner to media/ --------------------------------------------------------------------------------------- */

/** One of the few sizes that are made. */
struct thumb_size {
	int width;
	int height;
	bool is_crop;
};

/**
 * The size for what a client asks: at least as large where there is one; for "crop" of the most similar shape, then the
 * smallest. Pure.
 */
struct thumb_size thumb_choose(int64_t width, int64_t height, bool is_crop);

struct thumb_wish {
	struct thumb_size size;
	bool is_animated; /**< may move */
};

/** What the query asks for. Errors: INPUT M_MISSING_PARAM, M_INVALID_PARAM */
MUST_CHECK enum err thumb_read_wish(struct call *call, struct thumb_wish *out);
/** "thumbnail.png", in the arena. */
struct str thumb_file_name(struct arena *arena, struct str content_type);

#endif
