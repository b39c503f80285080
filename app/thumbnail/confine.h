/**
 * What the thumbnail process gives up before it looks at an image.
 */
#ifndef BELFRY_APP_THUMBNAIL_CONFINE_H
#define BELFRY_APP_THUMBNAIL_CONFINE_H

#include "base/defs.h"

/** Bounds memory, processor time, size of what is written; closes every file but the standard ones. */
void confine_resources(void);

/**
 * From here on: reading and writing what is open, memory, threads, time. No opening of files, no sockets, no programs, no
 * other processes, no memory that can be run.
 * @return false when the kernel refuses
 */
MUST_CHECK bool confine_calls(void);

#endif
