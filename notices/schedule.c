/*
 * A schedule is walked from its start each time it is asked; a notice of many years has some thousand occurrences.
 */
#include "notices/schedule.h"

#include "matrix/errcode.h"

enum {
	/* An occurrence that a jump of the clock moved stands among those of the hours after it. */
	OUT_OF_ORDER_MS = 3 * 60 * 60 * 1000,
};

/* Something that is left out: a day, or one time of it. */
struct exception {
	struct wall_time wall;
	bool is_day;
};

struct schedule {
	struct zone *zone;
	struct wall_time start;
	int64_t start_ms;
	struct str rule;
	struct exception *except;
	size_t except_n;
};

static enum err read_start(struct ctx *ctx, const struct schedule_text *text,
	struct schedule *schedule)
{
	bool is_utc;
	struct zone *utc;
	if (!zone_open(ctx->arena, text->zone, &schedule->zone)) {
		return fail(ctx, ERR_INPUT, M_INVALID_PARAM,
			"There is no time zone '%.*s'; take a name such as Asia/Taipei", STR_ARG(text->zone));
	}
	if (!wall_time_read(text->start, &schedule->start, NULL, &is_utc)) {
		return fail(ctx, ERR_INPUT, M_INVALID_PARAM,
			"'%.*s' is no date with time; write it as 2026-11-30T07:00", STR_ARG(text->start));
	}
	if (is_utc) {
		invariant(zone_open(ctx->arena, STR("UTC"), &utc));
		schedule->start_ms = zone_to_ms(utc, &schedule->start);
		zone_to_wall(schedule->zone, schedule->start_ms, &schedule->start);
	} else {
		schedule->start_ms = zone_to_ms(schedule->zone, &schedule->start);
	}
	return ERR_OK;
}

static enum err read_except(struct ctx *ctx, const struct schedule_text *text,
	struct schedule *schedule)
{
	if (text->except_count > SCHEDULE_EXCEPT_MAX) {
		return fail(ctx, ERR_INPUT, M_INVALID_PARAM, "More than %d dates are left out",
			(int)SCHEDULE_EXCEPT_MAX);
	}
	schedule->except_n = text->except_count;
	schedule->except = ARENA_NEW_ARRAY(ctx->arena, struct exception, text->except_count);
	for (size_t i = 0; i < text->except_count; i++) {
		struct exception *exception = &schedule->except[i];
		if (!wall_time_read(text->except[i], &exception->wall, &exception->is_day, NULL)) {
			return fail(ctx, ERR_INPUT, M_INVALID_PARAM,
				"'%.*s' is no date that could be left out; write it as 2026-12-25",
				STR_ARG(text->except[i]));
		}
	}
	return ERR_OK;
}

enum err schedule_open(struct ctx *ctx, const struct schedule_text *text, struct schedule **out)
{
	struct schedule *schedule = ARENA_NEW(ctx->arena, struct schedule);
	int64_t first_ms;
	*schedule = (struct schedule){.rule = text->rule};
	TRY(read_start(ctx, text, schedule));
	TRY(read_except(ctx, text, schedule));
	TRY(schedule_next(ctx, schedule, INT64_MIN, &first_ms));
	if (first_ms < 0) {
		return fail(ctx, ERR_INPUT, M_INVALID_PARAM, "The rule never comes");
	}
	*out = schedule;
	return ERR_OK;
}

static bool is_left_out(const struct schedule *schedule, const struct wall_time *wall)
{
	struct wall_time day = *wall;
	day.hour = 0;
	day.minute = 0;
	day.second = 0;
	for (size_t i = 0; i < schedule->except_n; i++) {
		const struct exception *exception = &schedule->except[i];
		if (wall_time_compare(&exception->wall, exception->is_day ? &day : wall) == 0) {
			return true;
		}
	}
	return false;
}

static enum err walk_rule(struct ctx *ctx, const struct schedule *schedule, int64_t at_ms,
	struct schedule_moments *out)
{
	struct recurrence *recurrence;
	struct wall_time wall;
	int64_t found_ms;
	int64_t look_until_ms = INT64_MAX;
	TRY(recurrence_open(ctx, schedule->rule, &schedule->start, schedule->zone, &recurrence));
	for (size_t i = 0; recurrence_step(recurrence, &wall, &found_ms); i++) {
		if (i == SCHEDULE_STEPS_MAX) {
			return fail(ctx, ERR_INPUT, M_INVALID_PARAM,
				"The rule has more than %d occurrences by now; let it start later",
				(int)SCHEDULE_STEPS_MAX);
		}
		if (found_ms > look_until_ms) {
			break;
		}
		if (is_left_out(schedule, &wall)) {
			continue;
		}
		if (found_ms <= at_ms) {
			out->last_ms = MAX_OF(out->last_ms, found_ms);
		} else if (out->next_ms < 0 || found_ms < out->next_ms) {
			out->next_ms = found_ms;
			look_until_ms = found_ms + OUT_OF_ORDER_MS;
		}
	}
	return ERR_OK;
}

enum err schedule_around(struct ctx *ctx, struct schedule *schedule, int64_t at_ms,
	struct schedule_moments *out)
{
	*out = (struct schedule_moments){.last_ms = -1, .next_ms = -1};
	if (schedule->rule.p != NULL) {
		return walk_rule(ctx, schedule, at_ms, out);
	}
	if (!is_left_out(schedule, &schedule->start)) {
		*(schedule->start_ms > at_ms ? &out->next_ms : &out->last_ms) = schedule->start_ms;
	}
	return ERR_OK;
}

enum err schedule_next(struct ctx *ctx, struct schedule *schedule, int64_t after_ms,
	int64_t *out_ms)
{
	struct schedule_moments moments;
	TRY(schedule_around(ctx, schedule, after_ms, &moments));
	*out_ms = moments.next_ms;
	return ERR_OK;
}

struct str schedule_show(struct ctx *ctx, struct schedule *schedule, int64_t at_ms)
{
	struct wall_time wall;
	zone_to_wall(schedule->zone, at_ms, &wall);
	return str_printf(ctx->arena, "%04d-%02d-%02d %02d:%02d", wall.year, wall.month, wall.day,
		wall.hour, wall.minute);
}
