/**
 * Time zones of a calendar file: by their names, else by their definition in the file. Inner to calendar. Pure.
 * Spec: RFC 5545, 3.6.5 (VTIMEZONE)
 */
#ifndef BELFRY_NOTICES_CALENDAR_ZONE_H
#define BELFRY_NOTICES_CALENDAR_ZONE_H

#include "base/ctx.h"
#include "base/vec.h"
#include "base/zone.h"

/** STANDARD or DAYLIGHT: from its start, and whenever its rule comes, the clock is so far before UTC. Texts are the file's. */
struct calendar_observance {
	struct str start, rule, from_offset, to_offset;
	VEC(struct str) dates; /**< lists of RDATE */
};

struct calendar_vtimezone {
	struct str id;
	VEC(struct calendar_observance) observances;
};

/** One that was asked for. */
struct calendar_known_zone {
	struct str id;
	struct zone *zone; /**< NULL: there is none */
};

struct calendar_zones {
	struct zone *own; /**< of times without a zone */
	struct zone *utc;
	VEC(struct calendar_vtimezone) defined;
	VEC(struct calendar_known_zone) known;
	int64_t until_ms; /**< changes of clocks beyond do not matter */
	size_t
		steps; /**< occurrences of rules that were looked at, those of events too, and what else rules cost */
};

/**
 * A zone by its TZID: a name of the IANA database, also behind a path, else as the file defines it.
 * @return NULL when there is none, or its definition is wrong
 */
struct zone *calendar_zone_find(struct ctx *ctx, struct calendar_zones *zones, struct str id);

/**
 * The start that a rule is to be walked from: rules of long ago that come every year begin in 1970, which is early enough.
 * Of others it stays.
 */
struct wall_time calendar_rule_start(struct str rule, struct wall_time start);

#endif
