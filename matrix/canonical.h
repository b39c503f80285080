/**
 * Canonical JSON.
 * Spec: appendices, "Canonical JSON"; rooms/v6, "Canonical JSON"
 */
#ifndef BELFRY_MATRIX_CANONICAL_H
#define BELFRY_MATRIX_CANONICAL_H

#include "base/buf.h"
#include "base/json.h"

/** Writes the canonical form: keys sorted by code point, no spaces, shortest escapes. Numbers that are no integers are written as they stand. */
void canonical_write(struct buf *out, const struct json *value);

/** The same into the arena. */
struct str canonical_text(struct arena *arena, const struct json *value);

/** Whether every number is an integer in ±(2^53−1) (what versions ≥ 6 enforce). */
bool canonical_is_strict(const struct json *value);

#endif
