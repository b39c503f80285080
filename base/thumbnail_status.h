/**
 * What the thumbnail process tells the server by its exit status, and what it may be asked for. Statuses of the shell and of signals stay
 * free.
 */
#ifndef BELFRY_BASE_THUMBNAIL_STATUS_H
#define BELFRY_BASE_THUMBNAIL_STATUS_H

enum { THUMBNAIL_MAX_SIDE = 4096 }; /**< pixels */

enum thumbnail_status {
	THUMBNAIL_MADE = 0,
	THUMBNAIL_BAD_CALL = 2,    /**< wrong arguments, or the machine lacks what it needs */
	THUMBNAIL_IMPOSSIBLE = 10, /**< no image, or a broken one */
	THUMBNAIL_TOO_LARGE = 11,  /**< more pixels than it looks at */
	THUMBNAIL_IS_ORIGINAL =
		12, /**< the image is no larger than the thumbnail: it serves as its own */
};

#endif
