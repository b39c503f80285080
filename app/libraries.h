/**
 * Libraries that are loaded when they are called (base/late.h): whether they are there, told when the server starts and not in the midst of a
 * request.
 */
#ifndef BELFRY_APP_LIBRARIES_H
#define BELFRY_APP_LIBRARIES_H

#include <sys/types.h>

#include "base/ctx.h"

/** Has a child look; before there are threads, and files that it should not have. @return the child */
pid_t libraries_begin(void);
/** What it came to. Errors: INTERNAL when one is missing, which the log names. */
MUST_CHECK enum err libraries_end(struct ctx *ctx, pid_t child);

#endif
