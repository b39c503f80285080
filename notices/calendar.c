/*
 * Each event is looked at by itself; an occurrence that another VEVENT describes anew (RECURRENCE-ID) is left to that one.
 */
#include "notices/calendar.h"

#include <stdlib.h>

#include "base/map.h"
#include "matrix/errcode.h"
#include "notices/calendar_read.h"
#include "notices/feed.h"
#include "notices/notice_plain.h"
#include "notices/recurrence.h"

enum {
	YEAR_FIRST = 1900,
	YEAR_LAST = 2200,
	BROKEN_TEXT_MAX_BYTES = 300,
	DAYS_MAX = 400,           /* of one event */
	DURATION_MAX_DAYS = 1000, /* that is read at all */
	FOUND_MAX = 20000,        /* occurrences, before they are sorted */
};

#define DAY_MS (INT64_C(24) * 60 * 60 * 1000)
/* What a jump of the clock moved stands among what comes after it (notices/recurrence.h). */
#define OUT_OF_ORDER_MS (INT64_C(3) * 60 * 60 * 1000)

/* A date of the file, read. */
struct moment {
	struct wall_time wall; /* on the clock of `zone` */
	struct zone *zone;
	int64_t ms;
	bool is_day;
};

/* An event and its dates, read. */
struct event {
	const struct calendar_vevent *vevent;
	struct moment start;
	int64_t length_ms; /* of days: a multiple of DAY_MS, of days on the wall */
	struct str uid;
	bool has_texts;
	struct str title, text, location;
};

struct walk {
	struct ctx *ctx;
	struct calendar_zones zones;
	int64_t from_ms, to_ms;
	struct map latest; /* the VEVENT that counts, by UID and RECURRENCE-ID */
	VEC(struct calendar_item) items;
	struct map given; /* the ids of all items, and of those of broken events */
	struct calendar *out;
};

static void walk_fini(struct walk *walk)
{
	map_fini(&walk->latest);
	map_fini(&walk->given);
}

static enum err take_steps(struct walk *walk, size_t count)
{
	walk->zones.steps += count;
	return walk->zones.steps <= CALENDAR_STEPS_MAX
		? ERR_OK
		: fail(walk->ctx, ERR_LIMIT, M_TOO_LARGE,
			  "The calendar's rules have more than %d occurrences by now, or are as dear; let them start later",
			  (int)CALENDAR_STEPS_MAX);
}

/* --- dates ------------------------------------------------------------------------------------------------------- */

/* Errors: INPUT, text what is wrong */
static enum err read_moment(struct walk *walk, struct str value, struct str zone_id,
	struct moment *out)
{
	struct ctx *ctx = walk->ctx;
	bool is_utc;
	struct str period_end;
	(void)str_split(value, '/', &value, &period_end); /* of a period the start counts */
	if (!wall_time_read(value, &out->wall, &out->is_day, &is_utc) || out->wall.year < YEAR_FIRST ||
		out->wall.year > YEAR_LAST) {
		return fail(ctx, ERR_INPUT, M_BAD_JSON, "'%.*s' is no date", STR_ARG(value));
	}
	out->zone = is_utc ? walk->zones.utc : walk->zones.own;
	if (!is_utc && !out->is_day && zone_id.n > 0) {
		out->zone = calendar_zone_find(ctx, &walk->zones, zone_id);
	}
	if (out->zone == NULL) {
		return fail(ctx, ERR_INPUT, M_BAD_JSON,
			"its time zone '%.*s' is not known, and not defined in the calendar", STR_ARG(zone_id));
	}
	out->ms = zone_to_ms(out->zone, &out->wall);
	return ERR_OK;
}

/* As many days later as the wall shows. */
static struct wall_time add_days(struct walk *walk, const struct wall_time *wall, int64_t days)
{
	struct wall_time later;
	zone_to_wall(walk->zones.utc, zone_to_ms(walk->zones.utc, wall) + days * DAY_MS, &later);
	return later;
}

/* "P1D", "PT1H30M", "P2W". @return -1 when it is none */
static int64_t read_duration_ms(struct str text)
{
	int64_t ms = 0;
	int64_t number = 0;
	bool is_time = false;
	if (!str_starts_with(text, STR("P")) || text.n > 40) {
		return -1;
	}
	for (size_t i = 1; i < text.n; i++) {
		char c = text.p[i];
		int64_t unit_ms = c == 'W' ? 7 * DAY_MS
			: c == 'D'             ? DAY_MS
			: c == 'H'             ? DAY_MS / 24
			: c == 'M' && is_time  ? DAY_MS / 24 / 60
			: c == 'S'             ? 1000
								   : 0;
		if (c >= '0' && c <= '9') {
			number = MIN_OF(number * 10 + (c - '0'), INT64_C(1000000000));
		} else if (c == 'T') {
			is_time = true;
		} else if (unit_ms == 0) {
			return -1;
		} else {
			ms += number * unit_ms;
			number = 0;
		}
	}
	return ms <= DURATION_MAX_DAYS * DAY_MS ? ms : -1;
}

static enum err set_length(struct walk *walk, struct event *event)
{
	const struct calendar_vevent *vevent = event->vevent;
	struct moment end;
	event->length_ms = event->start.is_day ? DAY_MS : 0;
	if (vevent->end.value.p != NULL) {
		TRY(read_moment(walk, vevent->end.value, vevent->end.zone, &end));
		struct zone *utc = walk->zones.utc;
		event->length_ms = event->start.is_day
			? zone_to_ms(utc, &end.wall) - zone_to_ms(utc, &event->start.wall)
			: end.ms - event->start.ms;
	} else if (vevent->duration.n > 0) {
		event->length_ms = read_duration_ms(str_trim(vevent->duration));
	}
	if (event->length_ms < 0 || event->length_ms > DAYS_MAX * DAY_MS) {
		return fail(walk->ctx, ERR_INPUT, M_BAD_JSON,
			"it ends before it begins, or lasts too long");
	}
	if (event->start.is_day) {
		event->length_ms = MAX_OF(event->length_ms / DAY_MS * DAY_MS, DAY_MS);
	}
	return ERR_OK;
}

/* --- which VEVENT counts ----------------------------------------------------------------------------------------- */

static struct str uid_of(struct walk *walk, const struct calendar_vevent *vevent)
{
	struct arena *arena = walk->ctx->arena;
	struct str uid = notice_plain_line(arena, vevent->uid, CALENDAR_ID_MAX_BYTES - 40);
	return uid.n > 0
		? uid
		: notice_plain_line(arena,
			  str_printf(arena, "%.*s %.*s", STR_ARG(vevent->start.value), STR_ARG(vevent->title)),
			  CALENDAR_ID_MAX_BYTES - 40);
}

static struct str id_of(struct walk *walk, struct str uid, int64_t meant_ms)
{
	struct wall_time wall;
	zone_to_wall(walk->zones.utc, meant_ms, &wall);
	return str_printf(walk->ctx->arena, "%.*s %04d%02d%02dT%02d%02d%02dZ", STR_ARG(uid), wall.year,
		wall.month, wall.day, wall.hour, wall.minute, wall.second);
}

/* By which it is told from others: its UID, of a changed occurrence also which one that is. */
static enum err key_of(struct walk *walk, const struct calendar_vevent *vevent, struct str *out)
{
	struct moment meant;
	*out = uid_of(walk, vevent);
	if (vevent->recurrence_id.value.p != NULL) {
		TRY(read_moment(walk, vevent->recurrence_id.value, vevent->recurrence_id.zone, &meant));
		*out = id_of(walk, *out, meant.ms);
	}
	return ERR_OK;
}

static void note_broken(struct walk *walk, const struct calendar_vevent *vevent)
{
	struct ctx *ctx = walk->ctx;
	if (walk->out->broken_count++ == 0) {
		struct str title = calendar_unescape(ctx->arena, vevent->title);
		struct str text = str_printf(ctx->arena, "'%.*s': %.*s",
			STR_ARG(notice_plain_line(ctx->arena, title, 100)), STR_ARG(ctx->fault.text));
		walk->out->broken = notice_plain_line(ctx->arena, text, BROKEN_TEXT_MAX_BYTES);
	}
	ctx->fault = (struct fault){0};
}

/* The newest of those with one key, by SEQUENCE, else by place. */
static void find_latest(struct walk *walk, struct calendar_file *file)
{
	for (size_t i = 0; i < file->events.n; i++) {
		struct calendar_vevent *vevent = &file->events.p[i];
		struct str key;
		if (key_of(walk, vevent, &key) != ERR_OK) {
			note_broken(walk, vevent);
			continue;
		}
		const struct calendar_vevent *other = map_get(&walk->latest, key);
		if (other == NULL || other->sequence <= vevent->sequence) {
			(void)map_set(&walk->latest, key, vevent);
		}
	}
}

/* --- occurrences ------------------------------------------------------------------------------------------------- */

static struct str take_text(struct walk *walk, struct str text, size_t limit, bool is_line)
{
	struct arena *arena = walk->ctx->arena;
	struct str plain = calendar_unescape(arena, text);
	bool is_html = str_contains(plain, STR("</")) || str_contains(plain, STR("<br"));
	if (is_html && !is_line) {
		return feed_html_to_text(arena, plain, limit);
	}
	return is_line ? notice_plain_line(arena, plain, limit)
				   : notice_plain_lines(arena, plain, limit);
}

/* Once for all of its occurrences. */
static void take_texts(struct walk *walk, struct event *event)
{
	const struct calendar_vevent *vevent = event->vevent;
	if (!event->has_texts) {
		event->title = take_text(walk, vevent->title, CALENDAR_TITLE_MAX_BYTES, true);
		event->text = take_text(walk, vevent->text, CALENDAR_TEXT_MAX_BYTES, false);
		event->location = take_text(walk, vevent->location, CALENDAR_TITLE_MAX_BYTES, true);
		event->has_texts = true;
	}
}

static void add_item(struct walk *walk, struct event *event, struct str id, int64_t start_ms)
{
	const struct calendar_vevent *vevent = event->vevent;
	struct zone *own = walk->zones.own;
	if (start_ms < walk->from_ms || start_ms >= walk->to_ms) {
		return;
	}
	if (walk->items.n == FOUND_MAX) {
		walk->out->is_cut = true;
		return;
	}
	take_texts(walk, event);
	struct calendar_item item = {
		.id = id,
		.title = event->title,
		.text = event->text,
		.location = event->location,
		.is_cancelled = str_equals_nocase(str_trim(vevent->status), STR("CANCELLED")),
		.is_days = event->start.is_day,
		.start_ms = start_ms,
		.end_ms = start_ms + event->length_ms,
	};
	zone_to_wall(own, start_ms, &item.start);
	if (item.is_days) {
		int64_t days = event->length_ms / DAY_MS;
		struct wall_time after = add_days(walk, &item.start, days);
		item.end_ms = zone_to_ms(own, &after);
		item.end = add_days(walk, &item.start, days - 1);
	} else {
		zone_to_wall(own, item.end_ms, &item.end);
	}
	VEC_PUSH(walk->ctx->arena, &walk->items, item);
	(void)map_set(&walk->given, id, walk);
}

static enum err lists(struct walk *walk, const struct calendar_stamp *stamps, size_t count,
	int64_t ms, bool *out)
{
	*out = false;
	for (size_t i = 0; i < count && !*out; i++) {
		struct str list = stamps[i].value;
		while (list.n > 0 && !*out) {
			struct str date;
			struct moment moment;
			(void)str_split(list, ',', &date, &list);
			TRY(take_steps(walk, 1));
			TRY(read_moment(walk, date, stamps[i].zone, &moment));
			*out = moment.ms == ms;
		}
	}
	return ERR_OK;
}

/* One that its event's own dates or rule give. */
static enum err add_occurrence(struct walk *walk, struct event *event, int64_t ms)
{
	const struct calendar_vevent *vevent = event->vevent;
	bool is_left_out;
	if (ms < walk->from_ms || ms >= walk->to_ms) {
		return ERR_OK;
	}
	struct str id = id_of(walk, event->uid, ms);
	TRY(lists(walk, vevent->except.p, vevent->except.n, ms, &is_left_out));
	bool is_given = map_get(&walk->given, id) != NULL; /* by date and by rule */
	if (!is_left_out && !is_given && map_get(&walk->latest, id) == NULL) {
		add_item(walk, event, id, ms);
	}
	return ERR_OK;
}

static enum err add_dates(struct walk *walk, struct event *event)
{
	const struct calendar_vevent *vevent = event->vevent;
	for (size_t i = 0; i < vevent->dates.n; i++) {
		struct str list = vevent->dates.p[i].value;
		while (list.n > 0) {
			struct str date;
			struct moment moment;
			(void)str_split(list, ',', &date, &list);
			TRY(take_steps(walk, 1));
			TRY(read_moment(walk, date, vevent->dates.p[i].zone, &moment));
			TRY(add_occurrence(walk, event, moment.ms));
		}
	}
	return ERR_OK;
}

/* Its iterators end with the arena of `inner`. */
static enum err walk_rule(struct walk *walk, struct ctx *inner, struct event *event)
{
	struct recurrence *recurrence;
	struct wall_time wall;
	int64_t ms;
	struct str rule = str_trim(event->vevent->rule);
	struct wall_time start = calendar_rule_start(rule, event->start.wall);
	if (recurrence_open(inner, rule, &start, event->start.zone, &recurrence) != ERR_OK) {
		return fail(walk->ctx, ERR_INPUT, M_BAD_JSON, "%.*s", STR_ARG(inner->fault.text));
	}
	while (recurrence_step(recurrence, &wall, &ms) && ms < walk->to_ms + OUT_OF_ORDER_MS) {
		TRY(take_steps(walk, 1));
		TRY(add_occurrence(walk, event, ms));
	}
	return take_steps(walk, recurrence_cost(recurrence));
}

static enum err add_rule(struct walk *walk, struct event *event)
{
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct ctx inner;
	ctx_init(&inner, arena);
	if (event->vevent->rule.p == NULL) {
		return ERR_OK;
	}
	if (walk->out->broken_count >= CALENDAR_BROKEN_MAX) {
		return fail(walk->ctx, ERR_INPUT, M_BAD_JSON, "too many events before it are broken");
	}
	return walk_rule(walk, &inner, event);
}

static enum err add_event(struct walk *walk, const struct calendar_vevent *vevent, struct str key)
{
	struct event event = {.vevent = vevent, .uid = uid_of(walk, vevent)};
	bool is_repeated = vevent->rule.p != NULL || vevent->dates.n > 0;
	TRY(read_moment(walk, vevent->start.value, vevent->start.zone, &event.start));
	TRY(set_length(walk, &event));
	if (vevent->recurrence_id.value.p != NULL || !is_repeated) {
		add_item(walk, &event, key, event.start.ms);
		return ERR_OK;
	}
	/* The start is an occurrence whatever the rule says. */
	TRY(add_occurrence(walk, &event, event.start.ms));
	TRY(add_dates(walk, &event));
	return add_rule(walk, &event);
}

/* Of a broken event nothing is taken. Errors: LIMIT */
static enum err add_events(struct walk *walk, struct calendar_file *file)
{
	for (size_t i = 0; i < file->events.n; i++) {
		const struct calendar_vevent *vevent = &file->events.p[i];
		size_t before = walk->items.n;
		struct str key;
		if (key_of(walk, vevent, &key) != ERR_OK) {
			walk->ctx->fault = (struct fault){0}; /* noted already */
			continue;
		}
		if (map_get(&walk->latest, key) != vevent) {
			continue;
		}
		enum err err = add_event(walk, vevent, key);
		if (err == ERR_LIMIT) {
			return err;
		}
		if (err != ERR_OK) {
			walk->items.n = before;
			note_broken(walk, vevent);
		}
	}
	return ERR_OK;
}

static int by_start(const void *a, const void *b)
{
	const struct calendar_item *left = a;
	const struct calendar_item *right = b;
	return left->start_ms != right->start_ms ? (left->start_ms < right->start_ms ? -1 : 1)
											 : str_compare(left->id, right->id);
}

enum err calendar_read(struct ctx *ctx, struct str bytes, struct zone *zone, int64_t from_ms,
	int64_t to_ms, struct calendar *out)
{
	struct calendar_file file;
	struct walk walk CLEANUP(
		walk_fini) = {.ctx = ctx, .from_ms = from_ms, .to_ms = to_ms, .out = out};
	*out = (struct calendar){0};
	TRY(calendar_file_read(ctx, bytes, &file));
	walk.zones.own = zone;
	walk.zones.utc = zone_of_changes(ctx->arena, 0, NULL, 0);
	walk.zones.until_ms = to_ms + DAYS_MAX * DAY_MS;
	walk.zones.defined.p = file.zones.p;
	walk.zones.defined.n = file.zones.n;
	find_latest(&walk, &file);
	enum err err = add_events(&walk, &file);
	if (err == ERR_LIMIT) {
		ctx->fault.err = ERR_INPUT;
		return ERR_INPUT;
	}
	TRY(err);
	if (walk.items.n > 0) {
		qsort(walk.items.p, walk.items.n, sizeof(*walk.items.p), by_start);
	}
	out->title = take_text(&walk, file.title, CALENDAR_TITLE_MAX_BYTES, true);
	out->is_cut = out->is_cut || walk.items.n > CALENDAR_ITEMS_MAX;
	out->count = MIN_OF(walk.items.n, (size_t)CALENDAR_ITEMS_MAX);
	out->items = walk.items.p;
	out->event_count = file.events.n;
	return ERR_OK;
}
