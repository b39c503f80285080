/**
 * The body of an answer that is a file with bytes around it (a part of a multipart body). Inner to http/.
 */
#ifndef BELFRY_HTTP_WRAPPED_FILE_H
#define BELFRY_HTTP_WRAPPED_FILE_H

#include <microhttpd.h>

#include "base/str.h"

/**
 * Reads the file piece by piece as it is sent, on the I/O thread.
 * @param fd  closed with the response
 * @param before, after  copied
 */
struct MHD_Response *wrapped_file_response(int fd, uint64_t size_bytes, struct str before,
	struct str after);

#endif
