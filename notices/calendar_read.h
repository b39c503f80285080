/**
 * An iCalendar file as its components, texts as they stand in it. Inner to calendar. Pure.
 * Spec: RFC 5545, 3.1 (content lines), 3.3.11 (text)
 */
#ifndef BELFRY_NOTICES_CALENDAR_READ_H
#define BELFRY_NOTICES_CALENDAR_READ_H

#include "notices/calendar_zone.h"

/** A date, or a list of them, with the zone that it names; value.p == NULL: not given. */
struct calendar_stamp {
	struct str value;
	struct str zone; /**< TZID; empty: none */
};

/** A VEVENT. Texts are still escaped. */
struct calendar_vevent {
	struct str uid, title, text, location, status, duration, rule;
	struct calendar_stamp start, end, recurrence_id;
	VEC(struct calendar_stamp) dates;  /**< RDATE */
	VEC(struct calendar_stamp) except; /**< EXDATE */
	int64_t sequence;
};

struct calendar_file {
	struct str title;
	VEC(struct calendar_vevent) events;
	VEC(struct calendar_vtimezone) zones;
};

/**
 * Reads the lines.
 * @param out  in the ctx's arena, which has a copy of what is needed
 * Errors: as calendar_read()
 */
MUST_CHECK enum err calendar_file_read(struct ctx *ctx, struct str bytes,
	struct calendar_file *out);

/** A text without its escapes: "\\n" is a line feed. In the arena. */
struct str calendar_unescape(struct arena *arena, struct str text);

#endif
