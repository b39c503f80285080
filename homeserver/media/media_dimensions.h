/**
 * Width and height of an image by its header, without decoding it. Pure.
 */
#ifndef BELFRY_HOMESERVER_MEDIA_MEDIA_DIMENSIONS_H
#define BELFRY_HOMESERVER_MEDIA_MEDIA_DIMENSIONS_H

#include "base/str.h"

/**
 * @param first_bytes  of a JPEG, PNG, GIF or WebP file; some KiB, since a JPEG says it late
 * @return false when they do not tell
 */
MUST_CHECK bool media_dimensions(struct str first_bytes, int64_t *out_width, int64_t *out_height);

#endif
