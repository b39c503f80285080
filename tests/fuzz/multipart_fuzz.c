/*
 * Multipart bodies: what is found lies inside, and the delimiter stands where it is said to.
 */
#include <string.h>

#include "http/multipart.h"

static void check_inside(struct str part, struct str whole)
{
	invariant(part.p == NULL || (part.p >= whole.p && part.p + part.n <= whole.p + whole.n));
}

/* The input: a Content-Type, a zero byte, a body. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct str input = str_dup(arena, str_from((const char *)data, size));
	struct str type;
	struct str body;
	struct str boundary;
	struct multipart_file file;
	if (!str_split(input, '\0', &type, &body) || !multipart_boundary(arena, type, &boundary)) {
		return 0;
	}
	invariant(boundary.n > 0 && boundary.n <= MULTIPART_BOUNDARY_MAX);
	size_t at = multipart_find_end(body, boundary);
	if (at != SIZE_MAX) {
		invariant(at + 4 + boundary.n <= body.n);
		invariant(memcmp(body.p + at, "\r\n--", 4) == 0);
	}
	if (multipart_read_head(body, boundary, &file)) {
		check_inside(file.content_type, body);
		check_inside(file.content_disposition, body);
		check_inside(file.location, body);
		invariant(file.begin >= 2 && file.begin <= body.n);
		invariant(memcmp(body.p + file.begin - 2, "\r\n", 2) == 0);
	}
	return 0;
}
