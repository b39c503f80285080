/**
 * Which part of a file a client asks for, by the headers of its request. Pure. Inner to http/.
 * Spec: RFC 9110, 13.1 (conditions) and 14 (ranges)
 */
#ifndef BELFRY_HTTP_RANGE_H
#define BELFRY_HTTP_RANGE_H

#include "base/str.h"

/** Headers of the request; p == NULL when absent. */
struct range_request {
	struct str range;         /**< Range */
	struct str if_range;      /**< If-Range */
	struct str if_none_match; /**< If-None-Match */
};

struct range {
	int status; /**< 200: all of it; 206: the part; 304: nothing, the client has it; 416: there is no such part */
	uint64_t begin; /**< for 206; also for 200: 0 and the size */
	uint64_t bytes;
};

/** Whether a client says so that it has what an etag stands for. @param if_none_match  p == NULL: it says nothing */
bool range_has_etag(struct str if_none_match, struct str etag);

/**
 * @param etag        the file's, with its quotes; p == NULL: it has none
 * @param size_bytes  of the file
 */
struct range range_choose(const struct range_request *request, struct str etag,
	uint64_t size_bytes);

#endif
