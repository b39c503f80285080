/**
 * Detours of outgoing requests: where to connect instead of the host and port that a URL or an SRV record names. The Host header
 * and the name that the certificate must have stay as they are.
 */
#ifndef BELFRY_HTTP_DETOUR_H
#define BELFRY_HTTP_DETOUR_H

#include "base/str.h"

struct detour {
	struct str host; /**< without brackets */
	uint16_t port;
	struct str to_host; /**< without brackets */
	uint16_t to_port;
};

/** "school.example:443=10.0.0.5:8443"; IPv6 addresses in brackets. Views the text. @return false when it is not that */
MUST_CHECK bool detour_parse(struct str text, struct detour *out);

/** The one for a host and port, which compare without case; NULL: none. */
const struct detour *detour_find(const struct detour *detours, size_t count, struct str host,
	uint16_t port);

#endif
