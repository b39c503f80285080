/*
 * The machine's clocks.
 */
#include "base/clock.h"

#include <time.h>

static int64_t read_us(clockid_t id)
{
	struct timespec now = {0};
	int failed = clock_gettime(id, &now);
	invariant(failed == 0);
	return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static int64_t os_wall_ms(void *self)
{
	(void)self;
	return read_us(CLOCK_REALTIME) / 1000;
}

static int64_t os_mono_ms(void *self)
{
	(void)self;
	return clock_os_ms();
}

static int64_t os_about_ms(void *self)
{
	(void)self;
	return clock_mono_about_ms();
}

struct clock clock_os(void)
{
	return (struct clock){.wall_ms = os_wall_ms, .mono_ms = os_mono_ms, .about_ms = os_about_ms};
}

int64_t clock_wall_ms(const struct clock *clock)
{
	return clock->wall_ms(clock->self);
}

int64_t clock_mono_ms(const struct clock *clock)
{
	return clock->mono_ms(clock->self);
}

int64_t clock_about_ms(const struct clock *clock)
{
	return clock->about_ms(clock->self);
}

int64_t clock_os_ms(void)
{
	return read_us(CLOCK_MONOTONIC) / 1000;
}

int64_t clock_mono_about_ms(void)
{
	return read_us(CLOCK_MONOTONIC_COARSE) / 1000;
}

void clock_os_pause(int64_t ms)
{
	const struct timespec pause = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
	(void)nanosleep(&pause, NULL);
}

int64_t clock_mono_us(void)
{
	return read_us(CLOCK_MONOTONIC);
}
