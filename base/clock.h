/**
 * Wall and monotonic time, behind a struct so that tests decide them.
 */
#ifndef BELFRY_BASE_CLOCK_H
#define BELFRY_BASE_CLOCK_H

#include "base/defs.h"

struct clock {
	int64_t (*wall_ms)(void *self);  /**< milliseconds since 1970 */
	int64_t (*mono_ms)(void *self);  /**< milliseconds of a clock that never jumps */
	int64_t (*about_ms)(void *self); /**< the same, some milliseconds late */
	void *self;
};

/** The machine's clocks. */
struct clock clock_os(void);

/** Milliseconds since 1970; jumps when somebody sets the clock. */
int64_t clock_wall_ms(const struct clock *clock);
/** Milliseconds since some moment; never jumps. Good for differences, in this process alone. */
int64_t clock_mono_ms(const struct clock *clock);
/** The same, some milliseconds late, for an eighth of the time: for when something was used last, and deadlines of seconds. */
int64_t clock_about_ms(const struct clock *clock);
/** What clock_mono_ms() says of the machine's clock: for deadlines, where no test decides the time. */
int64_t clock_os_ms(void);
/** What clock_about_ms() says of the machine's clock. */
int64_t clock_mono_about_ms(void);
/** The thread rests for so long; less where a signal comes. */
void clock_os_pause(int64_t ms);
/** Monotonic microseconds of the machine's clock, for measuring. */
int64_t clock_mono_us(void);

#endif
