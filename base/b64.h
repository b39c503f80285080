/**
 * Base64. Matrix uses the unpadded standard alphabet, and the URL-safe one for event ids.
 * Spec: appendices, "Unpadded Base64"
 */
#ifndef BELFRY_BASE_B64_H
#define BELFRY_BASE_B64_H

#include "base/arena.h"
#include "base/str.h"

/** Unpadded, standard alphabet (+ and /). */
struct str b64_encode(struct arena *arena, struct str bytes);
/** Unpadded, URL-safe alphabet (- and _). */
struct str b64_encode_url(struct arena *arena, struct str bytes);
/**
 * Takes either alphabet, with or without padding.
 * @return false for any other byte or an impossible length
 */
MUST_CHECK bool b64_decode(struct arena *arena, struct str text, struct str *out);
/** Whether a text is just what b64_encode() makes of `size_bytes` bytes, which are written to `out`. What else it decodes to may have been written too. */
MUST_CHECK bool b64_decode_exact(struct str text, char *out, size_t size_bytes);

#endif
