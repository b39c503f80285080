/*
 * Schedules: the input is start, zone, rule and a date that is left out, a line each. What is taken comes, in order.
 */
#include "notices/schedule.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct ctx ctx;
	struct schedule *schedule;
	struct str rest = str_from((const char *)data, size);
	struct str except;
	struct schedule_text text = {.except = &except};
	ctx_init(&ctx, arena);
	(void)str_split(rest, '\n', &text.start, &rest);
	(void)str_split(rest, '\n', &text.zone, &rest);
	(void)str_split(rest, '\n', &text.rule, &rest);
	text.except_count = str_split(rest, '\n', &except, &rest) ? 1 : 0;
	if (schedule_open(&ctx, &text, &schedule) != ERR_OK) {
		invariant(ctx.fault.text.n > 0);
		return 0;
	}
	int64_t at_ms = INT64_MIN;
	for (int i = 0; i < 3; i++) {
		int64_t next_ms;
		if (schedule_next(&ctx, schedule, at_ms, &next_ms) != ERR_OK || next_ms < 0) {
			invariant(i > 0);
			return 0;
		}
		invariant(next_ms > at_ms);
		at_ms = next_ms;
		(void)schedule_show(&ctx, schedule, at_ms);
	}
	return 0;
}
