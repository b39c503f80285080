/**
 * Canonical JSON.
 * Spec: appendices, "Canonical JSON"; rooms/v6, "Canonical JSON"
 */
#ifndef BELFRY_MATRIX_CANONICAL_H
#define BELFRY_MATRIX_CANONICAL_H

#include "base/buf.h"
#include "base/json.h"

/** Largest integer of strict canonical JSON, 2^53 − 1; the smallest is its negative. */
#define CANONICAL_INT_MAX INT64_C(9007199254740991)

/**
 * Writes the canonical form: keys sorted by code point, no spaces, shortest escapes. "-0" becomes 0, and
 * an integer of the strict range that is written with an exponent (1e10) is written out; every other
 * number that is no int64 is written as it stands, because that is what other servers hash in the
 * versions that allow it. Any nesting; does not recurse.
 */
void canonical_write(struct buf *out, const struct json *value);

/** The same into the arena. */
struct str canonical_text(struct arena *arena, const struct json *value);

/** Whether every number is an integer in ±(2^53−1) (what versions ≥ 6 enforce). */
bool canonical_is_strict(const struct json *value);

/** Whether arrays and objects are nested at most `levels` deep; a scalar has no level, `[]` has one. */
bool canonical_nests_at_most(const struct json *value, size_t levels);

#endif
