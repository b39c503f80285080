/*
 * Doubling, and a fifth of chance.
 */
#include "base/backoff.h"

enum { CHANCE_PART = 5 };

int64_t backoff_interval_ms(int64_t before_ms, int64_t first_ms, int64_t longest_ms)
{
	if (before_ms <= 0) {
		return first_ms;
	}
	return before_ms >= longest_ms / 2 ? longest_ms : MAX_OF(before_ms * 2, first_ms);
}

int64_t backoff_pause_ms(int64_t interval_ms, uint64_t chance)
{
	return interval_ms + (int64_t)(chance % (uint64_t)(interval_ms / CHANCE_PART + 1));
}

int64_t backoff_left_ms(int64_t until_ms, int64_t now_ms, int64_t interval_ms)
{
	int64_t left_ms = MAX_OF(until_ms - now_ms, (int64_t)0);
	return left_ms <= interval_ms + interval_ms / CHANCE_PART ? left_ms : 0;
}
