/**
 * The image of a preview. Inner to media/.
 */
#ifndef BELFRY_HOMESERVER_MEDIA_PREVIEW_IMAGE_H
#define BELFRY_HOMESERVER_MEDIA_PREVIEW_IMAGE_H

#include "homeserver/media/media.h"

struct preview_image {
	struct str uri;  /**< mxc://…; p == NULL: there is none */
	struct str type; /**< by its first bytes */
	int64_t size_bytes;
	int64_t width; /**< 0: not known */
	int64_t height;
};

/**
 * Fetches an image into the store, as a file of the user's. Only JPEG, PNG, GIF and WebP; whatever fails, there is none. The
 * ctx's fault may have been written.
 */
void preview_image_fetch(struct ctx *ctx, struct homeserver *hs, struct str url, struct str user_id,
	struct preview_image *out);

#endif
