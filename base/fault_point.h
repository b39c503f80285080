/**
 * Named points at which tests make things fail: FAULT_POINT("media.write") is true when the
 * environment variable BELFRY_FAULTS names it (`name` or `name:N`, the N-th passing only, separated by commas). Nothing
 * remains of it in release builds (NDEBUG).
 */
#ifndef BELFRY_BASE_FAULT_POINT_H
#define BELFRY_BASE_FAULT_POINT_H

#include "base/defs.h"

#ifdef NDEBUG
#define FAULT_POINT(name) false
#else
/** Whether the place of this name is to fail now. Any thread; FAULT_POINT() asks, and costs nothing in a release build. */
bool fault_point_hit(const char *name);
#define FAULT_POINT(name) fault_point_hit(name)
#endif

#endif
