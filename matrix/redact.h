/**
 * The redaction algorithm of each room version.
 * Spec: rooms/v*, "Redactions"; client-server API, "Redactions"
 */
#ifndef BELFRY_MATRIX_REDACT_H
#define BELFRY_MATRIX_REDACT_H

#include "base/json.h"
#include "matrix/room_version.h"

/** A copy of the PDU (or client event) with only what the version keeps. Shares values with the original. */
struct json redact_event(struct arena *arena, const struct room_version *version,
	const struct json *event);

#endif
