/*
 * The name comes first, since the database of zones is newer than most files. A definition becomes a list of the clock's changes.
 */
#include "notices/calendar_zone.h"

#include <stdlib.h>

#include "notices/calendar.h"
#include "notices/recurrence.h"

enum {
	NAME_PARTS_MAX = 10,
	ZONES_MAX = 200,
	CHANGES_MAX = 2000,
	OFFSET_MAX_HOURS = 23,
	EARLY_YEAR = 1970,
	EARLY_LEAP_YEAR = 1972,
};

/* "Europe/Berlin", "/freeassociation.sourceforge.net/Europe/Berlin" */
static bool open_by_name(struct arena *arena, struct str id, struct zone **out)
{
	for (int i = 0; i < NAME_PARTS_MAX; i++) {
		if (zone_open(arena, id, out)) {
			return true;
		}
		struct str head;
		if (!str_split(id, '/', &head, &id)) {
			return false;
		}
	}
	return false;
}

/* "+0800", "-053730" */
static bool read_offset(struct str text, int64_t *out_ms)
{
	int64_t hours;
	int64_t minutes;
	int64_t seconds = 0;
	bool is_good = (text.n == 5 || text.n == 7) && (text.p[0] == '+' || text.p[0] == '-');
	/* "08" is a number here. */
	for (size_t i = 1; is_good && i < text.n; i++) {
		is_good = text.p[i] >= '0' && text.p[i] <= '9';
	}
	if (!is_good) {
		return false;
	}
	hours = (text.p[1] - '0') * 10 + (text.p[2] - '0');
	minutes = (text.p[3] - '0') * 10 + (text.p[4] - '0');
	if (text.n == 7) {
		seconds = (text.p[5] - '0') * 10 + (text.p[6] - '0');
	}
	int64_t ms = ((hours * 60 + minutes) * 60 + seconds) * 1000;
	*out_ms = text.p[0] == '-' ? -ms : ms;
	return hours <= OFFSET_MAX_HOURS && minutes < 60 && seconds < 60;
}

static bool comes_every_year(struct str rule)
{
	bool is_each = !str_contains(rule, STR("INTERVAL=")) ||
		str_contains(rule, STR("INTERVAL=1;")) || str_ends_with(rule, STR("INTERVAL=1"));
	return is_each && str_contains(rule, STR("FREQ=YEARLY")) && !str_contains(rule, STR("COUNT="));
}

struct wall_time calendar_rule_start(struct str rule, struct wall_time start)
{
	if (start.year < EARLY_YEAR && comes_every_year(rule)) {
		start.year = start.month == 2 && start.day == 29 ? EARLY_LEAP_YEAR : EARLY_YEAR;
	}
	return start;
}

/* The changes on the way to becoming a zone. */
struct changes {
	struct arena *arena;
	struct calendar_zones *zones;
	VEC(struct zone_change) found;
	struct zone *before; /* the clock as it is before a change of the observance */
	int64_t offset_ms;   /* after it */
};

static bool add_change(struct changes *changes, int64_t at_ms)
{
	const struct zone_change change = {.at_ms = at_ms, .offset_ms = changes->offset_ms};
	if (changes->found.n == CHANGES_MAX) {
		return false;
	}
	VEC_PUSH(changes->arena, &changes->found, change);
	return true;
}

static bool add_rule(struct ctx *ctx, struct changes *changes, struct str rule,
	struct wall_time start)
{
	struct recurrence *recurrence;
	struct wall_time wall;
	int64_t at_ms;
	start = calendar_rule_start(rule, start);
	if (recurrence_open(ctx, rule, &start, changes->before, &recurrence) != ERR_OK) {
		ctx->fault = (struct fault){0};
		return false;
	}
	while (recurrence_step(recurrence, &wall, &at_ms) && at_ms < changes->zones->until_ms) {
		if (++changes->zones->steps > CALENDAR_STEPS_MAX || !add_change(changes, at_ms)) {
			return false;
		}
	}
	changes->zones->steps += recurrence_cost(recurrence);
	return changes->zones->steps <= CALENDAR_STEPS_MAX;
}

static bool add_dates(struct changes *changes, struct str list)
{
	while (list.n > 0) {
		struct str date;
		struct wall_time wall;
		(void)str_split(list, ',', &date, &list);
		if (!wall_time_read(date, &wall, NULL, NULL) ||
			!add_change(changes, zone_to_ms(changes->before, &wall))) {
			return false;
		}
	}
	return true;
}

static bool add_observance(struct ctx *ctx, struct changes *changes,
	const struct calendar_observance *observance)
{
	struct wall_time start;
	int64_t before_ms;
	if (!read_offset(observance->from_offset, &before_ms) ||
		!read_offset(observance->to_offset, &changes->offset_ms) ||
		!wall_time_read(observance->start, &start, NULL, NULL)) {
		return false;
	}
	changes->before = zone_of_changes(changes->arena, before_ms, NULL, 0);
	bool is_good = add_change(changes, zone_to_ms(changes->before, &start)) &&
		(observance->rule.n == 0 || add_rule(ctx, changes, observance->rule, start));
	for (size_t i = 0; is_good && i < observance->dates.n; i++) {
		is_good = add_dates(changes, observance->dates.p[i]);
	}
	return is_good;
}

static int by_time(const void *a, const void *b)
{
	int64_t left = ((const struct zone_change *)a)->at_ms;
	int64_t right = ((const struct zone_change *)b)->at_ms;
	return left < right ? -1 : left > right;
}

static struct zone *open_defined(struct ctx *ctx, struct calendar_zones *zones,
	const struct calendar_vtimezone *defined)
{
	struct changes changes = {.arena = ctx->arena, .zones = zones};
	for (size_t i = 0; i < defined->observances.n; i++) {
		if (!add_observance(ctx, &changes, &defined->observances.p[i])) {
			return NULL;
		}
	}
	if (changes.found.n == 0) {
		return NULL;
	}
	qsort(changes.found.p, changes.found.n, sizeof(*changes.found.p), by_time);
	/* What was before the first of them is not said. */
	return zone_of_changes(ctx->arena, changes.found.p[0].offset_ms, changes.found.p,
		changes.found.n);
}

struct zone *calendar_zone_find(struct ctx *ctx, struct calendar_zones *zones, struct str id)
{
	struct calendar_known_zone new = {.id = id};
	for (size_t i = 0; i < zones->known.n; i++) {
		if (str_equals(zones->known.p[i].id, id)) {
			return zones->known.p[i].zone;
		}
	}
	if (zones->known.n == ZONES_MAX) {
		return NULL;
	}
	if (!open_by_name(ctx->arena, id, &new.zone)) {
		new.zone = NULL;
		for (size_t i = 0; new.zone == NULL &&i < zones->defined.n; i++) {
			if (str_equals(zones->defined.p[i].id, id)) {
				new.zone = open_defined(ctx, zones, &zones->defined.p[i]);
			}
		}
	}
	VEC_PUSH(ctx->arena, &zones->known, new);
	return new.zone;
}
