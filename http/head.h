/**
 * A request's head, where it is a plain one: what a client's next wait looks like. Pure; every byte is outsiders'. Inner to http/.
 *
 * Whatever is not plain is not judged here: libmicrohttpd reads it from the beginning, and refuses it if it has to be refused.
 */
#ifndef BELFRY_HTTP_HEAD_H
#define BELFRY_HTTP_HEAD_H

#include "base/str.h"

struct header {
	struct str name;
	struct str value;
};

enum { HEAD_MAX_HEADERS = 48 };

/** Views of the bytes that were read. */
struct head {
	struct str target; /**< begins with '/' */
	struct header headers[HEAD_MAX_HEADERS];
	size_t header_count;
};

/**
 * Reads a GET of HTTP/1.1 without a body, for a connection that goes on.
 *
 * @param bytes    all that has come
 * @param ceiling  libmicrohttpd's memory for a head (MHD_OPTION_CONNECTION_MEMORY_LIMIT): what might be too large for it is not plain
 * @return         false when it is not plain: unfinished, more behind it, a body, anything that could be read in two ways
 *
 * Cost: O(bytes), no allocation.
 */
MUST_CHECK bool head_read(struct str bytes, size_t ceiling, struct head *out);

#endif
