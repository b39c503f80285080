/**
 * What a source of notices has that people have not been told: fetched, read, and compared with what is known. Nothing is changed.
 */
#ifndef BELFRY_NOTICES_SOURCE_LOOK_H
#define BELFRY_NOTICES_SOURCE_LOOK_H

#include "base/zone.h"
#include "homeserver/homeserver.h"
#include "storage/notice_source.h"

enum {
	SOURCE_AT_ONCE_MAX =
		20, /**< items that are posted of one answer; the rest follow a minute later */
};

/** What is needed for it. */
struct source_desk {
	struct db *db;
	struct http_client *client;
	const struct settings *settings;
	int64_t now_ms;
};

/** An item that was not known. */
struct source_find {
	struct notice_source_item_row item;
	struct str markdown;   /**< what is to be posted; p == NULL: it is only noted */
	int64_t expires_at_ms; /**< when nobody needs it any more; 0: never */
};

struct source_look {
	const char
		*kind; /**< "feed" or "calendar"; NULL: nothing was read, since nothing has changed */
	struct str title;
	struct source_find *finds; /**< in the order in which they are to be posted */
	size_t count;
	size_t item_count; /**< of all that is there; of a calendar, of the coming weeks */
	bool has_more;     /**< to be posted, beyond SOURCE_AT_ONCE_MAX */
	int64_t
		next_news_ms; /**< when the next event is to be announced; INT64_MAX: none of the coming weeks */
	struct str etag, modified;
	struct str body; /**< calendar to be kept; p == NULL: as it was */
	bool is_stale;   /**< it could not be asked: this is of the calendar that is kept */
	struct str
		problem; /**< what of it cannot be read, or why it could not be asked; p == NULL: nothing */
};

/**
 * @param source  as it is stored
 * @param out     in the ctx's arena
 * Errors: as source_fetch(), unless a calendar is kept; as feed_read() and calendar_read(); STORE.  Texts are for people
 * Cost: one request; of a feed one round trip, of a calendar up to three
 */
MUST_CHECK enum err source_look(struct ctx *ctx, const struct source_desk *desk,
	const struct notice_source_row *source, struct source_look *out);

/** A time of day, "07:00". @return false when it is none */
MUST_CHECK bool source_time_read(struct str text, struct wall_time *out);

#endif
