/**
 * What stands before a handler: who asks, whether it asks too often, and whether it is its turn. Inner to http/.
 */
#ifndef BELFRY_HTTP_ADMISSION_H
#define BELFRY_HTTP_ADMISSION_H

#include "http/request.h"

/**
 * Settles it once for a request, however often its handler runs.
 * Errors: DEFER when only a worker can tell, or (on a worker) when the call was parked: it comes again; LIMIT M_LIMIT_EXCEEDED; what
 * the authentication port fails with
 */
MUST_CHECK enum err admission_check(struct call *call);

/** Who the caller is to limits: its user or homeserver, else its address; empty: exempt. Borrowed from the call. */
struct str admission_key(struct call *call);

#endif
