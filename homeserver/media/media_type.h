/**
 * Content types and file names of media: what is kept of them, and how they are told to clients. Pure.
 */
#ifndef BELFRY_HOMESERVER_MEDIA_MEDIA_TYPE_H
#define BELFRY_HOMESERVER_MEDIA_MEDIA_TYPE_H

#include "base/arena.h"
#include "base/str.h"

enum { MEDIA_TYPE_MAX_BYTES = 255, MEDIA_NAME_MAX_BYTES = 1024 };

/**
 * The image type that the first bytes of a file show, whatever its uploader says: JPEG, PNG, GIF or WebP, which are decoded
 * here; static.
 * @return p == NULL for all else
 */
struct str media_type_sniff(struct str first_bytes);
enum { MEDIA_SNIFF_BYTES = 16 };

/** The type that a file's name stands for by its end, for files of offices and cameras; static. @return p == NULL: unknown */
struct str media_type_of_name(struct str file_name);

/** What is served where nothing better is known. */
#define MEDIA_TYPE_UNKNOWN "application/octet-stream"

/**
 * A content type that can be kept and sent as a header: printable ASCII with a slash, ≤ 255 bytes.
 * @return p == NULL when it is not
 */
struct str media_type_clean(struct str content_type);

/**
 * Whether browsers may show it: the specification's list, whatever the letters' case and the parameters.
 * Spec: client-server API, "Serving inline content"
 */
bool media_type_is_inline(struct str content_type);

/**
 * "inline; filename=\"a.png\"", in the arena; a name beyond ASCII stands percent-encoded.
 * @param file_name  UTF-8; p == NULL: none is told
 * Spec: RFC 6266, RFC 8187
 */
struct str media_disposition(struct arena *arena, bool is_inline, struct str file_name);

#endif
