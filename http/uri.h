/**
 * Request targets: percent-decoding, path segments, query parameters. Pure; every byte is outsiders'.
 */
#ifndef BELFRY_HTTP_URI_H
#define BELFRY_HTTP_URI_H

#include "base/arena.h"
#include "base/str.h"

enum {
	URI_MAX_SEGMENTS = 24, /**< of a path; the longest template has fewer */
	URI_MAX_PAIRS = 1000,  /**< query parameters of one request */
};

struct uri_pair {
	struct str name;
	struct str value; /**< p is never NULL */
};

/** The path's segments, decoded. */
struct uri_path {
	struct str segments[URI_MAX_SEGMENTS];
	size_t n;
};

/**
 * Splits a target as received into path and query, without the '?'. An absolute target
 * ("http://host/path", as proxies send it) loses scheme and host.
 */
void uri_split_target(struct str target, struct str *out_path, struct str *out_query);

/**
 * Splits a raw path at its slashes, then decodes each segment, so that %2F stays inside its segment.
 *
 * @param raw      begins with '/'
 * @param scratch  room for raw.n bytes; segments view either `raw` or it, so both must live as long
 * @return         false for a bad escape, an escaped NUL, invalid UTF-8, too many segments, no '/'
 *                 at the start
 */
MUST_CHECK bool uri_parse_path(struct str raw, char *scratch, struct uri_path *out);

/**
 * Query parameters in order; '+' is a space. Values view `raw` or lie in the arena.
 * @return false for a bad escape, an escaped NUL, invalid UTF-8, too many parameters
 */
MUST_CHECK bool uri_parse_query(struct arena *arena, struct str raw, struct uri_pair **out,
	size_t *out_n);

enum { URI_MEMO_VALUES = 4, URI_MEMO_BYTES = 512 };

/**
 * Long values that were decoded lately, as they were and decoded: of a filter, which comes in escapes with each wait of each client, a comparison
 * and a copy are left. Zeroed: none. Not synchronised.
 */
struct uri_memo {
	struct {
		size_t raw_n;
		size_t n;
		char raw[URI_MEMO_BYTES];
		char text[URI_MEMO_BYTES];
	} values[URI_MEMO_VALUES];
	size_t next; /**< which is forgotten next */
};

/** uri_parse_query(), the same, with a memo. */
MUST_CHECK bool uri_parse_query_again(struct arena *arena, struct str raw, struct uri_memo *memo,
	struct uri_pair **out, size_t *out_n);

/** One component, decoded, in the arena. @return false for a bad escape, an escaped NUL, invalid UTF-8 */
MUST_CHECK bool uri_decode(struct arena *arena, struct str text, struct str *out);
/** A text as a component of an address: all but letters, digits and - . _ ~ as %XX; in the arena. */
struct str uri_encode(struct arena *arena, struct str text);

#endif
