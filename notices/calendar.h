/**
 * Calendars: the events of an iCalendar file that begin in a span of time. Pure: nothing is fetched.
 *
 * What is shared: rules are those of notices (notices/recurrence.h), zones those of base/zone.h; a zone that the file defines itself
 * becomes one of these (notices/calendar_zone.h).
 * Spec: RFC 5545 (iCalendar), 3.6.1 (VEVENT), 3.6.5 (VTIMEZONE), 3.8.4.4 (RECURRENCE-ID), 3.8.5 (recurrence)
 */
#ifndef BELFRY_NOTICES_CALENDAR_H
#define BELFRY_NOTICES_CALENDAR_H

#include "base/ctx.h"
#include "base/zone.h"

enum {
	CALENDAR_MAX_BYTES = 8 * 1024 * 1024,
	CALENDAR_EVENTS_MAX = 50000,
	CALENDAR_ITEMS_MAX = 500, /**< the later ones are left out */
	CALENDAR_ID_MAX_BYTES = 1000,
	CALENDAR_TITLE_MAX_BYTES = 600,
	CALENDAR_TEXT_MAX_BYTES = 4000,
	CALENDAR_STEPS_MAX =
		1000000, /**< occurrences of rules that are looked at, all events together; see recurrence_cost() */
	CALENDAR_BROKEN_MAX = 20, /**< rules that never come; then no other rule is tried */
};

/** An occurrence of an event. Texts are valid UTF-8 without control characters (text: with line feeds); empty: none. */
struct calendar_item {
	struct str
		id; /**< its UID, of a repeated event with the moment at which it was meant to be; never empty */
	struct str title;
	struct str text;
	struct str location;
	bool is_cancelled;
	bool is_days;                /**< whole days */
	int64_t start_ms, end_ms;    /**< milliseconds since 1970; the end is not part of it */
	struct wall_time start, end; /**< the same on the zone's clock; of whole days the last one */
};

struct calendar {
	struct str title;
	struct calendar_item *items; /**< by start */
	size_t count;
	bool is_cut;         /**< there are more than CALENDAR_ITEMS_MAX */
	size_t event_count;  /**< of the whole file */
	size_t broken_count; /**< events that cannot be read, and are left out */
	struct str broken;   /**< what is wrong with the first of them */
};

/** Whether it may be one at all, by its first line; else it may be a feed. */
bool calendar_is_one(struct str bytes);

/**
 * Reads one, and finds what begins at from_ms <= start < to_ms, cancelled ones too.
 *
 * @param zone  of the clock on which days are days, times without zone are read, and items are shown
 * @param out   in the ctx's arena
 * Errors: INPUT M_TOO_LARGE; INPUT M_BAD_JSON: no calendar, wrong encoding, it ends in the middle, too many events or occurrences
 * Cost: about 15 ms a MiB, and 3 µs for each occurrence since the events' first ones; for each rule that never comes up to
 * half a second
 */
MUST_CHECK enum err calendar_read(struct ctx *ctx, struct str bytes, struct zone *zone,
	int64_t from_ms, int64_t to_ms, struct calendar *out);

#endif
