/**
 * A request that has come whole, where it is a plain one: what a client's next wait or message looks like. Pure; every byte is outsiders'. Inner to http/.
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
	struct str method; /**< static: GET, or with a body POST or PUT */
	struct str target; /**< begins with '/' */
	struct str rest;   /**< all behind the request line, but for the body */
	struct str body;   /**< n == 0 with GET */
	struct header headers[HEAD_MAX_HEADERS];
	size_t header_count;
};

/**
 * Reads a request of HTTP/1.1 for a connection that goes on: a GET without a body, or a POST or PUT with the body that its Content-Length promises.
 *
 * @param bytes    all that has come
 * @param ceiling  libmicrohttpd's memory for a head (MHD_OPTION_CONNECTION_MEMORY_LIMIT): what might be too large for it is not plain
 * @return         false when it is not plain: unfinished, more behind it, anything that could be read in two ways
 *
 * Cost: O(bytes), no allocation.
 */
MUST_CHECK bool head_read(struct str bytes, size_t ceiling, struct head *out);

/**
 * Reads a GET whose bytes behind the request line are those of a GET that was read before: its headers are the same.
 *
 * @param rest          of that head
 * @param header_count  likewise
 * @param out_target    a view of the bytes that were read
 * @return              false when it is another one, or not plain
 *
 * Cost: O(bytes), a comparison.
 */
MUST_CHECK bool head_read_again(struct str bytes, size_t ceiling, struct str rest,
	size_t header_count, struct str *out_target);

#endif
