/**
 * What a computation costs, however busy the machine is.
 */
#ifndef BELFRY_TESTS_SUPPORT_CPU_TIME_H
#define BELFRY_TESTS_SUPPORT_CPU_TIME_H

#include "base/defs.h"

#include <stdint.h>
#include <time.h>

/** Processor time of this process. */
MAYBE_UNUSED static int64_t cpu_time_us(void)
{
	struct timespec used;
	return clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used) == 0
		? (int64_t)used.tv_sec * 1000000 + used.tv_nsec / 1000
		: 0;
}

#endif
