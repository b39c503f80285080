/**
 * Runs the thumbnail process once. Inner to media/.
 */
#ifndef BELFRY_HOMESERVER_MEDIA_THUMB_RUN_H
#define BELFRY_HOMESERVER_MEDIA_THUMB_RUN_H

#include "base/thumbnail_status.h"
#include "homeserver/media/thumb.h"

struct thumb_run {
	const char *helper;
	const char *type; /**< what the image's first bytes show */
	struct thumb_size size;
	bool is_animated;
	int source_fd;
	int result_fd; /**< for writing; emptied first */
};

/**
 * Starts it and waits for its end, some seconds at the most. One that crashes, or uses more than it may, counts as THUMBNAIL_IMPOSSIBLE.
 * Errors: STORE when it cannot be started, or was killed since the machine was too slow or had no memory: another time it may do
 */
MUST_CHECK enum err thumb_run(struct ctx *ctx, const struct thumb_run *run,
	enum thumbnail_status *out);

#endif
