/**
 * Multipart bodies with two parts, as other servers send files: a description, then the file or where it lies. Pure; every
 * byte is outsiders'. The file itself is never looked at but for its end.
 * Spec: RFC 2046, 5.1; server-server API, "Content Repository"
 */
#ifndef BELFRY_HTTP_MULTIPART_H
#define BELFRY_HTTP_MULTIPART_H

#include "base/arena.h"
#include "base/str.h"

enum {
	MULTIPART_BOUNDARY_MAX = 70,
	/** The delimiter before a part's end: line break, two dashes, boundary. */
	MULTIPART_DELIMITER_MAX = MULTIPART_BOUNDARY_MAX + 4,
	MULTIPART_HEAD_MAX = 64 * 1024, /**< the first part, and the headers of the second */
};

/**
 * The boundary in a Content-Type header, which has to be of multipart/mixed.
 * @param out  in the arena or in `content_type`
 * @return false when there is none, or one that the RFC does not allow
 */
MUST_CHECK bool multipart_boundary(struct arena *arena, struct str content_type, struct str *out);

/** The second part. Texts view the head; p == NULL: no such header. */
struct multipart_file {
	struct str content_type;
	struct str content_disposition;
	struct str location;
	size_t begin; /**< offset of its content */
};

/**
 * Reads everything before the content of the second part.
 * @param head  the body's first bytes, up to MULTIPART_HEAD_MAX
 * @return false when the head is malformed, or does not reach so far
 */
MUST_CHECK bool multipart_read_head(struct str head, struct str boundary,
	struct multipart_file *out);

/**
 * Where the delimiter begins that ends a part.
 * @return SIZE_MAX when `bytes` do not hold all of it: its beginning may stand at the end, in up to
 *         MULTIPART_DELIMITER_MAX - 1 bytes
 */
size_t multipart_find_end(struct str bytes, struct str boundary);

#endif
