/**
 * Values of headers with parameters: `type; name=value; name="quoted value"`. Pure; every byte is outsiders'.
 * Spec: RFC 9110, 5.6.6
 */
#ifndef BELFRY_HTTP_HEADER_VALUE_H
#define BELFRY_HTTP_HEADER_VALUE_H

#include "base/arena.h"
#include "base/str.h"

/**
 * Takes the next parameter.
 * @param rest  what stands behind the first semicolon; what is left of it
 * @param value  without its quotes; in the arena or in `rest`
 * @return false at the end, or where it is malformed
 */
MUST_CHECK bool header_parameter(struct arena *arena, struct str *rest, struct str *name,
	struct str *value);

/**
 * The file name in a Content-Disposition, in the arena: of `filename*` in UTF-8, else of `filename`; without folders.
 * @return p == NULL when there is none that is UTF-8 without control characters
 * Spec: RFC 6266, RFC 8187
 */
struct str header_file_name(struct arena *arena, struct str disposition);

#endif
